//! Answers, and their bytes on the wire: the same for a request answered at once and for one that waited.

pub mod charset;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::model::{AddHeader, Expires, ExpiresSetting, LocationConf};
use crate::config::template::Template;

use super::evaluation::AnswerSoFar;
use super::gzip::{Acceptance, ProxiedAnswer};
use super::late::{Frozen, Pending};
use super::pace::Pace;
use super::pages::Phrases;
use super::passed::{Passed, Tunnel};
use super::payload::{Payload, Pieces};
use super::recode::{self, Recoder};
use super::userid::UidCookie;
use super::{RequestCtx, date, gzip};

/// The name and version in `Server` and on error pages.
pub const SERVER: &str = concat!("encke/", env!("CARGO_PKG_VERSION"));

/// An answer before the location's headers are added to it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Whose reason phrase it has.
    pub phrases: Phrases,
    /// `Content-Type`.
    pub content_type: Option<Box<[u8]>>,
    /// `Last-Modified`, seconds since 1970.
    pub last_modified: Option<i64>,
    /// `ETag`, with its quotes.
    pub etag: Option<Vec<u8>>,
    /// `ETag` is among the further headers already.
    pub etag_written: bool,
    /// `Location`; a path is completed to a URL.
    pub location: Option<Box<[u8]>>,
    /// Further headers, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// What is said of ranges, behind all other headers.
    pub ranges: Ranges,
    /// The body.
    pub body: Payload,
    /// `If-Modified-Since` and its like are looked at.
    pub conditional: bool,
    /// The body depends on `Accept-Encoding`.
    pub vary: bool,
    /// What of it is as a server behind sent it.
    pub passed: Option<Box<Passed>>,
    /// nginx's "special response": `error_page` applies, and its own page is the body.
    pub special: bool,
    /// The connection ends with this answer.
    pub close: bool,
    /// Close the connection without an answer (`return 444`).
    pub silent: bool,
}

/// What an answer says of ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ranges {
    /// Nothing.
    #[default]
    None,
    /// `Accept-Ranges: bytes`.
    Accepted,
    /// `Content-Range` with this value.
    Content(Box<str>),
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
        Self { location: Some(location.into()), ..Self::error(status) }
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

    /// Whether the handler, or a server behind, compressed it already.
    fn is_encoded(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == "Content-Encoding")
            || self.passed.as_ref().is_some_and(|passed| passed.has("content-encoding"))
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
    /// Whether the client takes gzip, and the location gives it.
    pub gzip: Acceptance,
    /// What its variables made of the settings.
    own: Option<Box<Own>>,
}

/// Values of settings with variables for one request.
#[derive(Clone, Debug, Default)]
struct Own {
    /// `add_header`s with variables.
    added: Box<[OwnValue]>,
    /// `add_trailer`s with variables.
    trailers: Box<[OwnValue]>,
    /// `expires` with variables.
    expires: Option<Pending>,
    /// `charset` and `source_charset` with variables.
    charsets: [Option<Vec<u8>>; 2],
    /// `limit_rate`.
    pace: Option<Pace>,
    /// The cookie of `userid`.
    uid: Option<UidCookie>,
}

/// The place of a row in its list, and its value for one request.
type OwnValue = (usize, Pending);

/// A [`Responder`] on its way to another process, which has to know the location.
#[derive(Debug, Serialize, Deserialize)]
pub struct FrozenResponder {
    keep_alive: bool,
    http10: bool,
    head_only: bool,
    gzip: Acceptance,
    own: Option<FrozenOwn>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FrozenOwn {
    added: Vec<(usize, Frozen)>,
    trailers: Vec<(usize, Frozen)>,
    expires: Option<Frozen>,
    charsets: [Option<Vec<u8>>; 2],
    pace: Option<Pace>,
    uid: Option<UidCookie>,
}

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
    /// Both in one piece, of a small answer.
    pub whole: Option<Bytes>,
    /// The last chunk once more, for the access log. An answer without chunks has it for its trailers, as in nginx.
    pub last_chunk: Bytes,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// How fast it is sent, if there is a limit.
    pub pace: Option<Pace>,
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
        /// What converts them to the answer's charset, if they are in another.
        recoder: Option<Recoder>,
        /// `gzip_comp_level`, if they are to be compressed.
        gzip: Option<u32>,
        /// If each becomes a chunk: what comes behind the last.
        last_chunk: Option<Bytes>,
    },
    /// None: the connection goes on as a tunnel.
    Tunnel(Tunnel),
}

