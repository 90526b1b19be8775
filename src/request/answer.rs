//! Answers, and their bytes on the wire: the same for a request answered at once and for one that waited.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::model::{Expires, LocationConf};

use super::late::Pending;
use super::passed::{Passed, Tunnel};
use super::payload::{Payload, Pieces};
use super::{RequestCtx, date, gzip};

/// The name and version in `Server` and on error pages.
pub const SERVER: &str = concat!("encke/", env!("CARGO_PKG_VERSION"));

/// An answer before the location's headers are added to it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<Box<[u8]>>,
    /// `Last-Modified`, seconds since 1970.
    pub last_modified: Option<i64>,
    /// `Location`; a path is completed to a URL.
    pub location: Option<Vec<u8>>,
    /// Further headers, in order.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// The body.
    pub body: Payload,
    /// What of it is as a server behind sent it.
    pub passed: Option<Box<Passed>>,
    /// nginx's "special response": `error_page` applies, and its own page is the body.
    pub special: bool,
    /// The connection ends with this answer.
    pub close: bool,
    /// Close the connection without an answer (`return 444`).
    pub silent: bool,
}

impl Answer {
    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A status with nginx's page for it, unless `error_page` says otherwise.
    pub fn error(status: u16) -> Self {
        Self { status, special: true, ..Self::default() }
    }

    /// A redirect, with nginx's page.
    pub fn redirect(status: u16, location: Vec<u8>) -> Self {
        Self { location: Some(location), ..Self::error(status) }
    }

    /// A text of some type.
    pub fn text(status: u16, content_type: impl Into<Box<[u8]>>, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: Some(content_type.into()),
            body: Payload::Whole(body.into()),
            ..Self::default()
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Puts nginx's own page into a special answer that no `error_page` replaced.
    #[must_use]
    pub fn with_error_page(mut self, server_tokens: bool) -> Self {
        let page = error_page(self.status, server_tokens);
        self.content_type = (!page.is_empty()).then(|| (*b"text/html").into());
        self.body = page.into();
        if matches!(self.status, 494..=497) {
            self.status = 400;
        }
        self
    }
}

/// What of a request decides how its answer is written.
#[derive(Clone, Debug)]
pub struct Responder {
    /// Settings of the location.
    pub conf: Arc<LocationConf>,
    /// Keep the connection open afterwards.
    pub keep_alive: bool,
    /// The request was HTTP/1.0.
    pub http10: bool,
    /// The request was HEAD.
    pub head_only: bool,
    /// The client takes gzip, and the location gives it.
    pub gzip: bool,
    /// Values of those `add_header`s that hold variables, by their place in the list.
    added: Option<Box<[AddedValue]>>,
}

/// The place of an `add_header` in its list, and its value for one request.
type AddedValue = (usize, Pending);

/// What went over the wire, for the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The status.
    pub status: u16,
    /// Bytes of the status line and headers.
    pub head_bytes: u64,
    /// Bytes of the body, framing included.
    pub body_bytes: u64,
    /// Whether all of it was sent.
    pub complete: bool,
}

/// An answer as bytes.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The status.
    pub status: u16,
    /// Status line and headers, with the empty line.
    pub head: Bytes,
    /// The body as framed; empty for HEAD.
    pub body: Framed,
    /// Whether the connection stays open.
    pub keep_alive: bool,
}

/// The body of an answer as it goes over the wire.
#[derive(Clone, Debug)]
pub enum Framed {
    /// Ready.
    Whole(Bytes),
    /// Still to be compressed and framed, piece by piece.
    Pieces {
        /// Where they come from.
        pieces: Pieces,
        /// `gzip_comp_level`, if they are to be compressed.
        gzip: Option<u32>,
        /// Whether each becomes a chunk.
        chunked: bool,
    },
    /// None: the connection goes on as a tunnel.
    Tunnel(Tunnel),
}

impl Rendered {
    /// What an access log says once all of an answer in memory is sent.
    pub fn sent(&self) -> Sent {
        let length = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Sent {
            status: self.status,
            head_bytes: length(&self.head),
            body_bytes: length(&self.in_memory()),
            complete: true,
        }
    }

    /// The body, if it is in memory: pages, messages and whatever else a subscriber that waited gets.
    pub fn in_memory(&self) -> Bytes {
        match &self.body {
            Framed::Whole(bytes) => bytes.clone(),
            Framed::Pieces { .. } | Framed::Tunnel(_) => Bytes::new(),
        }
    }
}

impl Responder {
    /// For the answer of this request, as it stands now.
    pub fn new(ctx: &RequestCtx) -> Self {
        let conf = Arc::clone(&ctx.conf);
        let keep_alive = ctx.keep_alive
            && !conf.core.keepalive_timeout.is_zero()
            && ctx.number < conf.core.keepalive_requests;
        let with_variables =
            conf.headers.add.iter().enumerate().filter(|(_, row)| row.value.as_literal().is_none());
        let pending = |value| Pending::new(ctx, value, write_value);
        let added: Box<[_]> = with_variables.map(|(at, row)| (at, pending(&row.value))).collect();
        Self {
            keep_alive,
            http10: ctx.is_http10(),
            head_only: ctx.method == http::Method::HEAD,
            gzip: conf.gzip.enabled && gzip::accepted(ctx),
            added: (!added.is_empty()).then_some(added),
            conf,
        }
    }

