//! Giving messages: polls that are answered at once, those that wait, and streams.

use std::sync::Arc;

use crate::config::model::{Concurrency, Dialect, FirstMessage, LongPollMultipart, PushConf, Transport};
use crate::metrics;
use crate::request::RequestCtx;
use crate::request::answer::{Answer, Responder, StreamHead};
use crate::request::body;
use crate::request::log_line::PendingLog;
use crate::store::{
    self, Accounting, ChannelKey, Mode, Position, Subscribe, Subscribed, Subscription, WorkerId,
};

use super::again::{self, Again, Repeat, StreamForm};
use super::attendance::Attendance;
use super::cors::Origin;
use super::cursor::Cursor;
use super::feed::Feed;
use super::hooks::Subrequest;
use super::longpoll::LongPoll;
use super::reply::Reply;
use super::socket::SocketSide;
use super::sources::Sources;
use super::transport::{Format, Wire, multipart};
use super::validators::{self, Start, Validators};
use super::waiting::{ParkSlot, Stream, Waiting, What};
use super::{PushState, channels, group, out_of_memory, publication};

/// A subscriber's request.
pub struct Subscriber<'a> {
    /// The channels.
    pub state: &'a PushState,
    /// The request.
    pub ctx: &'a RequestCtx,
    /// Where it is left if it has to wait.
    pub slot: &'a ParkSlot,
    /// The origin it comes from, in Nchan's dialect.
    pub origin: Option<Origin>,
    /// By which other locations are told of it; `None` if nobody is to be told.
    pub inside: Option<&'a dyn Subrequest>,
}

