//! Addresses that connections come from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Connections that share a source address: each has some 28,000 ports, and finding a free one among few takes long.
const PER_ADDRESS: u32 = 2000;

/// A new loopback address now and then. Ports stay taken for a minute after a connection, so none is used again.
#[derive(Debug, Default)]
pub(super) struct Sources {
    current: Option<Ipv4Addr>,
    used: u32,
}

impl Sources {
    /// Where the next connection to `server` is to come from; `None` leaves it to the kernel.
    pub(super) fn next(&mut self, server: SocketAddr) -> Option<Ipv4Addr> {
        if !matches!(server.ip(), IpAddr::V4(address) if address.is_loopback()) {
            return None;
        }
        if self.used.is_multiple_of(PER_ADDRESS) {
            self.current = Some(next_address());
        }
        self.used += 1;
        self.current
    }
}

fn next_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = Ipv4Addr::new(127, 1, 0, 0).to_bits() + ((process::id() % (1 << 12)) << 8);
    Ipv4Addr::from_bits(first + NEXT.fetch_add(1, Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_change_and_others_are_left_alone() {
        let mut sources = Sources::default();
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let first = sources.next(here);
        let last = (1..=PER_ADDRESS).map(|_| sources.next(here)).last().flatten();
        assert!(first.is_some() && last.is_some() && first != last);
        assert_eq!(sources.next(SocketAddr::from(([192, 0, 2, 1], 80))), None);
    }
}
