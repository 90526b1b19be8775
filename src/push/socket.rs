//! What a WebSocket's client sends, and what comes back.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::model::Transport;
use crate::request::answer::{Answer, StreamHead};
use crate::request::body;
use crate::store::ChannelKey;

use super::again::StreamForm;
use super::benchmark::Console;
use super::hooks::Subrequest;
use super::socket_publisher::{Bell, Received, SocketPublisher};
use super::subscriber::{self, Subscriber};
use super::transport::{Format, Wire};
use super::validators::Start;
use super::websocket::deflate::{Deflate, Inflater};
use super::websocket::{Decoder, Incoming, Violation, frame, handshake};
use super::{channels, review, validators};

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
    Publish(Arc<SocketPublisher>),
    /// They are words for a benchmark.
    Command(Box<Console>),
}

/// Answers a handshake and leaves the socket in the slot.
///
/// # Errors
/// Answers for requests that are refused.
pub async fn open(subscriber: Subscriber<'_>, inside: &dyn Subrequest) -> Result<Answer, Answer> {
    let Subscriber { state, ctx, .. } = subscriber;
    body::discard(ctx).await?;
    let conf = &ctx.conf.push;
    let subscribes = conf.subscriber.has(Transport::WebSocket);
    let keys = if subscribes { channels::keys(ctx, &conf.ids.subscribe)? } else { Vec::new() };
    let start = validators::start(ctx, Transport::WebSocket)?;
    if subscribes {
        subscriber::note(ctx, &keys, Transport::WebSocket, &start);
    }
    let purpose = match conf.publisher.websocket {
        true => Purpose::Publish(Arc::new(SocketPublisher::new(state, ctx, inside, subscribes)?)),
        false => Purpose::Listen,
    };
    shake(subscriber, &keys, &start, purpose).await
}

/// The same for these channels.
///
/// # Errors
/// Likewise.
pub async fn shake(
    subscriber: Subscriber<'_>,
    keys: &[ChannelKey],
    start: &Start,
    purpose: Purpose,
) -> Result<Answer, Answer> {
    let ctx = subscriber.ctx;
    let conf = &ctx.conf.push;
    let agreed = handshake::accept(ctx, ctx.config.deflate)?;
    let listener = Listener { longest: review::longest(ctx), deflate: agreed.deflate };
    let wire = Wire::WebSocket { meta: agreed.meta, deflate: agreed.deflate.is_some() };
    let format = Format { wire, conf: Arc::clone(&ctx.conf) };
    let head = match &subscriber.origin {
        Some(origin) => origin.allow(conf, Answer::empty(101)),
        None => Answer::empty(101),
    };
    let head = agreed.headers().into_iter().fold(head, |head, (name, value)| head.with_header(name, value));
    let only_listens = matches!(purpose, Purpose::Listen);
    let side = SocketSide { purpose, ..listener.side() };
    let form =
        StreamForm { format, head, framing: StreamHead::Upgrade, listener: only_listens.then_some(listener) };
    subscriber.stream(keys, start, form, Some(side)).await
}

/// What is agreed on with a client that only listens.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// The longest message that is taken from it, bytes.
    longest: usize,
    deflate: Option<Deflate>,
}

impl Listener {
    /// Its side of the WebSocket.
    pub fn side(self) -> SocketSide {
        let decoder = Decoder::new(self.longest, self.deflate.map(Inflater::new));
        SocketSide { decoder, purpose: Purpose::Listen, awaits_pong: false }
    }
}

impl SocketSide {
    /// Takes bytes from the client.
    pub fn receive(&mut self, bytes: &[u8], format: &Format) -> Received {
        let mut received = Received::default();
        if self.is_closing() {
            // Nothing counts behind a close frame, and it must not pile up.
            return received;
        }
        self.decoder.feed(bytes);
        while !received.closes && !self.is_closing() {
            match self.decoder.decode() {
                Ok(None) => break,
                Ok(Some(incoming)) => self.answer(incoming, format, &mut received),
                Err(Violation { code, reason }) => received.close(code, reason.as_bytes()),
            }
        }
        received
    }

    fn publisher(&self) -> Option<&Arc<SocketPublisher>> {
        match &self.purpose {
            Purpose::Publish(publisher) => Some(publisher),
            Purpose::Listen | Purpose::Command(_) => None,
        }
    }

    /// What came of messages that another location was shown.
    pub fn news(&self) -> Received {
        self.publisher().map(|publisher| publisher.news()).unwrap_or_default()
    }

    /// Has a bell rung when there is such news.
    pub fn call_back(&self, bell: impl FnOnce() -> Bell) {
        if let Some(publisher) = self.publisher() {
            publisher.call_back(bell);
        }
    }

    /// Whether the client has to wait before more of it is read.
    pub fn is_full(&self) -> bool {
        self.publisher().is_some_and(|publisher| publisher.is_full())
    }

    fn is_closing(&self) -> bool {
        self.publisher().is_some_and(|publisher| publisher.is_closing())
    }

    /// Another ping is due: the close frame for a client that has not answered the one before.
    pub fn ping_again(&mut self) -> Option<Bytes> {
        if self.is_full() {
            // Its answer may be among what is not read yet.
            self.awaits_pong = false;
            return None;
        }
        std::mem::replace(&mut self.awaits_pong, true).then(|| frame::close_with(1000, b""))
    }

    fn answer(&mut self, incoming: Incoming, format: &Format, received: &mut Received) {
        match incoming {
            Incoming::Ping(payload) => received.frames.push(frame::pong(&payload)),
            Incoming::Pong => self.awaits_pong = false,
            Incoming::Close(None) => self.close(frame::close_bare(), received),
            Incoming::Close(Some((code, reason))) => self.close(frame::close_with(code, &reason), received),
            Incoming::Message { binary, payload } => self.message(binary, payload, format, received),
        }
    }

    /// Answers a close frame, behind everything that is still to be said.
    fn close(&self, farewell: Bytes, received: &mut Received) {
        let later = self.publisher().is_some_and(|publisher| publisher.close_after(&farewell));
        if !later {
            received.last_words(farewell);
        }
    }

    fn message(&mut self, binary: bool, payload: Vec<u8>, format: &Format, received: &mut Received) {
        if let Some(heartbeat) = &format.conf.push.websocket.heartbeat
            && *heartbeat.message == *payload
        {
            return received.frames.push(frame::message(false, b"", &heartbeat.answer));
        }
        let publisher = match &self.purpose {
            Purpose::Listen => return received.close(1008, b"Publishing not allowed"),
            Purpose::Command(console) => {
                let told = console.hear(&payload).map(|told| frame::message(false, b"", told.as_bytes()));
                return received.frames.extend(told);
            }
            Purpose::Publish(publisher) => publisher,
        };
        publisher.take(binary, payload, received);
    }
}
