//! Settings in, axum routers out: the only place that builds them.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Extension, Router};
use http::Method;

use crate::config::model::{Config, Instruction, Location, LocationConf, Locations};
use crate::push::{self, PushState};
use crate::request::RequestCtx;
use crate::request::answer::Answer;

use super::access::AccessLayer;
use super::mirror::MirrorLayer;
use super::proxy;
use super::upstream::Upstreams;

/// What answers requests under these settings: one handler for every path and method (the location was chosen
/// before, and methods are the handler's business), behind the location's access rules.
pub fn build(conf: &LocationConf, state: &PushState, upstreams: &Arc<Upstreams>) -> Router {
    let handler = match (conf.push.publisher, conf.push.subscriber.is_some()) {
        (true, true) => any(push::publish_or_subscribe),
        (true, false) => any(push::publish),
        (false, true) => any(push::subscribe),
        (false, false) => any(nothing_here),
    };
    let pushes = conf.push.publisher || conf.push.subscriber.is_some();
    let router = if passes(conf) && !pushes {
        Router::new().fallback_service(any(proxy::pass).with_state(Arc::clone(upstreams)))
    } else {
        Router::new().fallback_service(handler.with_state(state.clone()))
    };
    let router = match MirrorLayer::of(conf) {
        Some(layer) => router.layer(layer),
        None => router,
    };
    match AccessLayer::of(conf) {
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

/// A location without a handler. nginx would look for a file there; there are none.
async fn nothing_here(Extension(ctx): Extension<Arc<RequestCtx>>) -> Response {
    let readable = matches!(ctx.method, Method::GET | Method::HEAD | Method::POST);
    Answer::error(if readable { 404 } else { 405 }).into_response()
}
