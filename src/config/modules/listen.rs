//! `listen` and `server_name`: which server a request is for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::SeenListen;
use super::super::model::{KeepAlive, ListenAddress, ListenOptions};
use super::super::value;
use super::{Module, done, server_name};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_core_module: listen", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "listen",
        Contexts::SERVER,
        Arity::at_least(1),
        "*:80 as root, else *:8000",
        "An address, a port or both, or `unix:PATH`; then `default_server` and options of the socket.",
        listen,
    ),
    server_name::ROW,
];

/// One `listen`.
#[derive(Clone, Debug)]
pub struct ListenDraft {
    /// Its addresses: several for a range of ports or a host with several.
    pub addresses: Vec<ListenAddress>,
    /// Options of the socket.
    pub options: ListenOptions,
    /// An option was given that needs a socket of its own: a wildcard one will not do.
    pub bind: bool,
    /// `default_server`.
    pub default: bool,
    /// `proxy_protocol`.
    pub proxy_protocol: bool,
}

/// The port of an address without one.
const DEFAULT_PORT: u16 = 80;

fn listen(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let words: Vec<&[u8]> = call.args().collect();
    let draft = parse(&words, |warning| b.warn(call, warning))?;
    let server = b.http.servers.len();
    draft.addresses.iter().try_for_each(|address| note(&mut b.http.listens, address, &draft, server))?;
    b.block().listens.push(draft);
    Ok(())
}

/// Checks an address against those that were there before.
fn note(seen: &mut Vec<SeenListen>, address: &ListenAddress, draft: &ListenDraft, server: usize) -> Outcome {
    let (address, default, options) = (printed(address), draft.default, draft.bind);
    let Some(known) = seen.iter_mut().find(|known| known.address == address) else {
        seen.push(SeenListen { address, server, default, options });
        return Ok(());
    };
    if known.server == server {
        return Err(Diagnostic::emerg(format!("a duplicate listen {address}")));
    }
    if known.options && options {
        return Err(Diagnostic::emerg(format!("duplicate listen options for {address}")));
    }
    if known.default && default {
        return Err(Diagnostic::emerg(format!("a duplicate default server for {address}")));
    }
    *known =
        SeenListen { address, server, default: known.default || default, options: known.options || options };
    Ok(())
}

/// An address as nginx prints it.
pub fn printed(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Inet(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Reads the arguments of a `listen`.
///
/// # Errors
/// As nginx words them.
pub fn parse(words: &[&[u8]], mut warn: impl FnMut(String)) -> Outcome<ListenDraft> {
    let [address, parameters @ ..] = words else { return Err(Diagnostic::emerg("no address to listen on")) };
    let addresses = addresses(address).map_err(|problem| {
        let address = String::from_utf8_lossy(address);
        Diagnostic::emerg(format!("{problem} in \"{address}\" of the \"listen\" directive"))
    })?;
    let mut draft = ListenDraft {
        addresses,
        options: ListenOptions::default(),
        bind: false,
        default: false,
        proxy_protocol: false,
    };
    parameters.iter().try_for_each(|word| parameter(word, &mut draft, &mut warn))?;
    Ok(draft)
}

// === addresses ===

fn addresses(text: &[u8]) -> Result<Vec<ListenAddress>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "invalid host")?;
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err("no path in the unix domain socket"),
            path if path.len() > 107 => Err("too long path in the unix domain socket"),
            path => Ok(vec![ListenAddress::Unix(PathBuf::from(path))]),
        };
    }
    let (hosts, ports) = if text.starts_with('[') { inet6(text)? } else { inet(text)? };
    let all = hosts.iter().flat_map(|host| ports.clone().map(|port| SocketAddr::new(*host, port)));
    Ok(all.map(ListenAddress::Inet).collect())
}

type Ports = std::ops::RangeInclusive<u16>;

