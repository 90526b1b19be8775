//! Settings in, axum routers out: the only place that builds them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use axum::routing::{Route, any};
use axum::{Router, middleware};
use tower::{Layer, Service};

use crate::config::model::{Config, Instruction, Location, LocationConf, Locations, PushHandler};
use crate::push::{self, PushState};

use super::access::AccessLayer;
use super::files::{self, try_files};
use super::limits::connections::LimitConnLayer;
use super::limits::requests::LimitReqLayer;
use super::limits::zone::Zone;
use super::mirror::MirrorLayer;
use super::upstream::Upstreams;
use super::{proxy, status};

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
        PushHandler::None if conf.status.is_some() => any(status::page),
        PushHandler::None if conf.empty_gif => any(files::empty_gif),
        PushHandler::None => any(files::serve),
    };
    let router = if passes(conf) && push_handler(conf) == PushHandler::None {
        Router::new().fallback_service(any(proxy::pass).with_state(Arc::clone(upstreams)))
    } else {
        Router::new().fallback_service(handler.with_state(state.clone()))
    };
    let mut router = layered(router, MirrorLayer::of(conf));
    if conf.try_files.is_some() {
        router = router.layer(middleware::from_fn(try_files::layer));
    }
    let router = layered(router, AccessLayer::of(conf));
    let router = layered(router, LimitConnLayer::of(&conf.limit_conn, zones));
    layered(router, LimitReqLayer::of(&conf.limit_req, zones))
}

/// What the location does with channels. What it does besides comes first if it has that from around.
pub fn push_handler(conf: &LocationConf) -> PushHandler {
    let has_own = passes(conf) || conf.status.is_some() || conf.empty_gif;
    if conf.push.inherited && has_own { PushHandler::None } else { conf.push.handler }
}

/// A router with a layer around it, if there is one.
fn layered<L>(router: Router, layer: Option<L>) -> Router
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Future: Send + 'static,
{
    match layer {
        Some(layer) => router.layer(layer),
        None => router,
    }
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
