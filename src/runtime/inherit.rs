//! Listening sockets that this process was started with: by the process that it follows, by nginx, by systemd.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use listenfd::ListenFd;
use nix::libc;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::Socket;

use crate::config::model::ListenAddress;

/// nginx's way to pass sockets to its new binary: `NGINX=6;7;`.
pub const NGINX: &str = "NGINX";

/// Whether another process passed its sockets on, nginx's way: then this one is in the background already, if it is to be.
pub fn is_follower() -> bool {
    std::env::var_os(NGINX).is_some()
}

/// Sockets that were not asked for yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(ListenAddress, Socket)>);

impl Inherited {
    /// Sockets that were received.
    pub fn received(descriptors: Vec<OwnedFd>) -> Self {
        let sockets = descriptors.into_iter().map(Socket::from);
        Self(sockets.filter_map(|socket| Some((prepare(&socket).ok()??, socket))).collect())
    }

    /// What the environment names. To be called once, before there are threads.
    pub fn from_environment() -> Self {
        let mut sockets = from_systemd();
        sockets.extend(nginx_numbers().filter_map(|number| match take(number) {
            Ok(descriptor) => Some(descriptor),
            Err(error) => {
                tracing::warn!("socket {number} of {NGINX} ({})", crate::log::os_error(&error));
                None
            }
        }));
        Self::received(sockets)
    }

    /// The sockets of an address: several where each worker of the process before had one.
    pub fn take(&mut self, address: &ListenAddress) -> Vec<Socket> {
        let (found, rest) = std::mem::take(&mut self.0).into_iter().partition(|(own, _)| own == address);
        self.0 = rest;
        found.into_iter().map(|(_, socket): (ListenAddress, Socket)| socket).collect()
    }

    /// Addresses that nobody took.
    pub fn left(&self) -> impl Iterator<Item = &ListenAddress> {
        self.0.iter().map(|(address, _)| address)
    }
}

/// Closes the sockets of [`NGINX`]: the same ones came in another way.
pub fn close_nginx_sockets() {
    for number in nginx_numbers() {
        let _ = nix::unistd::close(number);
    }
}

fn nginx_numbers() -> impl Iterator<Item = RawFd> {
    let text = std::env::var(NGINX).unwrap_or_default();
    let numbers: Vec<RawFd> = text.split([';', ':']).filter_map(|number| number.parse().ok()).collect();
    numbers.into_iter().filter(|number| *number > 2)
}

/// Owns a descriptor that is known by number only: a copy by way of the system takes its place.
fn take(number: RawFd) -> io::Result<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let copy = pidfd_getfd(&own, number, PidfdGetfdFlags::empty())?;
    let _ = nix::unistd::close(number);
    Ok(copy)
}

fn from_systemd() -> Vec<OwnedFd> {
    let mut given = ListenFd::from_env();
    let count = given.len();
    let mut take = |number| {
        let tcp = given.take_custom::<OwnedFd>(number, libc::AF_INET, libc::SOCK_STREAM, "tcp socket");
        let any = tcp
            .or_else(|_| given.take_custom(number, libc::AF_UNIX, libc::SOCK_STREAM, "unix stream socket"));
        any.inspect_err(|error| tracing::warn!("socket activation: {error}")).ok().flatten()
    };
    (0..count).filter_map(&mut take).collect()
}

/// Makes an inherited socket like one of our own. `None` if it has no address that a configuration could name.
fn prepare(socket: &Socket) -> io::Result<Option<ListenAddress>> {
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    let address = socket.local_addr()?;
    let inet = address.as_socket().map(ListenAddress::Inet);
    Ok(inet.or_else(|| address.as_pathname().map(|path| ListenAddress::Unix(path.to_owned()))))
}
