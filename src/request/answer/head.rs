//! Writes the head of an answer.

use bytes::Bytes;

use super::super::pages::Phrases;
use super::rendered::Framed;

/// Room for a head, and the body of an answer that tells of a channel.
const USUAL_HEAD: usize = 512;

/// The longest body that is copied behind its head.
pub(super) const SMALL: usize = 4096;

/// A head being written.
pub(super) struct Head(pub(super) Vec<u8>);

impl Head {
    /// One that begins with this status.
    pub(super) fn new(status: u16, phrases: Phrases) -> Self {
        let mut bytes = Vec::with_capacity(USUAL_HEAD);
        bytes.extend_from_slice(b"HTTP/1.1 ");
        bytes.extend([status / 100, status / 10, status].map(|part| b'0' + (part % 10) as u8));
        bytes.push(b' ');
        bytes.extend_from_slice(phrases.of(status).as_bytes());
        bytes.extend_from_slice(b"\r\n");
        Self(bytes)
    }

    /// One that begins with what a server behind said: the status and its reason.
    pub(super) fn with_line(line: &[u8]) -> Self {
        Self([b"HTTP/1.1 ", line, b"\r\n"].concat())
    }

    /// Line ends inside a value would start a header of somebody else's making: they become blanks.
    #[inline]
    pub(super) fn line(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        if memchr::memchr3(b'\r', b'\n', 0, value).is_none() {
            self.0.extend_from_slice(value);
        } else {
            let blank = |byte: &u8| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte };
            self.0.extend(value.iter().map(blank));
        }
        self.0.extend_from_slice(b"\r\n");
    }

    /// A header that is a number.
    pub(super) fn number(&mut self, name: &str, value: impl itoa::Integer) {
        self.line(name, itoa::Buffer::new().format(value));
    }

    /// The head, with a body that is small, the length of the head, and a body that is not.
    pub(super) fn finish_with(mut self, body: Framed) -> (Bytes, usize, Option<Framed>) {
        self.0.extend_from_slice(b"\r\n");
        let length = self.0.len();
        let apart = match body {
            Framed::Whole(body) if body.len() <= SMALL => {
                self.0.extend_from_slice(&body);
                None
            }
            body => Some(body),
        };
        (self.0.into(), length, apart)
    }

    /// The head, with its empty line.
    pub(super) fn finish(mut self) -> Bytes {
        self.0.extend_from_slice(b"\r\n");
        self.0.into()
    }
}
