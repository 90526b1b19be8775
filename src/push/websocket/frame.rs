//! Frames: writing the server's, reading the client's.

use bytes::Bytes;

use super::deflate::Inflater;

/// Longest payload of a control frame (RFC 6455, 5.5).
const MOST_CONTROL: usize = 125;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message, put together and decompressed.
    Message {
        /// Sent as binary rather than text; text is valid UTF-8.
        binary: bool,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// To be answered with a pong of the same payload.
    Ping(Vec<u8>),
    /// An answer to a ping, or nothing of importance.
    Pong,
    /// The client closes: code and reason, if it gave any.
    Close(Option<(u16, Vec<u8>)>),
}

/// A client broke the protocol or a limit: what to close with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The status code (RFC 6455, 7.4.1).
    pub code: u16,
    /// For people.
    pub reason: &'static str,
}

const fn violation<T>(code: u16, reason: &'static str) -> Result<T, Violation> {
    Err(Violation { code, reason })
}

/// Reads a client's frames. Holds nothing between two messages but what of the next frame has come.
#[derive(Debug)]
pub struct Decoder {
    input: Vec<u8>,
    partial: Option<Box<Partial>>,
    /// Longest message that is taken, in bytes; decompressed ones count by what they become.
    limit: usize,
    inflater: Option<Box<Inflater>>,
}

/// A message whose last fragment has yet to come.
#[derive(Debug)]
struct Partial {
    binary: bool,
    compressed: bool,
    payload: Vec<u8>,
}

/// The beginning of a frame.
struct Header {
    last: bool,
    rsv1: bool,
    opcode: u8,
    /// Length of the header itself.
    length: usize,
    payload: usize,
    mask: [u8; 4],
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

impl Decoder {
    /// For messages of up to `limit` bytes; with `inflater`, they may be compressed.
    pub fn new(limit: usize, inflater: Option<Inflater>) -> Self {
        Self { input: Vec::new(), partial: None, limit, inflater: inflater.map(Box::new) }
    }

    /// Takes bytes from the client.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// What the bytes so far amount to; `None` when more have to come.
    ///
    /// # Errors
    /// How to close a connection that breaks the rules. Nothing sensible follows.
    pub fn decode(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let end = header.length + header.payload;
            if self.input.len() < end {
                return Ok(None);
            }
            let mut payload = self.input[header.length..end].to_vec();
            self.input.drain(..end);
            if self.input.is_empty() {
                // A socket that waits shall not keep the buffer of its last frame.
                self.input = Vec::new();
            }
            payload.iter_mut().zip(header.mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            let incoming = match header.opcode {
                CLOSE => Some(close(payload)?),
                PING => Some(Incoming::Ping(payload)),
                PONG => Some(Incoming::Pong),
                _ => self.fragment(&header, payload)?,
            };
            if incoming.is_some() {
                return Ok(incoming);
            }
        }
    }

    /// Reads and judges the next frame's header, once all of it is there.
    fn header(&self) -> Result<Option<Header>, Violation> {
        let [first, second, rest @ ..] = &self.input[..] else { return Ok(None) };
        let (last, rsv1, opcode) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x0f);
        if first & 0x30 != 0 || (rsv1 && (self.inflater.is_none() || !matches!(opcode, TEXT | BINARY))) {
            return violation(1002, "reserved bits");
        }
        if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
            return violation(1002, "unknown opcode");
        }
        if second & 0x80 == 0 {
            return violation(1002, "unmasked frame");
        }
        let (extended, short) = match second & 0x7f {
            126 => (2, None),
            127 => (8, None),
            length => (0, Some(u64::from(length))),
        };
        if opcode >= CLOSE && (extended > 0 || !last) {
            return violation(1002, "long or fragmented control frame");
        }
        let Some((length, mask)) = rest.split_at_checked(extended) else { return Ok(None) };
        let Some(mask) = mask.first_chunk::<4>() else { return Ok(None) };
        let wide = length.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        if wide >> 63 != 0 {
            return violation(1002, "length of more than 63 bits");
        }
        let room =
            self.limit.saturating_sub(self.partial.as_ref().map_or(0, |partial| partial.payload.len()));
        let payload = usize::try_from(short.unwrap_or(wide)).unwrap_or(usize::MAX);
        if opcode < CLOSE && payload > room {
            return violation(1009, "message too big");
        }
        Ok(Some(Header { last, rsv1, opcode, length: 2 + extended + 4, payload, mask: *mask }))
    }

    /// Adds a data frame to its message; returns the message with the last one.
    fn fragment(&mut self, header: &Header, payload: Vec<u8>) -> Result<Option<Incoming>, Violation> {
        let mut partial = match (self.partial.take(), header.opcode) {
            (None, CONTINUATION) => return violation(1002, "continuation of nothing"),
            (Some(_), TEXT | BINARY) => return violation(1002, "message inside of a message"),
            (None, opcode) => {
                Box::new(Partial { binary: opcode == BINARY, compressed: header.rsv1, payload: Vec::new() })
            }
            (Some(partial), _) => partial,
        };
        if partial.payload.is_empty() {
            partial.payload = payload;
        } else {
            partial.payload.extend_from_slice(&payload);
        }
        if !header.last {
            self.partial = Some(partial);
            return Ok(None);
        }
        let Partial { binary, compressed, mut payload } = *partial;
        if let (true, Some(inflater)) = (compressed, &mut self.inflater) {
            payload = inflater.inflate(&payload, self.limit)?;
        }
        if !binary && std::str::from_utf8(&payload).is_err() {
            return violation(1007, "invalid UTF-8");
        }
        Ok(Some(Incoming::Message { binary, payload }))
    }
}

