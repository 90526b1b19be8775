//! WebSocket: frames of a server.

use std::io;

use super::head::Head;
use super::transport::{message, unexpected};
use crate::message::Label;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The last frame of its message.
const FINAL: u8 = 0x80;

/// One subscriber by WebSocket.
#[derive(Debug, Default)]
pub(crate) struct WebSocket {
    is_open: bool,
}

/// A frame without a mask, which servers do not use.
struct Frame<'a> {
    first_byte: u8,
    payload: &'a [u8],
    /// Bytes of the frame.
    length: usize,
}

impl WebSocket {
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        messages: &mut Vec<Label>,
    ) -> io::Result<usize> {
        let mut used = 0;
        if !self.is_open {
            let Some(head) = Head::read(input)? else { return Ok(0) };
            if head.status != 101 {
                return Err(unexpected(head.status));
            }
            used = head.length;
            self.is_open = true;
        }
        while let Some(frame) = Frame::read(&input[used..]) {
            used += frame.length;
            match frame.first_byte ^ FINAL {
                TEXT | BINARY => messages.push(message(frame.payload)?),
                PING => write_pong(frame.payload, output),
                PONG => {}
                CLOSE => return Err(io::Error::other("the server closed a WebSocket")),
                _ => return Err(io::Error::other("a frame that is no whole message")),
            }
        }
        Ok(used)
    }
}

impl<'a> Frame<'a> {
    /// `None` if `bytes` end within the frame.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let [first_byte, length, rest @ ..] = bytes else { return None };
        let (size, payload) = match length {
            126 => rest.split_first_chunk().map(|(size, rest)| (u64::from(u16::from_be_bytes(*size)), rest)),
            127 => rest.split_first_chunk().map(|(size, rest)| (u64::from_be_bytes(*size), rest)),
            size => Some((u64::from(*size), rest)),
        }?;
        let head = bytes.len() - payload.len();
        let payload = payload.get(..usize::try_from(size).ok()?)?;
        Some(Self { first_byte: *first_byte, payload, length: head + payload.len() })
    }
}

/// A client's frame has a mask; this one is all zeros.
fn write_pong(payload: &[u8], output: &mut Vec<u8>) {
    let length = u8::try_from(payload.len().min(125)).unwrap_or_default();
    output.extend_from_slice(&[FINAL | PONG, 0x80 | length, 0, 0, 0, 0]);
    output.extend_from_slice(&payload[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{decode_in_pieces, numbers};
    use crate::message::Message;

    fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first_byte];
        match payload.len() {
            length @ ..126 => frame.push(u8::try_from(length).expect("short")),
            length @ 126..65536 => {
                frame.push(126);
                frame.extend_from_slice(&u16::try_from(length).expect("not long").to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend_from_slice(&u64::try_from(length).expect("long").to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_of_all_lengths_are_messages_and_pings_are_answered() {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        for (sequence, size) in [(0, 20), (1, 200), (2, 70_000)] {
            let mut body = Vec::new();
            Message { channel: 4, sequence }.write(size, &mut body);
            stream.extend(frame(FINAL | TEXT, &body));
            stream.extend(frame(FINAL | PING, b"yes?"));
        }
        for piece in [11, 4096, stream.len()] {
            let mut decoder = WebSocket::default();
            let (messages, output) = decode_in_pieces(&stream, piece, |input, output, messages| {
                decoder.decode(input, output, messages)
            });
            assert_eq!(numbers(&messages), [(4, 0), (4, 1), (4, 2)]);
            assert_eq!(output, b"\x8a\x84\0\0\0\0yes?".repeat(3));
        }
    }

    #[test]
    fn a_close_is_an_error() {
        let mut decoder = WebSocket { is_open: true };
        let close = frame(FINAL | CLOSE, b"");
        assert!(decoder.decode(&close, &mut Vec::new(), &mut Vec::new()).is_err());
    }
}
