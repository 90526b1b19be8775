//! `syslog:server=...,facility=...,tag=...`: where a log goes over the network or a unix socket.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::builder::Outcome;
use super::diag::Diagnostic;
use super::model::{Severity, Syslog, SyslogServer};

/// Facilities by number.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
const LOCAL7: u8 = 23;

/// nginx's, so that the rules of those who receive the lines go on working.
const DEFAULT_TAG: &str = "nginx";
const LONGEST_TAG: usize = 32;

const DEFAULT_PORT: u16 = 514;
/// What fits into the address of a unix socket.
const LONGEST_PATH: usize = 107;

/// Reads what follows `syslog:`.
///
/// # Errors
/// nginx's words.
pub(super) fn parse(parameters: &[u8]) -> Outcome<Syslog> {
    let mut given = Given::default();
    for parameter in parameters.split(|byte| *byte == b',') {
        given.read(&String::from_utf8_lossy(parameter))?;
    }
    Ok(Syslog {
        server: given.server.ok_or_else(|| Diagnostic::emerg("no syslog server specified"))?,
        facility: given.facility.unwrap_or(LOCAL7),
        severity: given.severity.unwrap_or(Severity::Info),
        tag: given.tag.unwrap_or_else(|| DEFAULT_TAG.into()),
        hostname: !given.nohostname,
    })
}

/// The parameters so far.
#[derive(Default)]
struct Given {
    server: Option<SyslogServer>,
    facility: Option<u8>,
    severity: Option<Severity>,
    tag: Option<Box<str>>,
    nohostname: bool,
}

impl Given {
    fn read(&mut self, parameter: &str) -> Outcome {
        match parameter.split_once('=') {
            Some(("server", address)) => once("server", &mut self.server, || server(address)),
            Some(("facility", name)) => once("facility", &mut self.facility, || facility(name)),
            Some(("severity", name)) => once("severity", &mut self.severity, || severity(name)),
            Some(("tag", text)) => once("tag", &mut self.tag, || tag(text)),
            None if parameter == "nohostname" => {
                self.nohostname = true;
                Ok(())
            }
            _ => Err(Diagnostic::emerg(format!("unknown syslog parameter \"{parameter}\""))),
        }
    }
}

fn once<T>(name: &str, field: &mut Option<T>, read: impl FnOnce() -> Outcome<T>) -> Outcome {
    if field.is_some() {
        return Err(Diagnostic::emerg(format!("duplicate syslog \"{name}\"")));
    }
    *field = Some(read()?);
    Ok(())
}

fn facility(name: &str) -> Outcome<u8> {
    let number = FACILITIES.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok());
    number.ok_or_else(|| Diagnostic::emerg(format!("unknown syslog facility \"{name}\"")))
}

fn severity(name: &str) -> Outcome<Severity> {
    Severity::from_name(name.as_bytes())
        .ok_or_else(|| Diagnostic::emerg(format!("unknown syslog severity \"{name}\"")))
}

fn tag(text: &str) -> Outcome<Box<str>> {
    if text.len() > LONGEST_TAG {
        return Err(Diagnostic::emerg(format!("syslog tag length exceeds {LONGEST_TAG}")));
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let problem = "syslog \"tag\" only allows alphanumeric characters and underscore";
        return Err(Diagnostic::emerg(problem));
    }
    Ok(text.into())
}

fn server(address: &str) -> Outcome<SyslogServer> {
    let server = match address.get(..5).filter(|start| start.eq_ignore_ascii_case("unix:")) {
        Some(_) => unix(&address[5..]),
        None => inet(address).map(SyslogServer::Udp),
    };
    server.map_err(|problem| Diagnostic::emerg(format!("{problem} in syslog server \"{address}\"")))
}

fn unix(path: &str) -> Result<SyslogServer, &'static str> {
    match Path::new(path).as_os_str().as_bytes().len() {
        0 => Err("no path in the unix domain socket"),
        1..=LONGEST_PATH => Ok(SyslogServer::Unix(path.into())),
        _ => Err("too long path in the unix domain socket"),
    }
}

fn inet(address: &str) -> Result<SocketAddr, &'static str> {
    if let Some(rest) = address.strip_prefix('[') {
        let (ip, port) = rest.split_once(']').ok_or("invalid host")?;
        let ip = ip.parse().map(IpAddr::V6).map_err(|_| "invalid IPv6 address")?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("invalid host")?) };
        return Ok((ip, self::port(port)?).into());
    }
    if address.contains(['/', '?']) {
        return Err("invalid host");
    }
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    let port = self::port(port)?;
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok((ip, port).into()),
        Err(_) if host.is_empty() => Err("no host"),
        Err(_) => resolve(host, port).ok_or("host not found"),
    }
}

fn port(given: Option<&str>) -> Result<u16, &'static str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match given {
        None => Ok(DEFAULT_PORT),
        Some(text) if digits(text) => text.parse().ok().filter(|port| *port > 0).ok_or("invalid port"),
        Some(_) => Err("invalid port"),
    }
}

/// The first address of a name, IPv4 before IPv6 as in nginx.
fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_defaults() {
        let syslog = parse(b"server=127.0.0.1").unwrap();
        assert_eq!(syslog.server, SyslogServer::Udp("127.0.0.1:514".parse().unwrap()));
        assert_eq!((syslog.facility, syslog.severity), (23, Severity::Info));
        assert_eq!((&*syslog.tag, syslog.hostname), ("nginx", true));
    }

    #[test]
    fn every_parameter_is_read() {
        let syslog = parse(b"nohostname,tag=a_1,severity=debug,facility=ftp,server=unix:/dev/log").unwrap();
        assert_eq!(syslog.server, SyslogServer::Unix("/dev/log".into()));
        assert_eq!((syslog.facility, syslog.severity), (11, Severity::Debug));
        assert_eq!((&*syslog.tag, syslog.hostname), ("a_1", false));
    }

    #[test]
    fn addresses_have_ports() {
        for (text, expected) in
            [("[::1]:600", "[::1]:600"), ("[::1]", "[::1]:514"), ("127.0.0.1:1", "127.0.0.1:1")]
        {
            assert_eq!(inet(text), Ok(expected.parse().unwrap()), "{text}");
        }
        for bad in
            ["127.0.0.1:", "127.0.0.1:0", "127.0.0.1:+1", "127.0.0.1:65536", "::1", "[::1", "[::g]", ""]
        {
            assert!(inet(bad).is_err(), "{bad}");
        }
    }
}
