//! Parked connections that go to another process: sockets, and what is known of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::model::{Instruction, ListenAddress, LocationConf, Locations, Transport};
use crate::push::PushState;
use crate::push::longpoll::LongPoll;
use crate::push::reply::{FrozenReply, Reply};
use crate::push::waiting::{Waiting, What};
use crate::request::limits::SlotName;
use crate::request::log_line::{FrozenLog, PendingLog};
use crate::request::proxied::Proxied;
use crate::request::{Connection, Endpoint};
use crate::store::{ChannelKey, WorkerId};

use super::super::access;
use super::super::origin::{Origin, Place};
use super::super::site::Site;
use super::super::stream::IdleStream;
use super::{Fate, Parked, Parking, Resumed, State};

/// A connection on its way to another process. Its socket travels beside it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handed {
    /// The listening socket it came in by.
    listen: ListenName,
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
    proxied: Option<Box<Proxied>>,
    serial: u64,
    age: Duration,
    requests: u64,
    #[serde(with = "serde_bytes")]
    readahead: Vec<u8>,
    /// How long it may go on as it is.
    left: Option<Duration>,
    /// `None` while it waits for its next request.
    waiter: Option<HandedWaiter>,
}

#[derive(Debug, Serialize, Deserialize)]
enum ListenName {
    Inet(SocketAddr),
    Unix(std::path::PathBuf),
}

/// A subscriber that waits.
#[derive(Debug, Serialize, Deserialize)]
struct HandedWaiter {
    #[serde(with = "serde_bytes")]
    group: Vec<u8>,
    #[serde(with = "serde_bytes")]
    id: Vec<u8>,
    /// Which settings: see [`names`].
    conf: String,
    reply: FrozenReply,
    log: Option<FrozenLog>,
    /// What it holds of `limit_conn`.
    slots: Vec<SlotName>,
}

/// Settings of a generation by their names, as two processes with the same configuration agree on them.
pub type Names = HashMap<String, Arc<LocationConf>>;

/// The names of all settings: server by server, location by location.
pub fn names(site: &Site) -> Names {
    let mut names = Names::new();
    for (number, server) in site.config.servers.iter().enumerate() {
        let name = format!("{number} {}", server.name);
        of_program(&name, &server.rewrite, &mut names);
        of_locations(&name, &server.locations, &mut names);
        names.insert(name, Arc::clone(&server.conf));
    }
    names
}

fn of_locations(around: &str, locations: &Locations, names: &mut Names) {
    let Locations { exact, prefix, regex, named } = locations;
    for location in exact.values().chain(prefix).chain(regex).chain(named.values()) {
        let name = format!("{around}\n{}", location.conf.name);
        of_program(&name, &location.rewrite, names);
        of_locations(&name, &location.nested, names);
        names.insert(name, Arc::clone(&location.conf));
    }
}

fn of_program(around: &str, program: &[Instruction], names: &mut Names) {
    for (number, instruction) in program.iter().enumerate() {
        if let Instruction::If { body, conf, .. } = instruction {
            let name = format!("{around}\nif {number}");
            of_program(&name, body, names);
            if let Some(conf) = conf {
                names.insert(name, Arc::clone(conf));
            }
        }
    }
}

// === Out ===

/// Names of settings that are in use, found once per generation.
#[derive(Debug, Default)]
pub struct Reverse(HashMap<usize, HashMap<usize, String>>);

impl Reverse {
    fn name(&mut self, site: &Arc<Site>, conf: &Arc<LocationConf>) -> Option<String> {
        let generation = self.0.entry(Arc::as_ptr(site).addr()).or_insert_with(|| {
            names(site).into_iter().map(|(name, conf)| (Arc::as_ptr(&conf).addr(), name)).collect()
        });
        generation.get(&Arc::as_ptr(conf).addr()).cloned()
    }
}

