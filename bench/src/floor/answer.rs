//! What is sent: as many bytes as nginx with Nchan sends, ready as far as they can be.

use std::io::{self, Write as _};

use crate::client::Transport::{self, Chunked, EventSource, WebSocket};

/// To a publisher.
pub(super) const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nServer: nginx/1.22.1\r\n\
    Date: Wed, 25 Nov 2026 20:06:21 GMT\r\nContent-Type: text/plain\r\nContent-Length: 100\r\nConnection: keep-alive\r\n\r\n\
    queued messages: 1\r\nlast requested: 0 sec. ago\r\nactive subscribers: 1\r\nlast message id: 1795637181:0";

/// To a subscriber, before any message.
pub(super) fn head(transport: Transport) -> &'static [u8] {
    match transport {
        EventSource => {
            b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 20:06:21 GMT\r\n\
              Content-Type: text/event-stream; charset=utf-8\r\nConnection: keep-alive\r\n\r\n: hi\n\n"
        }
        Chunked => {
            b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 20:06:21 GMT\r\n\
              Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
        }
        // The key of our clients is always the same, that of the specification.
        WebSocket => {
            b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 20:06:21 GMT\r\n\
              Content-Length: 0\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
              Upgrade: websocket\r\n\r\n"
        }
        _ => b"",
    }
}

/// To somebody who asks how many subscribers wait, and for the connection to be closed.
pub(super) fn parked(subscribers: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nactive subscribers: {subscribers}\r\n")
}

/// Writes what each subscriber gets of a message over what is in `frame`.
pub(super) fn write_message(transport: Transport, body: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    // Nothing fails: it is written to memory, and a request is not longer than a frame may be.
    let _ = match transport {
        EventSource => write!(frame, "id: 1795637181:0\ndata: "),
        Chunked => write!(frame, "{:x}\r\n", body.len()),
        WebSocket => write_websocket_head(body.len(), frame),
        _ => write!(
            frame,
            "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 20:06:21 GMT\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\nLast-Modified: Wed, 25 Nov 2026 20:06:21 GMT\r\n\
             Connection: keep-alive\r\nEtag: 0\r\nVary: If-None-Match, If-Modified-Since\r\n\r\n",
            body.len()
        ),
    };
    frame.extend_from_slice(body);
    let end: &[u8] = match transport {
        EventSource => b"\n\n",
        Chunked => b"\r\n",
        _ => b"",
    };
    frame.extend_from_slice(end);
}

/// Of a text without a mask, in a single frame.
fn write_websocket_head(size: usize, frame: &mut Vec<u8>) -> io::Result<()> {
    let [high, low] = u16::try_from(size).map_err(io::Error::other)?.to_be_bytes();
    if size < 126 { frame.write_all(&[0x81, low]) } else { frame.write_all(&[0x81, 126, high, low]) }
}
