//! What a location lets clients do: OPTIONS, and the answer to other methods.

use crate::config::model::Dialect;
use crate::request::RequestCtx;
use crate::request::answer::Answer;

use super::channels;
use super::cors::Origin;

/// Methods of the old module's locations: of a publisher, and of one that only subscribes.
const PUSH: [&str; 2] = ["GET, POST, PUT, DELETE, OPTIONS", "GET, OPTIONS"];
/// The same of Nchan's.
const NCHAN: [&str; 2] = ["GET, POST, PUT, DELETE", "GET"];

/// Answers OPTIONS.
///
/// # Errors
/// As a subscriber of the old module's: 404 without a channel.
pub fn answer(ctx: &RequestCtx, origin: Option<&Origin>) -> Result<Answer, Answer> {
    let conf = &ctx.conf.push;
    match conf.dialect {
        Dialect::Push => push(ctx),
        Dialect::Nchan if !conf.publisher.http && !conf.subscriber.any() => Err(Answer::empty(403)),
        Dialect::Nchan => Ok(nchan(ctx, origin)),
    }
}

/// 405 for any other method.
pub fn not_allowed(ctx: &RequestCtx) -> Answer {
    match ctx.conf.push.dialect {
        // A request for no channel is told so first.
        Dialect::Push => {
            let answer = || Answer::error(405).with_header("Allow", methods(ctx, PUSH));
            channels::keys(ctx, ids(ctx)).map_or_else(|missing| missing, |_| answer())
        }
        Dialect::Nchan => Answer::error(405).with_header("Allow", methods(ctx, NCHAN)),
    }
}

fn push(ctx: &RequestCtx) -> Result<Answer, Answer> {
    channels::keys(ctx, ids(ctx))?;
    let headers = if ctx.conf.push.publisher.http {
        "Content-Type, Origin"
    } else {
        "If-None-Match, If-Modified-Since, Origin"
    };
    Ok(Answer::empty(200)
        .with_header("Allow", methods(ctx, PUSH))
        .with_header("Access-Control-Allow-Origin", "*")
        .with_header("Access-Control-Allow-Headers", headers)
        .with_header("Access-Control-Allow-Methods", methods(ctx, PUSH)))
}

/// Answers OPTIONS where clients can only listen, in Nchan's dialect.
pub fn subscriber(ctx: &RequestCtx, origin: Option<&Origin>) -> Answer {
    allow_nchan(ctx, origin, NCHAN[1], true)
}

fn nchan(ctx: &RequestCtx, origin: Option<&Origin>) -> Answer {
    allow_nchan(ctx, origin, methods(ctx, NCHAN), ctx.conf.push.subscriber.any())
}

fn allow_nchan(ctx: &RequestCtx, origin: Option<&Origin>, methods: &'static str, subscribes: bool) -> Answer {
    let answer = Answer::empty(200).with_header("Allow", methods);
    let Some(origin) = origin else { return answer };
    let headers = if subscribes {
        "If-None-Match, If-Modified-Since, Content-Type, Cache-Control, X-EventSource-Event"
    } else {
        "Content-Type"
    };
    let answer = answer
        .with_header("Access-Control-Allow-Headers", headers)
        .with_header("Access-Control-Allow-Methods", methods);
    origin.allow(&ctx.conf.push, answer)
}

fn methods(ctx: &RequestCtx, [publisher, subscriber]: [&'static str; 2]) -> &'static str {
    if ctx.conf.push.publisher.http { publisher } else { subscriber }
}

fn ids(ctx: &RequestCtx) -> &[crate::config::template::Template] {
    let conf = &ctx.conf.push;
    if conf.publisher.http { &conf.ids.publish } else { &conf.ids.subscribe }
}
