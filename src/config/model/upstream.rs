//! Servers behind: groups of them, how one is chosen, and who knows their addresses.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::super::template::Template;

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

/// An address of a server behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// Over IP.
    Inet(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
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

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
