//! What publishing and subscribing mean: axum handlers over the store, no sockets.

pub mod again;
pub mod attendance;
pub mod authorize;
pub mod benchmark;
pub mod channels;
pub mod cors;
pub mod cursor;
pub mod dispatch;
pub mod errands;
pub mod events;
pub mod feed;
pub mod group;
pub mod hooks;
pub mod info;
pub mod last_poll;
pub mod longpoll;
pub mod notices;
pub mod options;
pub mod publication;
pub mod publisher;
pub mod reply;
pub mod review;
pub mod roster;
pub mod socket;
pub mod socket_publisher;
pub mod sources;
pub mod status;
pub mod subscriber;
pub mod transport;
pub mod validators;
pub mod waiting;
pub mod websocket;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use crate::config::model::{Dialect, PushHandler, Severity};
use crate::metrics;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::{Refusal, Store};

use benchmark::{Benchmark, Post};
use cors::Origin;
use dispatch::Task;
use errands::Errands;
use hooks::Subrequest;
use roster::Roster;
use subscriber::Subscriber;
use waiting::ParkSlot;

/// What the handlers of every push location share.
#[derive(Clone, Debug)]
pub struct PushState {
    /// The channels.
    pub store: Arc<Store>,
    /// Who is in them.
    pub roster: Arc<Roster>,
    /// Requests on behalf of those who are, and who were.
    pub errands: Arc<Errands>,
    /// What `nchan_benchmark` runs.
    pub benchmark: Arc<Benchmark>,
}

impl PushState {
    /// For the channels of this store; `workers` take parts in benchmarks, in the order of their numbers.
    pub fn new(store: Arc<Store>, workers: Vec<Post>) -> Self {
        let benchmark = Arc::new(Benchmark::new(Arc::clone(&store), workers));
        Self { store, roster: Arc::default(), errands: Arc::default(), benchmark }
    }
}

/// A location that publishes or subscribes, or both.
pub async fn channel(
    State(state): State<PushState>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(slot): Extension<Arc<ParkSlot>>,
    Extension(inside): Extension<Arc<dyn Subrequest>>,
) -> Response {
    answer(&state, &ctx, &slot, &*inside).await.unwrap_or_else(|answer| answer).into_response()
}

async fn answer(
    state: &PushState,
    ctx: &RequestCtx,
    slot: &ParkSlot,
    inside: &dyn Subrequest,
) -> Result<Answer, Answer> {
    let origin = match ctx.conf.push.dialect {
        // The old module knows nothing of origins; `add_header` does.
        Dialect::Push => None,
        Dialect::Nchan => Origin::of(ctx).map_err(|_| Answer::empty(403))?,
    };
    let allow = |answer: Answer| match &origin {
        Some(origin) => origin.allow(&ctx.conf.push, answer),
        None => answer,
    };
    let task = dispatch::task(ctx);
    authorize::ask(ctx, &task, inside, origin.as_ref()).await?;
    match task {
        Task::Publish => publisher::answer(state, ctx, inside, slot, origin.as_ref()).await,
        Task::Subscribe(transport) => {
            Subscriber { state, ctx, slot, origin, inside: Some(inside) }.answer(transport).await
        }
        Task::Socket => {
            let subscriber = Subscriber { state, ctx, slot, origin, inside: Some(inside) };
            socket::open(subscriber, inside).await
        }
        Task::Options => options::answer(ctx, origin.as_ref()).map_err(allow),
        Task::Forbid => Err(allow(Answer::empty(403))),
        Task::NotAllowed => Err(options::not_allowed(ctx)),
    }
}

/// A location that tells of groups and limits them.
pub async fn group_location(
    State(state): State<PushState>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
) -> Response {
    let PushHandler::Group(methods) = ctx.conf.push.handler else {
        return Answer::error(500).into_response();
    };
    let Ok(origin) = Origin::of(&ctx) else { return Answer::empty(403).into_response() };
    let answer = group::answer(&state.store, &ctx, methods, origin.as_ref()).await;
    answer.unwrap_or_else(|answer| answer).into_response()
}

/// The answer to a publisher whose message was not taken.
fn refused(ctx: &RequestCtx, refusal: Refusal) -> Answer {
    match refusal {
        Refusal::OutOfMemory => out_of_memory(ctx),
        Refusal::Group(limit) => group::limit_reached(limit),
    }
}

/// Logs that the budget is used up, and answers 507.
fn out_of_memory(ctx: &RequestCtx) -> Answer {
    let message =
        "push module: out of reserved memory, nothing was stored; increase push_max_reserved_memory";
    ctx.log(Severity::Error, message);
    metrics::count(|worker| worker.out_of_memory.add(1));
    Answer::error(507)
}
