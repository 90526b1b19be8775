//! A response of many parts, of which each is a message.

use std::io;

use memchr::memmem;

use super::head::Head;
use super::transport::{message, unexpected};
use crate::message::Label;

/// One subscriber of a multipart response.
#[derive(Debug, Default)]
pub(crate) struct Multipart {
    /// What stands before the first part and behind each, with two hyphens before it.
    delimiter: Vec<u8>,
}

impl Multipart {
    pub(super) fn is_open(&self) -> bool {
        !self.delimiter.is_empty()
    }

    pub(super) fn decode(&mut self, input: &[u8], messages: &mut Vec<Label>) -> io::Result<usize> {
        let mut used = 0;
        if !self.is_open() {
            let Some(head) = Head::read(input)? else { return Ok(0) };
            if head.status != 200 {
                return Err(unexpected(head.status));
            }
            let boundary =
                boundary(head.content_type).ok_or_else(|| io::Error::other("a body without boundary"))?;
            self.delimiter = [b"--", boundary].concat();
            used = head.length;
        }
        while let Some(end) = memmem::find(&input[used..], &self.delimiter) {
            let part = &input[used..][..end];
            // Before the first delimiter is nothing.
            if let Some(head) = memmem::find(part, b"\r\n\r\n") {
                messages.push(message(&part[head + 4..])?);
            }
            used += end + self.delimiter.len();
        }
        Ok(used)
    }
}

fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"boundary=";
    let start = memmem::find(content_type, NAME)? + NAME.len();
    let value = content_type[start..].split(|byte| *byte == b';').next()?;
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{decode_in_pieces, numbers};

    #[test]
    fn each_part_is_a_message() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\n\
            Etag: 0\r\n\r\n00000001.00000000.xx\r\n--abc\r\n\r\n00000001.00000001.\r\n--abc";
        for piece in [1, 9, response.len()] {
            let mut decoder = Multipart::default();
            let (messages, _) =
                decode_in_pieces(response, piece, |input, _, messages| decoder.decode(input, messages));
            assert_eq!(numbers(&messages), [(1, 0), (1, 1)]);
        }
    }

    #[test]
    fn a_boundary_may_be_quoted() {
        assert_eq!(boundary(b"multipart/mixed; boundary=\"a b\"; x=1"), Some(&b"a b"[..]));
        assert_eq!(boundary(b"multipart/mixed"), None);
    }
}