impl Parking {
    /// Shows every connection that can go to another process: who waits, and who is between two requests. They stay
    /// here; the numbers returned are for [`Parking::forget`].
    ///
    /// # Errors
    /// The first of `visit`.
    pub fn hand_over<'p, E>(
        &'p self,
        visit: &mut dyn FnMut(Handed, BorrowedFd<'p>) -> Result<(), E>,
    ) -> Result<Vec<usize>, E> {
        let (mut reverse, mut ids) = (Reverse::default(), Vec::new());
        for (id, entry) in self.entries.iter() {
            if let (Some(stream), Some(handed)) = (&entry.stream, entry.handed(&mut reverse)) {
                visit(handed, stream.socket.as_fd())?;
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// Lets go of connections that another process has now, without a word to the clients. What happens in the store, which
    /// is there as well, concerns nobody any more.
    pub fn forget(&mut self, ids: Vec<usize>) {
        self.occurrences.close();
        while self.occurrences.try_recv().is_ok() {}
        for id in ids {
            self.finish(id, Fate::HandedOver);
        }
    }
}

impl Parked {
    fn handed(&self, reverse: &mut Reverse) -> Option<Handed> {
        let waiter = match &self.state {
            State::Idle(_) | State::Begun(_) => None,
            State::Waiting(waiter) => {
                // One that was released gets its answer here.
                let key = waiter.poll.portable()?.key().filter(|_| !waiter.poll.is_released())?;
                Some(HandedWaiter {
                    group: key.group().to_vec(),
                    id: key.id().to_vec(),
                    conf: reverse.name(&self.origin.site, waiter.poll.conf())?,
                    reply: waiter.poll.reply.freeze(),
                    log: waiter.log.as_ref().map(|log| log.freeze()),
                    slots: waiter.limits.as_ref().map(|limits| limits.freeze()).unwrap_or_default(),
                })
            }
            // A stream ends with a word of which its client knows that it is to come back.
            State::Streaming(_) | State::Writing(_) | State::Paced(_) | State::Closing => return None,
        };
        let inet = |endpoint: &Endpoint| match endpoint {
            Endpoint::Inet(address) => Some(*address),
            Endpoint::Unix => None,
        };
        let connection = &self.origin.connection;
        Some(Handed {
            listen: match &self.origin.site.config.listens.get(self.origin.listen)?.address {
                ListenAddress::Inet(address) => ListenName::Inet(*address),
                ListenAddress::Unix(path) => ListenName::Unix(path.clone()),
            },
            remote: inet(&connection.remote),
            local: inet(&connection.local),
            proxied: connection.proxied.clone(),
            serial: connection.serial,
            age: connection.accepted.elapsed(),
            requests: self.origin.requests,
            readahead: self.readahead.clone(),
            left: self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
            waiter,
        })
    }
}

// === In ===

/// A connection that came from another process.
pub struct Arrived {
    handed: Handed,
    socket: OwnedFd,
    waiting: Option<Waiting>,
}

impl Handed {
    /// Lets the subscriber wait again, in `worker`. `None` if its location is not there any more: then it is told to
    /// come back by the end of its connection.
    pub fn arrive(
        mut self,
        socket: OwnedFd,
        site: &Site,
        names: &Names,
        state: &PushState,
        worker: WorkerId,
    ) -> Option<Arrived> {
        let waiting = match self.waiter.take() {
            None => None,
            Some(waiter) => Some(waiter.wait(self.left, site, names, state, worker)?),
        };
        Some(Arrived { handed: self, socket, waiting })
    }
}

impl HandedWaiter {
    fn wait(
        self,
        timeout: Option<Duration>,
        site: &Site,
        names: &Names,
        state: &PushState,
        worker: WorkerId,
    ) -> Option<Waiting> {
        let conf = names.get(&self.conf)?;
        if !conf.push.subscriber.has(Transport::LongPoll) {
            return None;
        }
        let key = ChannelKey::new(&self.group, &self.id);
        let subscription = state.store.import_waiter(&key, worker)?;
        let reply = Reply::thaw(self.reply, Arc::clone(conf));
        Some(Waiting {
            what: What::Message(Box::new(LongPoll::one(subscription, reply, None))),
            log: self.log.and_then(|log| PendingLog::thaw(log, conf)),
            limits: site.hold(&self.slots),
            timeout,
        })
    }
}

impl Arrived {
    /// `$connection`.
    pub fn serial(&self) -> u64 {
        self.handed.serial
    }

    /// Parks it. Closes it instead if this generation does not listen where it came in.
    pub fn park(self, parking: &mut Parking, site: &Arc<Site>, place: std::rc::Rc<Place>) {
        let address = match self.handed.listen {
            ListenName::Inet(address) => ListenAddress::Inet(address),
            ListenName::Unix(path) => ListenAddress::Unix(path),
        };
        let Some(listen) = site.listen(&address) else { return };
        let endpoint = |address: Option<SocketAddr>| address.map_or(Endpoint::Unix, Endpoint::Inet);
        let now = Instant::now();
        let remote = endpoint(self.handed.remote);
        let connection = Arc::new(Connection {
            serial: self.handed.serial,
            debug: access::is_among(&site.config.main.debug_connections, &remote),
            remote,
            local: endpoint(self.handed.local),
            proxied: self.handed.proxied,
            accepted: now.checked_sub(self.handed.age).unwrap_or(now),
        });
        let site = Arc::clone(site);
        let origin = Origin { site, listen, connection, requests: self.handed.requests, misses: 0, place };
        let stream = match self.handed.local {
            Some(_) => IdleStream::tcp(self.socket),
            None => IdleStream::unix(self.socket),
        };
        match self.waiting {
            Some(waiting) => {
                let id = parking.expect(waiting, origin);
                parking.adopt(id, stream, &self.handed.readahead);
            }
            None if self.handed.readahead.is_empty() => parking.rest(stream, origin, self.handed.left, None),
            None => parking.give_back(Resumed::new(stream.into(), self.handed.readahead.into(), origin)),
        }
    }
}

impl std::fmt::Debug for Arrived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.handed.fmt(f)
    }
}
