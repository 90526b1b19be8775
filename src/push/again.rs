//! The same poll again. A client that got its message asks for the next one with a request that differs in its validators alone,
//! and most of what there is to find out about it was found out the last time. So it need not come by hyper, locations and
//! handlers once more: the parking compares bytes, and the poll is answered or waits.
//!
//! That is done only where the answer cannot depend on anything that may have changed: nothing is counted, asked or logged, and
//! every variable that had a say was a part of the request or of the connection.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::config::model::{Concurrency, LocationConf, LongPollMultipart};
use crate::request::RequestCtx;
use crate::request::answer::Rendered;
use crate::store::{self, ChannelKey, Mode, Store, Subscribe, Subscribed, WorkerId};

use super::cursor::Cursor;
use super::longpoll::LongPoll;
use super::reply::Reply;
use super::validators::{self, Validators};

/// How to know a poll again, and its channel.
#[derive(Clone, Debug)]
pub struct Again {
    /// Of its head without the validators; keyed, so that nobody can make two that have the same.
    digest: u64,
    key: ChannelKey,
}

/// A poll that was answered, and may be made again.
#[derive(Debug)]
pub struct Repeat {
    again: Again,
    reply: Reply,
}

/// What a poll that is made again comes to.
#[derive(Debug)]
pub enum Repeated {
    /// There is a message.
    Answer(Rendered, Box<Repeat>),
    /// It waits, for so long at most.
    Waits(Box<LongPoll>, Option<Duration>),
}

impl Again {
    /// For a long-poll of one channel; `None` where it has to go the whole way each time.
    pub fn of(ctx: &RequestCtx, reply: &Reply, key: &ChannelKey) -> Option<Self> {
        if !is_settled(ctx) || !reply.responder.is_plain() {
            return None;
        }
        Some(Self { digest: read(&ctx.head)?.0, key: key.clone() })
    }

    /// Once it was answered.
    pub fn into_repeat(self, reply: Reply) -> Box<Repeat> {
        Box::new(Repeat { again: self, reply })
    }
}

impl Repeat {
    /// Settings of the location.
    pub fn conf(&self) -> &Arc<LocationConf> {
        &self.reply.responder.conf
    }

    /// Makes the poll again if that is what these bytes ask for. `None`, with nothing done, where they ask for something else,
    /// or the answer is an unusual one.
    pub fn make(mut self: Box<Self>, request: &[u8], store: &Store, worker: WorkerId) -> Option<Repeated> {
        let (digest, validators) = read(request)?;
        if digest != self.again.digest {
            return None;
        }
        let conf = Arc::clone(self.conf());
        let push = &conf.push;
        let start = validators::after(push, &validators)?;
        self.reply.renew(&validators);
        let subscribed = store.subscribe(&Subscribe {
            key: &self.again.key,
            position: start.position(0),
            worker,
            mode: Mode::Once,
            concurrency: store::Concurrency::Broadcast,
            max_subscribers: push.max_channel_subscribers,
            must_exist: push.authorized_channels_only,
            channel_timeout: push.channel_timeout.as_secs(),
            is_request: true,
            accounting: None,
        });
        match subscribed {
            Subscribed::Message(message) => {
                let answer = self.reply.message(&message, &Cursor::of(&message));
                Some(Repeated::Answer(self.reply.responder.render(answer), self))
            }
            Subscribed::Wait(subscription) => {
                let Self { again, reply } = *self;
                let poll = LongPoll::one(subscription, reply, None).repeatable(Some(again));
                Some(Repeated::Waits(Box::new(poll), push.subscriber_timeout))
            }
            _ => None,
        }
    }
}

/// Whether the same bytes would lead to the same place.
fn is_settled(ctx: &RequestCtx) -> bool {
    let conf = &*ctx.conf;
    let push = &conf.push;
    let nobody_is_asked = conf.access.auth_basic.is_none()
        && conf.auth_request.uri.is_none()
        && push.authorize.is_none()
        && conf.mirror.uris.is_empty()
        && conf.try_files.is_none();
    let nothing_is_counted = conf.limit_req.limits.is_empty()
        && conf.limit_conn.limits.is_empty()
        && !push.group.accounting
        && conf.log.access.is_empty()
        && conf.limit_except.is_none();
    let is_simple = push.subscriber_concurrency == Concurrency::Broadcast
        && push.longpoll_multipart == LongPollMultipart::Off
        && !push.ignore_queue_on_no_cache
        && !push.position.compound_etag;
    let has = |name| ctx.headers.contains_key(name);
    let is_bare = ctx.method == http::Method::GET
        && ctx.depth == 0
        && !ctx.internal
        && !ctx.connection.debug
        && !["content-length", "transfer-encoding", "upgrade", "expect"].into_iter().any(has);
    nobody_is_asked && nothing_is_counted && is_simple && is_bare && !ctx.values.is_volatile()
}

/// The digest of a request without a body, and its validators. `None` for what is not exactly one head, or is unusual.
fn read(request: &[u8]) -> Option<(u64, Validators<'_>)> {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let mut hasher = KEY.get_or_init(RandomState::new).build_hasher();
    let mut validators = Validators::default();
    let mut rest = request;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        match line {
            b"\r" => break,
            // Goes on with the line before.
            [b' ' | b'\t', ..] => return None,
            _ => {}
        }
        if !validators.take(line)? {
            hasher.write(line);
            hasher.write(b"\n");
        }
    }
    rest.is_empty().then(|| (hasher.finish(), validators))
}
