//! How a subscriber gets its messages.

use std::fmt;
use std::io;

use super::chunked::Chunked;
use super::event_source::EventSource;
use super::long_poll::LongPoll;
use super::multipart::Multipart;
use super::raw::Raw;
use super::websocket::WebSocket;
use crate::message::Label;

/// A kind of subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    LongPoll,
    EventSource,
    WebSocket,
    Chunked,
    Multipart,
    Raw,
}

/// Reads what comes over one subscriber's connection.
#[derive(Debug)]
pub(crate) enum Decoder {
    LongPoll(LongPoll),
    EventSource(EventSource),
    WebSocket(WebSocket),
    Chunked(Chunked),
    Multipart(Multipart),
    Raw(Raw),
}

impl Transport {
    /// Headers that ask for it.
    fn headers(self) -> &'static str {
        match self {
            Self::LongPoll | Self::Raw => "",
            Self::EventSource => "Accept: text/event-stream\r\n",
            Self::Chunked => "TE: chunked\r\n",
            Self::Multipart => "Accept: multipart/mixed\r\n",
            Self::WebSocket => {
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
        }
    }

    /// Asks by `request`, a request line and headers without the empty line behind them.
    pub(super) fn write_request(self, request: &str, output: &mut Vec<u8>) {
        for part in [request, self.headers(), "\r\n"] {
            output.extend_from_slice(part.as_bytes());
        }
    }

    /// What reads the answers to `request`, and writes further ones like it.
    pub(super) fn decoder(self, request: &str) -> Decoder {
        match self {
            Self::LongPoll => Decoder::LongPoll(LongPoll::new(request)),
            Self::EventSource => Decoder::EventSource(EventSource::default()),
            Self::WebSocket => Decoder::WebSocket(WebSocket::default()),
            Self::Chunked => Decoder::Chunked(Chunked::default()),
            Self::Multipart => Decoder::Multipart(Multipart::default()),
            Self::Raw => Decoder::Raw(Raw::default()),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LongPoll => "longpoll",
            Self::EventSource => "eventsource",
            Self::WebSocket => "websocket",
            Self::Chunked => "chunked",
            Self::Multipart => "multipart",
            Self::Raw => "raw",
        })
    }
}

impl Decoder {
    /// Reads as much of `input` as is whole, and returns how much. Appends messages, and what has to be sent because
    /// of them.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        messages: &mut Vec<Label>,
    ) -> io::Result<usize> {
        match self {
            Self::LongPoll(decoder) => decoder.decode(input, output, messages),
            Self::EventSource(decoder) => decoder.decode(input, messages),
            Self::WebSocket(decoder) => decoder.decode(input, output, messages),
            Self::Chunked(decoder) => decoder.decode(input, messages),
            Self::Multipart(decoder) => decoder.decode(input, messages),
            Self::Raw(decoder) => decoder.decode(input, messages),
        }
    }

    /// Whether the server has answered. Of a long-poll request nobody can say.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::LongPoll(_) => true,
            Self::EventSource(decoder) => decoder.is_open(),
            Self::WebSocket(decoder) => decoder.is_open(),
            Self::Chunked(decoder) => decoder.is_open(),
            Self::Multipart(decoder) => decoder.is_open(),
            Self::Raw(decoder) => decoder.is_open(),
        }
    }
}

/// Which message a body is.
pub(super) fn message(body: &[u8]) -> io::Result<Label> {
    Label::read(body).ok_or_else(|| {
        let start = String::from_utf8_lossy(&body[..body.len().min(100)]);
        io::Error::other(format!("a body that nobody published: {start:?}"))
    })
}

/// An error about a status that is not the expected one.
pub(super) fn unexpected(status: u16) -> io::Error {
    io::Error::other(format!("a subscriber was answered {status}"))
}
