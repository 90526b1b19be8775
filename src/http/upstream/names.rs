//! Names that are looked up while serving: `resolver`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::config::model::ResolverConf;

/// Resolvers by their settings; each keeps what it was told for as long as that holds.
#[derive(Debug, Default)]
pub struct Names(Mutex<HashMap<usize, Known>>);

/// Settings, kept so that their address stays theirs, and the resolver made of them.
type Known = (Arc<ResolverConf>, Arc<TokioResolver>);

impl Names {
    /// The addresses of a name.
    ///
    /// # Errors
    /// nginx's words for what went wrong.
    pub async fn look_up(&self, conf: &Arc<ResolverConf>, name: &str) -> Result<Vec<IpAddr>, String> {
        let resolver = self.resolver(conf)?;
        let lookup = tokio::time::timeout(conf.timeout, resolver.lookup_ip(name));
        let Ok(found) = lookup.await else { return Err("110: Operation timed out".to_owned()) };
        match found {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
                Err("3: Host not found".to_owned())
            }
            Err(_) => Err("110: Operation timed out".to_owned()),
        }
    }

    fn resolver(&self, conf: &Arc<ResolverConf>) -> Result<Arc<TokioResolver>, String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(conf).addr();
        if let Some((_, resolver)) = known.get(&key) {
            return Ok(Arc::clone(resolver));
        }
        let resolver = Arc::new(build(conf).map_err(|error| error.to_string())?);
        known.insert(key, (Arc::clone(conf), Arc::clone(&resolver)));
        Ok(resolver)
    }
}

fn build(conf: &ResolverConf) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    let servers = conf.servers.iter().map(|address| {
        let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
            way.port = address.port();
            way
        });
        NameServerConfig::new(address.ip(), true, ways.into())
    });
    let mut options = ResolverOpts::default();
    options.timeout = Duration::from_secs(5);
    // As nginx, which asks nobody but the name servers.
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = if conf.ipv6 { LookupIpStrategy::Ipv4AndIpv6 } else { LookupIpStrategy::Ipv4Only };
    if let Some(valid) = conf.valid {
        (options.positive_min_ttl, options.positive_max_ttl) = (Some(valid), Some(valid));
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()
}
