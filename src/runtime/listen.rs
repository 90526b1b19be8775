//! Listening sockets.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::config::model::{KeepAlive, ListenAddress, ListenOptions};

/// nginx's `backlog` on Linux.
const BACKLOG: i32 = 511;

/// How often, and how long after the last time, an address that is taken is tried again: as nginx does.
const TRIES: (usize, Duration) = (5, Duration::from_millis(500));

/// The listening sockets of an address. The process keeps them, and workers have copies: so a worker may stop accepting,
/// and start again or leave it to another process, without a connection being refused.
#[derive(Debug)]
pub struct Bound {
    /// What it listens on.
    pub address: ListenAddress,
    /// The sockets: one per worker that share the port, or one for all of them.
    pub sockets: Vec<Socket>,
}

/// Copies of the sockets of all addresses, for each of so many workers. Every socket goes to somebody, or connections
/// that the system gives it would wait for ever.
///
/// # Errors
/// When there are no descriptors left.
pub fn deal(bound: &[Bound], workers: usize) -> io::Result<Vec<Vec<(ListenAddress, Socket)>>> {
    let mut hands: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    for Bound { address, sockets } in bound {
        for turn in 0..sockets.len().max(workers) {
            let copy = sockets[turn % sockets.len()].try_clone()?;
            hands[turn % workers].push((address.clone(), copy));
        }
    }
    Ok(hands)
}

/// What went wrong with a socket.
#[derive(Debug)]
pub struct BindError {
    /// nginx's words.
    pub message: String,
    /// Somebody else listens there.
    pub in_use: bool,
}

/// Binds `address` for each of `workers` workers.
///
/// # Errors
/// When it is taken or cannot be bound at all.
pub fn bind(address: &ListenAddress, options: &ListenOptions, workers: usize) -> Result<Bound, BindError> {
    let sockets = bind_once(address, options, workers)?;
    Ok(Bound { address: address.clone(), sockets })
}

/// Binds as [`bind`] does, trying again for a while if somebody else holds the address.
///
/// # Errors
/// When it stays taken (each try was told to `report`), or cannot be bound at all.
pub fn bind_patiently(
    address: &ListenAddress,
    options: &ListenOptions,
    workers: usize,
    report: &mut dyn FnMut(&str),
) -> Result<Bound, BindError> {
    let (tries, pause) = TRIES;
    for _ in 0..tries {
        match bind(address, options, workers) {
            Err(error) if error.in_use => {
                report(&error.message);
                std::thread::sleep(pause);
            }
            bound => return bound,
        }
    }
    Err(BindError { message: "still could not bind()".to_owned(), in_use: true })
}

