//! One request as directives see it: its parts, its variables, the rewrite program, the head of its answer.

pub mod answer;
pub mod body;
pub mod content;
pub mod date;
pub mod gzip;
pub mod late;
pub mod log_line;
pub mod passed;
pub mod payload;
pub mod rewrite;
pub mod upstream;
pub mod uri;
pub mod vars;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Version};

use crate::config::model::{Config, LocationConf, Server, Severity};
use crate::log;

use body::RequestBody;
use upstream::UpstreamRecord;

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

/// What is known of a connection for as long as it lives.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Serial number within the process: `$connection`.
    pub serial: u64,
    /// The client.
    pub remote: Endpoint,
    /// Where the connection came in.
    pub local: Endpoint,
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
    /// The path or the arguments are no longer those of the request line.
    pub changed: bool,
    /// A `rewrite ... break` changed the path inside of the location: a URI of `proxy_pass` no longer fits it.
    pub broke: bool,
    /// How deep inside of other requests this one is made; 0 for one from a client.
    pub depth: u8,
    /// Of a request made inside: the method of the client's.
    pub client_method: Option<Method>,
    /// What is known of the servers behind that it went to.
    pub upstream: UpstreamRecord,
    /// Headers of a server behind that sent the request elsewhere inside (`X-Accel-Redirect`).
    pub carried: Vec<(Box<str>, Vec<u8>)>,
    /// Redirected inside the server (`error_page`, `rewrite`): `internal` locations are open to it.
    pub internal: bool,
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
    pub credentials: OnceLock<Option<(String, String)>>,
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
        self.log_upstream(severity, message, None);
    }

    /// The same about a server behind, whose URL is told, too.
    pub fn log_upstream(&self, severity: Severity, message: &str, upstream: Option<&str>) {
        let logs = &self.conf.log.error;
        if logs.iter().any(|log| severity <= log.level) {
            let message = format!("*{} {message}{}", self.connection.serial, self.error_context(upstream));
            log::write_error(logs, severity, &message);
        }
    }

    /// What nginx appends to an error line about a request.
    fn error_context(&self, upstream: Option<&str>) -> String {
        let client = match &self.connection.remote {
            Endpoint::Inet(address) => address.ip().to_string(),
            Endpoint::Unix => "unix:".to_owned(),
        };
        let line = String::from_utf8_lossy(&self.line).into_owned();
        let mut text = format!(", client: {client}, server: {}, request: \"{line}\"", self.server().name);
        if self.depth > 0 {
            text.push_str(&format!(", subrequest: \"{}\"", String::from_utf8_lossy(&self.uri)));
        }
        if let Some(upstream) = upstream {
            text.push_str(&format!(", upstream: \"{upstream}\""));
        }
        if let Some(host) = self.header("host") {
            text.push_str(&format!(", host: \"{}\"", String::from_utf8_lossy(host)));
        }
        text
    }

    /// User name and password of a `Basic` authorization, if the request has one.
    pub fn credentials(&self) -> Option<&(String, String)> {
        self.credentials.get_or_init(|| basic_credentials(self.header("authorization")?)).as_ref()
    }
}

/// Decodes `Basic BASE64(user:password)`.
fn basic_credentials(header: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()))
}
