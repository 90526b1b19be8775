//! Lines to syslog servers, in nginx's form of RFC 3164: one datagram each, sent at once or lost.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::model::{Severity, Syslog, SyslogServer};

use super::complaint::Complaints;
use super::{error, local_time, os_error};

/// A socket for each server, shared by all threads. Servers of former configurations stay, unused.
static PEERS: LazyLock<RwLock<HashMap<SyslogServer, Arc<Peer>>>> = LazyLock::new(RwLock::default);

#[derive(Debug, Default)]
struct Peer {
    /// Made when the first line is sent, and again after an error.
    socket: RwLock<Option<Socket>>,
    complaints: Complaints,
}

/// Sends a line, without its end.
pub(super) fn send(syslog: &Syslog, severity: Severity, line: &[u8]) {
    let mut datagram = header(syslog, severity).into_bytes();
    datagram.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
    let peer = peer(&syslog.server);
    // A server that was restarted has a new socket behind the old address.
    let sent = peer.send(&syslog.server, &datagram).or_else(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Err(error),
        _ => peer.send(&syslog.server, &datagram),
    });
    if let Err(error) = sent
        && peer.complaints.due()
    {
        let (error, server) = (os_error(&error), name(&syslog.server));
        let text = format!("send() failed ({error}) while logging to syslog, server: {server}");
        error::event_about_syslog(Severity::Error, &text);
    }
}

/// `<PRIORITY>Nov 23 21:19:31 host tag: `
fn header(syslog: &Syslog, severity: Severity) -> String {
    let priority = u32::from(syslog.facility) * 8 + severity as u32;
    let stamp = local_time("%b %e %H:%M:%S");
    let host = if syslog.hostname { hostname() } else { "" };
    let space = if syslog.hostname { " " } else { "" };
    format!("<{priority}>{stamp} {host}{space}{}: ", syslog.tag)
}

/// This machine's name in lower case.
fn hostname() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let name = nix::unistd::gethostname().unwrap_or_default();
        name.to_string_lossy().to_ascii_lowercase()
    })
}

fn peer(server: &SyslogServer) -> Arc<Peer> {
    if let Some(peer) = PEERS.read().unwrap_or_else(PoisonError::into_inner).get(server) {
        return Arc::clone(peer);
    }
    let mut peers = PEERS.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(peers.entry(server.clone()).or_default())
}

impl Peer {
    fn send(&self, server: &SyslogServer, datagram: &[u8]) -> io::Result<()> {
        if let Some(socket) = &*self.socket.read().unwrap_or_else(PoisonError::into_inner) {
            let sent = socket.send(datagram).map(drop);
            if !sent.as_ref().is_err_and(is_broken) {
                return sent;
            }
        }
        let socket = connect(server)?;
        let sent = socket.send(datagram).map(drop);
        *self.socket.write().unwrap_or_else(PoisonError::into_inner) = Some(socket);
        sent
    }
}

/// Whether a new socket could help: neither a server that is busy nor a line that is too long is the socket's fault.
fn is_broken(error: &io::Error) -> bool {
    let too_long = error.raw_os_error() == Some(nix::errno::Errno::EMSGSIZE as i32);
    error.kind() != io::ErrorKind::WouldBlock && !too_long
}

fn connect(server: &SyslogServer) -> io::Result<Socket> {
    let (domain, address) = match server {
        SyslogServer::Udp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
        SyslogServer::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
    };
    let socket = Socket::new(domain, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&address)?;
    Ok(socket)
}

fn name(server: &SyslogServer) -> String {
    match server {
        SyslogServer::Udp(address) => address.to_string(),
        SyslogServer::Unix(path) => format!("unix:{}", path.display()),
    }
}
