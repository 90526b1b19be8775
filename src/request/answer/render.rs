//! Puts an answer together: which headers its head has, in nginx's order, and how its body is framed.

use std::sync::Arc;

use bytes::Bytes;

use super::super::date;
use super::super::payload::Payload;
use super::super::recode::{self, Recoder};
use super::head::Head;
use super::rendered::{Framed, Rendered, frame};
use super::{Answer, Ranges, Responder, SERVER};

/// How a stream is framed, as nginx with Nchan says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamHead {
    /// Its end is the end of the connection, though the head does not say so.
    Endless,
    /// The same, and it says so.
    Close,
    /// In chunks.
    Chunked,
    /// It is another protocol from here on.
    Upgrade,
}

impl Responder {
    /// Writes an answer down.
    pub fn render(&self, answer: Answer) -> Rendered {
        let compressible = self.compressible(&answer);
        let expires = self.expires(&answer);
        let compressed = compressible && self.gives_gzip(&answer, expires.as_ref());
        let bodiless = self.head_only || matches!(answer.status, 204 | 304);
        let trailers = self.has_trailers(answer.status) && !bodiless;
        let recoding = self.recoding(&answer);
        let length = answer
            .body
            .length()
            .filter(|_| !compressed && recoding.is_none_or(|recoding| recode::keeps_length(recoding)));
        let chunks = !self.http10 && self.conf.output.chunked_transfer_encoding && !bodiless;
        let passed = answer.passed.as_deref();
        let tunnel = passed.and_then(|passed| passed.tunnel.clone());
        let chunked = chunks && (length.is_none() || trailers) && tunnel.is_none();
        let length = length.filter(|_| !chunked);
        let keep_alive = self.keep_alive && !answer.close;
        let keep_alive = keep_alive && (chunked || length.is_some() || bodiless);
        let mut head = match passed.filter(|passed| !passed.status_line.is_empty()) {
            Some(passed) => Head::with_line(&passed.status_line),
            None => Head::new(answer.status, answer.phrases),
        };
        let core = &self.conf.core;
        let has = |name| passed.is_some_and(|passed| passed.has(name));
        if !has("server") {
            head.line("Server", if core.server_tokens { SERVER } else { "encke" });
        }
        if !has("date") {
            head.line("Date", date::format(date::now()));
        }
        if let Some(content_type) = self.content_type(&answer) {
            head.line("Content-Type", content_type);
        }
        if let Some(length) =
            length.filter(|_| (answer.status != 204 || passed.is_some()) && tunnel.is_none())
        {
            head.number("Content-Length", length);
        }
        self.last_modified(&mut head, &answer);
        if let Some(location) = &answer.location {
            head.line("Location", location);
        }
        if chunked {
            head.line("Transfer-Encoding", "chunked");
        }
        head.line(
            "Connection",
            match (&tunnel, keep_alive) {
                (Some(_), _) => "upgrade",
                (None, true) => "keep-alive",
                (None, false) => "close",
            },
        );
        if let (true, Some(seconds)) = (keep_alive, core.keepalive_header) {
            head.line("Keep-Alive", format!("timeout={seconds}"));
        }
        if self.conf.gzip.vary && (answer.vary || (self.conf.gzip.enabled && compressible)) {
            head.line("Vary", "Accept-Encoding");
        }
        self.further_headers(&mut head, &answer, expires, compressed);
        if compressed {
            head.line("Content-Encoding", "gzip");
        }
        match &answer.ranges {
            Ranges::Accepted if !compressed && !self.changes_length(&answer) => {
                head.line("Accept-Ranges", "bytes");
            }
            Ranges::Content(range) if answer.status != 416 => head.line("Content-Range", &**range),
            _ => {}
        }
        let status = answer.status;
        if let Some(tunnel) = tunnel {
            return Rendered::new((status, false), head, Framed::Tunnel(tunnel), Bytes::new(), None);
        }
        let recoder = recoding.filter(|_| !bodiless).map(|recoding| Recoder::new(Arc::clone(recoding)));
        let body = if bodiless { Payload::default() } else { answer.body };
        let gzip = compressed.then_some(self.conf.gzip.level);
        let last_chunk = if chunked || trailers { self.last_chunk(status, &head.0) } else { Bytes::new() };
        let body = frame(body, recoder, gzip, chunked.then(|| last_chunk.clone()));
        Rendered::new((status, keep_alive), head, body, last_chunk, self.pace())
    }

    /// The head of an answer whose body comes bit by bit, over a connection that serves nothing else afterwards.
    pub fn stream_head(&self, answer: &Answer, stream: StreamHead) -> Bytes {
        let mut head = Head::new(answer.status, answer.phrases);
        head.line("Server", if self.conf.core.server_tokens { SERVER } else { "encke" });
        head.line("Date", date::format(date::now()));
        if let Some(content_type) = &answer.content_type {
            head.line("Content-Type", content_type);
        }
        let connection = match stream {
            StreamHead::Upgrade => "upgrade",
            StreamHead::Close => "close",
            StreamHead::Endless | StreamHead::Chunked => {
                if self.keep_alive && !self.http10 {
                    "keep-alive"
                } else {
                    "close"
                }
            }
        };
        head.line("Connection", connection);
        if stream == StreamHead::Chunked {
            head.line("Transfer-Encoding", "chunked");
        }
        self.further_headers(&mut head, answer, self.expires(answer), false);
        head.finish()
    }
}
