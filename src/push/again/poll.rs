//! Polls of one channel.

use std::sync::Arc;

use crate::config::model::{LocationConf, LongPollMultipart};
use crate::request::RequestCtx;
use crate::request::log_line::RepeatedLog;
use crate::store::{ChannelKey, Mode, Store, Subscribed, Subscription, WorkerId};

use super::super::last_poll::LastPoll;
use super::super::longpoll::LongPoll;
use super::super::reply::Reply;
use super::super::subscriber;
use super::super::validators::Start;
use super::super::waiting::What;
use super::likeness::Likeness;
use super::{Made, Repeat, Repeated, Request};

/// How to know a poll again, and its channel.
#[derive(Clone, Debug)]
pub struct Again {
    pub(super) likeness: Arc<Likeness>,
    key: ChannelKey,
}

/// A poll that was answered, and may be made again.
#[derive(Clone, Debug)]
pub struct Poll {
    again: Again,
    reply: Reply,
    /// [`Mode::Poll`] for an interval-poll, else [`Mode::Once`].
    mode: Mode,
    pub(super) log: Option<RepeatedLog>,
}

impl Again {
    /// For a poll of one channel that begins at `start`, and what is logged of it. `None` where it has to go the whole way each
    /// time.
    pub fn of(
        ctx: &RequestCtx,
        reply: &Reply,
        key: &ChannelKey,
        start: &Start,
    ) -> Option<(Self, Option<RepeatedLog>)> {
        let push = &ctx.conf.push;
        let is_simple = push.longpoll_multipart == LongPollMultipart::Off && !push.ignore_queue_on_no_cache;
        if !is_simple || !reply.responder.is_plain() {
            return None;
        }
        let request = Request::read(&ctx.head).filter(|request| request.length.is_none())?;
        let (likeness, log) = Likeness::of_subscriber(ctx, &request, start, true)?;
        Some((Self { likeness, key: key.clone() }, log))
    }

    /// Once it was answered.
    pub fn into_repeat(self, reply: Reply, mode: Mode, log: Option<RepeatedLog>) -> Repeat {
        Repeat::Poll(Box::new(Poll { again: self, reply, mode, log }))
    }
}

impl Poll {
    /// Settings of the location.
    pub fn conf(&self) -> &Arc<LocationConf> {
        &self.reply.responder.conf
    }

    /// See [`Repeat::likeness`].
    pub(super) fn likeness(&self) -> &Arc<Likeness> {
        &self.again.likeness
    }

    /// See [`Repeat::fits`].
    pub(super) fn fits(&self, request: &Request<'_>) -> bool {
        request.length.is_none() && self.again.likeness.fits(request, &self.again.key)
    }

    /// See [`Repeat::make`].
    pub(super) fn make(
        &mut self,
        request: &Request<'_>,
        store: &Store,
        worker: WorkerId,
        last: &mut LastPoll,
    ) -> Option<Made> {
        let conf = Arc::clone(self.conf());
        let push = &conf.push;
        let Again { likeness, key } = &mut self.again;
        let other = likeness.other_id(request, key, push.max_channel_id_length).ok()?;
        let start = likeness.start_of(request, push)?;
        if let Some(id) = other {
            key.rename(id);
        }
        self.reply.renew(&request.own.validators);
        let question = subscriber::question(push, key, start.position(0), self.mode, worker);
        match store.subscribe(&question) {
            Subscribed::Message(message) => Some(Made::Answer(last.message(&self.reply, &message))),
            Subscribed::NothingNew => {
                let answer = self.reply.not_modified(&request.own.validators, &start, 1);
                Some(Made::Answer(self.reply.responder.render(answer)))
            }
            Subscribed::Wait(subscription) => Some(Made::Waits(subscription)),
            _ => None,
        }
    }

    /// Waits for its message.
    pub(super) fn wait(self, subscription: Subscription) -> Repeated {
        let timeout = self.conf().push.subscriber_timeout;
        let Self { again, reply, .. } = self;
        let poll = LongPoll::one(subscription, reply, None).repeatable(Some(again));
        Repeated::Waits(What::Message(Box::new(poll)), timeout)
    }
}
