//! The same request again. A client that got its message asks for the next one with a request that differs in its validators alone,
//! a program that publishes sends one message like the other, and thousands of clients ask for the same. What there is to find
//! out about such a request was found out the first time: it need not come by hyper, locations and handlers once more. The
//! parking compares bytes, and it is answered or waits.
//!
//! That is done only where the answer cannot depend on anything that may have changed: nothing is counted or asked, and
//! every variable that had a say was a part of the request or of the connection; for requests of other connections, of the
//! request alone. Its log lines are those of the first time but for what another request says otherwise.

mod known;
mod likeness;
mod poll;
mod publish;
mod stream;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{self, HeaderName};

use crate::config::model::LocationConf;
use crate::request::answer::Rendered;
use crate::request::log_line::PendingLog;
use crate::request::{Connection, RequestCtx};
use crate::store::{Store, Subscription, WorkerId};

use super::last_poll::LastPoll;
use super::validators::Validators;
use super::waiting::What;

use self::likeness::Likeness;

pub use self::known::{Arrival, Known};
pub use self::poll::{Again, Poll};
pub use self::publish::Publish;
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

    /// The log lines of the request when it is made again, as the `number`th of its connection.
    pub fn log(
        &self,
        connection: &Arc<Connection>,
        number: u64,
        request: &Request<'_>,
    ) -> Option<Box<PendingLog>> {
        let log = match self {
            Self::Poll(poll) => poll.log.as_ref(),
            Self::Publish(publish) => publish.log.as_ref(),
            Self::Stream(stream) => stream.log.as_ref(),
        };
        Some(log?.of(connection, number, request.bytes))
    }

    /// Makes the request again, which [fits](Repeat::fits) and is [whole](Request::missing). `None`, with nothing done, where the answer is an unusual one.
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

/// A request, as far as it is looked at here.
pub struct Request<'a> {
    /// All of it.
    bytes: &'a [u8],
    /// Of its head without arguments and what it has of its own; keyed, so that nobody can make two that have the same.
    digest: u64,
    arguments: &'a [u8],
    validators: Validators<'a>,
    /// `Sec-WebSocket-Key`.
    socket_key: Option<&'a [u8]>,
    /// `Content-Length`.
    length: Option<usize>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// `None` for what does not begin with a whole head, or is unusual.
    pub fn read(request: &'a [u8]) -> Option<Self> {
        let mut hasher = hasher();
        let (line, mut rest) = next_line(request)?;
        let (target, version) = line.split_at(line.iter().rposition(|byte| *byte == b' ')?);
        let mark = target.iter().position(|byte| *byte == b'?');
        let (path, arguments) = mark.map_or((target, &[][..]), |mark| (&target[..mark], &target[mark + 1..]));
        [path, &[u8::from(mark.is_some())], version].into_iter().for_each(|part| hasher.write(part));
        let (mut validators, mut length, mut socket_key) = (Validators::default(), None, None);
        // Lines that count and stand side by side are hashed at once.
        let mut alike = rest;
        loop {
            let (line, after) = next_line(rest)?;
            let before = &alike[..alike.len() - rest.len()];
            rest = after;
            match line {
                b"\r" => {
                    hasher.write(before);
                    break;
                }
                // Goes on with the line before.
                [b' ' | b'\t', ..] => return None,
                _ => {}
            }
            if let [b'c' | b'C', ..] = line
                && let Some(value) = value_of(line, "Content-Length:")
            {
                let digits = std::str::from_utf8(value)
                    .ok()
                    .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                if length.replace(digits?.parse().ok()?).is_some() {
                    return None;
                }
            } else if let [b's' | b'S', ..] = line
                && let Some(value) = value_of(line, "Sec-WebSocket-Key:")
            {
                if socket_key.replace(value).is_some() {
                    return None;
                }
            } else if !validators.take(line)? {
                continue;
            }
            hasher.write(before);
            alike = after;
        }
        let digest = hasher.finish();
        Some(Self { bytes: request, digest, arguments, validators, socket_key, length, body: rest })
    }

    /// How many bytes of its body are missing; `None` if there is something behind it.
    pub fn missing(&self) -> Option<usize> {
        self.length.unwrap_or(0).checked_sub(self.body.len())
    }

    /// The digest with the arguments.
    fn whole(&self) -> u64 {
        let mut hasher = hasher();
        hasher.write_u64(self.digest);
        hasher.write(self.arguments);
        hasher.finish()
    }
}

fn hasher() -> std::hash::DefaultHasher {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::new).build_hasher()
}

/// A line without its line feed, and what follows.
fn next_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// The value of a header line that has this name, which ends in a colon.
pub fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name.as_bytes()).then(|| rest.trim_ascii())
}
