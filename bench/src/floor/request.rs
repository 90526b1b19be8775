//! What a client of this program wants: as much as tells its few requests apart.

use std::io;

use memchr::memmem;

use crate::client::Transport::{self, Chunked, EventSource, LongPoll, WebSocket};

/// Channels have a number at the end of their requests' first line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    Publish {
        channel: usize,
        body: &'a [u8],
    },
    Subscribe {
        channel: usize,
        transport: Transport,
    },
    /// Somebody asks how many subscribers wait.
    Knock {
        channel: usize,
    },
}

impl<'a> Request<'a> {
    /// `None` if `bytes` end within the request. An error if no client of ours sends such a one.
    pub(super) fn read(bytes: &'a [u8]) -> io::Result<Option<Self>> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, body) = (&bytes[..end], &bytes[end + 4..]);
        let line_end = memmem::find(head, b" HTTP/").ok_or_else(foreign)?;
        let line = &head[..line_end];
        let channel = channel(line).ok_or_else(foreign)?;
        if line.starts_with(b"P") {
            let length = content_length(head).ok_or_else(foreign)?;
            return Ok(body.get(..length).map(|body| Self::Publish { channel, body }));
        }
        let path = line.strip_prefix(b"GET /").ok_or_else(foreign)?;
        let transport = match path.split(|byte| *byte == b'?').next() {
            Some(b"publish") => return Ok(Some(Self::Knock { channel })),
            Some(b"longpoll") => LongPoll,
            Some(b"eventsource") => EventSource,
            Some(b"chunked") => Chunked,
            Some(b"websocket") => WebSocket,
            _ => return Err(foreign()),
        };
        Ok(Some(Self::Subscribe { channel, transport }))
    }
}

/// The digits at the end. There are few channels: their list may be as long as the highest one.
fn channel(line: &[u8]) -> Option<usize> {
    let start = line.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    number(&line[start..]).map(usize::from)
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\nContent-Length: ";
    let value = &head[memmem::find(head, NAME)? + NAME.len()..];
    number(value.split(|byte| *byte == b'\r').next()?).map(usize::from)
}

fn number(digits: &[u8]) -> Option<u16> {
    str::from_utf8(digits).ok()?.parse().ok()
}

fn foreign() -> io::Error {
    io::Error::other("a request that no client of ours sends")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_whole_with_its_body() {
        let bytes = b"POST /publish?id=17 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
        let publish = Request::Publish { channel: 17, body: b"hi" };
        assert_eq!(Request::read(bytes).expect("a request"), Some(publish));
        for length in 0..bytes.len() {
            assert_eq!(Request::read(&bytes[..length]).expect("a part of one"), None);
        }
    }

    #[test]
    fn who_asks_for_messages_says_how_and_of_which_channel() {
        let subscribe = |transport| Request::Subscribe { channel: 3, transport };
        for (path, request) in [
            ("longpoll?id=3", subscribe(LongPoll)),
            ("websocket?id=of-a-run-3", subscribe(WebSocket)),
            ("publish?id=3", Request::Knock { channel: 3 }),
        ] {
            let bytes = format!("GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
            assert_eq!(Request::read(bytes.as_bytes()).expect("a request"), Some(request));
        }
    }

    #[test]
    fn other_requests_are_errors() {
        for line in ["GET /raw?id=1", "GET /longpoll?id=", "GET /longpoll?id=70000", "HEAD /longpoll?id=1"] {
            let bytes = format!("{line} HTTP/1.1\r\n\r\n");
            assert!(Request::read(bytes.as_bytes()).is_err(), "{line}");
        }
    }
}
