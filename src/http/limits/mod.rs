//! How often, and how many at once: `limit_req` and `limit_conn`, tower layers around a location that act before access.

pub mod connections;
pub mod requests;
pub mod slab;
pub mod zone;

use std::sync::Arc;

use axum::extract::Request;

use crate::request::RequestCtx;

/// The request that a layer is called with.
fn ctx_of(request: &Request) -> Option<Arc<RequestCtx>> {
    request.extensions().get::<Arc<RequestCtx>>().map(Arc::clone)
}
