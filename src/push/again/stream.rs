//! Streams of one channel.

use std::sync::Arc;

use crate::config::model::LocationConf;
use crate::request::RequestCtx;
use crate::request::answer::{Answer, Responder, StreamHead};
use crate::request::log_line::RepeatedLog;
use crate::store::{ChannelKey, Mode, Store, Subscribed, WorkerId};

use super::super::feed::Feed;
use super::super::socket::Listener;
use super::super::sources::Sources;
use super::super::subscriber;
use super::super::transport::Format;
use super::super::validators::Start;
use super::super::waiting::{self, What};
use super::super::websocket::handshake;
use super::likeness::Likeness;
use super::{Repeated, Request};

/// A request for a stream, which others may make.
#[derive(Clone, Debug)]
pub struct Stream {
    likeness: Arc<Likeness>,
    key: ChannelKey,
    form: StreamForm,
    responder: Responder,
    pub(super) log: Option<RepeatedLog>,
}

/// How a stream begins and goes on.
#[derive(Clone, Debug)]
pub struct StreamForm {
    /// How its messages are written.
    pub format: Format,
    /// Its head, before it is written.
    pub head: Answer,
    /// How it is framed.
    pub framing: StreamHead,
    /// The client's side of a WebSocket that only listens.
    pub listener: Option<Listener>,
}

impl Stream {
    /// For a stream of one channel that begins at `start`, of which nobody is told. `None` where each has to go the whole way.
    pub fn of(ctx: &RequestCtx, form: StreamForm, key: &ChannelKey, start: &Start) -> Option<Self> {
        let responder = Responder::new(ctx);
        let request = Request::read(&ctx.head).filter(|request| request.length.is_none())?;
        let (likeness, log) =
            Likeness::of_subscriber(ctx, &request, start, false).filter(|_| responder.is_plain())?;
        Some(Self { likeness, key: key.clone(), form, responder, log })
    }

    /// What is logged of it.
    pub fn log(&self) -> Option<&RepeatedLog> {
        self.log.as_ref()
    }

    /// Settings of the location.
    pub fn conf(&self) -> &Arc<LocationConf> {
        &self.responder.conf
    }

    /// See [`Repeat::likeness`](super::Repeat::likeness).
    pub(super) fn likeness(&self) -> &Arc<Likeness> {
        &self.likeness
    }

    /// See [`Repeat::fits`](super::Repeat::fits).
    pub(super) fn fits(&self, request: &Request<'_>) -> bool {
        request.length.is_none()
            && request.own.socket_key.is_some_and(|key| !key.is_empty()) == self.form.listener.is_some()
            && self.likeness.fits(request, &self.key)
    }

    /// See [`Repeat::make`](super::Repeat::make).
    pub(super) fn make(self, request: &Request<'_>, store: &Store, worker: WorkerId) -> Option<Repeated> {
        let push = &self.conf().push;
        let start = self.likeness.start_of(request, push)?;
        let other = self.likeness.other_id(request, &self.key, push.max_channel_id_length).ok()?;
        let other = other.map(|id| ChannelKey::new(self.key.group(), id));
        let key = other.as_ref().unwrap_or(&self.key);
        let question = subscriber::question(push, key, start.position(0), Mode::Stream, worker);
        let Subscribed::Stream(subscription, from) = store.subscribe(&question) else { return None };
        let timeout = push.subscriber_timeout;
        let StreamForm { format, mut head, framing, listener } = self.form;
        if let Some(key) = request.own.socket_key {
            handshake::accept_another(&mut head, key);
        }
        let sources = Sources::new(vec![(subscription, from)], start.cursor(1));
        let stream = waiting::Stream {
            feed: Feed { format, sources, attendance: None },
            head: self.responder.stream_head(&head, framing),
            status: head.status,
            socket: listener.map(|listener| Box::new(listener.side())),
        };
        Some(Repeated::Waits(What::Stream(Box::new(stream)), timeout))
    }
}
