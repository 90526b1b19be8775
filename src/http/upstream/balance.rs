//! Which server of a group is next: in turn by weight, by the fewest connections, by a key, by the client, by chance.

use std::sync::Arc;
use std::time::Instant;

use crate::config::model::{Balance, Upstream, UpstreamServer};
use crate::request::RequestCtx;

use super::{Chosen, Group, Peer};

/// Tries of a method that goes by a key before the servers are taken in turn.
const MOST_REHASHES: u32 = 20;

/// Points of `hash ... consistent` for one unit of weight: as many as other implementations of it have.
const POINTS: usize = 160;

/// The points of `hash ... consistent`: a hash and the name of a server, sorted.
#[derive(Debug, Default)]
pub struct Ring(Box<[(u32, Box<str>)]>);

impl Ring {
    /// The ring of a group; empty for those that need none.
    pub fn new(conf: &Upstream) -> Self {
        if !matches!(conf.balance, Balance::Consistent(_)) {
            return Self::default();
        }
        let mut points = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for server in conf.servers.iter().filter(|server| !names_twice(&mut names, &server.name)) {
            let (host, port) = match server.name.rsplit_once(':') {
                Some((host, port)) if !server.name.starts_with("unix:") => (host, port),
                _ => (&*server.name, ""),
            };
            let mut previous = 0u32;
            for _ in 0..POINTS * usize::try_from(server.weight).unwrap_or(1) {
                let mut hasher = crc32fast::Hasher::new();
                hasher.update(host.as_bytes());
                hasher.update(b"\0");
                hasher.update(port.as_bytes());
                hasher.update(&previous.to_le_bytes());
                previous = hasher.finalize();
                points.push((previous, server.name.clone()));
            }
        }
        points.sort_by_key(|(hash, _)| *hash);
        points.dedup_by_key(|(hash, _)| *hash);
        Self(points.into())
    }

    /// The first point at or behind a hash.
    fn find(&self, hash: u32) -> usize {
        let at = self.0.partition_point(|(point, _)| *point < hash);
        if at == self.0.len() { 0 } else { at }
    }
}

/// Notes a name; true if it was noted before.
fn names_twice<'a>(names: &mut Vec<&'a str>, name: &'a str) -> bool {
    let known = names.contains(&name);
    names.push(name);
    known
}

/// One request's way through a group.
#[derive(Debug)]
pub struct Selection {
    group: Arc<Group>,
    tried: Vec<bool>,
    backups: bool,
    /// Servers that may still be tried.
    pub tries: usize,
    key: Key,
}

/// What a method goes by that does not take servers in turn.
#[derive(Debug)]
enum Key {
    None,
    Hash { key: Vec<u8>, hash: u32, rehash: u32 },
    Point { at: usize, rehash: u32 },
    Address { octets: Vec<u8>, hash: u32, rehash: u32 },
}

impl Selection {
    /// A request that has tried nobody yet; `limit` is `proxy_next_upstream_tries`.
    pub fn new(group: &Arc<Group>, ctx: &RequestCtx, limit: u64) -> Self {
        let tries = group.tries();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let key = match &group.balance {
            Balance::Hash(key) => Key::Hash { key: ctx.render(key), hash: 0, rehash: 0 },
            Balance::Consistent(key) => {
                Key::Point { at: group.ring.find(crc32fast::hash(&ctx.render(key))), rehash: 0 }
            }
            Balance::IpHash => Key::Address { octets: address_key(ctx), hash: 89, rehash: 0 },
            _ => Key::None,
        };
        Self {
            tried: vec![false; group.servers.len()],
            group: Arc::clone(group),
            backups: false,
            tries: if limit == 0 { tries } else { tries.min(limit) },
            key,
        }
    }

