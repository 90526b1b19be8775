//! How messages look on the wire: what every stream has to say, in the form of its transport.

pub mod eventsource;
pub mod multipart;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;

use crate::config::model::{LocationConf, PushHandler};
use crate::request::answer;
use crate::request::pages::Phrases;
use crate::store::Message;

use super::cursor::Cursor;
use super::websocket::{deflate, frame};

/// Messages of this type are binary to WebSocket clients, as in Nchan.
const BINARY: &[u8] = b"application/octet-stream";

/// The end of a body in chunks.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The boundary of every multipart stream of this process: so all subscribers share the bytes of a part.
static BOUNDARY: LazyLock<String> = LazyLock::new(multipart::boundary);

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `text/event-stream`.
    EventSource,
    /// One HTTP chunk per message.
    Chunked,
    /// `multipart/mixed`.
    Multipart,
    /// Messages and separators.
    RawStream,
    /// RFC 6455.
    WebSocket {
        /// With `ws+meta.nchan`, ids and types stand before the messages.
        meta: bool,
        /// `permessage-deflate` was agreed on.
        deflate: bool,
    },
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its channel was deleted, or the server goes.
    Gone,
    /// `nchan_subscriber_timeout`.
    TimedOut,
    /// It took its messages too slowly, and some are no longer there.
    TooSlow,
}

/// How the messages of one stream are written.
#[derive(Clone, Debug)]
pub struct Format {
    /// The form.
    pub wire: Wire,
    /// Settings of the location.
    pub conf: Arc<LocationConf>,
}

impl Format {
    /// Whether a message has the same bytes for another stream, if both stand at the same position.
    pub fn same_frames(&self, other: &Self) -> bool {
        self.wire == other.wire && Arc::ptr_eq(&self.conf, &other.conf)
    }

    /// `Content-Type` of the answer, if it has one.
    pub fn content_type(&self) -> Option<String> {
        match self.wire {
            Wire::EventSource => Some("text/event-stream; charset=utf-8".to_owned()),
            Wire::Multipart => Some(format!("multipart/mixed; boundary={}", *BOUNDARY)),
            Wire::Chunked | Wire::RawStream | Wire::WebSocket { .. } => None,
        }
    }

    /// What follows the head at once.
    pub fn opening(&self) -> Bytes {
        match self.wire {
            Wire::EventSource => Bytes::from_static(eventsource::OPENING),
            Wire::Multipart => multipart::opening(&BOUNDARY),
            Wire::Chunked | Wire::RawStream | Wire::WebSocket { .. } => Bytes::new(),
        }
    }

    /// A message; `cursor` is the position after it. Empty where the form has no way to say nothing.
    pub fn message(&self, message: &Message, cursor: &Cursor) -> Bytes {
        let push = &self.conf.push;
        match self.wire {
            Wire::EventSource => {
                let name = push.eventsource.event.as_deref().or(message.event_name());
                eventsource::event(name, &cursor.whole(), message.body())
            }
            Wire::Chunked if message.body().is_empty() => Bytes::new(),
            Wire::Chunked => answer::chunk(message.body()),
            Wire::Multipart => {
                let position = if push.position.compound_etag {
                    multipart::Position { time: None, tag: cursor.whole() }
                } else {
                    multipart::Position { time: Some(cursor.time()), tag: cursor.tags() }
                };
                multipart::part(&BOUNDARY, &position, message.content_type(), message.body())
            }
            Wire::RawStream => [message.body(), &push.raw_stream_separator].concat().into(),
            Wire::WebSocket { meta, deflate } => {
                let prefix = if meta { meta_lines(message, cursor) } else { Vec::new() };
                socket_message(message, &prefix, deflate)
            }
        }
    }

    /// What keeps a silent stream alive, and how often it is sent.
    pub fn ping(&self) -> Option<(Duration, Bytes)> {
        let push = &self.conf.push;
        match self.wire {
            Wire::EventSource => {
                let conf = &push.eventsource;
                let ping = eventsource::ping(&conf.ping_comment, &conf.ping_event, &conf.ping_data);
                conf.ping_interval.map(|interval| (interval, ping))
            }
            Wire::WebSocket { .. } => push.websocket.ping_interval.map(|interval| (interval, frame::ping())),
            Wire::Chunked | Wire::Multipart | Wire::RawStream => None,
        }
    }

    /// The last words.
    pub fn end(&self, ending: Ending) -> Bytes {
        let (status, close) = match ending {
            Ending::Gone => (410, 1001),
            Ending::TimedOut => (408, 1000),
            Ending::TooSlow => (503, 1013),
        };
        let phrase = match (ending, self.conf.push.handler) {
            (Ending::Gone, PushHandler::Benchmark) => "Channel Deleted",
            _ => Phrases::Nchan.of(status),
        };
        match self.wire {
            Wire::EventSource => eventsource::end(status, phrase),
            Wire::Chunked => Bytes::from_static(LAST_CHUNK),
            Wire::Multipart => Bytes::from_static(multipart::END),
            Wire::RawStream => Bytes::new(),
            Wire::WebSocket { .. } => {
                // Nchan says it twice.
                let twice = if status == 408 { "408 " } else { "" };
                frame::close_with(close, format!("{twice}{status} {phrase}").as_bytes())
            }
        }
    }
}

/// What `ws+meta.nchan` puts before a message.
fn meta_lines(message: &Message, cursor: &Cursor) -> Vec<u8> {
    let mut lines = format!("id: {}\n", cursor.whole()).into_bytes();
    if let Some(kind) = message.content_type() {
        lines.extend_from_slice(&[b"content-type: ", kind, b"\n"].concat());
    }
    lines.push(b'\n');
    lines
}

fn socket_message(message: &Message, prefix: &[u8], deflate: bool) -> Bytes {
    let binary = message.content_type() == Some(BINARY);
    match message.deflated().filter(|_| deflate) {
        Some(deflated) if prefix.is_empty() => frame::compressed(binary, &[deflated]),
        Some(deflated) => frame::compressed(binary, &[&deflate::stored_block(prefix), deflated]),
        None => frame::message(binary, prefix, message.body()),
    }
}
