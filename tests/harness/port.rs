//! Ports for servers that must be told a number before they start.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use socket2::{Domain, Socket, Type};

/// Below the range from which the kernel takes ports for outgoing connections: a port found free there
/// can be taken by any client, of this test or of another, before the server binds it.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port nobody listens on, and which no other call in this process returns again soon.
pub(super) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side start at different places.
    let start = u16::try_from(process::id() % u32::from(COUNT)).unwrap_or(0);
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start.wrapping_mul(61) % COUNT + turn) % COUNT;
        if bind(port).is_ok() {
            return port;
        }
    }
}

/// Binds without listening. A process that another thread is just starting holds a copy of this socket for a
/// moment: it must neither accept the first connection in the server's place nor keep the server from binding.
fn bind(port: u16) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())
}

/// `text` with `name` where `port` stands as a number of its own: its digits are also in times and sizes.
pub(crate) fn mask(text: &str, port: u16, name: &str) -> String {
    let digits = port.to_string();
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&digits) {
        masked.push_str(before);
        let part = masked.ends_with(|last: char| last.is_ascii_digit())
            || after.starts_with(|next: char| next.is_ascii_digit());
        masked.push_str(if part { &digits } else { name });
        rest = after;
    }
    masked + rest
}

#[test]
fn a_port_is_masked_where_it_is_a_number_of_its_own() {
    let masked = mask("at 17956: 1795634186:0, 117956, 17956", 17956, "PORT");
    assert_eq!(masked, "at PORT: 1795634186:0, 117956, PORT");
}
