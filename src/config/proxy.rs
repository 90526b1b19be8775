//! What `proxy_*`, `upstream`, `resolver` and `auth_request` mean: plain data.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::regex::Regex;
use super::template::Template;

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
        /// The group: an index into [`super::model::Config::upstreams`].
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

impl NextUpstream {
    /// Whether all of these failures let a request go on.
    pub fn allows(&self, failures: u16) -> bool {
        self.failures & failures == failures
    }
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

/// A group of servers: an `upstream`, or a host that a `proxy_pass` names.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name, or the host.
    pub name: Box<str>,
    /// The port of a host; `None` for an `upstream`, which is found without one.
    pub port: Option<u16>,
    /// Its servers, addresses resolved, in file order.
    pub servers: Box<[UpstreamServer]>,
    /// How one of them is chosen.
    pub balance: Balance,
    /// `keepalive` and what belongs to it; `None`: connections are closed.
    pub keepalive: Option<KeepAlivePool>,
}

/// One address of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamServer {
    /// Where it is.
    pub address: PeerAddress,
    /// The server as written: what `hash ... consistent` goes by.
    pub name: Box<str>,
    /// `weight=`.
    pub weight: i64,
    /// `max_fails=`; 0: it is never taken out.
    pub max_fails: u64,
    /// `fail_timeout=`.
    pub fail_timeout: Duration,
    /// `max_conns=`; 0 is no limit.
    pub max_conns: u64,
    /// `backup`.
    pub backup: bool,
    /// `down`.
    pub down: bool,
}

impl UpstreamServer {
    /// One of which nothing else is said: nginx's defaults.
    pub fn new(address: PeerAddress, name: impl Into<Box<str>>) -> Self {
        Self {
            address,
            name: name.into(),
            weight: 1,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            max_conns: 0,
            backup: false,
            down: false,
        }
    }
}

/// An address of a server behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// Over IP.
    Inet(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How a server of a group is chosen.
#[derive(Clone, Debug, Default)]
pub enum Balance {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// `least_conn`.
    LeastConn,
    /// `ip_hash`.
    IpHash,
    /// `hash KEY`.
    Hash(Template),
    /// `hash KEY consistent`.
    Consistent(Template),
    /// `random`.
    Random,
    /// `random two`.
    RandomTwo,
}

/// `keepalive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlivePool {
    /// Idle connections each worker keeps.
    pub connections: usize,
    /// `keepalive_requests`.
    pub requests: u64,
    /// `keepalive_timeout`: how long a connection may be idle.
    pub timeout: Duration,
    /// `keepalive_time`: how old it may get.
    pub time: Duration,
}

/// `resolver` and `resolver_timeout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverConf {
    /// Name servers.
    pub servers: Box<[SocketAddr]>,
    /// `valid=`: how long answers hold, whatever they say themselves.
    pub valid: Option<Duration>,
    /// `ipv6=off` makes it false.
    pub ipv6: bool,
    /// `resolver_timeout`.
    pub timeout: Duration,
}

/// `auth_request`.
#[derive(Clone, Debug, Default)]
pub struct AuthRequestConf {
    /// The URI that is asked for leave.
    pub uri: Option<Box<[u8]>>,
    /// `auth_request_set`: user variables and their values.
    pub set: Arc<[(AuthVariable, Template)]>,
    /// `log_subrequest`.
    pub log_subrequest: bool,
}

/// `mirror`.
#[derive(Clone, Debug, Default)]
pub struct MirrorConf {
    /// URIs to which requests are made.
    pub uris: Arc<[Box<[u8]>]>,
    /// `mirror_request_body`.
    pub request_body: bool,
}

/// What `auth_request_set` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthVariable {
    /// A variable that can be redefined: an index into the configuration's variables.
    Named(usize),
    /// `$args`.
    Args,
    /// `$limit_rate`.
    LimitRate,
}

/// A host and a port as `proxy_pass` and `server` write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The host; of a unix socket, `unix:` and the path.
    pub host: Box<str>,
    /// The port, if it was given.
    pub port: Option<u16>,
    /// The address, where the host is one.
    pub literal: Option<Literal>,
    /// What follows, from the `/` or `?` on.
    pub uri: Box<str>,
    /// Host and port as written.
    pub text: Box<str>,
}

/// A host that needs no name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// An IP address.
    Ip(IpAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl HostPort {
    /// Takes `host[:port][/uri]` or `unix:path[:uri]` apart.
    ///
    /// # Errors
    /// nginx's words: `no host`, `invalid host`, `invalid port`, `no path in the unix domain socket`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let (path, uri) = rest.split_once(':').unwrap_or((rest, ""));
            if path.is_empty() {
                return Err("no path in the unix domain socket");
            }
            let host: Box<str> = format!("unix:{path}").into();
            let literal = Some(Literal::Unix(path.into()));
            return Ok(Self { text: host.clone(), host, port: None, literal, uri: uri.into() });
        }
        let end = text.find(['/', '?', '#']).unwrap_or(text.len());
        let (authority, uri) = text.split_at(end);
        let (host, port) = if authority.starts_with('[') {
            let close = authority.find(']').ok_or("invalid host")? + 1;
            let (host, rest) = authority.split_at(close);
            let port = rest.strip_prefix(':').or(rest.is_empty().then_some("")).ok_or("invalid host")?;
            (host, (!rest.is_empty()).then_some(port))
        } else {
            authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or("invalid port"));
        let port = port.transpose()?;
        if host.is_empty() {
            return Err("no host");
        }
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let ip = ip.filter(|ip: &IpAddr| ip.is_ipv6() == host.starts_with('['));
        if host.starts_with('[') && ip.is_none() {
            return Err("invalid host");
        }
        let literal = ip.map(Literal::Ip);
        Ok(Self { host: host.into(), port, literal, uri: uri.into(), text: authority.into() })
    }

    /// The address, where the host is one.
    pub fn address(&self, default_port: u16) -> Option<PeerAddress> {
        Some(match self.literal.as_ref()? {
            Literal::Ip(ip) => PeerAddress::Inet(SocketAddr::new(*ip, self.port.unwrap_or(default_port))),
            Literal::Unix(path) => PeerAddress::Unix(path.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<u16>, String, bool) {
        let host = HostPort::parse(text).unwrap();
        (host.host.to_string(), host.port, host.uri.to_string(), host.literal.is_some())
    }

    #[test]
    fn hosts_are_taken_apart() {
        let row = |host: &str, port, uri: &str, literal| (host.to_owned(), port, uri.to_owned(), literal);
        assert_eq!(parsed("a.b:81/c?d"), row("a.b", Some(81), "/c?d", false));
        assert_eq!(parsed("127.0.0.1"), row("127.0.0.1", None, "", true));
        assert_eq!(parsed("[::1]:8080/"), row("[::1]", Some(8080), "/", true));
        assert_eq!(parsed("unix:/tmp/x:/a"), row("unix:/tmp/x", None, "/a", true));
        assert_eq!(parsed("host?a"), row("host", None, "?a", false));
    }

    #[test]
    fn what_is_wrong_has_nginx_words() {
        for (text, error) in [
            ("", "no host"),
            (":80", "no host"),
            ("a:b/", "invalid port"),
            ("a:0", "invalid port"),
            ("a:99999", "invalid port"),
            ("[::1", "invalid host"),
            ("unix:", "no path in the unix domain socket"),
        ] {
            assert_eq!(HostPort::parse(text), Err(error), "{text}");
        }
    }
}
