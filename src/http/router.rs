//! Settings in, axum routers out: the only place that builds them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::any;

use crate::config::model::{Config, Instruction, Location, LocationConf, Locations, PushHandler};
use crate::push::{self, PushState};

use super::files::{self, try_files};
use super::limits::zone::Zone;
use super::limits::{connections, requests};
use super::upstream::Upstreams;
use super::{access, mirror, proxy, status};

/// What answers requests under these settings: one handler for every path and method (the location was chosen
/// before, and methods are the handler's business), behind the location's limits and access rules.
pub fn build(
    conf: &LocationConf,
    state: &PushState,
    upstreams: &Arc<Upstreams>,
    zones: &[Arc<Zone>],
) -> Router {
    let handler = match push_handler(conf) {
        PushHandler::Channel => any(push::channel),
        PushHandler::Group(_) => any(push::group_location),
        PushHandler::StubStatus => any(push::status::stub_status),
        PushHandler::SubscriberInfo => {
            state.roster.open();
            any(push::status::subscriber_info)
        }
        PushHandler::Benchmark => any(push::benchmark::console),
        PushHandler::None if conf.status.is_some() => any(status::page),
        PushHandler::None if conf.empty_gif => any(files::empty_gif),
        PushHandler::None => any(files::serve),
    };
    let mut router = if passes(conf) && push_handler(conf) == PushHandler::None {
        Router::new().fallback_service(any(proxy::pass).with_state(Arc::clone(upstreams)))
    } else {
        Router::new().fallback_service(handler.with_state(state.clone()))
    };
    if !conf.mirror.uris.is_empty() {
        router = router.layer(from_fn(mirror::layer));
    }
    if conf.try_files.is_some() {
        router = router.layer(from_fn(try_files::layer));
    }
    if access::has_rules(conf) {
        router = router.layer(from_fn(access::layer));
    }
    if let Some(limits) = connections::LocationLimits::of(&conf.limit_conn, zones) {
        router = router.layer(from_fn_with_state(limits, connections::layer));
    }
    if let Some(limits) = requests::LocationLimits::of(&conf.limit_req, zones) {
        router = router.layer(from_fn_with_state(limits, requests::layer));
    }
    router
}

/// What the location does with channels. What it does besides comes first if it has that from around.
pub fn push_handler(conf: &LocationConf) -> PushHandler {
    let has_own = passes(conf) || conf.status.is_some() || conf.empty_gif;
    if conf.push.inherited && has_own { PushHandler::None } else { conf.push.handler }
}

/// Whether requests, or those that `limit_except` limits, are passed on.
fn passes(conf: &LocationConf) -> bool {
    conf.proxy.is_some() || conf.limit_except.as_ref().is_some_and(|limit| limit.proxy.is_some())
}

/// Visits the settings of every server, location and `if`.
pub fn each_conf(config: &Config, visit: &mut dyn FnMut(&Arc<LocationConf>)) {
    for server in &config.servers {
        visit(&server.conf);
        each_if(&server.rewrite, visit);
        each_location(&server.locations, visit);
    }
}

fn each_location(locations: &Locations, visit: &mut dyn FnMut(&Arc<LocationConf>)) {
    let Locations { exact, prefix, regex, named } = locations;
    let all = exact.values().chain(prefix).chain(regex).chain(named.values());
    for location in all {
        let Location { conf, rewrite, nested, .. } = &**location;
        visit(conf);
        each_if(rewrite, visit);
        each_location(nested, visit);
    }
}

fn each_if(program: &[Instruction], visit: &mut dyn FnMut(&Arc<LocationConf>)) {
    for instruction in program {
        if let Instruction::If { body, conf, .. } = instruction {
            if let Some(conf) = conf {
                visit(conf);
            }
            each_if(body, visit);
        }
    }
}
