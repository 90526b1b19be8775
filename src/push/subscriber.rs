//! GET and OPTIONS on a subscriber location.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use crate::config::model::{Concurrency, Mechanism};
use crate::metrics;
use crate::request::RequestCtx;
use crate::request::answer::{Answer, Responder};
use crate::request::body;
use crate::request::log_line::PendingLog;
use crate::store::{self, Message, MessageBody, Position, Subscribe, Subscribed};

use super::waiting::{ParkSlot, Waiting};
use super::{PushState, channel_key, out_of_memory, validators};

const ALLOW: &str = "GET, OPTIONS";
const VARY: &str = "If-None-Match, If-Modified-Since";

/// Answers a subscriber at once, or leaves it in `slot` and never returns.
///
/// # Errors
/// Answers for requests that are refused; they are answers all the same.
pub async fn answer(state: &PushState, ctx: &RequestCtx, slot: &ParkSlot) -> Result<Answer, Answer> {
    // Read before anything else: only a connection without an unread body can be parked or kept.
    body::discard(ctx).await?;
    let key = channel_key(ctx)?;
    match ctx.method {
        Method::GET => {}
        Method::OPTIONS => {
            return Ok(Answer::empty(200)
                .with_header("Allow", ALLOW)
                .with_header("Access-Control-Allow-Origin", "*")
                .with_header("Access-Control-Allow-Headers", "If-None-Match, If-Modified-Since, Origin")
                .with_header("Access-Control-Allow-Methods", ALLOW));
        }
        _ => return Err(Answer::error(405).with_header("Allow", ALLOW)),
    }
    let conf = &ctx.conf.push;
    let long_poll = conf.subscriber != Some(Mechanism::IntervalPoll);
    let skip_stored = long_poll && conf.ignore_queue_on_no_cache && validators::no_cache(ctx);
    let subscribe = Subscribe {
        key: &key,
        position: if skip_stored { Position::Newest } else { validators::position(ctx) },
        worker: slot.worker(),
        wait: long_poll,
        concurrency: match conf.subscriber_concurrency {
            Concurrency::First => store::Concurrency::First,
            Concurrency::Last => store::Concurrency::Last,
            Concurrency::Broadcast => store::Concurrency::Broadcast,
        },
        max_subscribers: conf.max_channel_subscribers,
        must_exist: conf.authorized_channels_only,
        channel_timeout: conf.channel_timeout.as_secs(),
    };
    match state.store.subscribe(&subscribe) {
        Subscribed::Message(message) => {
            metrics::count(|worker| worker.delivered.add(1));
            Ok(message_answer(&message))
        }
        Subscribed::NothingNew => Ok(not_modified(ctx)),
        Subscribed::Conflict => Err(conflict()),
        Subscribed::Full => Err(Answer::empty(403)),
        Subscribed::NoSuchChannel => Err(Answer::error(403)),
        Subscribed::OutOfMemory => Err(out_of_memory(ctx)),
        Subscribed::Wait(subscription) => {
            slot.fill(Waiting {
                subscription,
                responder: Responder::new(ctx),
                log: PendingLog::new(ctx),
                limits: ctx.limits.holds().then(|| Arc::clone(&ctx.limits)),
                timeout: conf.subscriber_timeout,
            });
            std::future::pending().await
        }
    }
}

/// A message, for whoever asked for it or waited for it.
pub fn message_answer(message: &Arc<Message>) -> Answer {
    Answer {
        status: 200,
        content_type: message.content_type().map(Into::into),
        last_modified: Some(message.stamp()),
        body: Bytes::from_owner(MessageBody(Arc::clone(message))).into(),
        ..Answer::default()
    }
    .with_header("Etag", "0")
    .with_header("Vary", VARY)
}

/// For a subscriber that another one displaced, or that came second.
pub fn conflict() -> Answer {
    Answer::empty(409)
}

/// For a subscriber whose channel was deleted.
pub fn gone() -> Answer {
    Answer::empty(410)
}

/// For a subscriber that waited longer than `push_subscriber_timeout`.
pub fn timed_out() -> Answer {
    Answer::empty(304)
}

/// Nothing new for an interval-poll: the position comes back as it was sent.
fn not_modified(ctx: &RequestCtx) -> Answer {
    let mut answer = Answer::empty(304);
    answer.last_modified = ctx.header("if-modified-since").and_then(crate::request::date::parse);
    if let Some(tag) = ctx.header("if-none-match") {
        answer = answer.with_header("Etag", tag);
    }
    answer.with_header("Vary", VARY)
}