impl Rendered {
    /// A small answer, after which the connection stays open, with a head that is written already.
    pub fn with_head(status: u16, head: &Bytes, body: &[u8]) -> Self {
        let whole = Bytes::from([head, body].concat());
        let (head, body) = (whole.slice(..head.len()), whole.slice(head.len()..));
        Self {
            status,
            head,
            body: Framed::Whole(body),
            whole: Some(whole),
            last_chunk: Bytes::new(),
            keep_alive: true,
            pace: None,
        }
    }

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

    /// What there is of it for an access log, when so much was sent.
    pub fn so_far(&self, sent: Sent) -> AnswerSoFar<'_> {
        AnswerSoFar { sent, head: &self.head, last_chunk: &self.last_chunk }
    }

    /// The body, if it is in memory: pages, messages and whatever else a subscriber that waited gets.
    pub fn in_memory(&self) -> Bytes {
        match &self.body {
            Framed::Whole(bytes) => bytes.clone(),
            Framed::Pieces { .. } | Framed::Tunnel(_) => Bytes::new(),
        }
    }
}

impl Own {
    /// `None` where no setting has variables.
    fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let headers = &ctx.conf.headers;
        let pending = |value: &Template| Pending::new(ctx, value, write_value);
        let values = |rows: &[AddHeader]| -> Box<[OwnValue]> {
            let with_variables = rows.iter().enumerate().filter(|(_, row)| row.value.as_literal().is_none());
            with_variables.map(|(at, row)| (at, pending(&row.value))).collect()
        };
        let expires = match &headers.expires {
            ExpiresSetting::Fixed(_) => None,
            ExpiresSetting::Variable { value, .. } => Some(pending(value)),
        };
        let own = Self {
            added: values(&headers.add),
            trailers: values(&headers.trailers),
            expires,
            charsets: charset::rendered(ctx),
            pace: Pace::of(ctx),
            uid: ctx.uid_cookie(),
        };
        let Self { added, trailers, expires, charsets, pace, uid } = &own;
        let empty = added.is_empty() && trailers.is_empty() && expires.is_none();
        let empty = empty && charsets.iter().all(Option::is_none);
        (!empty || pace.is_some() || uid.is_some()).then(|| Box::new(own))
    }

    fn freeze(&self) -> FrozenOwn {
        let freeze = |pending: &Pending| pending.freeze(None, write_value);
        let rows = |values: &[OwnValue]| values.iter().map(|(at, value)| (*at, freeze(value))).collect();
        FrozenOwn {
            added: rows(&self.added),
            trailers: rows(&self.trailers),
            expires: self.expires.as_ref().map(freeze),
            charsets: self.charsets.clone(),
            pace: self.pace,
            uid: self.uid.clone(),
        }
    }

    fn thaw(frozen: FrozenOwn) -> Self {
        let rows = |values: Vec<(usize, Frozen)>| {
            values.into_iter().map(|(at, value)| (at, Pending::thaw(value))).collect()
        };
        Self {
            added: rows(frozen.added),
            trailers: rows(frozen.trailers),
            expires: frozen.expires.map(Pending::thaw),
            charsets: frozen.charsets,
            pace: frozen.pace,
            uid: frozen.uid,
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
            gzip: if conf.gzip.enabled { gzip::acceptance(ctx) } else { Acceptance::Never },
            own: Own::new(ctx),
            conf,
        }
    }

    /// Whether no variable has a say in its answers.
    pub fn is_plain(&self) -> bool {
        self.own.is_none()
    }

    /// For another process.
    pub fn freeze(&self) -> FrozenResponder {
        let Self { keep_alive, http10, head_only, gzip, .. } = *self;
        FrozenResponder { keep_alive, http10, head_only, gzip, own: self.own.as_deref().map(Own::freeze) }
    }

    /// From another process, for the same location.
    pub fn thaw(frozen: FrozenResponder, conf: Arc<LocationConf>) -> Self {
        let FrozenResponder { keep_alive, http10, head_only, gzip, own } = frozen;
        Self { conf, keep_alive, http10, head_only, gzip, own: own.map(Own::thaw).map(Box::new) }
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
            let body = Framed::Tunnel(tunnel);
            return Rendered {
                status,
                head: head.finish(),
                body,
                whole: None,
                last_chunk: Bytes::new(),
                keep_alive: false,
                pace: None,
            };
        }
        let recoder = recoding.filter(|_| !bodiless).map(|recoding| Recoder::new(Arc::clone(recoding)));
        let body = if bodiless { Payload::default() } else { answer.body };
        let gzip = compressed.then_some(self.conf.gzip.level);
        let last_chunk = if chunked || trailers { self.last_chunk(status, &head.0) } else { Bytes::new() };
        let body = frame(body, recoder, gzip, chunked.then(|| last_chunk.clone()));
        let (head, body, whole) = head.finish_with(body);
        Rendered { status, head, body, whole, last_chunk, keep_alive, pace: self.pace() }
    }

    /// `limit_rate` for this answer.
    pub fn pace(&self) -> Option<Pace> {
        self.own.as_ref().and_then(|own| own.pace)
    }

    fn compressible(&self, answer: &Answer) -> bool {
        let (kind, length) = (answer.content_type.as_deref(), answer.body.length());
        !answer.is_encoded() && gzip::compressible(&self.conf.gzip, answer.status, kind, length)
    }

    /// Whether an answer will be compressed: then no ranges of it can be given.
    pub fn compresses(&self, answer: &Answer) -> bool {
        self.compressible(answer) && self.gives_gzip(answer, self.expires(answer).as_ref())
    }

    fn gives_gzip(&self, answer: &Answer, expires: Option<&Freshness>) -> bool {
        match self.gzip {
            Acceptance::Never => false,
            Acceptance::Always => true,
            Acceptance::Proxied => {
                let added = self.added(answer.status, &[]);
                let added = added.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cache-control"));
                let passed = answer.passed.as_deref();
                let behind = |name: &str| passed.and_then(|passed| passed.find(name));
                let own = match expires {
                    Some(freshness) => Some(freshness.cache_control.as_bytes()),
                    None => behind("cache-control"),
                };
                let own = own.map(Cow::Borrowed);
                let control: Vec<_> = own.into_iter().chain(added.map(|(_, value)| value.clone())).collect();
                let control = (!control.is_empty()).then(|| control.join(&b','));
                let proxied = ProxiedAnswer {
                    expires: match expires {
                        Some(freshness) => Some(freshness.expires.as_bytes()),
                        None => behind("expires"),
                    },
                    cache_control: control.as_deref(),
                    last_modified: self.sets(answer.status, "last-modified")
                        || behind("last-modified").is_some(),
                    etag: answer.etag.is_some() || behind("etag").is_some(),
                };
                gzip::proxied(&self.conf.gzip.proxied, &proxied)
            }
        }
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

    /// Headers of the handler, of `expires` and of `add_header`. One that `add_header` sets replaces a
    /// cross-origin header of ours: two of them make browsers refuse the answer.
    fn further_headers(
        &self,
        head: &mut Head,
        answer: &Answer,
        expires: Option<Freshness>,
        compressed: bool,
    ) {
        let replaced = |name: &str| {
            let starts_so = name.starts_with("Access-Control-") || name == "ETag";
            starts_so && self.sets(answer.status, name)
        };
        for (name, value) in answer.passed.iter().flat_map(|passed| &passed.headers) {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let stands_in = expires.is_some() && (is("expires") || is("cache-control"));
            let added = (is("etag") || is("last-modified")) && self.sets(answer.status, name);
            let untrue = is("accept-ranges") && (compressed || self.changes_length(answer));
            if !(stands_in || added || untrue) {
                head.line(name, weakened(name, value, compressed));
            }
        }
        let etag = answer.etag.iter().filter(|_| !answer.etag_written).map(|etag| ("ETag", etag));
        let headers = answer.headers.iter().map(|(name, value)| (&**name, value));
        for (name, value) in etag.chain(headers) {
            if !replaced(name) {
                head.line(name, weakened(name, value, compressed));
            }
        }
        if let Some(Freshness { expires, cache_control }) = expires {
            head.line("Expires", expires);
            head.line("Cache-Control", cache_control);
        }
        if let (416, Ranges::Content(range)) = (answer.status, &answer.ranges) {
            // nginx has added headers to the whole file already when it finds that there is no such range.
            for (name, value) in self.added(200, &head.0) {
                head.line(name, value);
            }
            head.line("Content-Range", &**range);
        }
        for (name, value) in self.added(answer.status, &head.0) {
            head.line(name, weakened(name, &value, compressed));
        }
        for (name, value) in self.own.iter().filter_map(|own| own.uid.as_ref()).flat_map(UidCookie::headers) {
            head.line(name, value);
        }
    }

    /// Whether `add_header` sets this header of such an answer.
    fn sets(&self, status: u16, name: &str) -> bool {
        let plain = is_plain(status);
        let mut rows = self.conf.headers.add.iter().filter(|row| plain || row.always);
        rows.any(|row| row.name.eq_ignore_ascii_case(name))
    }

    /// What `add_header` adds to an answer that has this head so far; empty values are not sent.
    fn added(&self, status: u16, head: &[u8]) -> Vec<(&str, Cow<'_, [u8]>)> {
        let own = self.own.as_ref().map_or(&[][..], |own| &own.added);
        values(&self.conf.headers.add, own, status, head)
    }

    fn has_trailers(&self, status: u16) -> bool {
        self.conf.headers.trailers.iter().any(|row| row.always || is_plain(status))
    }

    /// The end of a body in chunks, with what `add_trailer` adds to an answer that has this head.
    fn last_chunk(&self, status: u16, head: &[u8]) -> Bytes {
        let own = self.own.as_ref().map_or(&[][..], |own| &own.trailers);
        let mut last = Head(b"0\r\n".to_vec());
        for (name, value) in values(&self.conf.headers.trailers, own, status, head) {
            last.line(name, value);
        }
        last.finish()
    }

    /// `add_header Last-Modified` replaces the answer's own, as in nginx. Error pages have none.
    fn last_modified(&self, head: &mut Head, answer: &Answer) {
        let sent = matches!(answer.status, 200 | 206 | 304) && !self.sets(answer.status, "last-modified");
        if let Some(seconds) = answer.last_modified.filter(|_| sent) {
            head.line("Last-Modified", date::format(seconds));
        }
    }

    /// What `expires` says of an answer.
    fn expires(&self, answer: &Answer) -> Option<Freshness> {
        if !is_plain(answer.status) {
            return None;
        }
        let expires = match &self.conf.headers.expires {
            ExpiresSetting::Fixed(expires) => *expires,
            ExpiresSetting::Variable { modified, .. } => {
                // What a value may depend on of what is still to be written.
                let mut head = Head::new(answer.status, answer.phrases);
                if let Some(content_type) = self.content_type(answer) {
                    head.line("Content-Type", content_type);
                }
                self.last_modified(&mut head, answer);
                let value = self.own.as_ref()?.expires.as_ref()?.finish(
                    &so_far(answer.status, &head.0),
                    None,
                    write_value,
                );
                Expires::parse(&value, *modified).ok()?
            }
        };
        Freshness::new(expires, answer.last_modified)
    }
}

