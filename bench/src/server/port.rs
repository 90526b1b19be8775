//! Ports for servers that must be told a number before they start.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use socket2::{Domain, Socket, Type};

/// Below the range from which the kernel takes ports for outgoing connections.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port nobody listens on, and which no other call returns again soon.
pub(super) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % u32::from(COUNT)).unwrap_or_default();
    loop {
        let turn = NEXT.fetch_add(1, Relaxed) % COUNT;
        let port = FIRST + (start.wrapping_mul(61) % COUNT + turn) % COUNT;
        if bind(port).is_ok() {
            return port;
        }
    }
}

fn bind(port: u16) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())
}
