//! A configuration built into something that can serve: one generation, replaced as a whole by a reload.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;

use crate::config::model::{Config, ListenAddress, LocationConf, VirtualHosts};
use crate::push::PushState;
use crate::push::errands::Errands;
use crate::request::Endpoint;
use crate::request::limits::{Limits, SlotName};
use crate::request::open_files::OpenFiles;
use crate::store::Store;

use super::limits::zone::{self, Memory, Zone};
use super::router;
use super::upstream::Upstreams;

/// A generation of the configuration, ready to serve.
#[derive(Debug)]
pub struct Site {
    /// What it was built from.
    pub config: Arc<Config>,
    /// The channels, which outlive it.
    pub store: Arc<Store>,
    /// Files that its locations keep open.
    pub open_files: Arc<OpenFiles>,
    /// Requests that no client waits for.
    pub errands: Arc<Errands>,
    /// One router per location, server and `if`, by the address of its settings.
    routers: HashMap<usize, Router>,
    /// Zones of limits: the next generation goes on with them.
    zones: Vec<Arc<Zone>>,
}

impl Site {
    /// Builds every location's router.
    pub fn build(config: Arc<Config>, state: &PushState) -> Self {
        let mut routers = HashMap::new();
        let upstreams = Arc::new(Upstreams::new(&config));
        let zones = zone::open(&config);
        router::each_conf(&config, &mut |conf| {
            routers.insert(key(conf), router::build(conf, state, &upstreams, &zones));
        });
        let (store, errands) = (Arc::clone(&state.store), Arc::clone(&state.errands));
        Self { config, store, errands, open_files: Arc::default(), routers, zones }
    }

    /// Takes over what a request of another process holds of `limit_conn`; what is gone here is not held.
    pub fn hold(&self, slots: &[SlotName]) -> Option<Arc<Limits>> {
        let held = slots.iter().filter_map(|slot| {
            let zone = self.zones.iter().find(|zone| *zone.conf.name == *slot.zone)?;
            let Memory::Connections(connections) = &zone.memory else { return None };
            connections.take_over(&slot.key)
        });
        Limits::thaw(held.collect()).map(Arc::new)
    }

    /// What answers requests under these settings.
    pub fn router(&self, conf: &Arc<LocationConf>) -> Option<&Router> {
        self.routers.get(&key(conf))
    }

    /// The place of a listening socket among [`Config::listens`].
    pub fn listen(&self, address: &ListenAddress) -> Option<usize> {
        self.config.listens.iter().position(|listen| listen.address == *address)
    }

    /// The virtual hosts for a connection that came in at `local` on that socket.
    pub fn hosts(&self, listen: usize, local: &Endpoint) -> &VirtualHosts {
        let listen = &self.config.listens[listen];
        let own =
            local.ip().and_then(|ip| listen.by_local_address.iter().find(|(address, _)| *address == ip));
        own.map_or(&listen.hosts, |(_, hosts)| hosts)
    }
}

/// The settings stay where they are for as long as the site holds its configuration.
fn key(conf: &Arc<LocationConf>) -> usize {
    Arc::as_ptr(conf).addr()
}
