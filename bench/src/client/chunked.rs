//! A response in chunks, of which each is a message.

use std::io;

use super::chunks;
use super::head::Head;
use super::transport::{message, unexpected};
use crate::message::Label;

/// One subscriber of a chunked response.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    is_open: bool,
}

impl Chunked {
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn decode(&mut self, input: &[u8], messages: &mut Vec<Label>) -> io::Result<usize> {
        let mut used = 0;
        if !self.is_open {
            let Some(head) = Head::read(input)? else { return Ok(0) };
            if head.status != 200 || !head.is_chunked {
                return Err(unexpected(head.status));
            }
            used = head.length;
            self.is_open = true;
        }
        let body = chunks::read(&input[used..], |data| {
            messages.push(message(data)?);
            Ok(())
        })?;
        Ok(used + body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{decode_in_pieces, numbers};

    #[test]
    fn each_chunk_is_a_message() {
        let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            14\r\n00000001.00000000.xx\r\n12\r\n00000001.00000001.\r\n";
        for piece in [1, 9, response.len()] {
            let mut decoder = Chunked::default();
            let (messages, _) =
                decode_in_pieces(response, piece, |input, _, messages| decoder.decode(input, messages));
            assert_eq!(numbers(&messages), [(1, 0), (1, 1)]);
        }
    }
}