/// What `expires` adds to an answer.
struct Freshness {
    expires: String,
    cache_control: String,
}

impl Freshness {
    fn new(expires: Expires, last_modified: Option<i64>) -> Option<Self> {
        let now = date::now();
        let fixed = |expires: &str, cache_control: &str| {
            Some(Self { expires: expires.to_owned(), cache_control: cache_control.to_owned() })
        };
        let seconds = match expires {
            Expires::Off => return None,
            Expires::Epoch => return fixed("Thu, 01 Jan 1970 00:00:01 GMT", "no-cache"),
            Expires::Max => return fixed("Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"),
            Expires::In(seconds) => seconds,
            Expires::Modified(seconds) => last_modified.map_or(seconds, |modified| modified + seconds - now),
            Expires::At(time) => date::until_local_time(time),
        };
        let age = if seconds < 0 { "no-cache".to_owned() } else { format!("max-age={seconds}") };
        fixed(date::format(now.saturating_add(seconds)).as_str(), &age)
    }
}

/// Values of `add_header` or `add_trailer` for an answer that has this head so far; empty ones are not sent.
fn values<'a>(
    rows: &'a [AddHeader],
    own: &'a [OwnValue],
    status: u16,
    head: &[u8],
) -> Vec<(&'a str, Cow<'a, [u8]>)> {
    let fitting = rows.iter().enumerate().filter(|(_, row)| row.always || is_plain(status));
    let values = fitting.filter_map(|(at, row)| {
        let value = match row.value.as_literal() {
            Some(bytes) => Cow::Borrowed(bytes),
            None => {
                let pending = own.iter().find(|(place, _)| *place == at);
                Cow::Owned(pending?.1.finish(&so_far(status, head), None, write_value))
            }
        };
        (!value.is_empty()).then_some((&*row.name, value))
    });
    values.collect()
}

