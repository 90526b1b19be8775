//! What publishing and subscribing mean: axum handlers over the store, no sockets.

pub mod channels;
pub mod cors;
pub mod cursor;
pub mod dispatch;
pub mod feed;
pub mod info;
pub mod longpoll;
pub mod options;
pub mod publication;
pub mod publisher;
pub mod reply;
pub mod socket;
pub mod sources;
pub mod subscriber;
pub mod transport;
pub mod validators;
pub mod waiting;
pub mod websocket;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use crate::config::model::{Dialect, Severity};
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::Store;

use cors::Origin;
use dispatch::Task;
use subscriber::Subscriber;
use waiting::ParkSlot;

/// What the handlers of every push location share.
#[derive(Clone, Debug)]
pub struct PushState {
    /// The channels.
    pub store: Arc<Store>,
}

/// A location that publishes or subscribes, or both.
pub async fn channel(
    State(state): State<PushState>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(slot): Extension<Arc<ParkSlot>>,
) -> Response {
    answer(&state, &ctx, &slot).await.unwrap_or_else(|answer| answer).into_response()
}

async fn answer(state: &PushState, ctx: &RequestCtx, slot: &ParkSlot) -> Result<Answer, Answer> {
    let origin = match ctx.conf.push.dialect {
        // The old module knows nothing of origins; `add_header` does.
        Dialect::Push => None,
        Dialect::Nchan => Origin::of(ctx).map_err(|_| Answer::empty(403))?,
    };
    let allow = |answer: Answer| match &origin {
        Some(origin) => origin.allow(&ctx.conf.push, answer),
        None => answer,
    };
    match dispatch::task(ctx) {
        Task::Publish => publisher::answer(state, ctx).await.map(allow),
        Task::Subscribe(transport) => Subscriber { state, ctx, slot, origin }.answer(transport).await,
        Task::Socket => socket::open(state, ctx, slot, origin).await,
        Task::Options => options::answer(ctx, origin.as_ref()).map_err(allow),
        Task::Forbid => Err(allow(Answer::empty(403))),
        Task::NotAllowed => Err(options::not_allowed(ctx)),
    }
}

/// Logs that the budget is used up, and answers 507.
fn out_of_memory(ctx: &RequestCtx) -> Answer {
    let message =
        "push module: out of reserved memory, nothing was stored; increase push_max_reserved_memory";
    ctx.log(Severity::Error, message);
    Answer::error(507)
}
