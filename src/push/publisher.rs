//! Publishing over HTTP: POST and PUT, GET and DELETE on a publisher location.

use bytes::Bytes;
use http::Method;

use crate::config::model::Dialect;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::{body, date};
use crate::store::{ChannelInfo, ChannelKey};

use super::again::Publish;
use super::cors::Origin;
use super::events::{Announcement, Happening};
use super::hooks::Subrequest;
use super::info::Form;
use super::publication::{Publication, Told};
use super::review::Verdict;
use super::waiting::ParkSlot;
use super::{PushState, channels, info, out_of_memory, refused, review};

/// Answers a publisher. Which statuses: `docs/protocol.md`.
///
/// # Errors
/// Answers for requests that are refused; they are answers all the same.
pub async fn answer(
    state: &PushState,
    ctx: &RequestCtx,
    inside: &dyn Subrequest,
    slot: &ParkSlot,
    origin: Option<&Origin>,
) -> Result<Answer, Answer> {
    let allow = |answer: Answer| match origin {
        Some(origin) => origin.allow(&ctx.conf.push, answer),
        None => answer,
    };
    let body = match ctx.method {
        Method::POST | Method::PUT => body::read(ctx).await?,
        _ => {
            body::discard(ctx).await?;
            Bytes::new()
        }
    };
    let (store, conf) = (&state.store, &ctx.conf.push);
    let channel_timeout = conf.channel_timeout.as_secs();
    let keys = channels::keys(ctx, &conf.ids.publish)?;
    channels::note(ctx, &keys);
    ctx.facts.note(|facts| facts.publisher = Some("http"));
    match ctx.method {
        Method::GET => {
            let infos = keys.iter().filter_map(|key| store.info(key, channel_timeout)).collect();
            Ok(allow(tell(ctx, infos)))
        }
        Method::DELETE => {
            announce_deletion(state, ctx, &keys);
            let infos: Vec<_> = keys.iter().filter_map(|key| store.delete(key)).collect();
            Ok(allow(if keys.len() > 1 && conf.dialect == Dialect::Nchan {
                let told = Told::of_deleted(&infos);
                note(ctx, &told);
                info::answer(ctx, 200, &told)
            } else {
                tell(ctx, infos)
            }))
        }
        // The old module's PUT created the channel and ignored the body; its last releases published it. Clients
        // of both are served: an empty PUT creates, any other publishes.
        Method::PUT if body.is_empty() && conf.dialect == Dialect::Push => {
            let infos: Result<Vec<_>, _> =
                keys.iter().map(|key| store.create(key, channel_timeout)).collect();
            Ok(allow(tell(ctx, infos.map_err(|_| out_of_memory(ctx))?)))
        }
        _ => {
            let is_one = keys.len() == 1;
            let publication = Publication::new(ctx, keys)?;
            let (body, content_type) = review(ctx, inside, body).await?;
            let told = publication
                .publish(store, &body, content_type.as_deref())
                .map_err(|refusal| refused(ctx, refusal))?;
            note(ctx, &told);
            if is_one {
                ctx.facts.note(|facts| facts.message_id = Some(told.last_id()));
            }
            announce(state, ctx, Happening::Publish);
            let form = Form::of(ctx);
            let answer = allow(form.answer(told.status(), form.text(&told)));
            slot.may_repeat(Publish::of(ctx, publication, form, origin));
            Ok(answer)
        }
    }
}

/// What is published, and its type, once another location has seen the message.
///
/// # Errors
/// The answer to a publisher whose message is not published.
async fn review(
    ctx: &RequestCtx,
    inside: &dyn Subrequest,
    body: Bytes,
) -> Result<(Bytes, Option<Box<[u8]>>), Answer> {
    match review::ask(ctx, inside, &body).await {
        None | Some(Verdict::AsItWas) => Ok((body, ctx.header("content-type").map(Into::into))),
        Some(Verdict::Instead { body, content_type }) => Ok((body, content_type)),
        Some(Verdict::Nothing) => Err(Answer::empty(204)),
        Some(Verdict::Refused) => Err(Answer::error(403)),
    }
}

fn tell(ctx: &RequestCtx, infos: Vec<ChannelInfo>) -> Answer {
    if infos.is_empty() {
        return Answer::empty(404);
    }
    let told = Told::of(&infos);
    note(ctx, &told);
    info::answer(ctx, 200, &told)
}

/// What a publisher is told, variables tell, too.
pub(super) fn note(ctx: &RequestCtx, told: &Told) {
    let ChannelInfo { requested, subscribers, messages, .. } = told.info;
    let ago = |seconds| date::now().saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX));
    let last_seen = requested.map_or(0, ago);
    ctx.facts.note(|facts| {
        (facts.last_seen, facts.subscribers, facts.messages) = (last_seen, subscribers, messages);
    });
}

/// Before anything goes: its subscribers' going is told afterwards. As in Nchan, also where there is nothing to delete.
fn announce_deletion(state: &PushState, ctx: &RequestCtx, keys: &[ChannelKey]) {
    let push = &ctx.conf.push;
    if push.events.channel_id.is_some() {
        let channel_timeout = push.channel_timeout.as_secs();
        let infos: Vec<_> = keys.iter().filter_map(|key| state.store.info(key, channel_timeout)).collect();
        note(ctx, &Told::of(&infos));
        announce(state, ctx, Happening::Delete);
    }
}

fn announce(state: &PushState, ctx: &RequestCtx, happening: Happening) {
    if let Some(announcement) = Announcement::of(ctx, happening) {
        announcement.publish(&state.store);
    }
}
