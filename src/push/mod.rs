//! What publishing and subscribing mean: axum handlers over the store, no sockets.

pub mod hooks;
pub mod info;
pub mod publisher;
pub mod subscriber;
pub mod validators;
pub mod waiting;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use crate::config::model::{PushConf, Severity};
use crate::metrics;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::{ChannelKey, Store};

use waiting::ParkSlot;

/// What the handlers of every push location share.
#[derive(Clone, Debug)]
pub struct PushState {
    /// The channels.
    pub store: Arc<Store>,
}

/// A location with `push_publisher`.
pub async fn publish(State(state): State<PushState>, Extension(ctx): Extension<Arc<RequestCtx>>) -> Response {
    finish(publisher::answer(&state, &ctx).await)
}

/// A location with `push_subscriber`.
pub async fn subscribe(
    State(state): State<PushState>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(slot): Extension<Arc<ParkSlot>>,
) -> Response {
    finish(subscriber::answer(&state, &ctx, &slot).await)
}

/// A location with both: GET subscribes, everything else publishes, as in Nchan.
pub async fn publish_or_subscribe(
    state: State<PushState>,
    ctx: Extension<Arc<RequestCtx>>,
    slot: Extension<Arc<ParkSlot>>,
) -> Response {
    if ctx.method == http::Method::GET {
        subscribe(state, ctx, slot).await
    } else {
        publish(state, ctx).await
    }
}

fn finish(answer: Result<Answer, Answer>) -> Response {
    axum::response::IntoResponse::into_response(answer.unwrap_or_else(|answer| answer))
}

/// The channel a request names: group and id, the id cut to `push_max_channel_id_length` as the old module did.
///
/// # Errors
/// The answer for a request that names none: 404 with a text.
fn channel_key(ctx: &RequestCtx) -> Result<ChannelKey, Answer> {
    let conf: &PushConf = &ctx.conf.push;
    let id = ctx.render(&conf.channel_id);
    if id.is_empty() {
        let message = "push module: the $push_channel_id variable is required but is not set";
        ctx.log(Severity::Warn, message);
        return Err(Answer::text(404, *b"text/plain", "No channel id provided."));
    }
    let group = ctx.render(&conf.channel_group);
    Ok(ChannelKey::new(&group, &id[..id.len().min(conf.max_channel_id_length)]))
}

/// Logs that the budget is used up, and answers 507.
fn out_of_memory(ctx: &RequestCtx) -> Answer {
    let message =
        "push module: out of reserved memory, nothing was stored; increase push_max_reserved_memory";
    ctx.log(Severity::Error, message);
    metrics::count(|worker| worker.out_of_memory.add(1));
    Answer::error(507)
}
