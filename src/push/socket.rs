//! What a WebSocket's client sends, and what comes back.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::model::Transport;
use crate::request::RequestCtx;
use crate::request::answer::{Answer, StreamHead};
use crate::request::body;
use crate::store::{ChannelKey, Refusal, Store};

use super::benchmark::Console;
use super::cors::Origin;
use super::events::{Announcement, Happening};
use super::info::Format as InfoFormat;
use super::publication::Publication;
use super::subscriber::{self, Subscriber};
use super::transport::{Format, Wire};
use super::validators::Start;
use super::waiting::ParkSlot;
use super::websocket::deflate::Inflater;
use super::websocket::{Decoder, Incoming, Violation, frame, handshake};
use super::{PushState, channels, validators};

/// The client's side of a WebSocket.
#[derive(Debug)]
pub struct SocketSide {
    decoder: Decoder,
    purpose: Purpose,
    /// A ping is out that was not answered yet.
    awaits_pong: bool,
}

/// What a client's messages are for.
#[derive(Debug)]
pub enum Purpose {
    /// Nothing: it may only listen.
    Listen,
    /// They are published.
    Publish(Box<Publisher>),
    /// They are words for a benchmark.
    Command(Box<Console>),
}

/// Publishes what a client sends.
#[derive(Debug)]
pub struct Publisher {
    /// Where to.
    pub publication: Publication,
    /// The channels.
    pub store: Arc<Store>,
    /// `Content-Type` of text messages: the handshake's.
    pub content_type: Option<Box<[u8]>>,
    /// How each message is answered; a client that subscribes too gets no answers.
    pub answers: Option<InfoFormat>,
    /// Published after each message.
    pub announcement: Option<Announcement>,
}

/// What comes of a stretch of bytes.
#[derive(Debug, Default)]
pub struct Received {
    /// Frames for the client.
    pub frames: Vec<Bytes>,
    /// The last of them closes the connection.
    pub closes: bool,
}

/// Answers a handshake and leaves the socket in the slot.
///
/// # Errors
/// Answers for requests that are refused.
pub async fn open(
    state: &PushState,
    ctx: &RequestCtx,
    slot: &ParkSlot,
    origin: Option<Origin>,
) -> Result<Answer, Answer> {
    body::discard(ctx).await?;
    let conf = &ctx.conf.push;
    let subscribes = conf.subscriber.has(Transport::WebSocket);
    let keys = if subscribes { channels::keys(ctx, &conf.ids.subscribe)? } else { Vec::new() };
    let start = validators::start(ctx, Transport::WebSocket)?;
    if subscribes {
        subscriber::note(ctx, &keys, Transport::WebSocket, &start);
    }
    let purpose = match conf.publisher.websocket {
        true => Purpose::Publish(Box::new(Publisher::new(state, ctx, subscribes)?)),
        false => Purpose::Listen,
    };
    shake(state, ctx, slot, origin, &keys, &start, purpose).await
}

/// The same for these channels.
///
/// # Errors
/// Likewise.
pub async fn shake(
    state: &PushState,
    ctx: &RequestCtx,
    slot: &ParkSlot,
    origin: Option<Origin>,
    keys: &[ChannelKey],
    start: &Start,
    purpose: Purpose,
) -> Result<Answer, Answer> {
    let conf = &ctx.conf.push;
    let agreed = handshake::accept(ctx, ctx.config.deflate)?;
    let limit = conf_limit(ctx);
    let decoder = Decoder::new(limit, agreed.deflate.map(Inflater::new));
    let wire = Wire::WebSocket { meta: agreed.meta, deflate: agreed.deflate.is_some() };
    let format = Format { wire, conf: Arc::clone(&ctx.conf) };
    let head = match &origin {
        Some(origin) => origin.allow(conf, Answer::empty(101)),
        None => Answer::empty(101),
    };
    let head = agreed.headers().into_iter().fold(head, |head, (name, value)| head.with_header(name, value));
    let side = SocketSide::new(decoder, purpose);
    let subscriber = Subscriber { state, ctx, slot, origin };
    subscriber.stream(keys, start, format, head, StreamHead::Upgrade, Some(side)).await
}

