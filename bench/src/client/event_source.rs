//! EventSource: lines, and an empty one behind each message.

use std::io;

use super::chunks;
use super::head::Head;
use super::transport::{message, unexpected};
use crate::message::Label;

/// One subscriber by EventSource.
#[derive(Debug, Default)]
pub(crate) struct EventSource {
    body: Option<Body>,
    lines: Lines,
}

/// Whole lines, as they come.
#[derive(Debug, Default)]
struct Lines {
    /// Bytes of the line that is not whole yet, which need not be searched for its end again.
    searched: usize,
    /// The message of the lines since the last empty one.
    event: Option<Label>,
}

/// How the lines come.
#[derive(Debug)]
enum Body {
    Plain,
    /// In chunks that need not end where lines do.
    Chunked(Vec<u8>),
}

impl EventSource {
    pub(super) fn is_open(&self) -> bool {
        self.body.is_some()
    }

    pub(super) fn decode(&mut self, input: &[u8], messages: &mut Vec<Label>) -> io::Result<usize> {
        let mut used = 0;
        if self.body.is_none() {
            let Some(head) = Head::read(input)? else { return Ok(0) };
            if head.status != 200 {
                return Err(unexpected(head.status));
            }
            used = head.length;
            self.body = Some(if head.is_chunked { Body::Chunked(Vec::new()) } else { Body::Plain });
        }
        let rest = &input[used..];
        match &mut self.body {
            Some(Body::Chunked(text)) => {
                used += chunks::read(rest, |data| {
                    text.extend_from_slice(data);
                    Ok(())
                })?;
                let lines = self.lines.read(text, messages)?;
                text.drain(..lines);
            }
            _ => used += self.lines.read(rest, messages)?,
        }
        Ok(used)
    }
}

impl Lines {
    /// Reads all whole lines, and returns their length. The rest comes again, with more behind it.
    fn read(&mut self, text: &[u8], messages: &mut Vec<Label>) -> io::Result<usize> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &text[self.searched..]) {
            let end = self.searched + end;
            let line = &text[start..end];
            match line.strip_suffix(b"\r").unwrap_or(line) {
                [] => messages.extend(self.event.take()),
                line => {
                    if let Some(data) = line.strip_prefix(b"data:") {
                        self.event = Some(message(data.strip_prefix(b" ").unwrap_or(data))?);
                    }
                }
            }
            start = end + 1;
        }
        self.searched = text.len() - start;
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{decode_in_pieces, numbers};

    const LINES: &str =
        ": hi\n\nid: 1:0\ndata: 00000001.00000000.xx\n\nid: 1:1\r\ndata:00000001.00000001.\r\n\r\n";

    #[track_caller]
    fn check(response: &str) {
        for piece in [1, 5, response.len()] {
            let mut decoder = EventSource::default();
            let (messages, _) = decode_in_pieces(response.as_bytes(), piece, |input, _, messages| {
                decoder.decode(input, messages)
            });
            assert_eq!(numbers(&messages), [(1, 0), (1, 1)], "in pieces of {piece}");
        }
    }

    #[test]
    fn a_message_ends_with_an_empty_line() {
        check(&format!("HTTP/1.1 200 OK\r\n\r\n{LINES}"));
    }

    #[test]
    fn lines_may_come_in_chunks() {
        let (first, second) = LINES.split_at(30);
        check(&format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n",
            first.len(),
            second.len()
        ));
    }
}
