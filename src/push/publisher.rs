//! POST, PUT, GET, DELETE and OPTIONS on a publisher location.

use http::Method;

use crate::metrics;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::body;
use crate::store::{ChannelKey, Publish};

use super::{PushState, channel_key, info, out_of_memory};

const ALLOW: &str = "GET, POST, PUT, DELETE, OPTIONS";

/// Answers a publisher. Which statuses: `docs/protocol.md`.
///
/// # Errors
/// Answers for requests that are refused; they are answers all the same.
pub async fn answer(state: &PushState, ctx: &RequestCtx) -> Result<Answer, Answer> {
    let store = &state.store;
    let channel_timeout = ctx.conf.push.channel_timeout.as_secs();
    let body = match ctx.method {
        Method::POST | Method::PUT => body::read(ctx).await?,
        _ => {
            body::discard(ctx).await?;
            bytes::Bytes::new()
        }
    };
    let key = channel_key(ctx)?;
    match ctx.method {
        Method::GET => Ok(tell(ctx, store.info(&key, channel_timeout))),
        Method::DELETE => Ok(tell(ctx, store.delete(&key))),
        // The old module's PUT created the channel and ignored the body; its last releases published it. Clients
        // of both are served: an empty PUT creates, any other publishes.
        Method::PUT if body.is_empty() => {
            let info = store.create(&key, channel_timeout).map_err(|_| out_of_memory(ctx))?;
            Ok(info::answer(ctx, 200, &info))
        }
        Method::POST | Method::PUT => publish(state, ctx, &key, &body),
        Method::OPTIONS => Ok(Answer::empty(200)
            .with_header("Allow", ALLOW)
            .with_header("Access-Control-Allow-Origin", "*")
            .with_header("Access-Control-Allow-Headers", "Content-Type, Origin")
            .with_header("Access-Control-Allow-Methods", ALLOW)),
        _ => Err(Answer::error(405).with_header("Allow", ALLOW)),
    }
}

/// 201 if somebody was waiting, else 202.
fn publish(state: &PushState, ctx: &RequestCtx, key: &ChannelKey, body: &[u8]) -> Result<Answer, Answer> {
    let conf = &ctx.conf.push;
    let publish = Publish {
        key,
        body,
        content_type: ctx.header("content-type"),
        store: conf.store_messages,
        max_messages: conf.max_message_buffer_length,
        min_messages: conf.min_message_buffer_length,
        message_timeout: conf.message_timeout.map(|timeout| timeout.as_secs()),
        delete_oldest_received: conf.delete_oldest_received_message,
        channel_timeout: conf.channel_timeout.as_secs(),
    };
    let info = state.store.publish(&publish).map_err(|_| out_of_memory(ctx))?;
    metrics::count(|worker| worker.published.add(1));
    let status = if info.subscribers > 0 { 201 } else { 202 };
    Ok(info::answer(ctx, status, &info))
}

fn tell(ctx: &RequestCtx, info: Option<crate::store::ChannelInfo>) -> Answer {
    info.map_or_else(|| Answer::empty(404), |info| info::answer(ctx, 200, &info))
}
