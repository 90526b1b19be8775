//! Where a connection comes from, and what it is judged by.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::config::model::{ListenAddress, Server};
use crate::metrics;
use crate::request::Connection;

use super::site::Site;

/// How a connection came to be, and what it is judged by.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The generation of the configuration of its last request.
    pub site: Arc<Site>,
    /// The listening socket it came in by: an index into the generation's.
    pub listen: usize,
    /// The connection.
    pub connection: Arc<Connection>,
    /// Requests made on it so far.
    pub requests: u64,
    /// How often a request that might have been the last one again was another.
    pub misses: u8,
    /// Held for as long as the connection lives: counts towards `worker_connections`.
    pub place: Rc<Place>,
}

impl Origin {
    /// Moves on to a newer generation, unless that no longer listens where this connection came in.
    pub fn renew(&mut self, site: &Arc<Site>) {
        if !Arc::ptr_eq(site, &self.site)
            && let Some(listen) = site.listen(&self.address())
        {
            self.site = Arc::clone(site);
            self.listen = listen;
        }
    }

    /// Since when its first request is awaited, if it is.
    pub fn awaits_first(&self) -> Option<Instant> {
        (self.requests == 0).then_some(self.connection.accepted)
    }

    fn address(&self) -> ListenAddress {
        self.site.config.listens[self.listen].address.clone()
    }

    /// The server that answers for broken requests.
    pub fn default_server(&self) -> &Server {
        let hosts = self.site.hosts(self.listen, &self.connection.local);
        &self.site.config.servers[hosts.default]
    }
}

/// A connection's place among those its worker may hold.
#[derive(Debug)]
pub struct Place(Rc<Cell<usize>>);

impl Place {
    /// Takes a place; `None` when all `limit` are taken.
    pub fn take(count: &Rc<Cell<usize>>, limit: usize) -> Option<Rc<Self>> {
        if count.get() >= limit {
            return None;
        }
        count.set(count.get() + 1);
        metrics::count(|worker| worker.active.add(1));
        Some(Rc::new(Self(Rc::clone(count))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
        metrics::count(|worker| worker.active.subtract(1));
    }
}