/// Reads the payload of a close frame.
fn close(payload: Vec<u8>) -> Result<Incoming, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(Incoming::Close(None))
        } else {
            violation(1002, "half a close code")
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return violation(1002, "invalid close code");
    }
    if std::str::from_utf8(reason).is_err() {
        return violation(1007, "invalid UTF-8");
    }
    Ok(Incoming::Close(Some((code, reason.to_vec()))))
}

// === the server's frames ===

/// A whole message in one frame, with what stands in front of its body.
pub fn message(binary: bool, prefix: &[u8], body: &[u8]) -> Bytes {
    let opcode = if binary { BINARY } else { TEXT };
    write(opcode, &[prefix, body])
}

/// A compressed message in one frame.
pub fn compressed(binary: bool, deflated: &[&[u8]]) -> Bytes {
    const RSV1: u8 = 0x40;
    write(RSV1 | if binary { BINARY } else { TEXT }, deflated)
}

/// A ping without payload.
pub fn ping() -> Bytes {
    write(PING, &[])
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Bytes {
    write(PONG, &[&payload[..payload.len().min(MOST_CONTROL)]])
}

/// A close frame; a reason that does not fit is cut.
pub fn close_with(code: u16, reason: &[u8]) -> Bytes {
    let code = code.to_be_bytes();
    let mut most = reason.len().min(MOST_CONTROL - code.len());
    // Between characters.
    while most < reason.len() && most > 0 && reason[most] & 0xc0 == 0x80 {
        most -= 1;
    }
    write(CLOSE, &[&code, &reason[..most]])
}

/// A close frame that says nothing.
pub fn close_bare() -> Bytes {
    write(CLOSE, &[])
}

fn write(opcode: u8, parts: &[&[u8]]) -> Bytes {
    const LAST: u8 = 0x80;
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = Vec::with_capacity(length + 10);
    frame.push(LAST | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| frame.extend_from_slice(part));
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::super::deflate::{Deflate, deflate};
    use super::*;
    use crate::config::model::DeflateConf;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// A client's frame: first byte, payload.
    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let plain = write(0, &[payload]);
        let head = plain.len() - payload.len();
        let mut frame = plain[..head].to_vec();
        (frame[0], frame[1]) = (first, frame[1] | 0x80);
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// Everything the frames amount to, when they come in pieces of `step` bytes.
    fn decode(frames: &[Vec<u8>], step: usize, compressed: bool) -> Result<Vec<Incoming>, Violation> {
        let inflater = compressed.then(|| Inflater::new(Deflate { client_no_context_takeover: false }));
        let mut decoder = Decoder::new(70_000, inflater);
        let mut all = Vec::new();
        for piece in frames.concat().chunks(step) {
            decoder.feed(piece);
            while let Some(incoming) = decoder.decode()? {
                all.push(incoming);
            }
        }
        Ok(all)
    }

    fn text(payload: &str) -> Incoming {
        Incoming::Message { binary: false, payload: payload.into() }
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let long = "x".repeat(66_000);
        let medium = "é".repeat(100);
        let frames = [
            client(0x81, b"one"),
            client(0x01, b"t"),
            client(0x89, b"are you there"),
            client(0x00, b"w"),
            client(0x80, b"o"),
            client(0x82, &[0xff, 0]),
            client(0x81, medium.as_bytes()),
            client(0x81, long.as_bytes()),
            client(0x81, b""),
            client(0x8a, b""),
            client(0x88, b"\x03\xe8bye"),
        ];
        let expected = vec![
            text("one"),
            Incoming::Ping(b"are you there".to_vec()),
            text("two"),
            Incoming::Message { binary: true, payload: vec![0xff, 0] },
            text(&medium),
            text(&long),
            text(""),
            Incoming::Pong,
            Incoming::Close(Some((1000, b"bye".to_vec()))),
        ];
        for step in [1, 2, 3, 7, 1000, usize::MAX] {
            assert_eq!(decode(&frames, step, false).as_ref(), Ok(&expected), "in steps of {step}");
        }
    }

    #[test]
    fn what_breaks_the_protocol_has_its_code() {
        let unmasked = vec![0x81, 1, b'a'];
        let cases: Vec<(u16, Vec<Vec<u8>>)> = vec![
            (1002, vec![unmasked]),
            (1002, vec![client(0xc1, b"a")]),
            (1002, vec![client(0xa1, b"a")]),
            (1002, vec![client(0x91, b"a")]),
            (1002, vec![client(0x83, b"a")]),
            (1002, vec![client(0x8b, b"a")]),
            (1002, vec![client(0x09, b"a")]),
            (1002, vec![client(0x89, &[b'a'; 126])]),
            (1002, vec![client(0x80, b"a")]),
            (1002, vec![client(0x01, b"a"), client(0x81, b"b")]),
            (1002, vec![client(0x88, b"\x03")]),
            (1002, vec![client(0x88, b"\x03\xed")]),
            (1002, vec![client(0x88, b"\x00\x00")]),
            (1007, vec![client(0x88, b"\x03\xe8\xff")]),
            (1007, vec![client(0x81, b"\xff")]),
            (1007, vec![client(0x01, b"\xc3"), client(0x80, b"x")]),
            (1009, vec![client(0x81, &[b'a'; 70_001])]),
            (1009, vec![client(0x01, &[b'a'; 40_000]), client(0x80, &[b'a'; 40_000])]),
        ];
        for (code, frames) in cases {
            let start: Vec<u8> = frames.concat().into_iter().take(12).collect();
            assert_eq!(decode(&frames, 4096, false).map_err(|v| v.code), Err(code), "{start:02x?}");
        }
    }

    #[test]
    fn characters_may_be_cut_by_fragments() {
        let frames = [client(0x01, b"\xc3"), client(0x80, b"\xa9")];
        assert_eq!(decode(&frames, 1, false), Ok(vec![text("é")]));
    }

    #[test]
    fn compressed_messages_are_read_with_and_without_fragments() {
        let conf = DeflateConf { level: 6, window: 15, memlevel: 8 };
        let body = deflate(b"hello hello hello hello hello", conf);
        let (first, second) = body.split_at(4);
        let frames = [client(0xc1, &body), client(0x41, first), client(0x80, second), client(0xc1, &[0])];
        let hello = "hello hello hello hello hello";
        assert_eq!(decode(&frames, 3, true), Ok(vec![text(hello), text(hello), text("")]));
        let bomb = deflate(&vec![0; 1 << 20], conf);
        assert_eq!(decode(&[client(0xc2, &bomb)], 4096, true).map_err(|v| v.code), Err(1009));
        assert_eq!(decode(&[client(0xc1, b"\xff\xff")], 4096, true).map_err(|v| v.code), Err(1007));
    }

    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(message(false, b"", &vec![b'a'; length]).len(), head + length);
        }
        assert_eq!(message(true, b"a", b"b"), &b"\x82\x02ab"[..]);
        assert_eq!(compressed(false, &[b"a"]), &b"\xc1\x01a"[..]);
        assert_eq!(close_with(1001, "é".repeat(90).as_bytes()).len(), 2 + 2 + 122);
    }
}
