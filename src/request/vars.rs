//! Values of variables.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::builtin::{Builtin, Family};
use crate::config::template::{Part, Template};
use crate::config::variable::{Meaning, Variable};
use crate::log::local_time;
use crate::metrics;

use super::answer::Sent;
use super::evaluation::{AnswerSoFar, Evaluation};
use super::limits::LimitStatus;
use super::{Endpoint, RequestCtx};

/// The version of nginx whose behaviour is followed: `$nginx_version`.
pub const NGINX_VERSION: &str = "1.22.1";

/// The version of Nchan whose behaviour is followed: `$nchan_version`.
pub const NCHAN_VERSION: &str = "1.3.6";

/// The first of the arguments that has this name, case ignored, raw.
pub fn argument<'a>(args: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = Some(args);
    while let Some(args) = rest {
        let end = memchr::memchr(b'&', args);
        let argument = &args[..end.unwrap_or(args.len())];
        if let Some((key, value)) = argument.split_at_checked(name.len())
            && let Some(value) = value.strip_prefix(b"=")
            && key.eq_ignore_ascii_case(name)
        {
            return Some(value);
        }
        rest = end.map(|end| &args[end + 1..]);
    }
    None
}

impl RequestCtx {
    /// The value of a template for this request, before its answer is known.
    pub fn render(&self, template: &Template) -> Vec<u8> {
        Evaluation::new(self).render(template)
    }

