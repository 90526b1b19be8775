//! One request as directives see it: its parts, its variables, the rewrite program, the head of its answer.

pub mod answer;
pub mod body;
pub mod body_file;
mod browser;
pub mod channel_facts;
pub mod content;
pub mod date;
pub mod evaluation;
pub mod forwarded;
pub mod gzip;
pub mod json;
pub mod late;
pub mod limits;
pub mod log_line;
pub mod made_again;
pub mod open;
pub mod open_files;
pub mod pace;
pub mod pages;
pub mod passed;
pub mod path;
pub mod payload;
pub mod proxied;
pub mod recode;
mod referer;
pub mod rewrite;
mod secure_link;
pub mod stretch;
pub mod upstream;
pub mod uri;
mod user_agent;
pub mod userid;
pub mod values;
pub mod vars;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::AsHeaderName;
use http::{HeaderMap, Method, Version};

use crate::config::model::{Config, LocationConf, Server, Severity};
use crate::log;
use crate::store::Store;

use self::body::RequestBody;
use self::channel_facts::ChannelFacts;
use self::limits::Limits;
use self::open_files::OpenFiles;
use self::proxied::Proxied;
use self::upstream::UpstreamRecord;
use self::userid::UidState;
use self::values::Values;

/// An end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Over IP.
    Inet(SocketAddr),
    /// A unix socket.
    Unix,
}

impl Endpoint {
    /// The IP address, if there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }

    /// The port, if there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Inet(address) => Some(address.port()),
            Self::Unix => None,
        }
    }
}

impl Endpoint {
    /// The address for people and variables: without the port.
    pub fn address_text(&self) -> String {
        self.ip().map_or_else(|| "unix:".to_owned(), |ip| ip.to_string())
    }

    /// Address and port for people.
    pub fn text(&self) -> String {
        match self {
            Self::Inet(address) => address.to_string(),
            Self::Unix => "unix:".to_owned(),
        }
    }
}

/// What is known of a connection for as long as it lives.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Serial number within the process: `$connection`.
    pub serial: u64,
    /// The client.
    pub remote: Endpoint,
    /// Where the connection came in.
    pub local: Endpoint,
    /// What a proxy said of the client, if one did.
    pub proxied: Option<Box<Proxied>>,
    /// When it was accepted.
    pub accepted: Instant,
    /// Its requests are told of in detail (`debug_connection`).
    pub debug: bool,
}

/// A request on its way through the phases.
#[derive(Clone, Debug)]
pub struct RequestCtx {
    /// The configuration it is judged by.
    pub config: Arc<Config>,
    /// The server it is for: an index into [`Config::servers`].
    pub server: usize,
    /// Settings in force: of the server, then of the location, then of an `if` in it.
    pub conf: Arc<LocationConf>,
    /// Its connection.
    pub connection: Arc<Connection>,
    /// The client: its connection's remote end, or whom a trusted proxy names (`set_real_ip_from`).
    pub remote: Endpoint,
    /// A proxy has named the client.
    pub remote_replaced: bool,
    /// What limits decided, and what it holds for them.
    pub limits: Arc<Limits>,
    /// Which request of its connection it is, from 1.
    pub number: u64,
    /// The request line as it came.
    pub line: Bytes,
    /// It is no request: only its line is known.
    pub unreadable: bool,
    /// Its method.
    pub method: Method,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// Its headers.
    pub headers: HeaderMap,
    /// The target as it came, without scheme and host: `$request_uri`.
    pub target: Bytes,
    /// The whole target of the request line.
    pub raw_target: Bytes,
    /// Host from the request line or the header, lower case, without port; empty when there was none.
    pub host: Box<str>,
    /// Decoded and normalized path, as rewritten so far: `$uri`.
    pub uri: Box<[u8]>,
    /// Arguments, as rewritten so far: `$args`.
    pub args: Box<[u8]>,
    /// All channels.
    pub store: Arc<Store>,
    /// Files that are kept open.
    pub open_files: Arc<OpenFiles>,
    /// What is known of those it is about.
    pub facts: ChannelFacts,
    /// The path or the arguments are no longer those of the request line.
    pub changed: bool,
    /// How deep inside of other requests this one is made; 0 for one from a client.
    pub depth: u8,
    /// Of a request made inside: the method of the client's.
    pub client_method: Option<Method>,
    /// What is known of the servers behind that it went to.
    pub upstream: UpstreamRecord,
    /// Headers of a server behind that sent the request elsewhere inside (`X-Accel-Redirect`).
    pub carried: Vec<(Box<str>, Vec<u8>)>,
    /// What variables hold so far.
    pub values: Values,
    /// `set $limit_rate`: bytes a second.
    pub limit_rate: Option<u64>,
    /// The cookie of `userid`.
    pub uid: UidState,
    /// The status that `error_page` keeps while another location answers; 0: none.
    pub error_status: u16,
    /// Redirected inside the server (`error_page`, `rewrite`): `internal` locations are open to it.
    pub internal: bool,
    /// `rewrite ... break` changed the URI in its location: an alias, or the URI of `proxy_pass`, no longer fits it.
    pub rewritten_in_place: bool,
    /// `try_files` found a file behind the alias of a regular expression: the URI stands behind that now.
    pub uri_behind_alias: bool,
    /// How often it may still be sent to another URI or location.
    pub uri_changes: u8,
    /// Whether some of it came together with the request before: `$pipe`.
    pub pipelined: bool,
    /// Its head as it came.
    pub head: Bytes,
    /// Bytes of the request line and the headers.
    pub head_length: u64,
    /// Its body.
    pub body: RequestBody,
    /// Bytes of the body that were read so far; those that were dropped do not count, as in nginx.
    pub body_length: Arc<AtomicU64>,
    /// Whether the connection may serve another request after this one.
    pub keep_alive: bool,
    /// User and password of Basic authentication, decoded on first use.
    pub credentials: OnceLock<Option<Credentials>>,
    /// `$request_id`, made on first use.
    pub id: OnceLock<String>,
    /// When its first bytes were seen.
    pub started: Instant,
    /// User variables that were used without a value: one warning each is enough.
    pub uninitialized: OnceLock<Arc<Mutex<HashSet<usize>>>>,
}