    /// The next server; `None` when all are down, busy or tried.
    pub fn advance(&mut self) -> Option<Chosen> {
        let group = Arc::clone(&self.group);
        let chosen = group.with_peers(|peers| {
            let chosen = self.choose(peers).or_else(|| {
                self.backups = true;
                self.in_turn(peers)
            })?;
            peers[chosen].connections += 1;
            Some(chosen)
        })?;
        self.tried[chosen] = true;
        Some(Chosen::new(group, chosen))
    }

    fn choose(&mut self, peers: &mut [Peer]) -> Option<usize> {
        if self.group.is_single() || self.backups {
            return self.in_turn(peers);
        }
        match &self.group.balance {
            Balance::RoundRobin => self.in_turn(peers),
            Balance::LeastConn => self.least_connected(peers),
            Balance::IpHash | Balance::Hash(_) => self.by_hash(peers).or_else(|| self.in_turn(peers)),
            Balance::Consistent(_) => self.by_point(peers).or_else(|| self.in_turn(peers)),
            Balance::Random => self.by_chance(peers).or_else(|| self.in_turn(peers)),
            Balance::RandomTwo => {
                let first = self.by_chance(peers);
                let second = self.by_chance(peers);
                match (first, second) {
                    (Some(first), Some(second)) => {
                        let load = |at: usize| (peers[at].connections, self.group.servers[at].weight);
                        let ((a, weight_a), (b, weight_b)) = (load(first), load(second));
                        let (a, b) =
                            (i128::from(a) * i128::from(weight_b), i128::from(b) * i128::from(weight_a));
                        Some(if b < a { second } else { first })
                    }
                    (found, None) | (None, found) => found.or_else(|| self.in_turn(peers)),
                }
            }
        }
    }

    /// Whether a server may be asked now.
    fn is_open(&self, at: usize, peer: &Peer) -> bool {
        let server = &self.group.servers[at];
        let busy = server.max_conns > 0 && peer.connections >= server.max_conns;
        if server.backup != self.backups || server.down || busy {
            return false;
        }
        self.group.is_single() || (!self.tried[at] && !is_out(server, peer))
    }

    /// Each server as often as its weight says, evenly spread.
    fn in_turn(&self, peers: &mut [Peer]) -> Option<usize> {
        let open: Vec<usize> = (0..peers.len()).filter(|at| self.is_open(*at, &peers[*at])).collect();
        self.spread(peers, &open)
    }

