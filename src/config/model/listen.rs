//! Sockets to listen on, and how their connections find a server.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::regex::Regex;

/// One listening socket and how its connections find their server.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The socket.
    pub address: ListenAddress,
    /// Options of the socket.
    pub options: ListenOptions,
    /// Which server by name; see [`VirtualHosts`].
    pub hosts: Arc<VirtualHosts>,
    /// For a wildcard address: addresses of the same port with servers of their own (nginx binds the wildcard
    /// once and looks at the connection's local address).
    pub by_local_address: Vec<(IpAddr, Arc<VirtualHosts>)>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and a port.
    Inet(SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
}

/// Options of one `listen`ing socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenOptions {
    /// `backlog=`; nginx's 511 when absent.
    pub backlog: Option<i32>,
    /// `rcvbuf=`, bytes.
    pub rcvbuf: Option<usize>,
    /// `sndbuf=`, bytes.
    pub sndbuf: Option<usize>,
    /// `ipv6only=`; on when absent.
    pub ipv6only: Option<bool>,
    /// `reuseport`.
    pub reuseport: bool,
    /// `deferred`.
    pub deferred: bool,
    /// `fastopen=`.
    pub fastopen: Option<u32>,
    /// `so_keepalive=`.
    pub keepalive: Option<KeepAlive>,
}

/// `so_keepalive=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// `off`.
    Off,
    /// `on`, with the parts that were given.
    On {
        /// Idle time before the first probe.
        idle: Option<Duration>,
        /// Time between probes.
        interval: Option<Duration>,
        /// Probes without an answer before the connection is dropped.
        count: Option<u32>,
    },
}

/// The servers of one address and port, found by host name. Indices are into [`super::Config::servers`].
#[derive(Clone, Debug, Default)]
pub struct VirtualHosts {
    /// `listen ... proxy_protocol`: connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Answers when no name fits.
    pub default: usize,
    /// Exact names, lower case.
    pub exact: HashMap<Box<[u8]>, usize>,
    /// `*.example.com` as `.example.com` (`true`: also the bare name, from `.example.com`), longest first.
    pub suffixes: Vec<(Box<[u8]>, usize)>,
    /// `www.example.*` as `www.example.`, longest first.
    pub prefixes: Vec<(Box<[u8]>, usize)>,
    /// `~regex`, in file order.
    pub regexes: Vec<(Regex, usize)>,
}
