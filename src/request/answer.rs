//! Answers, and their bytes on the wire: the same for a request answered at once and for one that waited.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::model::{Expires, ExpiresConf, LocationConf};
use crate::config::modules::headers::parse_expires;

use super::late::Pending;
use super::payload::{Payload, Pieces};
use super::userid::UidCookie;
use super::{RequestCtx, date, gzip};

/// The name and version in `Server` and on error pages.
pub const SERVER: &str = concat!("encke/", env!("CARGO_PKG_VERSION"));

/// An answer before the location's headers are added to it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its reason phrase is Nchan's, where that is not nginx's.
    pub nchan_phrase: bool,
    /// `Content-Type`.
    pub content_type: Option<Box<[u8]>>,
    /// `Last-Modified`, seconds since 1970.
    pub last_modified: Option<i64>,
    /// `Location`; a path is completed to a URL.
    pub location: Option<Vec<u8>>,
    /// Further headers, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// The body.
    pub body: Payload,
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
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
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
    /// What is in the answer for this request alone.
    own: Option<Box<Own>>,
}

/// Headers that depend on the request.
#[derive(Clone, Debug)]
struct Own {
    /// Values of those `add_header`s that hold variables, by their place in the list.
    added: Box<[AddedValue]>,
    /// `expires` with variables.
    expires: Option<Pending>,
    /// The cookie of `userid`.
    uid: Option<UidCookie>,
}

impl Own {
    /// `None` if every request of the location gets the same.
    fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let headers = &ctx.conf.headers;
        let with_variables =
            headers.add.iter().enumerate().filter(|(_, row)| row.value.as_literal().is_none());
        let pending = |value| Pending::new(ctx, value, write_value);
        let own = Self {
            added: with_variables.map(|(at, row)| (at, pending(&row.value))).collect(),
            expires: match &headers.expires {
                ExpiresConf::Fixed(_) => None,
                ExpiresConf::Computed { value, .. } => Some(pending(value)),
            },
            uid: ctx.uid_cookie(),
        };
        let is_empty = own.added.is_empty() && own.expires.is_none() && own.uid.is_none();
        (!is_empty).then(|| Box::new(own))
    }
}

/// The place of an `add_header` in its list, and its value for one request.
type AddedValue = (usize, Pending);

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
            Framed::Pieces { .. } => Bytes::new(),
        }
    }
}

impl Responder {
    /// For the answer of this request, as it stands now.
    pub fn new(ctx: &RequestCtx) -> Self {
        let conf = Arc::clone(&ctx.conf);
        Self {
            keep_alive: ctx.keeps_alive(),
            http10: ctx.is_http10(),
            head_only: ctx.method == http::Method::HEAD,
            gzip: conf.gzip.enabled && gzip::accepted(ctx),
            own: Own::new(ctx),
            conf,
        }
    }