    fn spread(&self, peers: &mut [Peer], open: &[usize]) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<usize> = None;
        for at in open.iter().copied() {
            let peer = &mut peers[at];
            peer.current_weight += peer.effective_weight;
            total += peer.effective_weight;
            if peer.effective_weight < self.group.servers[at].weight {
                peer.effective_weight += 1;
            }
            if best.is_none_or(|best| peers[at].current_weight > peers[best].current_weight) {
                best = Some(at);
            }
        }
        let best = best?;
        peers[best].current_weight -= total;
        self.give_a_chance(best, &mut peers[best]);
        Some(best)
    }

    /// A server that was out gets one request, and until that is answered no other.
    fn give_a_chance(&self, at: usize, peer: &mut Peer) {
        let now = Instant::now();
        let timeout = self.group.servers[at].fail_timeout;
        if peer.checked.is_none_or(|checked| now.duration_since(checked) > timeout) {
            peer.checked = Some(now);
        }
    }

    /// The fewest connections for its weight; several are taken in turn.
    fn least_connected(&self, peers: &mut [Peer]) -> Option<usize> {
        let open: Vec<usize> = (0..peers.len()).filter(|at| self.is_open(*at, &peers[*at])).collect();
        let load = |at: &usize, other: &usize| {
            let weight = |at: usize| u128::try_from(self.group.servers[at].weight).unwrap_or(1);
            let connections = |at: usize| u128::from(peers[at].connections);
            (connections(*at) * weight(*other)).cmp(&(connections(*other) * weight(*at)))
        };
        let least = open.iter().copied().min_by(load)?;
        let same: Vec<usize> = open.iter().copied().filter(|at| load(at, &least).is_eq()).collect();
        self.spread(peers, &same)
    }

    fn by_hash(&mut self, peers: &mut [Peer]) -> Option<usize> {
        let total = u32::try_from(self.total_weight()).ok().filter(|total| *total > 0)?;
        loop {
            let hash = match &mut self.key {
                Key::Address { octets, hash, rehash } if *rehash <= MOST_REHASHES => {
                    *rehash += 1;
                    *hash = octets.iter().fold(*hash, |hash, octet| (hash * 113 + u32::from(*octet)) % 6271);
                    *hash
                }
                Key::Hash { key, hash, rehash } if *rehash <= MOST_REHASHES && !key.is_empty() => {
                    let mut hasher = crc32fast::Hasher::new();
                    if *rehash > 0 {
                        hasher.update(rehash.to_string().as_bytes());
                    }
                    hasher.update(key);
                    *rehash += 1;
                    *hash = hash.wrapping_add((hasher.finalize() >> 16) & 0x7fff);
                    *hash
                }
                _ => return None,
            };
            let at = self.at_weight(i64::from(hash % total))?;
            if self.is_open(at, &peers[at]) {
                self.give_a_chance(at, &mut peers[at]);
                return Some(at);
            }
        }
    }

    fn by_point(&mut self, peers: &mut [Peer]) -> Option<usize> {
        loop {
            let Key::Point { at, rehash } = &mut self.key else { return None };
            if *rehash > MOST_REHASHES || self.group.ring.0.is_empty() {
                return None;
            }
            let name = &self.group.ring.0[*at % self.group.ring.0.len()].1;
            (*at, *rehash) = (*at + 1, *rehash + 1);
            let named = (0..peers.len()).filter(|at| self.group.servers[*at].name == *name);
            let open: Vec<usize> = named.filter(|at| self.is_open(*at, &peers[*at])).collect();
            if let Some(found) = self.spread(peers, &open) {
                if let Key::Point { at, .. } = &mut self.key {
                    // The same point serves again, should the server have other addresses.
                    *at -= 1;
                }
                return Some(found);
            }
        }
    }

    fn by_chance(&self, peers: &mut [Peer]) -> Option<usize> {
        let total = self.total_weight();
        for _ in 0..MOST_REHASHES {
            let mut random = [0; 8];
            getrandom::fill(&mut random).ok()?;
            let at = self.at_weight(i64::try_from(u64::from_le_bytes(random) >> 1).ok()? % total.max(1))?;
            if self.is_open(at, &peers[at]) {
                self.give_a_chance(at, &mut peers[at]);
                return Some(at);
            }
        }
        None
    }

    fn total_weight(&self) -> i64 {
        let servers = self.group.servers.iter().filter(|server| !server.backup);
        servers.map(|server| server.weight).sum()
    }

    /// The server in whose stretch of all weights a number lies.
    fn at_weight(&self, mut number: i64) -> Option<usize> {
        let servers = self.group.servers.iter().enumerate().filter(|(_, server)| !server.backup);
        for (at, server) in servers {
            if number < server.weight {
                return Some(at);
            }
            number -= server.weight;
        }
        None
    }
}

/// Whether a server failed too often, too short a while ago.
fn is_out(server: &UpstreamServer, peer: &Peer) -> bool {
    let recently = |checked: Instant| Instant::now().duration_since(checked) <= server.fail_timeout;
    server.max_fails > 0 && peer.fails >= server.max_fails && peer.checked.is_some_and(recently)
}

/// What `ip_hash` goes by: three octets of an IPv4 address, all of an IPv6 address.
fn address_key(ctx: &RequestCtx) -> Vec<u8> {
    match ctx.remote.ip() {
        Some(std::net::IpAddr::V4(ip)) => ip.octets()[..3].to_vec(),
        Some(std::net::IpAddr::V6(ip)) => ip.octets().to_vec(),
        None => vec![0; 3],
    }
}