impl Subscriber<'_> {
    /// Answers at once, or leaves the subscriber in its slot and never returns.
    ///
    /// # Errors
    /// Answers for requests that are refused; they are answers all the same.
    pub async fn answer(self, transport: Transport) -> Result<Answer, Answer> {
        // Read before anything else: only a connection without an unread body can be parked or kept.
        body::discard(self.ctx).await?;
        let keys = channels::keys(self.ctx, &self.ctx.conf.push.ids.subscribe)?;
        let start = validators::start(self.ctx, transport)?;
        publication::check_settings(self.ctx)?;
        note(self.ctx, &keys, transport, &start);
        self.begin(transport, &keys, &start).await
    }

    /// The same for these channels.
    ///
    /// # Errors
    /// Likewise.
    pub async fn begin(
        self,
        transport: Transport,
        keys: &[ChannelKey],
        start: &Start,
    ) -> Result<Answer, Answer> {
        let wire = match transport {
            Transport::LongPoll | Transport::IntervalPoll => {
                return self.poll(keys, start, transport == Transport::LongPoll).await;
            }
            Transport::EventSource => Wire::EventSource,
            Transport::Chunked => Wire::Chunked,
            Transport::Multipart => Wire::Multipart,
            Transport::RawStream => Wire::RawStream,
            // Has a handshake of its own.
            Transport::WebSocket => return Err(Answer::error(500)),
        };
        let format = Format { wire, conf: Arc::clone(&self.ctx.conf) };
        let content_type = format.content_type().map(|kind| kind.into_bytes().into());
        let head = self.allowed(Answer { status: 200, content_type, ..Answer::default() });
        let framing = match wire {
            Wire::Chunked => StreamHead::Chunked,
            Wire::RawStream => StreamHead::Close,
            _ => StreamHead::Endless,
        };
        self.stream(keys, start, StreamForm { format, head, framing, listener: None }, None).await
    }

    // === Polls ===

    async fn poll(self, keys: &[ChannelKey], start: &Start, wait: bool) -> Result<Answer, Answer> {
        let (ctx, push) = (self.ctx, &self.ctx.conf.push);
        let reply = Reply::new(ctx, self.origin.clone());
        let several = push.longpoll_multipart != LongPollMultipart::Off && wait;
        let [key] = keys else { return self.poll_many(keys, start, wait, reply).await };
        if several {
            let stored = self.read_all(keys, start)?;
            if stored.len() > 1 {
                return Ok(combined(&reply, push.longpoll_multipart, &stored));
            }
        }
        let skip_stored = wait && push.ignore_queue_on_no_cache && validators::no_cache(ctx);
        let position = if skip_stored { Position::Newest } else { start.position(0) };
        let mode = if wait { Mode::Once } else { Mode::Poll };
        let subscribed = self.state.store.subscribe(&self.request(key, position, mode, 0)?);
        let attend = || Attendance::begin(self.state, ctx, keys, None);
        let leave_behind = |reply: Reply| {
            let again = if attend().is_none() { Again::of(ctx, &reply, key, start) } else { None };
            self.slot.may_repeat(again.map(|(again, log)| again.into_repeat(reply, mode, log)));
        };
        match subscribed {
            Subscribed::Message(message) => {
                metrics::count(|worker| worker.delivered.add(1));
                let answer = reply.message(&message, &Cursor::of(&message));
                leave_behind(reply);
                Ok(answer)
            }
            Subscribed::NothingNew => {
                let answer = reply.not_modified(&Validators::of(ctx), start, 1);
                leave_behind(reply);
                Ok(answer)
            }
            Subscribed::Wait(subscription) => {
                let attendance = attend();
                let again = if attendance.is_none() { Again::of(ctx, &reply, key, start) } else { None };
                let (again, log) = match again {
                    Some((again, log)) => (Some(again), log.map(|log| log.of_first(ctx))),
                    None => (None, PendingLog::new(ctx)),
                };
                let poll = LongPoll::one(subscription, reply, attendance).repeatable(again);
                self.park(What::Message(Box::new(poll)), log).await
            }
            other => Err(self.refusal(&reply, &other)),
        }
    }

    async fn poll_many(
        self,
        keys: &[ChannelKey],
        start: &Start,
        wait: bool,
        reply: Reply,
    ) -> Result<Answer, Answer> {
        let push = &self.ctx.conf.push;
        let mut sources = self.sources(keys, start, |other| self.refusal(&reply, other))?;
        let attendance = Attendance::begin(self.state, self.ctx, keys, None);
        let stored = sources.read(1).messages;
        match &stored[..] {
            [] if wait => self.wait(LongPoll::many(sources, reply, attendance)).await,
            [] => Ok(reply.not_modified(&Validators::of(self.ctx), start, keys.len())),
            _ if wait && push.longpoll_multipart != LongPollMultipart::Off => {
                // Its place in the group is taken once more.
                drop(sources);
                let all = self.read_all(keys, start)?;
                Ok(combined(&reply, push.longpoll_multipart, &all))
            }
            [first, ..] => Ok(reply.message(&first.message, &first.cursor)),
        }
    }

    /// Everything stored from the start on.
    fn read_all(&self, keys: &[ChannelKey], start: &Start) -> Result<Vec<super::sources::Next>, Answer> {
        let reply = Reply::new(self.ctx, self.origin.clone());
        let sources = self.sources(keys, start, |other| self.refusal(&reply, other));
        Ok(sources?.read(usize::MAX).messages)
    }

    async fn wait(self, poll: LongPoll) -> Result<Answer, Answer> {
        let log = PendingLog::new(self.ctx);
        self.park(What::Message(Box::new(poll)), log).await
    }

    // === Streams ===

    /// Begins a stream.
    ///
    /// # Errors
    /// The answer for a request that is refused.
    pub async fn stream(
        self,
        keys: &[ChannelKey],
        start: &Start,
        form: StreamForm,
        socket: Option<SocketSide>,
    ) -> Result<Answer, Answer> {
        let responder = Responder::new(self.ctx);
        let reply = Reply::new(self.ctx, self.origin.clone());
        let refusal = |other: &Subscribed| match other {
            Subscribed::Full | Subscribed::NoSuchChannel => self.allowed(Answer::empty(403)),
            other => self.refusal(&reply, other),
        };
        let (sources, attendance) = if keys.is_empty() {
            (Sources::new(Vec::new(), Cursor::start(1)), None)
        } else {
            let sources = self.sources(keys, start, refusal)?;
            (sources, Attendance::begin(self.state, self.ctx, keys, self.inside))
        };
        let stream = Stream {
            head: responder.stream_head(&form.head, form.framing),
            status: form.head.status,
            feed: Feed { format: form.format.clone(), sources, attendance },
            socket: socket.map(Box::new),
        };
        // What a client sends that publishes, too, depends on more.
        let is_simple =
            stream.feed.attendance.is_none() && stream.socket.is_some() == form.listener.is_some();
        let again = match keys {
            [key] if is_simple => again::Stream::of(self.ctx, form, key, start),
            _ => None,
        };
        let log = match &again {
            Some(again) => again.log().map(|log| log.of_first(self.ctx)),
            None => PendingLog::new(self.ctx),
        };
        self.slot.may_repeat(again.map(|again| Repeat::Stream(Box::new(again))));
        self.park(What::Stream(Box::new(stream)), log).await
    }

    async fn park(self, what: What, log: Option<Box<PendingLog>>) -> Result<Answer, Answer> {
        let timeout = self.ctx.conf.push.subscriber_timeout;
        let limits = self.ctx.limits.holds().then(|| Arc::clone(&self.ctx.limits));
        self.slot.fill(Waiting { what, log, limits, timeout });
        std::future::pending().await
    }

    fn sources(
        &self,
        keys: &[ChannelKey],
        start: &Start,
        refusal: impl Fn(&Subscribed) -> Answer,
    ) -> Result<Sources, Answer> {
        // Nchan does not tell a channel that somebody asks for it among others.
        let is_request = keys.len() == 1;
        let subscribe = |(at, key): (usize, &ChannelKey)| {
            let request = self.request(key, start.position(at), Mode::Stream, at)?;
            match self.state.store.subscribe(&Subscribe { is_request, ..request }) {
                Subscribed::Stream(subscription, from) => Ok((subscription, from)),
                other => Err(refusal(&other)),
            }
        };
        let subscriptions: Result<Vec<(Subscription, u64)>, Answer> =
            keys.iter().enumerate().map(subscribe).collect();
        Ok(Sources::new(subscriptions?, start.cursor(keys.len())))
    }

    /// The question about the channel at place `at` of the request's.
    fn request<'k>(
        &self,
        key: &'k ChannelKey,
        position: Position,
        mode: Mode,
        at: usize,
    ) -> Result<Subscribe<'k>, Answer> {
        // Whoever is in several channels is one subscriber all the same.
        let accounting = group::accounting(self.ctx)?;
        let accounting = accounting.map(|how| Accounting { counts_subscriber: at == 0, ..how });
        let question = question(&self.ctx.conf.push, key, position, mode, self.slot.worker());
        Ok(Subscribe { accounting, ..question })
    }

    fn refusal(&self, reply: &Reply, subscribed: &Subscribed) -> Answer {
        let nchan = self.ctx.conf.push.dialect == Dialect::Nchan;
        match subscribed {
            Subscribed::Conflict => reply.conflict(),
            Subscribed::NoSuchChannel if !nchan => Answer::error(403),
            Subscribed::Full | Subscribed::NoSuchChannel => reply.refused(),
            Subscribed::OutOfMemory => out_of_memory(self.ctx),
            // Answers to other questions.
            _ => Answer::error(500),
        }
    }

    fn allowed(&self, answer: Answer) -> Answer {
        match &self.origin {
            Some(origin) => origin.allow(&self.ctx.conf.push, answer),
            None => answer,
        }
    }
}

