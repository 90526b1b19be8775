//! Where a subscriber stands in its channels, as Nchan writes it: `TIME:TAG`, and for several channels
//! `TIME:TAG,[TAG],-`.

use smallvec::{SmallVec, smallvec};

use crate::store::{Message, Position};

/// Longest id that is read from places of the configuration's choice, in bytes, as in Nchan.
const MOST: usize = 128;

/// A position in one or several channels. Messages of earlier seconds are seen; of this one, those up to the tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The second of the last message.
    time: i64,
    /// Per channel, in the order of the request: the number of its last message within that second, if it had one.
    tags: SmallVec<[Option<u64>; 1]>,
    /// The channel of the last message.
    current: usize,
}

impl Cursor {
    /// For a message of the only channel.
    pub fn of(message: &Message) -> Self {
        Self::of_id(message.id())
    }

    /// The same, by the message's id.
    pub fn of_id((time, tag): (i64, u64)) -> Self {
        Self { time, tags: SmallVec::from_buf([Some(tag)]), current: 0 }
    }

    /// The position before everything: `0:0`.
    pub fn start(channels: usize) -> Self {
        Self { time: 0, tags: smallvec![Some(0); channels.max(1)], current: 0 }
    }

    /// The newest messages of channels, as far as they have any.
    pub fn of_last(last: &[Option<(i64, u64)>]) -> Self {
        let Some((time, tag)) = last.iter().flatten().max().copied() else { return Self::start(last.len()) };
        let tags = last.iter().map(|last| last.filter(|last| last.0 == time).map(|last| last.1)).collect();
        let current = last.iter().position(|last| *last == Some((time, tag))).unwrap_or(0);
        Self { time, tags, current }
    }

    /// Moves on to a message of channel `channel`.
    pub fn advance(&mut self, channel: usize, message: &Message) {
        let (time, tag) = message.id();
        if time != self.time {
            self.tags.fill(None);
        }
        self.time = time;
        self.current = channel;
        if let Some(slot) = self.tags.get_mut(channel) {
            *slot = Some(tag);
        }
    }

    /// The second of the last message: `Last-Modified`.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The numbers within the second: `Etag`.
    pub fn tags(&self) -> String {
        let mut text = String::new();
        self.write_tags(&mut text);
        text
    }

    /// Both: `TIME:TAGS`.
    pub fn whole(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    /// Writes both.
    pub fn write(&self, text: &mut String) {
        text.push_str(itoa::Buffer::new().format(self.time));
        text.push(':');
        self.write_tags(text);
    }

    /// The last message's is marked where there are several.
    fn write_tags(&self, text: &mut String) {
        let alone = self.tags.len() == 1;
        for (channel, tag) in self.tags.iter().enumerate() {
            if channel > 0 {
                text.push(',');
            }
            let is_marked = !alone && channel == self.current;
            let mut number = itoa::Buffer::new();
            match tag.or(alone.then_some(0)).map(|tag| number.format(tag)) {
                Some(tag) if is_marked => text.extend(["[", tag, "]"]),
                Some(tag) => text.push_str(tag),
                None => text.push('-'),
            }
        }
    }

    /// What is left to see of channel `channel`.
    pub fn position(&self, channel: usize) -> Position {
        let tag = self.tags.get(channel).copied().flatten();
        Position::AfterId { second: self.time, tag }
    }

    /// Reads the tags of an `If-None-Match`. Quotes, `W/` and other junk count for nothing.
    ///
    /// # Errors
    /// For several of which none is marked as the last message's.
    pub fn from_parts(time: i64, tags: &[u8]) -> Result<Self, Broken> {
        // Most clients send what they were given.
        if let Some(tag) = std::str::from_utf8(tags).ok().and_then(|tags| tags.parse().ok()) {
            return Ok(Self::of_id((time, tag)));
        }
        let alone = !tags.contains(&b',');
        let pieces = || tags.split(|byte| *byte == b',');
        let marked = pieces().position(|piece| piece.contains(&b'['));
        let current = marked.or(alone.then_some(0)).ok_or(Broken)?;
        Ok(Self { time, tags: pieces().map(|piece| read_tag(piece, alone)).collect(), current })
    }

    /// Reads `TIME:TAGS`; `None` for what is no id at all (no colon, or too long).
    ///
    /// # Errors
    /// For one that is broken.
    pub fn read(id: &[u8]) -> Option<Result<Self, Broken>> {
        let colon = id.iter().position(|byte| *byte == b':').filter(|_| id.len() <= MOST)?;
        let (time, tags) = (id[..colon].trim_ascii(), id[colon + 1..].trim_ascii());
        let time = std::str::from_utf8(time).ok().filter(|time| !time.starts_with('+'));
        let time = time.and_then(|time| time.parse::<i64>().ok());
        Some(time.filter(|time| *time >= 0).ok_or(Broken).and_then(|time| Self::from_parts(time, tags)))
    }

    /// The same for so many channels: of those it does not name, nothing is seen of its second.
    #[must_use]
    pub fn padded(&self, channels: usize) -> Self {
        let mut tags = self.tags.clone();
        tags.resize(channels.max(1), None);
        Self { tags, ..*self }
    }
}

/// A message id that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// A tag among junk; `-` is none, also before a number. A tag without any number is that of the first message, where
/// it is the only one.
fn read_tag(piece: &[u8], alone: bool) -> Option<u64> {
    if piece.trim_ascii().starts_with(b"-") {
        return None;
    }
    let append = |number: Option<u64>, digit: &u8| {
        let number = number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        Some(Some(number))
    };
    let mut digits = piece.iter().filter(|byte| byte.is_ascii_digit());
    digits.try_fold(None, append).flatten().or(alone.then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: &str) -> Option<Result<String, Broken>> {
        Cursor::read(id.as_bytes()).map(|cursor| cursor.map(|cursor| cursor.whole()))
    }

    #[test]
    fn ids_are_written_as_they_were_read() {
        for id in ["1795412640:0", "1:7", "1795412640:[0],-", "1795412640:0,[1]", "1:[1],0,-"] {
            assert_eq!(read(id), Some(Ok(id.to_owned())), "{id}");
        }
    }

    #[test]
    fn what_is_no_id_is_ignored_and_what_is_broken_is_an_error() {
        for id in ["", "1", "abc", &format!("1:{}", "1".repeat(200))] {
            assert_eq!(read(id), None, "{id}");
        }
        for id in ["a:1", ":1", "-1:0", "+1:0", "1:0,0", "1:-,-"] {
            assert_eq!(read(id), Some(Err(Broken)), "{id}");
        }
    }

    #[test]
    fn junk_around_tags_counts_for_nothing() {
        for tags in ["3", "\"3\"", "W/\"3\"", "[3]", " 3 "] {
            assert_eq!(Cursor::from_parts(1, tags.as_bytes()).unwrap().tags(), "3", "{tags}");
        }
        for tags in ["", "abc", "*", "\"\""] {
            assert_eq!(Cursor::from_parts(1, tags.as_bytes()).unwrap().tags(), "0", "{tags}");
        }
    }

    #[test]
    fn positions_are_per_channel() {
        let cursor = Cursor::from_parts(9, b"2,-,[0]").unwrap();
        let after = |tag| Position::AfterId { second: 9, tag };
        assert_eq!(
            [0, 1, 2, 3].map(|channel| cursor.position(channel)),
            [after(Some(2)), after(None), after(Some(0)), after(None)]
        );
    }
}
