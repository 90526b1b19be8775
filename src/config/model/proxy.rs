//! `proxy_pass`, and what shapes what is passed on and what comes back.

use std::sync::Arc;
use std::time::Duration;

use super::super::regex::Regex;
use super::super::template::Template;
use super::upstream::ResolverConf;

/// `proxy_pass` and everything that shapes what is passed on and what comes back.
#[derive(Clone, Debug)]
pub struct ProxyConf {
    /// `proxy_pass`.
    pub pass: ProxyPass,
    /// `proxy_set_header` in force, and behind it those that nginx sets by default.
    pub set_headers: Arc<[SetHeader]>,
    /// `proxy_method`.
    pub method: Option<Template>,
    /// `proxy_set_body`.
    pub set_body: Option<Template>,
    /// `proxy_pass_request_body`.
    pub pass_request_body: bool,
    /// `proxy_pass_request_headers`.
    pub pass_request_headers: bool,
    /// `proxy_http_version 1.1`.
    pub http11: bool,
    /// `proxy_connect_timeout`.
    pub connect_timeout: Duration,
    /// `proxy_send_timeout`: between two writes.
    pub send_timeout: Duration,
    /// `proxy_read_timeout`: between two reads.
    pub read_timeout: Duration,
    /// `proxy_redirect`, in order; the first that fits changes `Location` or `Refresh`.
    pub redirects: Arc<[Replace]>,
    /// `proxy_cookie_domain`, in order.
    pub cookie_domains: Arc<[Replace]>,
    /// `proxy_cookie_path`, in order.
    pub cookie_paths: Arc<[Replace]>,
    /// `proxy_cookie_flags`, in order.
    pub cookie_flags: Arc<[CookieFlags]>,
    /// Headers that clients do not get: nginx's own list and `proxy_hide_header`, without `proxy_pass_header`; lower case.
    pub hidden: Arc<[Box<str>]>,
    /// `proxy_ignore_headers`, lower case.
    pub ignored: Arc<[Box<str>]>,
    /// `proxy_intercept_errors`.
    pub intercept_errors: bool,
    /// `proxy_ignore_client_abort`.
    pub ignore_client_abort: bool,
    /// `proxy_buffering`.
    pub buffering: bool,
    /// `proxy_request_buffering`.
    pub request_buffering: bool,
    /// `proxy_buffer_size`: the longest head of an answer, bytes.
    pub buffer_size: usize,
    /// `proxy_buffers`: how much of an answer is read ahead of the client, bytes.
    pub buffers: usize,
    /// `proxy_limit_rate`, bytes per second.
    pub limit_rate: Option<u64>,
    /// `proxy_next_upstream` and what bounds it.
    pub next: NextUpstream,
    /// `proxy_bind`.
    pub bind: Option<Template>,
    /// `proxy_socket_keepalive`.
    pub socket_keepalive: bool,
    /// `resolver` in force.
    pub resolver: Option<Arc<ResolverConf>>,
}

/// `proxy_pass`.
#[derive(Clone, Debug)]
pub struct ProxyPass {
    /// Where to.
    pub target: PassTarget,
    /// The beginning of the path that a URI of `proxy_pass` replaces: the location's own, bytes.
    pub prefix: usize,
}

/// Where `proxy_pass` leads.
#[derive(Clone, Debug)]
pub enum PassTarget {
    /// Known when the configuration is read.
    Fixed {
        /// The group: an index into [`super::Config::upstreams`].
        group: usize,
        /// `$proxy_host`: as written.
        host: Box<str>,
        /// `$proxy_port`.
        port: Box<str>,
        /// The URI, if there is one.
        uri: Option<Box<[u8]>>,
    },
    /// Holds variables.
    Computed(Template),
}

/// A `proxy_set_header`; empty values are not sent.
#[derive(Clone, Debug)]
pub struct SetHeader {
    /// The name as written.
    pub name: Box<str>,
    /// The value.
    pub value: HeaderValue,
}

/// What a header of the request to the server behind holds.
#[derive(Clone, Debug)]
pub enum HeaderValue {
    /// A text.
    Text(Template),
    /// The length of the body, where it is known.
    BodyLength,
    /// `chunked`, where it is not.
    BodyChunked,
}

/// Replaces a text, or the beginning of one.
#[derive(Clone, Debug)]
pub struct Replace {
    /// What is looked for.
    pub pattern: Pattern,
    /// What stands in its place.
    pub replacement: Template,
}

/// What `proxy_redirect` and `proxy_cookie_*` look for.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A beginning (or a whole domain); case ignored for domains.
    Text(Template),
    /// `~` and `~*`.
    Regex(Regex),
}

/// `proxy_cookie_flags`.
#[derive(Clone, Debug)]
pub struct CookieFlags {
    /// The cookie's name.
    pub cookie: Pattern,
    /// `secure`, `nosecure`, `httponly`, ..., which may hold variables.
    pub flags: Box<[Template]>,
}

/// When a request goes to the next server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextUpstream {
    /// `proxy_next_upstream`: a set of [`Failure`]s.
    pub failures: u16,
    /// `proxy_next_upstream_tries`; 0 is no limit.
    pub tries: u64,
    /// `proxy_next_upstream_timeout`.
    pub timeout: Option<Duration>,
}

/// What can go wrong with a server behind; each a bit of [`NextUpstream::failures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Failure {
    Error,
    Timeout,
    InvalidHeader,
    Http500,
    Http502,
    Http503,
    Http504,
    Http403,
    Http404,
    Http429,
    /// The request may not be sent twice: `non_idempotent`.
    NonIdempotent,
    Updating,
    Off,
}

impl NextUpstream {
    /// Whether all of these failures let a request go on.
    pub fn allows(&self, failures: u16) -> bool {
        self.failures & failures == failures
    }
}

impl Failure {
    /// The words of `proxy_next_upstream`.
    pub const WORDS: [(&'static str, Self); 13] = [
        ("error", Self::Error),
        ("timeout", Self::Timeout),
        ("invalid_header", Self::InvalidHeader),
        ("http_500", Self::Http500),
        ("http_502", Self::Http502),
        ("http_503", Self::Http503),
        ("http_504", Self::Http504),
        ("http_403", Self::Http403),
        ("http_404", Self::Http404),
        ("http_429", Self::Http429),
        ("non_idempotent", Self::NonIdempotent),
        ("updating", Self::Updating),
        ("off", Self::Off),
    ];

    /// Its bit.
    pub const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// What this status of an answer means, if it means a failure.
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            403 => Some(Self::Http403),
            404 => Some(Self::Http404),
            429 => Some(Self::Http429),
            500 => Some(Self::Http500),
            502 => Some(Self::Http502),
            503 => Some(Self::Http503),
            504 => Some(Self::Http504),
            _ => None,
        }
    }
}