/// Tells variables what a subscriber asks for.
pub fn note(ctx: &RequestCtx, keys: &[ChannelKey], transport: Transport, start: &Start) {
    let name = match transport {
        Transport::LongPoll => "longpoll",
        Transport::IntervalPoll => "intervalpoll",
        Transport::WebSocket => "websocket",
        Transport::EventSource => "eventsource",
        Transport::Chunked => "http-chunked",
        Transport::Multipart => "http-multipart",
        Transport::RawStream => "http-raw-stream",
    };
    channels::note(ctx, keys);
    ctx.facts.note(|facts| {
        facts.subscriber = Some(name);
        facts.previous_id = Some(start.id());
    });
}

/// Several messages in one answer: `nchan_longpoll_multipart_response`.
fn combined(reply: &Reply, form: LongPollMultipart, messages: &[super::sources::Next]) -> Answer {
    let conf = &reply.responder.conf.push;
    let Some(last) = messages.last() else { return Answer::empty(304) };
    let (content_type, body) = match form {
        LongPollMultipart::Raw => {
            let parts = messages.iter().flat_map(|next| [next.message.body(), &conf.raw_stream_separator]);
            (None, parts.collect::<Vec<_>>().concat().into())
        }
        LongPollMultipart::On | LongPollMultipart::Off => {
            let boundary = multipart::boundary();
            let parts = messages.iter().map(|next| (next.message.content_type(), next.message.body()));
            let content_type = format!("multipart/mixed; boundary={boundary}").into_bytes();
            (Some(content_type.into()), multipart::body(&boundary, parts))
        }
    };
    let answer = Answer { status: 200, content_type, body: body.into(), ..Answer::default() };
    reply.positioned(answer, Some(&last.message), &last.cursor)
}

/// What the store is asked for somebody who wants the messages of one channel, by the settings of a location.
pub fn question<'k>(
    push: &PushConf,
    key: &'k ChannelKey,
    position: Position,
    mode: Mode,
    worker: WorkerId,
) -> Subscribe<'k> {
    Subscribe {
        key,
        position,
        worker,
        mode,
        concurrency: concurrency(push),
        max_subscribers: push.max_channel_subscribers,
        must_exist: push.authorized_channels_only,
        channel_timeout: push.channel_timeout.as_secs(),
        is_request: true,
        accounting: None,
    }
}

/// How many may wait in a channel, for the store.
fn concurrency(conf: &PushConf) -> store::Concurrency {
    match conf.subscriber_concurrency {
        Concurrency::First => store::Concurrency::First,
        Concurrency::Last => store::Concurrency::Last,
        Concurrency::Broadcast => store::Concurrency::Broadcast,
    }
}

/// Where a subscriber without a position starts.
pub fn first(conf: FirstMessage) -> Position {
    match conf {
        FirstMessage::Oldest(n) => Position::Nth(i32::from(n)),
        FirstMessage::Newest(n) => Position::Nth(-i32::from(n)),
        FirstMessage::Next => Position::Newest,
    }
}
