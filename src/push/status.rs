//! `nchan_stub_status` and `nchan_subscriber_info`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::Method;

use crate::config::model::{Transport, Transports};
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::body;
use crate::request::vars::NCHAN_VERSION;
use crate::store::{ChannelKey, Position, Publish, Usage};

use super::cors::Origin;
use super::socket::Purpose;
use super::subscriber::Subscriber;
use super::validators::Start;
use super::waiting::ParkSlot;
use super::websocket::handshake;
use super::{PushState, channels, dispatch, options, out_of_memory, socket};

/// How the lines about subscribers can be had; without a wish, as a raw stream.
const TRANSPORTS: Transports = Transports::of(&[
    Transport::EventSource,
    Transport::Chunked,
    Transport::Multipart,
    Transport::RawStream,
    Transport::WebSocket,
]);

/// The group of channels that hold lines about subscribers. No request can name it.
const LINES: &[u8] = b"m";
/// Seconds that they are kept.
const LINES_FOR: u64 = 5;

/// The number of the last such channel.
static LAST_LINES: AtomicU64 = AtomicU64::new(0);

/// `nchan_stub_status`: counts, whatever the method.
pub async fn stub_status(
    State(state): State<PushState>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
) -> Response {
    let answer = body::discard(&ctx).await.err();
    let page = || Answer::text(200, *b"text/plain", status_page(&state.store.usage()));
    answer.unwrap_or_else(page).into_response()
}

/// Nchan's lines. There are no notices between processes here.
fn status_page(usage: &Usage) -> String {
    let Usage { published, messages, channels, subscribers, .. } = usage;
    let (used, limit) = (usage.bytes.div_ceil(1024), usage.budget / 1024);
    format!(
        "total published messages: {published}\nstored messages: {messages}\nshared memory used: {used}K\n\
         shared memory limit: {limit}K\nchannels: {channels}\nsubscribers: {subscribers}\n\
         redis pending commands: 0\nredis connected servers: 0\nredis unhealthy upstreams: 0\n\
         total redis commands sent: 0\ntotal interprocess alerts received: 0\n\
         interprocess alerts in transit: 0\ninterprocess queued alerts: 0\n\
         total interprocess send delay: 0\ntotal interprocess receive delay: 0\n\
         nchan version: {NCHAN_VERSION}\n"
    )
}

/// `nchan_subscriber_info`: a line from each subscriber of the channels, as messages.
pub async fn subscriber_info(
    State(state): State<PushState>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(slot): Extension<Arc<ParkSlot>>,
) -> Response {
    info(&state, &ctx, &slot).await.unwrap_or_else(|answer| answer).into_response()
}

async fn info(state: &PushState, ctx: &RequestCtx, slot: &ParkSlot) -> Result<Answer, Answer> {
    body::discard(ctx).await?;
    let origin = Origin::of(ctx).map_err(|_| Answer::empty(403))?;
    match ctx.method {
        Method::GET => {}
        Method::OPTIONS => return Ok(options::subscriber(ctx, origin.as_ref())),
        _ => return Err(Answer::empty(403)),
    }
    let keys = channels::keys(ctx, &ctx.conf.push.ids.subscribe)?;
    let lines = [gather(state, ctx, &keys)?];
    let start = Start::At(Position::Oldest);
    let subscriber = |origin| Subscriber { state, ctx, slot, origin, inside: None };
    if handshake::is_asked_for(ctx) {
        return socket::shake(subscriber(origin), &lines, &start, Purpose::Listen).await;
    }
    let Some(transport) = dispatch::transport(ctx, TRANSPORTS) else { return Err(Answer::empty(403)) };
    subscriber(origin).begin(transport, &lines, &start).await
}

/// Makes a channel of what the subscribers of others say of themselves.
fn gather(state: &PushState, ctx: &RequestCtx, keys: &[ChannelKey]) -> Result<ChannelKey, Answer> {
    let lines: Vec<Arc<[u8]>> = keys.iter().flat_map(|key| state.roster.lines(key)).collect();
    let number = LAST_LINES.fetch_add(1, Relaxed);
    let key = ChannelKey::new(LINES, number.to_string().as_bytes());
    for line in &lines {
        let message = Publish {
            key: &key,
            body: line,
            content_type: Some(b"text/plain"),
            event_name: None,
            deflated: None,
            store: true,
            max_messages: u32::MAX,
            min_messages: 0,
            message_timeout: Some(LINES_FOR),
            delete_oldest_received: false,
            channel_timeout: 0,
            accounting: None,
        };
        state.store.publish(&message).map_err(|_| out_of_memory(ctx))?;
    }
    Ok(key)
}
