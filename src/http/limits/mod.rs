//! How often, and how many at once: `limit_req` and `limit_conn`, tower layers around a location that act before access.

pub mod connections;
pub mod requests;
pub mod slab;
pub mod zone;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;

use crate::push::waiting::ParkSlot;
use crate::request::RequestCtx;

/// The request that a layer is called with.
fn ctx_of(request: &Request) -> Option<Arc<RequestCtx>> {
    request.extensions().get::<Arc<RequestCtx>>().map(Arc::clone)
}

/// Where a request that waits before it goes on says so.
pub fn slot_of(request: &Request) -> Option<Arc<ParkSlot>> {
    request.extensions().get::<Arc<ParkSlot>>().map(Arc::clone)
}

/// Lets a request wait before it goes on.
pub async fn rest(slot: Option<Arc<ParkSlot>>, time: Duration) {
    match slot {
        Some(slot) => slot.rest(time).await,
        None => tokio::time::sleep(time).await,
    }
}
