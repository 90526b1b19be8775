//! The same request again. A client that got its message asks for the next one with a request that differs in its validators alone,
//! a program that publishes sends one message like the other, and thousands of clients ask for the same. What there is to find
//! out about such a request was found out the first time: it need not come by hyper, locations and handlers once more. The
//! parking compares bytes, and it is answered or waits.
//!
//! That is done only where the answer cannot depend on anything that may have changed: nothing is counted or asked, and
//! every variable that had a say was a part of the request or of the connection; for requests of other connections, of the
//! request alone. Its log lines are those of the first time but for what another request says otherwise.

mod heads;
mod known;
mod likeness;
mod poll;
mod publish;
mod request;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{self, HeaderName};

use crate::config::model::LocationConf;
use crate::request::answer::Rendered;
use crate::request::log_line::PendingLog;
use crate::request::{Connection, RequestCtx};
use crate::store::{Store, Subscription, WorkerId};

use super::last_poll::LastPoll;
use super::waiting::What;

use self::likeness::Likeness;

pub use self::heads::Heads;
pub use self::known::{Entrance, Known};
pub use self::poll::{Again, Poll};
pub use self::publish::Publish;
pub use self::request::Request;
pub use self::stream::{Stream, StreamForm};

/// A request that was answered, and may be made again.
#[derive(Clone, Debug)]
pub enum Repeat {
    /// For a message.
    Poll(Box<Poll>),
    /// With a message.
    Publish(Box<Publish>),
    /// For all messages: another connection's, for this one is the stream's.
    Stream(Box<Stream>),
}

/// What a request that is made again comes to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum Repeated {
    /// An answer.
    Answer(Rendered, Repeat),
    /// It waits, for so long at most.
    Waits(What, Option<Duration>),
}

/// What became of a request.
enum Made {
    Answer(Rendered),
    Waits(Subscription),
}

impl Repeat {
    /// Settings of the location.
    pub fn conf(&self) -> &Arc<LocationConf> {
        match self {
            Self::Poll(poll) => poll.conf(),
            Self::Publish(publish) => publish.conf(),
            Self::Stream(stream) => stream.conf(),
        }
    }

    /// Whether the request is made again that has this head.
    pub fn fits(&self, request: &Request<'_>) -> bool {
        match self {
            Self::Poll(poll) => poll.fits(request),
            Self::Publish(publish) => publish.fits(request),
            Self::Stream(stream) => stream.fits(request),
        }
    }

    /// By what it is known again.
    fn likeness(&self) -> &Arc<Likeness> {
        match self {
            Self::Poll(poll) => poll.likeness(),
            Self::Publish(publish) => publish.likeness(),
            Self::Stream(stream) => stream.likeness(),
        }
    }

    /// The log lines of the request when it is made again, as the `number`th of its connection; it began at `since`, or now.
    pub fn log(
        &self,
        connection: &Arc<Connection>,
        number: u64,
        request: &Request<'_>,
        since: Option<Instant>,
    ) -> Option<Box<PendingLog>> {
        let log = match self {
            Self::Poll(poll) => poll.log.as_ref(),
            Self::Publish(publish) => publish.log.as_ref(),
            Self::Stream(stream) => stream.log.as_ref(),
        };
        Some(log?.of(connection, number, request.bytes, since))
    }

    /// Makes the request again, which [fits](Repeat::fits) and of which nothing is [missing](Request::missing). `None`, with
    /// nothing done, where the answer is an unusual one.
    pub fn make(
        self,
        request: &Request<'_>,
        store: &Store,
        worker: WorkerId,
        last: &mut LastPoll,
    ) -> Option<Repeated> {
        match self {
            Self::Poll(mut poll) => Some(match poll.make(request, store, worker, last)? {
                Made::Answer(rendered) => Repeated::Answer(rendered, Self::Poll(poll)),
                Made::Waits(subscription) => poll.wait(subscription),
            }),
            Self::Publish(mut publish) => {
                let rendered = publish.make(request, store)?;
                Some(Repeated::Answer(rendered, Self::Publish(publish)))
            }
            Self::Stream(stream) => stream.make(request, store, worker),
        }
    }
}

/// Whether the same bytes would lead to the same place, whatever the location does.
fn is_settled(ctx: &RequestCtx) -> bool {
    let conf = &*ctx.conf;
    let nobody_is_asked = conf.access.auth_basic.is_none()
        && conf.auth_request.uri.is_none()
        && conf.push.hooks.authorize.is_none()
        && conf.mirror.uris.is_empty()
        && conf.try_files.is_none();
    let nothing_is_counted = conf.limit_req.limits.is_empty()
        && conf.limit_conn.limits.is_empty()
        && !conf.push.group.accounting
        && conf.limit_except.is_none();
    let has = |name: HeaderName| ctx.headers.contains_key(name);
    let is_bare = ctx.depth == 0
        && !ctx.internal
        && !ctx.connection.debug
        && ![header::TRANSFER_ENCODING, header::EXPECT].into_iter().any(has);
    nobody_is_asked && nothing_is_counted && is_bare && !ctx.values.is_volatile()
}
