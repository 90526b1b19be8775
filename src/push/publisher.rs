//! Publishing over HTTP: POST and PUT, GET and DELETE on a publisher location.

use http::Method;

use crate::config::model::Dialect;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::body;
use crate::store::ChannelInfo;

use super::publication::{Publication, Told};
use super::{PushState, channels, info, out_of_memory};

/// Answers a publisher. Which statuses: `docs/protocol.md`.
///
/// # Errors
/// Answers for requests that are refused; they are answers all the same.
pub async fn answer(state: &PushState, ctx: &RequestCtx) -> Result<Answer, Answer> {
    let body = match ctx.method {
        Method::POST | Method::PUT => body::read(ctx).await?,
        _ => {
            body::discard(ctx).await?;
            bytes::Bytes::new()
        }
    };
    let (store, conf) = (&state.store, &ctx.conf.push);
    let channel_timeout = conf.channel_timeout.as_secs();
    let keys = channels::keys(ctx, &conf.ids.publish)?;
    match ctx.method {
        Method::GET => {
            let infos = keys.iter().filter_map(|key| store.info(key, channel_timeout)).collect();
            Ok(tell(ctx, infos))
        }
        Method::DELETE if keys.len() > 1 && conf.dialect == Dialect::Nchan => {
            let infos: Vec<_> = keys.iter().filter_map(|key| store.delete(key)).collect();
            Ok(info::answer(ctx, 200, &Told::of_deleted(&infos)))
        }
        Method::DELETE => Ok(tell(ctx, keys.iter().filter_map(|key| store.delete(key)).collect())),
        // The old module's PUT created the channel and ignored the body; its last releases published it. Clients
        // of both are served: an empty PUT creates, any other publishes.
        Method::PUT if body.is_empty() && conf.dialect == Dialect::Push => {
            let infos: Result<Vec<_>, _> =
                keys.iter().map(|key| store.create(key, channel_timeout)).collect();
            Ok(tell(ctx, infos.map_err(|_| out_of_memory(ctx))?))
        }
        _ => {
            let told = Publication::new(ctx)?
                .publish(store, &body, ctx.header("content-type"))
                .map_err(|_| out_of_memory(ctx))?;
            // 201 if somebody was waiting.
            let status = if told.heard { 201 } else { 202 };
            Ok(info::answer(ctx, status, &told))
        }
    }
}

fn tell(ctx: &RequestCtx, infos: Vec<ChannelInfo>) -> Answer {
    if infos.is_empty() {
        return Answer::empty(404);
    }
    info::answer(ctx, 200, &Told::of(&infos))
}
