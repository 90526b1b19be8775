//! Groups of servers behind, while they are in use: which is next, which is down, idle connections.

pub mod balance;
pub mod connect;
pub mod names;
pub mod pool;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::config::model::{Balance, Config, PeerAddress, Upstream, UpstreamServer};

use self::balance::Ring;
use self::names::Names;
use self::pool::Pool;

/// Everything about servers behind that outlives a request: made with each generation of the configuration, shared by
/// all workers.
#[derive(Debug)]
pub struct Upstreams {
    groups: Box<[Arc<Group>]>,
    /// Names that are looked up while serving.
    pub names: Names,
}

/// A group of servers.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: Box<str>,
    port: Option<u16>,
    servers: Box<[UpstreamServer]>,
    balance: Balance,
    ring: Ring,
    peers: Mutex<Box<[Peer]>>,
    /// Idle connections, if any are kept.
    pub pool: Option<Arc<Pool>>,
}

/// What is known of one address.
#[derive(Clone, Debug)]
struct Peer {
    /// Requests that are with it.
    connections: u64,
    current_weight: i64,
    effective_weight: i64,
    fails: u64,
    /// When it last failed.
    accessed: Option<Instant>,
    /// When it was last given a chance.
    checked: Option<Instant>,
}

impl Upstreams {
    /// All groups of a configuration.
    pub fn new(config: &Config) -> Self {
        let groups = config.upstreams.iter().map(|conf| Arc::new(Group::new(conf)));
        Self { groups: groups.collect(), names: Names::default() }
    }

    /// The group of that number.
    pub fn group(&self, index: usize) -> Option<&Arc<Group>> {
        self.groups.get(index)
    }

    /// The group of that name: an `upstream`, or a host that another `proxy_pass` names.
    pub fn find(&self, host: &str, port: Option<u16>) -> Option<&Arc<Group>> {
        let fits = |group: &&Arc<Group>| {
            group.name.eq_ignore_ascii_case(host) && group.port.is_none_or(|own| own == port.unwrap_or(80))
        };
        self.groups.iter().find(fits)
    }
}

impl Group {
    /// A group of which nothing is known yet.
    pub fn new(conf: &Upstream) -> Self {
        let peers = conf.servers.iter().map(|server| Peer {
            connections: 0,
            current_weight: 0,
            effective_weight: server.weight,
            fails: 0,
            accessed: None,
            checked: None,
        });
        Self {
            name: conf.name.clone(),
            port: conf.port,
            servers: conf.servers.clone(),
            ring: Ring::new(conf),
            balance: conf.balance.clone(),
            peers: Mutex::new(peers.collect()),
            pool: conf.keepalive.map(|conf| Arc::new(Pool::new(conf))),
        }
    }

    /// A group of addresses that a name server told of.
    pub fn of_addresses(name: &str, addresses: Vec<PeerAddress>) -> Self {
        let servers = addresses.into_iter().map(|address| UpstreamServer::new(address, name));
        let (servers, balance) = (servers.collect(), Balance::RoundRobin);
        Self::new(&Upstream { name: name.into(), port: None, servers, balance, keepalive: None })
    }

    /// A group of one address is never taken out: there would be nobody left.
    fn is_single(&self) -> bool {
        self.servers.len() == 1
    }

    /// How many servers a request may go to.
    fn tries(&self) -> usize {
        self.servers.iter().filter(|server| !server.down).count()
    }

    fn with_peers<T>(&self, run: impl FnOnce(&mut [Peer]) -> T) -> T {
        run(&mut self.peers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A server that was chosen for a try. It counts as busy until this is dropped.
#[derive(Debug)]
pub struct Chosen {
    /// Its group.
    pub group: Arc<Group>,
    index: usize,
    failed: bool,
}

impl Chosen {
    fn new(group: Arc<Group>, index: usize) -> Self {
        Self { group, index, failed: false }
    }

    /// Its address.
    pub fn address(&self) -> &PeerAddress {
        &self.group.servers[self.index].address
    }

    /// Notes that it failed; true if it is left out for a while because of that.
    pub fn fail(&mut self) -> bool {
        self.failed = true;
        let server = &self.group.servers[self.index];
        if self.group.is_single() {
            return false;
        }
        self.group.with_peers(|peers| {
            let peer = &mut peers[self.index];
            let now = Instant::now();
            peer.fails += 1;
            (peer.accessed, peer.checked) = (Some(now), Some(now));
            if server.max_fails == 0 {
                return false;
            }
            let step = server.weight / i64::try_from(server.max_fails).unwrap_or(i64::MAX);
            peer.effective_weight = (peer.effective_weight - step).max(0);
            peer.fails >= server.max_fails
        })
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        let single = self.group.is_single();
        self.group.with_peers(|peers| {
            let peer = &mut peers[self.index];
            peer.connections = peer.connections.saturating_sub(1);
            if !single && !self.failed && peer.accessed < peer.checked {
                peer.fails = 0;
            }
        });
    }
}