    /// The value of a variable before the answer is known, `None` where it has none.
    pub fn value(&self, variable: &Variable) -> Option<Cow<'_, [u8]>> {
        Evaluation::new(self).value(variable)
    }

    /// `$arg_NAME`: the first argument of that name, case ignored, raw.
    pub fn arg(&self, name: &[u8]) -> Option<&[u8]> {
        argument(&self.args, name)
    }

    /// The `$arg_NAME` whose value this text is as it came, by its index, and the name: the text is that variable and nothing
    /// else, or one that `set` copied it to.
    pub fn argument_in(&self, template: &Template) -> Option<(usize, &[u8])> {
        match template.parts() {
            [Part::Variable(Variable::Named(index))] => self.argument_held(*index),
            _ => None,
        }
    }

    /// Whether a text is `$http_NAME` and nothing else.
    pub fn is_header(&self, template: &Template, name: &[u8]) -> bool {
        let [Part::Variable(Variable::Named(index))] = template.parts() else { return false };
        let meaning = self.config.variables.meaning(*index);
        matches!(meaning, Meaning::Family(Family::Http, of) if **of == *name) && !self.values.is_known(*index)
    }

    /// As [`RequestCtx::argument_in`] for a variable.
    pub(super) fn argument_held(&self, index: usize) -> Option<(usize, &[u8])> {
        let from = if self.values.is_known(index) { self.values.copied_from(index)? } else { index };
        match self.config.variables.meaning(from) {
            Meaning::Family(Family::Arg, name) => Some((from, name)),
            _ => None,
        }
    }

    /// `$cookie_NAME`: the first cookie of that name.
    pub fn cookie(&self, name: &[u8]) -> Option<&[u8]> {
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
    pub(super) fn http(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
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

    /// `$sent_http_NAME` before there is a head: nginx knows what becomes of the connection.
    pub(super) fn expected_header(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let keep_alive = self.keeps_alive();
        match name {
            b"connection" => Some(Cow::Borrowed(if keep_alive { b"keep-alive" } else { b"close" })),
            b"keep_alive" if keep_alive => {
                let seconds = self.conf.core.keepalive_header?;
                Some(Cow::Owned(format!("timeout={seconds}").into_bytes()))
            }
            _ => None,
        }
    }

    /// `$proxy_host` or `$proxy_port`: empty until the request is passed on.
    fn proxy_target(&self, host: bool) -> Option<String> {
        let record = self.upstream.lock();
        if host { &record.host } else { &record.port }.as_ref().map(ToString::to_string)
    }

    /// The value of a built-in variable.
    pub(super) fn builtin(&self, builtin: Builtin, answer: &AnswerSoFar<'_>) -> Option<Cow<'_, [u8]>> {
        use Builtin as B;
        if !builtin.is_settled() {
            self.values.note_volatile();
        }
        if builtin.is_of_connection() {
            self.values.note_connection();
        }
        if matches!(builtin, B::Args | B::QueryString | B::IsArgs | B::RequestUri | B::Request) {
            self.values.note_arguments(true);
        }
        let connection = &self.connection;
        let text = |value: String| Some(Cow::Owned(value.into_bytes()));
        match builtin {
            B::RequestMethod | B::RequestUri | B::ServerProtocol if self.unreadable => None,
            B::DocumentUri | B::Uri if self.unreadable && self.uri.is_empty() => None,
            B::Args | B::QueryString => (!self.args.is_empty()).then_some(Cow::Borrowed(&*self.args)),
            B::BinaryRemoteAddr => Some(Cow::Owned(binary_address(&self.remote))),
            B::Connection => text(connection.serial.to_string()),
            B::ConnectionRequests => text(self.number.to_string()),
            B::ConnectionsActive => text(metrics::connections().active.to_string()),
            B::ConnectionsReading => text(metrics::connections().reading.to_string()),
            B::ConnectionsWaiting => text(metrics::connections().waiting.to_string()),
            B::ConnectionsWriting => text(metrics::connections().writing.to_string()),
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
            B::LimitRate => text(self.limit_rate.unwrap_or(0).to_string()),
            B::NginxVersion => Some(Cow::Borrowed(NGINX_VERSION.as_bytes())),
            B::Pid => text(std::process::id().to_string()),
            B::Pipe => Some(Cow::Borrowed(if self.pipelined { b"p" } else { b"." })),
            B::RemoteAddr => text(self.remote.address_text()),
            B::RemotePort => text(port_text(&self.remote)),
            B::RemoteUser => self.credentials().map(|(user, _)| Cow::Borrowed(&**user)),
            B::Request => Some(Cow::Borrowed(&self.line)),
            B::RequestBody => {
                self.body.short(self.conf.connection.body_buffer_size).map(|body| Cow::Owned(body.to_vec()))
            }
            B::RequestBodyFile => self.request_body_file().map(Cow::Owned),
            B::RequestId => Some(Cow::Borrowed(self.id.get_or_init(random_id).as_bytes())),
            B::RequestLength => {
                text((self.head_length + self.body_length.load(Ordering::Relaxed)).to_string())
            }
            B::RequestMethod => {
                Some(Cow::Borrowed(self.client_method.as_ref().unwrap_or(&self.method).as_str().as_bytes()))
            }
            B::RequestPort => self.request_port().map(Cow::Borrowed),
            B::IsRequestPort => Some(Cow::Borrowed(if self.request_port().is_some() { b":" } else { b"" })),
            B::RequestUri => (!self.target.is_empty()).then(|| Cow::Borrowed(&*self.target)),
            B::Scheme => Some(Cow::Borrowed(b"http")),
            B::ServerAddr => text(connection.local.address_text()),
            B::ServerName => Some(Cow::Borrowed(self.server().name.as_bytes())),
            B::ServerPort => text(port_text(&connection.local)),
            B::ServerProtocol => {
                Some(Cow::Borrowed(if self.is_http10() { b"HTTP/1.0" } else { b"HTTP/1.1" }))
            }
            B::ProxyAddXForwardedFor => {
                let mut value = self.http(b"x_forwarded_for").map(Cow::into_owned).unwrap_or_default();
                if !value.is_empty() {
                    value.extend_from_slice(b", ");
                }
                value.extend_from_slice(self.remote.address_text().as_bytes());
                Some(Cow::Owned(value))
            }
            B::NchanVersion => Some(Cow::Borrowed(NCHAN_VERSION.as_bytes())),
            // Known only where channels are.
            B::NchanChannelId
            | B::NchanChannelId1
            | B::NchanChannelId2
            | B::NchanChannelId3
            | B::NchanChannelId4
            | B::NchanSubscriberType
            | B::NchanPublisherType
            | B::NchanPrevMessageId
            | B::NchanMessageId
            | B::NchanChannelEvent
            | B::NchanChannelSubscriberLastSeen
            | B::NchanChannelSubscriberCount
            | B::NchanChannelMessageCount => self.facts.value(builtin, answer).map(Cow::Owned),
            B::NchanStubStatusChannels => text(self.store.usage().channels.to_string()),
            B::NchanStubStatusSubscribers => text(self.store.usage().subscribers.to_string()),
            B::NchanStubStatusStoredMessages => text(self.store.usage().messages.to_string()),
            B::NchanStubStatusTotalPublishedMessages => text(self.store.usage().published.to_string()),
            B::NchanStubStatusSharedMemoryUsed => {
                text(format!("{}K", self.store.usage().bytes.div_ceil(1024)))
            }
            // Threads of one process tell each other nothing that waits.
            B::NchanStubStatusIpcAlertsInTransit
            | B::NchanStubStatusIpcQueuedAlerts
            | B::NchanStubStatusTotalIpcAlertsSent
            | B::NchanStubStatusTotalIpcAlertsReceived
            | B::NchanStubStatusTotalIpcSendDelay
            | B::NchanStubStatusTotalIpcReceiveDelay
            | B::NchanStubStatusRedisPendingCommands
            | B::NchanStubStatusRedisConnectedServers
            | B::NchanStubStatusRedisUnhealthyUpstreams
            | B::NchanStubStatusTotalRedisCommandsSent => Some(Cow::Borrowed(b"0")),
            B::ProxyHost => self.proxy_target(true).map(|text| Cow::Owned(text.into_bytes())),
            B::ProxyPort => self.proxy_target(false).map(|text| Cow::Owned(text.into_bytes())),
            B::UpstreamAddr
            | B::UpstreamBytesReceived
            | B::UpstreamBytesSent
            | B::UpstreamConnectTime
            | B::UpstreamHeaderTime
            | B::UpstreamResponseLength
            | B::UpstreamResponseTime
            | B::UpstreamStatus => self.upstream.value(builtin).map(Cow::Owned),
            B::FastcgiScriptName => Some(Cow::Borrowed(&self.uri)),
            B::RealipRemoteAddr => text(connection.remote.address_text()),
            B::RealipRemotePort => text(port_text(&connection.remote)),
            B::LimitConnStatus => status_name(&self.limits.connections),
            B::LimitReqStatus => status_name(&self.limits.requests),
            B::ProxyProtocolAddr => text(connection.proxied.as_ref()?.source.ip().to_string()),
            B::ProxyProtocolPort => text(connection.proxied.as_ref()?.source.port().to_string()),
            B::ProxyProtocolServerAddr => text(connection.proxied.as_ref()?.destination.ip().to_string()),
            B::ProxyProtocolServerPort => text(connection.proxied.as_ref()?.destination.port().to_string()),
            B::DocumentRoot => Some(Cow::Owned(self.document_root())),
            B::RealpathRoot => self.realpath_root().map(Cow::Owned),
            B::RequestFilename => self.file_path().map(|file| Cow::Owned(file.path)),
            B::AncientBrowser => {
                (!self.is_modern_browser()).then(|| Cow::Borrowed(&*self.conf.browser.ancient_value))
            }
            B::ModernBrowser => {
                self.is_modern_browser().then(|| Cow::Borrowed(&*self.conf.browser.modern_value))
            }
            B::Msie => self.is_msie().then_some(Cow::Borrowed(&b"1"[..])),
            B::InvalidReferer => Some(Cow::Borrowed(if self.has_invalid_referer() { b"1" } else { b"" })),
            B::SecureLink => self.secure_link().map(Cow::Owned),
            B::SecureLinkExpires => self.secure_link_expires().map(Cow::Owned),
            B::UidGot => self.uid_got().map(Cow::Owned),
            B::UidReset => Some(Cow::Borrowed(b"")),
            B::UidSet => self.uid_set().map(Cow::Owned),
            B::Https | B::Empty => None,
            B::Status if self.error_status != 0 && answer.head.is_empty() => {
                text(format!("{:03}", self.error_status))
            }
            B::BodyBytesSent | B::BytesSent | B::RequestCompletion | B::Status => {
                late_value(builtin, Some(&answer.sent), self.started, self.connection.accepted)
            }
            B::ConnectionTime
            | B::RequestTime
            | B::Msec
            | B::TimeIso8601
            | B::TimeLocal
            | B::DateGmt
            | B::DateLocal => late_value(builtin, None, self.started, self.connection.accepted),
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
        B::DateGmt => text(chrono::Utc::now().format("%A, %d-%b-%Y %H:%M:%S GMT").to_string()),
        B::DateLocal => text(local_time("%A, %d-%b-%Y %H:%M:%S %Z")),
        B::TimeIso8601 => text(local_time("%Y-%m-%dT%H:%M:%S%:z")),
        _ => None,
    }
}

fn status_name(status: &std::sync::OnceLock<LimitStatus>) -> Option<Cow<'_, [u8]>> {
    status.get().map(|status| Cow::Borrowed(status.name().as_bytes()))
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

/// `$binary_remote_addr`.
pub(super) fn binary_address(endpoint: &Endpoint) -> Vec<u8> {
    match endpoint.ip() {
        Some(std::net::IpAddr::V4(ip)) => ip.octets().to_vec(),
        Some(std::net::IpAddr::V6(ip)) => ip.octets().to_vec(),
        None => b"unix:".to_vec(),
    }
}

/// Empty where there is none, or where a proxy named an address without one.
pub(super) fn port_text(endpoint: &Endpoint) -> String {
    endpoint.port().filter(|port| *port > 0).map_or_else(String::new, |port| port.to_string())
}

fn split_at_byte(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// A new `$request_id`.
pub fn random_id() -> String {
    let mut random = [0; 16];
    // Without a source of randomness the id is all zeros rather than an error: it only marks log lines.
    let _ = getrandom::fill(&mut random);
    let mut text = Vec::with_capacity(32);
    for byte in random {
        let _ = write!(text, "{byte:02x}");
    }
    String::from_utf8(text).unwrap_or_default()
}

impl RequestCtx {
    /// The port that the client names: in the request line, else in the Host header.
    fn request_port(&self) -> Option<&[u8]> {
        let target = self.line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let authority = match target.windows(3).position(|window| window == b"://") {
            Some(at) if !target.starts_with(b"/") => {
                target[at + 3..].split(|byte| matches!(byte, b'/' | b'?')).next()
            }
            _ => self.header("host"),
        };
        let (host, port) = split_last(authority?, b':')?;
        let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
        // What follows a colon inside of `[` and `]` is a part of the address.
        (is_port && (!host.contains(&b'[') || host.ends_with(b"]"))).then_some(port)
    }
}

fn split_last(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}