fn inet6(text: &str) -> Result<(Vec<IpAddr>, Ports), &'static str> {
    let (host, rest) = text[1..].split_once(']').ok_or("invalid host")?;
    let ports = match rest.strip_prefix(':') {
        Some(port) => ports(port)?,
        None if rest.is_empty() => DEFAULT_PORT..=DEFAULT_PORT,
        None => return Err("invalid host"),
    };
    if host.is_empty() {
        return Err("no host");
    }
    let host: Ipv6Addr = host.parse().map_err(|_| "invalid IPv6 address")?;
    Ok((vec![host.into()], ports))
}

fn inet(text: &str) -> Result<(Vec<IpAddr>, Ports), &'static str> {
    let any = || vec![IpAddr::from(Ipv4Addr::UNSPECIFIED)];
    match text.split_once(':') {
        Some((host, port)) => {
            let ports = ports(port)?;
            Ok((if host == "*" { any() } else { resolve(host)? }, ports))
        }
        None if text.split('-').all(|part| value::number(part.as_bytes()).is_some()) => {
            Ok((any(), ports(text)?))
        }
        None if text == "*" => Ok((any(), DEFAULT_PORT..=DEFAULT_PORT)),
        None => Ok((resolve(text)?, DEFAULT_PORT..=DEFAULT_PORT)),
    }
}

fn ports(text: &str) -> Result<Ports, &'static str> {
    let port = |text: &str| {
        let number = value::number(text.as_bytes()).and_then(|number| u16::try_from(number).ok());
        number.filter(|port| *port > 0).ok_or("invalid port")
    };
    match text.split_once('-') {
        None => port(text).map(|port| port..=port),
        Some((first, last)) => {
            let range = port(first)?..=port(last)?;
            if range.is_empty() { Err("invalid port range") } else { Ok(range) }
        }
    }
}

fn resolve(host: &str) -> Result<Vec<IpAddr>, &'static str> {
    if host.is_empty() {
        return Err("no host");
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(vec![address.into()]);
    }
    let found = (host, 0).to_socket_addrs().map_err(|_| "host not found")?;
    let mut hosts: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    hosts.dedup();
    if hosts.is_empty() { Err("host not found") } else { Ok(hosts) }
}

// === parameters ===

fn parameter(word: &[u8], draft: &mut ListenDraft, warn: &mut impl FnMut(String)) -> Outcome {
    match word {
        b"default_server" | b"default" => draft.default = true,
        b"bind" => draft.bind = true,
        b"reuseport" => (draft.options.reuseport, draft.bind) = (true, true),
        b"deferred" => (draft.options.deferred, draft.bind) = (true, true),
        b"proxy_protocol" => draft.proxy_protocol = true,
        b"ssl" | b"http2" => {
            let word = String::from_utf8_lossy(word);
            return Err(Diagnostic::emerg(format!("\"listen ... {word}\" is not supported yet")));
        }
        _ => return option(word, draft, warn),
    }
    Ok(())
}

/// `NAME=VALUE`.
fn option(word: &[u8], draft: &mut ListenDraft, warn: &mut impl FnMut(String)) -> Outcome {
    let text = String::from_utf8_lossy(word);
    let Some((name, value)) = text.split_once('=') else { return Err(invalid_parameter(word)) };
    let invalid = || Diagnostic::emerg(format!("invalid {name} \"{text}\""));
    let number = || value::number(value.as_bytes()).ok_or_else(invalid);
    let size =
        || value::size(value.as_bytes()).and_then(|size| usize::try_from(size).ok()).ok_or_else(invalid);
    let options = &mut draft.options;
    match name {
        "backlog" => {
            let backlog = i32::try_from(number()?).map_err(|_| invalid())?;
            options.backlog = Some(backlog).filter(|backlog| *backlog > 0);
            options.backlog.ok_or_else(invalid)?;
        }
        "rcvbuf" => options.rcvbuf = Some(size()?),
        "sndbuf" => options.sndbuf = Some(size()?),
        "fastopen" => options.fastopen = Some(u32::try_from(number()?).map_err(|_| invalid())?),
        "ipv6only" => options.ipv6only = Some(on_off(value).ok_or_else(|| invalid_parameter(word))?),
        "so_keepalive" => {
            let invalid = || Diagnostic::emerg(format!("invalid so_keepalive value: \"{value}\""));
            options.keepalive = Some(keepalive(value).ok_or_else(invalid)?);
        }
        "accept_filter" => {
            warn(format!("accept filters \"{text}\" are not supported on this platform, ignored"));
            return Ok(());
        }
        _ => return Err(invalid_parameter(word)),
    }
    draft.bind = true;
    Ok(())
}

