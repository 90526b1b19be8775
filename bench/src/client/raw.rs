//! A response without frames: each message ends with its line.

use std::io;

use super::head::Head;
use super::transport::{message, unexpected};
use crate::message::Label;

/// One subscriber of a raw stream.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    is_open: bool,
}

impl Raw {
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn decode(&mut self, input: &[u8], messages: &mut Vec<Label>) -> io::Result<usize> {
        let mut used = 0;
        if !self.is_open {
            let Some(head) = Head::read(input)? else { return Ok(0) };
            if head.status != 200 {
                return Err(unexpected(head.status));
            }
            used = head.length;
            self.is_open = true;
        }
        let text = &input[used..];
        for end in memchr::memchr_iter(b'\n', text) {
            messages.push(message(&input[used..])?);
            used = input.len() - text.len() + end + 1;
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{decode_in_pieces, numbers};

    #[test]
    fn each_line_is_a_message() {
        let response = b"HTTP/1.1 200 OK\r\n\r\n00000001.00000000.xx\n00000001.00000001.\n";
        for piece in [1, 9, response.len()] {
            let mut decoder = Raw::default();
            let (messages, _) =
                decode_in_pieces(response, piece, |input, _, messages| decoder.decode(input, messages));
            assert_eq!(numbers(&messages), [(1, 0), (1, 1)]);
        }
    }
}
