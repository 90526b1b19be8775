//! A network beside the machine's own, whose clients can vanish without a word.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

/// The end inside.
const INSIDE: &str = "inside";

/// A network namespace with a cable to the machine's own. It goes away with this value and the threads inside.
#[derive(Debug)]
pub(crate) struct Network {
    namespace: File,
    /// The third number of all addresses.
    number: u8,
}

impl Network {
    /// An error where this is not root with `CAP_NET_ADMIN`, or there is no `ip` (iproute2).
    pub(crate) fn new() -> io::Result<Self> {
        let pid = std::process::id();
        let outside = format!("encke{pid}");
        let cable = format!("link add {INSIDE} type veth peer name {outside} netns {pid}");
        let namespace = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            ip(&cable)?;
            ip(&format!("link set {INSIDE} up"))?;
            File::open("/proc/thread-self/ns/net")
        });
        let namespace = namespace.join().expect("no panic")?;
        let network = Self { namespace, number: u8::try_from(pid % 256).expect("below 256") };
        ip(&format!("addr add {}/24 dev {outside}", network.machine()))?;
        ip(&format!("link set {outside} up"))?;
        Ok(network)
    }

    /// The machine's address, as clients inside see it.
    pub(crate) fn machine(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// An address for clients: from 2 to 254.
    pub(crate) fn address(&self, host: u8) -> Ipv4Addr {
        // A range for tests of networks: RFC 2544.
        Ipv4Addr::new(198, 18, self.number, host)
    }

    /// From here on the calling thread is inside, with all that it starts.
    pub(crate) fn enter(&self) {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("root may");
    }

    /// Makes an address one of the clients'. Called inside.
    pub(crate) fn appear(&self, address: Ipv4Addr) {
        ip(&format!("addr add {address}/24 dev {INSIDE}")).expect("root may");
    }

    /// Nobody has that address any more, and whatever its sockets send goes nowhere. Called inside.
    pub(crate) fn vanish(&self, address: Ipv4Addr) {
        ip(&format!("addr del {address}/24 dev {INSIDE}")).expect("it appeared");
    }
}

fn ip(arguments: &str) -> io::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    let complaint =
        || io::Error::other(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr)));
    output.status.success().then_some(()).ok_or_else(complaint)
}