    /// Whether an answer rendered for `self` has the same bytes for `other`.
    pub fn same_bytes(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.conf, &other.conf)
            && (self.keep_alive, self.http10, self.head_only, self.gzip)
                == (other.keep_alive, other.http10, other.head_only, other.gzip)
            && self.added.is_none()
            && other.added.is_none()
    }

    /// Writes an answer down.
    pub fn render(&self, answer: Answer) -> Rendered {
        let keep_alive = self.keep_alive && !answer.close;
        let content_type = answer.content_type.as_deref();
        let length = answer.body.length();
        let compressible = gzip::compressible(&self.conf.gzip, answer.status, content_type, length);
        let passed = answer.passed.as_deref();
        let compressible = compressible && !passed.is_some_and(|passed| passed.has("content-encoding"));
        let compressed = self.gzip && compressible;
        let length = length.filter(|_| !compressed);
        let bodiless = self.head_only || matches!(answer.status, 204 | 304);
        let tunnel = passed.and_then(|passed| passed.tunnel.clone());
        let chunked = length.is_none() && !self.http10 && !bodiless && tunnel.is_none();
        let keep_alive = keep_alive && (chunked || length.is_some() || bodiless);
        let mut head = match passed {
            Some(passed) => Head::with_line(&passed.status_line),
            None => Head::new(answer.status),
        };
        let core = &self.conf.core;
        let has = |name| passed.is_some_and(|passed| passed.has(name));
        if !has("server") {
            head.line("Server", if core.server_tokens { SERVER } else { "encke" });
        }
        if !has("date") {
            head.line("Date", date::format(date::now()));
        }
        let content_type = answer
            .content_type
            .as_deref()
            .filter(|kind| !kind.is_empty() && (answer.status != 204 || passed.is_some()));
        if let Some(content_type) = content_type {
            head.line("Content-Type", self.with_charset(content_type));
        }
        if let Some(length) =
            length.filter(|_| (answer.status != 204 || passed.is_some()) && tunnel.is_none())
        {
            head.line("Content-Length", length.to_string());
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
        if self.conf.gzip.enabled && self.conf.gzip.vary && compressible {
            head.line("Vary", "Accept-Encoding");
        }
        self.further_headers(&mut head, &answer, compressed);
        if compressed {
            head.line("Content-Encoding", "gzip");
        }
        if let Some(tunnel) = tunnel {
            let head = head.finish();
            return Rendered { status: answer.status, head, body: Framed::Tunnel(tunnel), keep_alive: false };
        }
        let body = if bodiless { Payload::default() } else { answer.body };
        let gzip = compressed.then_some(self.conf.gzip.level);
        let body = frame(body, gzip, chunked && !bodiless);
        Rendered { status: answer.status, head: head.finish(), body, keep_alive }
    }

    /// Headers of the handler, of `expires` and of `add_header`. One that `add_header` sets replaces a
    /// cross-origin header of ours: two of them make browsers refuse the answer.
    fn further_headers(&self, head: &mut Head, answer: &Answer, compressed: bool) {
        let plain = is_plain(answer.status);
        let replaced = |name: &str| {
            let mut rows = self.conf.headers.add.iter().filter(|row| plain || row.always);
            name.starts_with("Access-Control-") && rows.any(|row| row.name.eq_ignore_ascii_case(name))
        };
        let expires = plain && self.conf.headers.expires != Expires::Off;
        for (name, value) in answer.passed.iter().flat_map(|passed| &passed.headers) {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if expires && (is("expires") || is("cache-control")) {
                continue;
            }
            if compressed && is("etag") && value.starts_with(b"\"") {
                head.line(name, [b"W/", &**value].concat());
            } else if !(compressed && is("accept-ranges")) {
                head.line(name, value);
            }
        }
        for (name, value) in &answer.headers {
            if !replaced(name) {
                head.line(name, value);
            }
        }
        if plain {
            self.expires(head, answer.last_modified);
        }
        for (name, value) in self.added(answer.status, &head.0) {
            if compressed && name.eq_ignore_ascii_case("etag") && value.starts_with(b"\"") {
                // The compressed bytes are others.
                head.line(name, [b"W/", &*value].concat());
            } else {
                head.line(name, value);
            }
        }
    }

    /// What `add_header` adds to an answer that has this head so far; empty values are not sent.
    fn added(&self, status: u16, head: &[u8]) -> Vec<(&str, Cow<'_, [u8]>)> {
        let sent = Sent { status, ..Sent::default() };
        let rows = self.conf.headers.add.iter().enumerate();
        let fitting = rows.filter(|(_, row)| row.always || is_plain(status));
        let values = fitting.filter_map(|(at, row)| {
            let value = match row.value.as_literal() {
                Some(bytes) => Cow::Borrowed(bytes),
                None => {
                    let pending = self.added.iter().flatten().find(|(place, _)| *place == at);
                    Cow::Owned(pending?.1.finish(&sent, head, write_value))
                }
            };
            (!value.is_empty()).then_some((&*row.name, value))
        });
        values.collect()
    }

    /// `add_header Last-Modified` replaces the answer's own, as in nginx.
    fn last_modified(&self, head: &mut Head, answer: &Answer) {
        let plain = is_plain(answer.status);
        let mut rows = self.conf.headers.add.iter().filter(|row| plain || row.always);
        let replaced = rows.any(|row| row.name.eq_ignore_ascii_case("last-modified"));
        if let Some(seconds) = answer.last_modified.filter(|_| !replaced) {
            head.line("Last-Modified", date::format(seconds));
        }
    }

    fn expires(&self, head: &mut Head, last_modified: Option<i64>) {
        let now = date::now();
        let seconds = match self.conf.headers.expires {
            Expires::Off => return,
            Expires::Epoch => {
                head.line("Expires", "Thu, 01 Jan 1970 00:00:01 GMT");
                head.line("Cache-Control", "no-cache");
                return;
            }
            Expires::Max => {
                head.line("Expires", "Thu, 31 Dec 2037 23:55:55 GMT");
                head.line("Cache-Control", "max-age=315360000");
                return;
            }
            Expires::In(seconds) => seconds,
            Expires::Modified(seconds) => last_modified.map_or(seconds, |modified| modified + seconds - now),
            Expires::At(time) => date::until_local_time(time),
        };
        head.line("Expires", date::format(now + seconds));
        if seconds < 0 {
            head.line("Cache-Control", "no-cache");
        } else {
            head.line("Cache-Control", format!("max-age={seconds}"));
        }
    }

    fn with_charset<'a>(&self, content_type: &'a [u8]) -> Cow<'a, [u8]> {
        let charset = &self.conf.charset;
        let has_parameter = content_type.to_ascii_lowercase().windows(8).any(|window| window == b"charset=");
        match &charset.charset {
            Some(name) if !has_parameter && gzip::has_type(&charset.types, content_type) => {
                Cow::Owned([content_type, b"; charset=", name.as_bytes()].concat())
            }
            _ => Cow::Borrowed(content_type),
        }
    }
}

