//! `nchan_authorize_request`: another location is asked whether a request may go on.

use bytes::Bytes;
use http::Method;

use crate::config::model::{Severity, Transport};
use crate::request::RequestCtx;
use crate::request::answer::Answer;

use super::cors::Origin;
use super::dispatch::Task;
use super::hooks::{Inside, Subrequest};
use super::reply::Reply;

/// Longest body of a refusal that is passed on, bytes. A longer one is an error 500.
const MOST_BODY: usize = 1 << 20;

/// Asks, if the location says so, with the arguments of the request. Statuses of 200 to 298 let it go on, as in Nchan.
///
/// # Errors
/// The refusal: 403 for publishers, the other location's answer for subscribers.
pub async fn ask(
    ctx: &RequestCtx,
    task: &Task,
    inside: &dyn Subrequest,
    origin: Option<&Origin>,
) -> Result<(), Answer> {
    let Some(template) = &ctx.conf.push.hooks.authorize else { return Ok(()) };
    if matches!(task, Task::Options | Task::Forbid | Task::NotAllowed) {
        return Ok(());
    }
    let path = ctx.render(template);
    if path.is_empty() {
        // It kills a worker of Nchan. Nobody was asked, so nobody may pass.
        ctx.log(Severity::Error, "nchan_authorize_request names no location");
        return Err(Answer::error(403));
    }
    let request = Inside {
        method: Method::GET,
        path: path.into(),
        args: ctx.args.clone(),
        body: Some(Bytes::new()),
        most_body: MOST_BODY,
    };
    let told = inside.request(ctx, request).await;
    if (200..=298).contains(&told.answer.status) {
        return Ok(());
    }
    let passed_on = Answer { body: told.body.into(), ..told.answer };
    Err(match task {
        Task::Publish => Answer::error(403),
        Task::Subscribe(Transport::LongPoll | Transport::IntervalPoll) => {
            Reply::new(ctx, origin.cloned()).varying(passed_on)
        }
        _ => match origin {
            Some(origin) => origin.allow(&ctx.conf.push, passed_on),
            None => passed_on,
        },
    })
}