fn on_off(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `on`, `off` or `IDLE:INTERVAL:COUNT` with at least one part.
fn keepalive(text: &str) -> Option<KeepAlive> {
    match on_off(text) {
        Some(true) => return Some(KeepAlive::On { idle: None, interval: None, count: None }),
        Some(false) => return Some(KeepAlive::Off),
        None => {}
    }
    let parts: Vec<&str> = text.split(':').collect();
    let [idle, interval, count] = parts.try_into().ok()?;
    if [idle, interval, count].iter().all(|part| part.is_empty()) {
        return None;
    }
    // An empty part is `None`, a wrong one fails.
    let time = |part: &str| match part {
        "" => Some(None),
        part => value::seconds(part.as_bytes()).map(|seconds| Some(Duration::from_secs(seconds))),
    };
    let count = match count {
        "" => None,
        count => Some(u32::try_from(value::number(count.as_bytes())?).ok().filter(|count| *count > 0)?),
    };
    Some(KeepAlive::On { idle: time(idle)?, interval: time(interval)?, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ListenDraft, String> {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        parse(&words, |_| ()).map_err(|error| error.message)
    }

    fn shown(text: &str) -> Vec<String> {
        read(text).unwrap().addresses.iter().map(printed).collect()
    }

    #[test]
    fn addresses_of_every_form() {
        let cases = [
            ("80", "0.0.0.0:80"),
            ("*:80", "0.0.0.0:80"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]", "[::1]:80"),
            ("[::]:81", "[::]:81"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), [expected], "{text}");
        }
        assert_eq!(shown("127.0.0.1:1-2"), ["127.0.0.1:1", "127.0.0.1:2"]);
    }

    #[test]
    fn wrong_addresses_are_told_in_nginx_s_words() {
        let cases = [
            ("127.0.0.1:0", "invalid port"),
            ("0", "invalid port"),
            ("70000", "invalid port"),
            ("1.2.3.4:", "invalid port"),
            ("127.0.0.1:9-1", "invalid port range"),
            ("127.0.0.1:9-", "invalid port"),
            ("unix:", "no path in the unix domain socket"),
            ("[::1", "invalid host"),
            ("[::1]x", "invalid host"),
            ("[zz]:80", "invalid IPv6 address"),
            (":80", "no host"),
            ("a:b", "invalid port"),
            ("", "no host"),
        ];
        for (text, problem) in cases {
            let expected = format!("{problem} in \"{text}\" of the \"listen\" directive");
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn options() {
        let draft = read("80 default_server backlog=5 so_keepalive=30m::10").unwrap();
        assert!(draft.default && draft.bind);
        assert_eq!(draft.options.backlog, Some(5));
        let idle = Some(Duration::from_secs(1800));
        assert_eq!(draft.options.keepalive, Some(KeepAlive::On { idle, interval: None, count: Some(10) }));
        let cases = [
            ("80 backlog=0", "invalid backlog \"backlog=0\""),
            ("80 rcvbuf=x", "invalid rcvbuf \"rcvbuf=x\""),
            ("80 ipv6only=maybe", "invalid parameter \"ipv6only=maybe\""),
            ("80 so_keepalive=::", "invalid so_keepalive value: \"::\""),
            ("80 fastopen=x", "invalid fastopen \"fastopen=x\""),
            ("80 foo", "invalid parameter \"foo\""),
            ("80 setfib=1", "invalid parameter \"setfib=1\""),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