/// An answer of which there is only a part of its head.
fn so_far(status: u16, head: &[u8]) -> AnswerSoFar<'_> {
    AnswerSoFar { head, ..AnswerSoFar::of_status(status) }
}

/// A header of an answer; the ETag of a compressed one is weak, since its bytes are others.
fn weakened<'a>(name: &str, value: &'a [u8], compressed: bool) -> Cow<'a, [u8]> {
    if compressed && name.eq_ignore_ascii_case("etag") && value.starts_with(b"\"") {
        return Cow::Owned([b"W/", value].concat());
    }
    Cow::Borrowed(value)
}

/// Compresses and frames what is in memory; what is not has that before it.
fn frame(body: Payload, recoder: Option<Recoder>, gzip: Option<u32>, last_chunk: Option<Bytes>) -> Framed {
    match body {
        Payload::Pieces(pieces) => Framed::Pieces { pieces, recoder, gzip, last_chunk },
        Payload::Source(source) => Framed::Pieces { pieces: Pieces::all(source), recoder, gzip, last_chunk },
        Payload::Whole(bytes) => {
            let bytes = match recoder {
                Some(mut recoder) => [recoder.feed(&bytes), recoder.finish()].concat().into(),
                None => bytes,
            };
            let bytes = match gzip {
                Some(level) if !bytes.is_empty() => gzip::compress(&bytes, level),
                _ => bytes,
            };
            Framed::Whole(match last_chunk {
                Some(last) if bytes.is_empty() => last,
                Some(last) => [&chunk(&bytes)[..], &last].concat().into(),
                None => bytes,
            })
        }
    }
}

