//! One request as directives see it: its parts, its variables, the rewrite program, the head of its answer.

pub mod answer;
pub mod body;
pub mod browser;
pub mod content;
pub mod date;
pub mod gzip;
pub mod late;
pub mod limits;
pub mod log_line;
pub mod payload;
pub mod rewrite;
pub mod uri;
pub mod vars;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::{HeaderMap, Method, Version};

use crate::config::model::{Config, LocationConf, Server, Severity};
use crate::log;

use body::RequestBody;
use limits::Limits;

/// An end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What a proxy said of the client, by the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// The client.
    pub source: SocketAddr,
    /// Where the client connected to.
    pub destination: SocketAddr,
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
    pub proxied: Option<Proxied>,
    /// When it was accepted.
    pub accepted: Instant,
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
    /// Groups of the last regular expression that matched, the whole match first.
    pub captures: Vec<Box<[u8]>>,
    /// Values of user variables, by index.
    pub user: Vec<Option<Box<[u8]>>>,
    /// Redirected inside the server (`error_page`, `rewrite`): `internal` locations are open to it.
    pub internal: bool,
    /// How often it may still be sent to another URI or location.
    pub uri_changes: u8,
    /// Whether some of it came together with the request before: `$pipe`.
    pub pipelined: bool,
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
}

impl RequestCtx {
    /// The server in force.
    pub fn server(&self) -> &Server {
        &self.config.servers[self.server]
    }

    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(http::HeaderValue::as_bytes)
    }

    /// Whether the request is HTTP/1.0.
    pub fn is_http10(&self) -> bool {
        self.version == Version::HTTP_10
    }

    /// Writes an error line about this request to the logs of its location.
    pub fn log(&self, severity: Severity, message: &str) {
        let logs = &self.conf.log.error;
        if logs.iter().any(|log| severity <= log.level) {
            let message = format!("*{} {message}{}", self.connection.serial, self.error_context());
            log::write_error(logs, severity, &message);
        }
    }

    /// What nginx appends to an error line about a request.
    fn error_context(&self) -> String {
        let client = self.remote.address_text();
        let line = String::from_utf8_lossy(&self.line).into_owned();
        let mut text = format!(", client: {client}, server: {}, request: \"{line}\"", self.server().name);
        if let Some(host) = self.header("host") {
            text.push_str(&format!(", host: \"{}\"", String::from_utf8_lossy(host)));
        }
        text
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