impl RequestCtx {
    /// The server in force.
    pub fn server(&self) -> &Server {
        &self.config.servers[self.server]
    }

    /// The first header of that name: a constant of [`http::header`], which costs less to look for, or lower case.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&[u8]> {
        self.headers.get(name).map(http::HeaderValue::as_bytes)
    }

    /// Whether the connection stays open after the answer, by what is known of the request.
    pub fn keeps_alive(&self) -> bool {
        let core = &self.conf.core;
        self.keep_alive
            && !core.keepalive_timeout.is_zero()
            && !self.is_last()
            && !user_agent::is_not_kept(self)
    }

    /// Whether its connection has had all requests that it may, or all its time.
    pub fn is_last(&self) -> bool {
        let (conf, connection) = (&self.conf, &self.connection);
        self.number >= conf.core.keepalive_requests
            || connection.accepted.elapsed() > conf.connection.keepalive_time
    }

    /// Whether the request is HTTP/1.0.
    pub fn is_http10(&self) -> bool {
        self.version == Version::HTTP_10
    }

    /// Writes an error line about this request to the logs of its location.
    pub fn log(&self, severity: Severity, message: &str) {
        self.log_line(severity, message.as_bytes(), None);
    }

    /// The same about a server behind, whose URL is told, too.
    pub fn log_upstream(&self, severity: Severity, message: &str, upstream: Option<&str>) {
        self.log_line(severity, message.as_bytes(), upstream);
    }

    /// The same for a message that quotes what need not be UTF-8.
    pub fn log_bytes(&self, severity: Severity, message: &[u8]) {
        self.log_line(severity, message, None);
    }

    fn log_line(&self, severity: Severity, message: &[u8], upstream: Option<&str>) {
        if self.logs(severity) {
            // The same request again would be told of again.
            self.values.note_volatile();
            let serial = format!("*{} ", self.connection.serial);
            // Where the line is at fault, nginx has not read the headers yet.
            let has_headers = !message.ends_with(b"request line");
            let context = self.error_context(has_headers, upstream);
            let write = if self.connection.debug { log::write_error_to_all } else { log::write_error };
            write(&self.conf.log.error, severity, &[serial.as_bytes(), message].concat(), &context);
        }
    }

    /// Tells of each of these lines what is done with the request, for those who look for a mistake in a configuration.
    pub fn debug<'a>(&self, what: &str, lines: impl IntoIterator<Item = &'a [u8]>) {
        if self.logs(Severity::Debug) {
            for line in lines {
                self.log_bytes(Severity::Debug, &[what.as_bytes(), b": \"", line, b"\""].concat());
            }
        }
    }

    /// Whether lines of this severity are written for the location.
    pub fn logs(&self, severity: Severity) -> bool {
        self.connection.debug || self.conf.log.error.iter().any(|log| severity <= log.level)
    }

    /// What nginx appends to an error line about a request, in the bytes that came.
    fn error_context(&self, has_headers: bool, upstream: Option<&str>) -> Vec<u8> {
        let client = self.remote.address_text();
        let mut text = format!(", client: {client}, server: {}", self.server().name).into_bytes();
        let mut quote = |name: &str, value: &[u8]| {
            text.extend_from_slice(&[b", ", name.as_bytes(), b": \"", value, b"\""].concat());
        };
        if !self.line.is_empty() {
            quote("request", &self.line);
        }
        if self.depth > 0 {
            quote("subrequest", &self.uri);
        }
        if let Some(upstream) = upstream {
            quote("upstream", upstream.as_bytes());
        }
        for (name, header) in [("host", "host"), ("referrer", "referer")] {
            if let Some(value) = self.header(header).filter(|_| has_headers) {
                quote(name, value);
            }
        }
        text
    }

    /// Warns, once, of a variable that is used before its `set`.
    fn warn_uninitialized(&self, user: usize) {
        if !self.conf.log.uninitialized {
            return;
        }
        let warned = self.uninitialized.get_or_init(Arc::default);
        if warned.lock().unwrap_or_else(PoisonError::into_inner).insert(user) {
            let name = &self.config.variables.names()[user];
            self.log(Severity::Warn, &format!("using uninitialized \"{name}\" variable"));
        }
    }

    /// User name and password of a `Basic` authorization, if the request has one.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.get_or_init(|| basic_credentials(self.header("authorization")?)).as_ref()
    }
}

/// A user's name and password, as they came.
pub type Credentials = (Box<[u8]>, Box<[u8]>);

/// Decodes `Basic BASE64(user:password)`. As in nginx, padding may be missing, and nothing behind it counts.
fn basic_credentials(header: &[u8]) -> Option<Credentials> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let encoded = encoded.trim_ascii_start().split(|byte| *byte == b'=').next()?;
    let mut user = BASE64.decode(encoded).ok()?;
    let colon = user.iter().position(|byte| *byte == b':').filter(|at| *at > 0)?;
    let password = user.split_off(colon + 1);
    user.truncate(colon);
    Some((user.into(), password.into()))
}