/// A stretch of a body as a chunk.
pub fn chunk(bytes: &[u8]) -> Bytes {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat().into()
}

/// Statuses that get `expires`, and every `add_header`.
fn is_plain(status: u16) -> bool {
    matches!(status, 200 | 201 | 204 | 206 | 301..=304 | 307 | 308)
}

/// A value as it is; none is nothing.
fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(value.unwrap_or_default());
}

/// Room for a head, and the body of an answer that tells of a channel.
const USUAL_HEAD: usize = 512;

/// A head being written.
struct Head(Vec<u8>);

impl Head {
    fn new(status: u16, phrases: Phrases) -> Self {
        let mut bytes = Vec::with_capacity(USUAL_HEAD);
        bytes.extend_from_slice(b"HTTP/1.1 ");
        bytes.extend([status / 100, status / 10, status].map(|part| b'0' + (part % 10) as u8));
        bytes.push(b' ');
        bytes.extend_from_slice(phrases.of(status).as_bytes());
        bytes.extend_from_slice(b"\r\n");
        Self(bytes)
    }

    fn with_line(line: &[u8]) -> Self {
        Self([b"HTTP/1.1 ", line, b"\r\n"].concat())
    }

    /// Line ends inside a value would start a header of somebody else's making: they become blanks.
    #[inline]
    fn line(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        if memchr::memchr3(b'\r', b'\n', 0, value).is_none() {
            self.0.extend_from_slice(value);
        } else {
            let blank = |byte: &u8| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte };
            self.0.extend(value.iter().map(blank));
        }
        self.0.extend_from_slice(b"\r\n");
    }

    fn number(&mut self, name: &str, value: impl itoa::Integer) {
        self.line(name, itoa::Buffer::new().format(value));
    }

    /// The head, the body, and both in one piece if that is small: one piece takes the system less time than two.
    fn finish_with(mut self, body: Framed) -> (Bytes, Framed, Option<Bytes>) {
        const SMALL: usize = 4096;
        match body {
            Framed::Whole(body) if body.len() <= SMALL => {
                self.0.extend_from_slice(b"\r\n");
                let length = self.0.len();
                self.0.extend_from_slice(&body);
                let whole = Bytes::from(self.0);
                (whole.slice(..length), Framed::Whole(whole.slice(length..)), Some(whole))
            }
            body => (self.finish(), body, None),
        }
    }

    fn finish(mut self) -> Bytes {
        self.0.extend_from_slice(b"\r\n");
        self.0.into()
    }
}
