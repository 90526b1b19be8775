//! The same request again. A client that got its message asks for the next one with a request that differs in its validators alone,
//! and a program that publishes sends one message like the other. What there is to find out about such a request was found out the
//! last time: it need not come by hyper, locations and handlers once more. The parking compares bytes, and it is answered or waits.
//!
//! That is done only where the answer cannot depend on anything that may have changed: nothing is counted or asked, and
//! every variable that had a say was a part of the request or of the connection. Its log lines are those of the last time but for
//! what another request says otherwise.

mod heads;
mod poll;
mod publish;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{self, HeaderName};

use crate::config::model::LocationConf;
use crate::request::RequestCtx;
use crate::request::answer::Rendered;
use crate::request::log_line::PendingLog;
use crate::store::{Store, Subscription, WorkerId};

use super::last_poll::LastPoll;
use super::longpoll::LongPoll;
use super::validators::Validators;

pub use self::poll::Again;
pub use self::publish::Publish;

/// A request that was answered, and may be made again.
#[derive(Debug)]
pub enum Repeat {
    /// For a message.
    Poll(Box<poll::Poll>),
    /// With a message.
    Publish(Box<Publish>),
}

/// What a request that is made again comes to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum Repeated {
    /// An answer.
    Answer(Rendered, Repeat),
    /// It waits, for so long at most.
    Waits(Box<LongPoll>, Option<Duration>),
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
        }
    }

    /// The log lines of these bytes if they are the request that is made again, as the `number`th of its connection.
    pub fn log(&self, number: u64, request: &[u8]) -> Option<Box<PendingLog>> {
        let log = match self {
            Self::Poll(poll) => poll.log.as_ref(),
            Self::Publish(publish) => publish.log.as_ref(),
        };
        Some(log?.of(number, request))
    }

    /// Makes the request again if that is what these bytes are, all of it and nothing else. `None`, with nothing done, where
    /// they are something else, or the answer is an unusual one.
    pub fn make(
        self,
        request: &[u8],
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
        && ![header::TRANSFER_ENCODING, header::UPGRADE, header::EXPECT].into_iter().any(has);
    nobody_is_asked && nothing_is_counted && is_bare && !ctx.values.is_volatile()
}

/// A request, as far as it is looked at here.
struct Request<'a> {
    /// Of its head without arguments, length and validators; keyed, so that nobody can make two that have the same.
    digest: u64,
    arguments: &'a [u8],
    validators: Validators<'a>,
    /// `Content-Length`.
    length: Option<usize>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// `None` for what does not begin with a whole head, or is unusual.
    fn read(request: &'a [u8]) -> Option<Self> {
        let mut hasher = hasher();
        let (line, mut rest) = next_line(request)?;
        let (target, _) = line.split_at(line.iter().rposition(|byte| *byte == b' ')?);
        let mark = target.iter().position(|byte| *byte == b'?').map(|mark| mark + 1);
        let (path, arguments) = target.split_at(mark.unwrap_or(target.len()));
        hasher.write(path);
        let (mut validators, mut length) = (Validators::default(), None);
        // Lines that count and stand side by side are hashed at once, the first with the version.
        let mut alike = &request[target.len()..];
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
                if length.replace(number(value)?).is_some() {
                    return None;
                }
            } else if !validators.take(line)? {
                continue;
            }
            hasher.write(before);
            alike = after;
        }
        Some(Self { digest: hasher.finish(), arguments, validators, length, body: rest })
    }

    fn arguments_digest(&self) -> u64 {
        let mut hasher = hasher();
        hasher.write(self.arguments);
        hasher.finish()
    }

    /// The digest with that of the arguments. No head is like any arguments, so the two do not cancel each other out.
    fn whole(&self) -> u64 {
        self.digest ^ self.arguments_digest()
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

/// Digits and nothing else.
fn number(digits: &[u8]) -> Option<usize> {
    let append = |number: usize, byte: &u8| {
        number
            .checked_mul(10)?
            .checked_add(usize::from(byte.wrapping_sub(b'0')))
            .filter(|_| byte.is_ascii_digit())
    };
    digits.iter().try_fold(0, append).filter(|_| !digits.is_empty())
}

/// The value of a header line that has this name, which ends in a colon.
pub fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    // Nearly all write it as we do.
    let is_it = start == name.as_bytes() || start.eq_ignore_ascii_case(name.as_bytes());
    is_it.then(|| rest.trim_ascii())
}
