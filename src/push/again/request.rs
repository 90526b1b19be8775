//! A request, as far as it is looked at here.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};
use std::sync::OnceLock;

use super::super::validators::Validators;

/// A request that may be one that was made before.
#[derive(Debug)]
pub struct Request<'a> {
    /// All of it.
    pub(super) bytes: &'a [u8],
    /// Of its head without arguments and what it has of its own; keyed, so that nobody can make two that have the same.
    pub(super) digest: u64,
    pub(super) arguments: &'a [u8],
    pub(super) own: Own<'a>,
    /// `Content-Length`.
    pub(super) length: Option<usize>,
    /// How many lines its head has.
    pub(super) lines: usize,
    pub(super) body: &'a [u8],
}

/// What each request has of its own in its headers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own<'a> {
    pub(super) validators: Validators<'a>,
    /// `Sec-WebSocket-Key`.
    pub(super) socket_key: Option<&'a [u8]>,
    /// The digits of `Content-Length`.
    pub(super) length: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// `None` for what does not begin with a whole head, or is unusual.
    pub fn read(request: &'a [u8]) -> Option<Self> {
        let mut hasher = hasher();
        let (line, mut rest) = next_line(request)?;
        let (target, version) = line.split_at(line.iter().rposition(|byte| *byte == b' ')?);
        if !matches!(version, b" HTTP/1.1\r" | b" HTTP/1.0\r") {
            return None;
        }
        let mark = target.iter().position(|byte| *byte == b'?').map(|mark| mark + 1);
        let (path, arguments) = target.split_at(mark.unwrap_or(target.len()));
        hasher.write(path);
        let (mut own, mut lines) = (Own::default(), 1);
        // Lines that count and stand side by side are hashed at once, the first with the version.
        let mut alike = &request[target.len()..];
        loop {
            let (line, after) = next_line(rest)?;
            // What ends otherwise is for those who know what to make of it.
            if !line.ends_with(b"\r") {
                return None;
            }
            let before = &alike[..alike.len() - rest.len()];
            rest = after;
            match line {
                b"\r" => {
                    hasher.write(before);
                    break;
                }
                // Goes on with the line before.
                [b' ' | b'\t', ..] => return None,
                _ => lines += 1,
            }
            if own.take(line)? {
                hasher.write(before);
                alike = after;
            }
        }
        let length = match own.length {
            Some(digits) => Some(number(digits)?),
            None => None,
        };
        Some(Self { bytes: request, digest: hasher.finish(), arguments, own, length, lines, body: rest })
    }

    /// The bytes of its head, with the empty line, and its lines without that.
    pub fn size_of_head(&self) -> (usize, usize) {
        (self.bytes.len() - self.body.len(), self.lines)
    }

    /// How many bytes of its body are missing; `None` if there is something behind it.
    pub fn missing(&self) -> Option<usize> {
        self.length.unwrap_or(0).checked_sub(self.body.len())
    }

    /// The digest with that of the arguments. No head is like any arguments, so the two do not cancel each other out.
    pub(super) fn whole(&self) -> u64 {
        let mut hasher = hasher();
        hasher.write(self.arguments);
        self.digest ^ hasher.finish()
    }
}

impl<'a> Own<'a> {
    /// Takes a header line if it is a part of this, and tells whether it was. `None` where there are two of one, or bytes that no
    /// header has.
    fn take(&mut self, line: &'a [u8]) -> Option<bool> {
        let validators = &mut self.validators;
        let (slot, value) = match line.first()? {
            b'c' | b'C' => (&mut self.length, value_of(line, "Content-Length:")),
            b'l' | b'L' => (&mut validators.event_id, value_of(line, "Last-Event-ID:")),
            b's' | b'S' => (&mut self.socket_key, value_of(line, "Sec-WebSocket-Key:")),
            b'i' | b'I' => match value_of(line, "If-Modified-Since:") {
                Some(since) => (&mut validators.since, Some(since)),
                None => (&mut validators.tag, value_of(line, "If-None-Match:")),
            },
            _ => return Some(false),
        };
        let Some(value) = value else { return Some(false) };
        (slot.replace(value).is_none() && is_clean(value)).then_some(true)
    }
}

pub(super) fn hasher() -> DefaultHasher {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::new).build_hasher()
}

/// A line without its line feed, and what follows.
fn next_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Digits and nothing else.
pub(super) fn number(digits: &[u8]) -> Option<usize> {
    let append = |number: usize, byte: &u8| {
        number
            .checked_mul(10)?
            .checked_add(usize::from(byte.wrapping_sub(b'0')))
            .filter(|_| byte.is_ascii_digit())
    };
    digits.iter().try_fold(0, append).filter(|_| !digits.is_empty())
}

/// The value of a header line that has this name, which ends in a colon.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    // Nearly all write it as we do.
    let is_it = start == name.as_bytes() || start.eq_ignore_ascii_case(name.as_bytes());
    Some(trim(rest.strip_suffix(b"\r").filter(|_| is_it)?))
}

/// Without the spaces around it: tabs are no blanks to nginx.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = value {
        value = rest;
    }
    value
}

/// Whether it has only bytes that the value of a header has.
pub(super) fn is_clean(value: &[u8]) -> bool {
    // Without an early end it takes many at a time.
    !value.iter().fold(false, |found, byte| found | byte.is_ascii_control())
}
