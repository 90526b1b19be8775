//! nginx's grammar of a host with a port, as `proxy_pass` and `server` have it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::model::PeerAddress;

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