/// Compresses and frames what is in memory; what is not has that before it.
fn frame(body: Payload, gzip: Option<u32>, chunked: bool) -> Framed {
    match body {
        Payload::Pieces(pieces) => Framed::Pieces { pieces, gzip, chunked },
        Payload::Whole(bytes) => {
            let bytes = match gzip {
                Some(level) if !bytes.is_empty() => gzip::compress(&bytes, level),
                _ => bytes,
            };
            Framed::Whole(if chunked { [&chunk(&bytes)[..], LAST_CHUNK].concat().into() } else { bytes })
        }
    }
}

/// A stretch of a body as a chunk.
pub fn chunk(bytes: &[u8]) -> Bytes {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat().into()
}

/// What ends a body in chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Statuses that get `expires`, and every `add_header`.
fn is_plain(status: u16) -> bool {
    matches!(status, 200 | 201 | 204 | 206 | 301..=304 | 307 | 308)
}

/// A value as it is; none is nothing.
fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(value.unwrap_or_default());
}

/// A head being written.
struct Head(Vec<u8>);

impl Head {
    fn new(status: u16) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(format!("HTTP/1.1 {status:03} {}\r\n", reason(status)).as_bytes());
        Self(bytes)
    }

    fn with_line(line: &[u8]) -> Self {
        Self([b"HTTP/1.1 ", line, b"\r\n"].concat())
    }

    /// Line ends inside a value would start a header of somebody else's making: they become blanks.
    fn line(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend(
            value.as_ref().iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }),
        );
        self.0.extend_from_slice(b"\r\n");
    }

    fn finish(mut self) -> Bytes {
        self.0.extend_from_slice(b"\r\n");
        self.0.into()
    }
}

/// nginx's reason phrase; empty for codes it has none for.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// nginx's page for a status; empty where it has none.
pub fn error_page(status: u16, server_tokens: bool) -> String {
    let server = if server_tokens { SERVER } else { "encke" };
    let (title, heading, detail) = match status {
        302 => ("302 Found".to_owned(), None, None),
        401 => ("401 Authorization Required".to_owned(), None, None),
        301 | 303 | 307 | 308 | 400 | 402..=406 | 408..=416 | 421 | 429 | 500..=505 | 507 => {
            (format!("{status} {}", reason(status)), None, None)
        }
        494..=497 => {
            let detail = match status {
                494 => "Request Header Or Cookie Too Large",
                495 => "The SSL certificate error",
                496 => "No required SSL certificate was sent",
                _ => "The plain HTTP request was sent to HTTPS port",
            };
            (format!("400 {detail}"), Some("400 Bad Request"), Some(detail))
        }
        _ => return String::new(),
    };
    let heading = heading.unwrap_or(&title);
    let detail = detail.map_or_else(String::new, |detail| format!("<center>{detail}</center>\r\n"));
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n{detail}\
         <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
}