/// Whether `address` could be bound: what `-t` asks. One that is taken could.
///
/// # Errors
/// When it could not.
pub fn try_bind(address: &ListenAddress, options: &ListenOptions) -> Result<(), BindError> {
    match bind_once(address, options, 1) {
        Err(error) if !error.in_use => Err(error),
        Ok(_) => {
            unlink(address);
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

/// Removes what a unix socket leaves in the file system.
pub fn unlink(address: &ListenAddress) {
    if let ListenAddress::Unix(path) = address {
        let _ = std::fs::remove_file(path);
    }
}

/// The address as nginx writes it.
pub fn text(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Inet(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn bind_once(
    address: &ListenAddress,
    options: &ListenOptions,
    workers: usize,
) -> Result<Vec<Socket>, BindError> {
    let failed = |what: &str, error: &io::Error| BindError {
        message: format!("{what} to {} failed ({})", text(address), crate::log::os_error(error)),
        in_use: error.raw_os_error() == Some(Errno::EADDRINUSE as i32),
    };
    match address {
        ListenAddress::Unix(path) => {
            remove_stale(path);
            let first = open_unix(path, options).map_err(|error| failed("bind()", &error))?;
            Ok(vec![first])
        }
        ListenAddress::Inet(inet) => {
            let address = SockAddr::from(*inet);
            // Each worker's socket shares the port with the others', and would with a stranger's of the same user.
            // A socket that does not share is refused when there is one: that is how a second server is noticed. It
            // does not listen yet, so nobody can connect to it and be dropped with it.
            let alone = open_inet(&address, options, false).map_err(|error| failed("bind()", &error))?;
            let sockets = if workers == 1 {
                vec![alone]
            } else {
                drop(alone);
                let shared = (0..workers).map(|_| open_inet(&address, options, true));
                shared.collect::<io::Result<_>>().map_err(|error| failed("bind()", &error))?
            };
            let backlog = options.backlog.unwrap_or(BACKLOG);
            let listening: io::Result<()> = sockets.iter().try_for_each(|socket| socket.listen(backlog));
            listening.map_err(|error| failed("listen()", &error))?;
            Ok(sockets)
        }
    }
}

/// A bound socket that does not listen yet.
fn open_inet(address: &SockAddr, options: &ListenOptions, shared: bool) -> io::Result<Socket> {
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(options.ipv6only.unwrap_or(true))?;
    }
    apply(&socket, options)?;
    socket.bind(address)?;
    Ok(socket)
}

fn open_unix(path: &Path, options: &ListenOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    if let Some(size) = options.rcvbuf {
        socket.set_recv_buffer_size(size)?;
    }
    if let Some(size) = options.sndbuf {
        socket.set_send_buffer_size(size)?;
    }
    socket.bind(&SockAddr::unix(path)?)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    socket.listen(options.backlog.unwrap_or(BACKLOG))?;
    Ok(socket)
}

fn apply(socket: &Socket, options: &ListenOptions) -> io::Result<()> {
    if let Some(size) = options.rcvbuf {
        socket.set_recv_buffer_size(size)?;
    }
    if let Some(size) = options.sndbuf {
        socket.set_send_buffer_size(size)?;
    }
    match &options.keepalive {
        None => {
            socket.set_tcp_keepalive(&dead_peers())?;
            socket.set_tcp_user_timeout(Some(unheard(SILENCE, INTERVAL, PROBES)))?;
        }
        Some(KeepAlive::Off) => socket.set_keepalive(false)?,
        Some(KeepAlive::On { idle, interval, count }) => {
            let mut keepalive = TcpKeepalive::new();
            if let Some(idle) = idle {
                keepalive = keepalive.with_time(*idle);
            }
            if let Some(interval) = interval {
                keepalive = keepalive.with_interval(*interval);
            }
            if let Some(count) = count {
                keepalive = keepalive.with_retries(*count);
            }
            socket.set_tcp_keepalive(&keepalive)?;
            if let (Some(idle), Some(interval), Some(count)) = (idle, interval, count) {
                socket.set_tcp_user_timeout(Some(unheard(*idle, *interval, *count)))?;
            }
        }
    }
    Ok(())
}

/// When a peer that vanished without a word is noticed, unless `so_keepalive` says otherwise: after two minutes. A
/// subscriber waits in silence, so nothing else would ever tell. Accepted sockets inherit it.
const SILENCE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// How long a peer may leave what was sent to it without an answer. While something is under way the system sends no
/// probes, and by itself it tries again for a quarter of an hour. A peer that only stops reading is let go by this, too,
/// so it is never less than the default of `send_timeout`.
fn unheard(idle: Duration, interval: Duration, count: u32) -> Duration {
    const LEAST: Duration = Duration::from_secs(60);
    idle.saturating_add(interval.saturating_mul(count)).max(LEAST)
}

fn dead_peers() -> TcpKeepalive {
    TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL).with_retries(PROBES)
}

/// Removes a socket file nobody answers at: a server that was killed leaves it behind.
fn remove_stale(path: &Path) {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if UnixStream::connect(path).is_err_and(refused) {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    fn accepted(options: &ListenOptions) -> Socket {
        let address = ListenAddress::Inet((Ipv4Addr::LOCALHOST, 0).into());
        let listening = bind_once(&address, options, 1).unwrap().remove(0);
        let listener = TcpListener::from(listening);
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap().0.into()
    }

    #[test]
    fn peers_that_vanish_are_noticed_unless_that_is_switched_off() {
        let socket = accepted(&ListenOptions::default());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        let off = ListenOptions { keepalive: Some(KeepAlive::Off), ..ListenOptions::default() };
        assert!(!accepted(&off).keepalive().unwrap());
    }

    #[test]
    fn peers_that_vanish_while_a_message_is_under_way_are_noticed_as_soon() {
        let timeout = |keepalive| {
            let options = ListenOptions { keepalive, ..ListenOptions::default() };
            accepted(&options).tcp_user_timeout().unwrap()
        };
        let on = |idle, interval, count| {
            Some(KeepAlive::On { idle, interval: Some(Duration::from_secs(interval)), count: Some(count) })
        };
        assert_eq!(timeout(None), Some(Duration::from_secs(120)));
        assert_eq!(timeout(on(Some(Duration::from_secs(100)), 10, 5)), Some(Duration::from_secs(150)));
        assert_eq!(timeout(on(Some(Duration::from_secs(1)), 1, 3)), Some(Duration::from_secs(60)));
        // The system's time, which may be hours.
        assert_eq!(timeout(on(None, 10, 5)), None);
        assert_eq!(timeout(Some(KeepAlive::Off)), None);
    }
}
