//! Values of variables.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::template::{Part, Template};
use crate::config::variable::{Builtin, Variable};
use crate::log::local_time;

use super::answer::Sent;
use super::{Endpoint, RequestCtx};

/// The version of nginx whose behaviour is followed: `$nginx_version`.
pub const NGINX_VERSION: &str = "1.22.1";

impl RequestCtx {
    /// The value of a template for this request, before its answer is known.
    pub fn render(&self, template: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        for part in template.parts() {
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::Variable(variable) => out.extend_from_slice(&self.value(variable).unwrap_or_default()),
            }
        }
        out
    }

    /// The value of a variable, `None` where it has none; late ones have none yet.
    pub fn value(&self, variable: &Variable) -> Option<Cow<'_, [u8]>> {
        match variable {
            Variable::Builtin(builtin) => self.builtin(*builtin),
            Variable::Arg(name) => self.arg(name).map(Cow::Borrowed),
            Variable::Cookie(name) => self.cookie(name).map(Cow::Borrowed),
            Variable::Http(name) => self.http(name),
            Variable::SentHttp(_) => None,
            Variable::Upstream(field) => self.upstream.value(field).map(Cow::Owned),
            Variable::Capture(number) => {
                self.captures.get(usize::from(*number)).map(|bytes| Cow::Borrowed(&**bytes))
            }
            Variable::User(index) => self.user.get(*index)?.as_deref().map(Cow::Borrowed),
        }
    }

    /// `$arg_NAME`: the first argument of that name, case ignored, raw.
    fn arg(&self, name: &[u8]) -> Option<&[u8]> {
        self.args.split(|byte| *byte == b'&').find_map(|argument| {
            let (key, value) = split_at_byte(argument, b'=')?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// `$cookie_NAME`: the first cookie of that name.
    fn cookie(&self, name: &[u8]) -> Option<&[u8]> {
        let headers = self.headers.get_all("cookie").into_iter();
        headers.map(http::HeaderValue::as_bytes).find_map(|header| {
            // Commas separate names, too, but they do not end values.
            let mut starts =
                std::iter::once(0).chain((1..=header.len()).filter(|at| b";,".contains(&header[at - 1])));
            starts.find_map(|start| {
                let (key, value) = split_at_byte(header[start..].split(|byte| *byte == b';').next()?, b'=')?;
                key.trim_ascii().eq_ignore_ascii_case(name).then(|| value.trim_ascii_start())
            })
        })
    }

    /// `$http_NAME`: all headers of that name, joined as nginx 1.22 does for those that may repeat.
    fn http(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let same = |header: &http::HeaderName| {
            let header = header.as_str().as_bytes();
            header.len() == name.len()
                && header.iter().zip(name).all(|(a, b)| a == b || (*a == b'-' && *b == b'_'))
        };
        let joins = matches!(name, b"cookie" | b"x_forwarded_for");
        let separator: &[u8] = if name == b"cookie" { b"; " } else { b", " };
        let mut values =
            self.headers.iter().filter(|(header, _)| same(header)).map(|(_, value)| value.as_bytes());
        let first = values.next()?;
        let rest: Vec<&[u8]> = if joins { values.collect() } else { Vec::new() };
        if rest.is_empty() {
            return Some(Cow::Borrowed(first));
        }
        Some(Cow::Owned(std::iter::once(first).chain(rest).collect::<Vec<_>>().join(separator)))
    }

    /// `$proxy_add_x_forwarded_for`.
    fn add_forwarded_for(&self) -> Vec<u8> {
        let headers = self.headers.get_all("x-forwarded-for").into_iter();
        let mut values: Vec<Vec<u8>> = headers.map(|value| value.as_bytes().to_vec()).collect();
        values.push(address_text(&self.connection.remote).into_bytes());
        values.join(&b", "[..])
    }

    /// `$proxy_host` or `$proxy_port`: empty until the request is passed on.
    fn proxy_target(&self, host: bool) -> Option<String> {
        let record = self.upstream.lock();
        if host { &record.host } else { &record.port }.as_ref().map(ToString::to_string)
    }

    fn builtin(&self, builtin: Builtin) -> Option<Cow<'_, [u8]>> {
        use Builtin as B;
        let connection = &self.connection;
        let text = |value: String| Some(Cow::Owned(value.into_bytes()));
        match builtin {
            B::DocumentUri | B::Uri | B::RequestMethod | B::RequestUri | B::ServerProtocol
                if self.unreadable =>
            {
                None
            }
            B::Args | B::QueryString => (!self.args.is_empty()).then_some(Cow::Borrowed(&*self.args)),
            B::BinaryRemoteAddr => Some(Cow::Owned(match connection.remote.ip() {
                Some(std::net::IpAddr::V4(ip)) => ip.octets().to_vec(),
                Some(std::net::IpAddr::V6(ip)) => ip.octets().to_vec(),
                None => b"unix:".to_vec(),
            })),
            B::Connection => text(connection.serial.to_string()),
            B::ConnectionRequests => text(self.number.to_string()),
            B::ContentLength => self.header("content-length").map(Cow::Borrowed),
            B::ContentType => self.header("content-type").map(Cow::Borrowed),
            B::DocumentUri | B::Uri => Some(Cow::Borrowed(&self.uri)),
            B::Host => Some(Cow::Borrowed(if self.host.is_empty() {
                self.server().name.as_bytes()
            } else {
                self.host.as_bytes()
            })),
            B::Hostname => text(nix::unistd::gethostname().ok()?.to_string_lossy().into_owned()),
            B::IsArgs => Some(Cow::Borrowed(if self.args.is_empty() { b"" } else { b"?" })),
            B::LimitRate => Some(Cow::Borrowed(b"0")),
            B::NginxVersion => Some(Cow::Borrowed(NGINX_VERSION.as_bytes())),
            B::Pid => text(std::process::id().to_string()),
            B::Pipe => Some(Cow::Borrowed(if self.pipelined { b"p" } else { b"." })),
            B::ProxyAddXForwardedFor => Some(Cow::Owned(self.add_forwarded_for())),
            B::ProxyHost => self.proxy_target(true).map(|text| Cow::Owned(text.into_bytes())),
            B::ProxyPort => self.proxy_target(false).map(|text| Cow::Owned(text.into_bytes())),
            B::RemoteAddr => text(address_text(&connection.remote)),
            B::RemotePort => text(connection.remote.port().map_or_else(String::new, |port| port.to_string())),
            B::RemoteUser => self.credentials().map(|(user, _)| Cow::Borrowed(user.as_bytes())),
            B::Request => Some(Cow::Borrowed(&self.line)),
            B::RequestId => Some(Cow::Borrowed(self.id.get_or_init(random_id).as_bytes())),
            B::RequestLength => {
                text((self.head_length + self.body_length.load(Ordering::Relaxed)).to_string())
            }
            B::RequestMethod => {
                Some(Cow::Borrowed(self.client_method.as_ref().unwrap_or(&self.method).as_str().as_bytes()))
            }
            B::RequestUri => (!self.target.is_empty()).then(|| Cow::Borrowed(&*self.target)),
            B::Scheme => Some(Cow::Borrowed(b"http")),
            B::ServerAddr => text(address_text(&connection.local)),
            B::ServerName => Some(Cow::Borrowed(self.server().name.as_bytes())),
            B::ServerPort => text(connection.local.port().map_or_else(String::new, |port| port.to_string())),
            B::ServerProtocol => {
                Some(Cow::Borrowed(if self.is_http10() { b"HTTP/1.0" } else { b"HTTP/1.1" }))
            }
            // Settled late, or never: there are no files, no TLS and no PROXY protocol behind a push location.
            B::BodyBytesSent | B::BytesSent | B::RequestCompletion | B::Status => None,
            B::DocumentRoot | B::Https | B::ProxyProtocolAddr | B::RealpathRoot => None,
            B::RequestBody | B::RequestBodyFile | B::RequestFilename => None,
            B::ConnectionTime | B::RequestTime | B::Msec | B::TimeIso8601 | B::TimeLocal => {
                late_value(builtin, None, self.started, self.connection.accepted)
            }
        }
    }
}

/// The value of a variable that is settled once the answer is known, or that tells the time.
pub fn late_value(
    builtin: Builtin,
    sent: Option<&Sent>,
    started: std::time::Instant,
    accepted: std::time::Instant,
) -> Option<Cow<'static, [u8]>> {
    use Builtin as B;
    let text = |value: String| Some(Cow::Owned(value.into_bytes()));
    match builtin {
        B::Status => text(format!("{:03}", sent?.status)),
        B::BodyBytesSent => text(sent?.body_bytes.to_string()),
        B::BytesSent => text((sent?.head_bytes + sent?.body_bytes).to_string()),
        B::RequestCompletion => Some(Cow::Borrowed(if sent?.complete { b"OK" } else { b"" })),
        B::RequestTime => text(seconds(started.elapsed())),
        B::ConnectionTime => text(seconds(accepted.elapsed())),
        B::Msec => text(seconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())),
        B::TimeLocal => text(local_time("%d/%b/%Y:%H:%M:%S %z")),
        B::TimeIso8601 => text(local_time("%Y-%m-%dT%H:%M:%S%:z")),
        _ => None,
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

fn address_text(endpoint: &Endpoint) -> String {
    endpoint.ip().map_or_else(|| "unix:".to_owned(), |ip| ip.to_string())
}

fn split_at_byte(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn random_id() -> String {
    let mut random = [0; 16];
    // Without a source of randomness the id is all zeros rather than an error: it only marks log lines.
    let _ = getrandom::fill(&mut random);
    let mut text = Vec::with_capacity(32);
    for byte in random {
        let _ = write!(text, "{byte:02x}");
    }
    String::from_utf8(text).unwrap_or_default()
}