    /// Whether an answer rendered for `self` has the same bytes for `other`.
    pub fn same_bytes(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.conf, &other.conf)
            && (self.keep_alive, self.http10, self.head_only, self.gzip)
                == (other.keep_alive, other.http10, other.head_only, other.gzip)
            && self.own.is_none()
            && other.own.is_none()
    }

    /// Writes an answer down.
    pub fn render(&self, answer: Answer) -> Rendered {
        let keep_alive = self.keep_alive && !answer.close;
        let content_type = answer.content_type.as_deref();
        let length = answer.body.length();
        let compressible = gzip::compressible(&self.conf.gzip, answer.status, content_type, length);
        let compressed = self.gzip && compressible;
        let length = length.filter(|_| !compressed);
        let chunked = length.is_none() && !self.http10 && !self.head_only;
        let keep_alive = keep_alive && (chunked || length.is_some() || self.head_only);
        let mut head = Head::new(answer.status, answer.nchan_phrase);
        let core = &self.conf.core;
        head.line("Server", if core.server_tokens { SERVER } else { "encke" });
        head.line("Date", date::format(date::now()));
        let content_type =
            answer.content_type.as_deref().filter(|kind| !kind.is_empty() && answer.status != 204);
        if let Some(content_type) = content_type {
            head.line("Content-Type", self.with_charset(content_type));
        }
        if let Some(length) = length.filter(|_| answer.status != 204) {
            head.line("Content-Length", length.to_string());
        }
        self.last_modified(&mut head, &answer);
        if let Some(location) = &answer.location {
            head.line("Location", location);
        }
        if chunked {
            head.line("Transfer-Encoding", "chunked");
        }
        head.line("Connection", if keep_alive { "keep-alive" } else { "close" });
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
        let bodiless = self.head_only || matches!(answer.status, 204 | 304);
        let body = if bodiless { Payload::default() } else { answer.body };
        let gzip = compressed.then_some(self.conf.gzip.level);
        let body = frame(body, gzip, chunked && !bodiless);
        Rendered { status: answer.status, head: head.finish(), body, keep_alive }
    }

    /// The head of an answer whose body comes bit by bit, over a connection that serves nothing else afterwards.
    pub fn stream_head(&self, answer: &Answer, stream: StreamHead) -> Bytes {
        let mut head = Head::new(answer.status, answer.nchan_phrase);
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
        self.further_headers(&mut head, answer, false);
        head.finish()
    }

    /// Headers of the handler, of `expires` and of `add_header`. One that `add_header` sets replaces a
    /// cross-origin header of ours: two of them make browsers refuse the answer.
    fn further_headers(&self, head: &mut Head, answer: &Answer, compressed: bool) {
        let plain = is_plain(answer.status);
        let replaced = |name: &str| {
            let mut rows = self.conf.headers.add.iter().filter(|row| plain || row.always);
            name.starts_with("Access-Control-") && rows.any(|row| row.name.eq_ignore_ascii_case(name))
        };
        for (name, value) in &answer.headers {
            if !replaced(name) {
                head.line(name, value);
            }
        }
        if plain {
            self.expires(head, answer);
        }
        for (name, value) in self.added(answer.status, &head.0) {
            if compressed && name.eq_ignore_ascii_case("etag") && value.starts_with(b"\"") {
                // The compressed bytes are others.
                head.line(name, [b"W/", &*value].concat());
            } else {
                head.line(name, value);
            }
        }
        for (name, value) in self.own.iter().filter_map(|own| own.uid.as_ref()).flat_map(UidCookie::headers) {
            head.line(name, value);
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
                    let pending = self.own.as_ref()?.added.iter().find(|(place, _)| *place == at);
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

    fn expires(&self, head: &mut Head, answer: &Answer) {
        let now = date::now();
        let seconds = match self.expires_value(answer.status, &head.0) {
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
            Expires::Modified(seconds) => {
                answer.last_modified.map_or(seconds, |modified| modified + seconds - now)
            }
            Expires::At(time) => date::until_local_time(time),
        };
        head.line("Expires", date::format(now + seconds));
        if seconds < 0 {
            head.line("Cache-Control", "no-cache");
        } else {
            head.line("Cache-Control", format!("max-age={seconds}"));
        }
    }

    /// What `expires` comes to; a value that is none sends nothing.
    fn expires_value(&self, status: u16, head: &[u8]) -> Expires {
        match (&self.conf.headers.expires, self.own.as_ref().and_then(|own| own.expires.as_ref())) {
            (ExpiresConf::Fixed(expires), _) => *expires,
            (ExpiresConf::Computed { modified, .. }, Some(pending)) => {
                let text = pending.finish(&Sent { status, ..Sent::default() }, head, write_value);
                parse_expires(&text, *modified).unwrap_or_default()
            }
            (ExpiresConf::Computed { .. }, None) => Expires::Off,
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
    fn new(status: u16, nchan_phrase: bool) -> Self {
        let mut bytes = Vec::with_capacity(256);
        let phrase = if nchan_phrase { nchan_reason(status) } else { reason(status) };
        bytes.extend_from_slice(format!("HTTP/1.1 {status:03} {phrase}\r\n").as_bytes());
        Self(bytes)
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

/// Nchan's reason phrase.
pub fn nchan_reason(status: u16) -> &'static str {
    if status == 408 { "Request Timeout" } else { reason(status) }
}

/// nginx's reason phrase; empty for codes it has none for.
pub fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
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