/// Longest message that is taken: `client_max_body_size`.
fn conf_limit(ctx: &RequestCtx) -> usize {
    let limit = ctx.conf.core.client_max_body_size.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(usize::MAX)
}

impl Publisher {
    /// For the messages of this request's socket.
    fn new(state: &PushState, ctx: &RequestCtx, subscribes: bool) -> Result<Self, Answer> {
        let publication = Publication::new(ctx)?;
        // Subscribers that publish, too, are called subscribers.
        if !subscribes {
            channels::note(ctx, publication.keys());
            ctx.facts.note(|facts| facts.publisher = Some("websocket"));
        }
        Ok(Self {
            publication,
            store: Arc::clone(&state.store),
            content_type: ctx.header("content-type").map(Into::into),
            answers: (!subscribes).then(|| InfoFormat::of(ctx)),
            announcement: Announcement::of(ctx, Happening::Publish),
        })
    }
}

impl SocketSide {
    /// For a client that just shook hands.
    pub fn new(decoder: Decoder, purpose: Purpose) -> Self {
        Self { decoder, purpose, awaits_pong: false }
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, bytes: &[u8], format: &Format) -> Received {
        let mut received = Received::default();
        self.decoder.feed(bytes);
        while !received.closes {
            match self.decoder.decode() {
                Ok(None) => break,
                Ok(Some(incoming)) => self.answer(incoming, format, &mut received),
                Err(Violation { code, reason }) => received.close(code, reason.as_bytes()),
            }
        }
        received
    }

    /// Another ping is due: the close frame for a client that has not answered the one before.
    pub fn ping_again(&mut self) -> Option<Bytes> {
        std::mem::replace(&mut self.awaits_pong, true).then(|| frame::close_with(1000, b""))
    }

    fn answer(&mut self, incoming: Incoming, format: &Format, received: &mut Received) {
        match incoming {
            Incoming::Ping(payload) => received.frames.push(frame::pong(&payload)),
            Incoming::Pong => self.awaits_pong = false,
            Incoming::Close(None) => {
                received.frames.push(frame::close_bare());
                received.closes = true;
            }
            Incoming::Close(Some((code, reason))) => received.close(code, &reason),
            Incoming::Message { binary, payload } => self.message(binary, &payload, format, received),
        }
    }

    fn message(&mut self, binary: bool, payload: &[u8], format: &Format, received: &mut Received) {
        if let Some(heartbeat) = &format.conf.push.websocket.heartbeat
            && *heartbeat.message == *payload
        {
            return received.frames.push(frame::message(false, b"", &heartbeat.answer));
        }
        let publisher = match &self.purpose {
            Purpose::Listen => return received.close(1008, b"Publishing not allowed"),
            Purpose::Command(console) => {
                let told = console.hear(payload).map(|told| frame::message(false, b"", told.as_bytes()));
                return received.frames.extend(told);
            }
            Purpose::Publish(publisher) => publisher,
        };
        let content_type =
            if binary { Some(&b"application/octet-stream"[..]) } else { publisher.content_type.as_deref() };
        match publisher.publication.publish(&publisher.store, payload, content_type) {
            Ok(info) => {
                if let Some(announcement) = &publisher.announcement {
                    announcement.publish(&publisher.store);
                }
                let answer = publisher.answers.map(|answers| answers.write(&info, format.conf.push.dialect));
                received.frames.extend(answer.map(|text| frame::message(false, b"", text.as_bytes())));
            }
            Err(Refusal::OutOfMemory) => received.close(1011, b"507 Insufficient Storage"),
            Err(Refusal::Group(_)) => received.close(1008, b"403 Forbidden"),
        }
    }
}

impl Received {
    fn close(&mut self, code: u16, reason: &[u8]) {
        self.frames.push(frame::close_with(code, reason));
        self.closes = true;
    }
}
