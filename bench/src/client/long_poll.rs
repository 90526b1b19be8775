//! Long-polling: one request, one message, and the next request behind it.

use std::io;

use super::head::Head;
use super::transport::{message, unexpected};
use crate::message::Label;

/// One subscriber by long-polling.
#[derive(Debug)]
pub(crate) struct LongPoll {
    /// Request line and headers that are always the same.
    request: Box<[u8]>,
}

impl LongPoll {
    pub(super) fn new(request: &str) -> Self {
        Self { request: request.as_bytes().into() }
    }

    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        messages: &mut Vec<Label>,
    ) -> io::Result<usize> {
        let mut used = 0;
        while used < input.len() {
            let Some(head) = Head::read(&input[used..])? else { break };
            if head.status != 200 {
                return Err(unexpected(head.status));
            }
            let Some(response) = input[used..].get(..head.end()?) else { break };
            messages.push(message(&response[head.length..])?);
            self.ask(&head, output);
            used += response.len();
        }
        Ok(used)
    }

    /// Asks for the message behind the one that came with `head`.
    fn ask(&self, head: &Head<'_>, output: &mut Vec<u8>) {
        let parts: [&[u8]; 6] = [
            &self.request,
            b"If-Modified-Since: ",
            head.last_modified,
            b"\r\nIf-None-Match: ",
            head.etag,
            b"\r\n\r\n",
        ];
        parts.into_iter().for_each(|part| output.extend_from_slice(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{decode_in_pieces, numbers};

    const RESPONSES: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nLast-Modified: A\r\nEtag: 0\r\n\r\n\
        00000003.00000000.xxHTTP/1.1 200 OK\r\nContent-Length: 18\r\nLast-Modified: B\r\nEtag: 1\r\n\r\n\
        00000003.00000001.";

    #[test]
    fn each_message_is_followed_by_the_next_request() {
        for piece in [1, 7, RESPONSES.len()] {
            let mut decoder = LongPoll::new("GET /s HTTP/1.1\r\n");
            let (messages, output) = decode_in_pieces(RESPONSES, piece, |input, output, messages| {
                decoder.decode(input, output, messages)
            });
            assert_eq!(numbers(&messages), [(3, 0), (3, 1)]);
            let request = |time, tag| {
                format!("GET /s HTTP/1.1\r\nIf-Modified-Since: {time}\r\nIf-None-Match: {tag}\r\n\r\n")
            };
            assert_eq!(String::from_utf8_lossy(&output), request("A", 0) + &request("B", 1));
        }
    }

    #[test]
    fn other_answers_are_errors() {
        let mut decoder = LongPoll::new("");
        for response in ["HTTP/1.1 408 Late\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"] {
            assert!(decoder.decode(response.as_bytes(), &mut Vec::new(), &mut Vec::new()).is_err());
        }
    }
}
