//! Reading a request's body.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::config::model::Severity;

use super::RequestCtx;
use super::answer::Answer;

/// Most bytes reserved for a body before any of it has come.
const MOST_RESERVED: usize = 64 * 1024;

/// A request's body: taken from the connection by the first who reads it, in memory for those after. It stays with the
/// request wherever that is sent.
#[derive(Clone, Debug, Default)]
pub struct RequestBody(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// There is none, or it was dropped.
    #[default]
    Gone,
    /// Still to come from the connection.
    Unread(Body),
    /// Passed on while it comes.
    Coming,
    Read(Bytes),
}

impl RequestBody {
    /// A body that is still to come.
    pub fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(State::Unread(body))))
    }

    /// A body that is there already.
    pub fn read(bytes: Bytes) -> Self {
        Self(Arc::new(Mutex::new(State::Read(bytes))))
    }

    /// The bytes, if somebody read them and they are no more than `most`: `$request_body`.
    pub fn short(&self, most: usize) -> Option<Bytes> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Read(bytes) if (1..=most).contains(&bytes.len()) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// Takes the body, if nobody read it.
    pub fn take_unread(&self) -> Option<Body> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *state) {
            State::Unread(body) => Some(body),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Whether nobody has read it, be there any or not.
    pub fn is_untouched(&self) -> bool {
        matches!(&*self.0.lock().unwrap_or_else(PoisonError::into_inner), State::Unread(_))
    }

    /// Whether some of it is still to come.
    pub fn is_unread(&self) -> bool {
        matches!(&*self.0.lock().unwrap_or_else(PoisonError::into_inner), State::Unread(body) if !body.is_end_stream())
    }

    /// Whether it is being passed on and not over yet.
    pub fn is_coming(&self) -> bool {
        matches!(&*self.0.lock().unwrap_or_else(PoisonError::into_inner), State::Coming)
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

/// Reads the whole body; a body in one piece is not copied.
///
/// # Errors
/// The answer to give: 413 when it is longer than `client_max_body_size`, none at all when the client is too slow
/// (`client_body_timeout`) or went away.
pub async fn read(ctx: &RequestCtx) -> Result<Bytes, Answer> {
    let bytes = match ctx.body.replace(State::Gone) {
        State::Gone => return Ok(Bytes::new()),
        State::Coming => {
            ctx.body.replace(State::Coming);
            return Ok(Bytes::new());
        }
        State::Read(bytes) => bytes,
        State::Unread(body) => receive(ctx, body).await?,
    };
    ctx.body.replace(State::Read(bytes.clone()));
    Ok(bytes)
}

async fn receive(ctx: &RequestCtx, mut body: Body) -> Result<Bytes, Answer> {
    let limit = ctx.conf.core.client_max_body_size.unwrap_or(u64::MAX);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(data) = next(ctx, &mut body).await? {
        let length = first.len() + rest.len() + data.len();
        if u64::try_from(length).is_ok_and(|length| length > limit) {
            return Err(too_large(ctx, length.to_string()));
        }
        ctx.body_length.fetch_add(length_of(&data), Ordering::Relaxed);
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(announced(ctx).saturating_sub(first.len()).min(MOST_RESERVED));
            }
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    Ok([&first[..], &rest[..]].concat().into())
}

/// A body of which only the beginning was waited for.
#[derive(Debug)]
pub struct Begun {
    /// Its beginning.
    pub first: Bytes,
    /// What is still to come; `None` when `first` is all.
    pub rest: Option<Rest>,
}

/// The part of a body that is still to come.
#[derive(Debug)]
pub struct Rest {
    body: Body,
    length: u64,
}

/// Reads at most `enough` bytes of the body before it is used; a body that was read before is there as a whole.
///
/// # Errors
/// As [`read`].
pub async fn begin(ctx: &RequestCtx, enough: usize) -> Result<Begun, Answer> {
    let mut rest = match ctx.body.replace(State::Gone) {
        State::Gone => return Ok(Begun { first: Bytes::new(), rest: None }),
        State::Coming => {
            ctx.body.replace(State::Coming);
            return Ok(Begun { first: Bytes::new(), rest: None });
        }
        State::Read(bytes) => {
            ctx.body.replace(State::Read(bytes.clone()));
            return Ok(Begun { first: bytes, rest: None });
        }
        State::Unread(body) => Rest { body, length: 0 },
    };
    let mut first = BytesMut::new();
    while first.len() < enough || rest.body.is_end_stream() {
        let Some(data) = rest.next(ctx).await? else {
            let bytes = first.freeze();
            ctx.body.replace(State::Read(bytes.clone()));
            return Ok(Begun { first: bytes, rest: None });
        };
        first.extend_from_slice(&data);
    }
    ctx.body.replace(State::Coming);
    Ok(Begun { first: first.freeze(), rest: Some(rest) })
}

impl Rest {
    /// The next piece, within the limits of a body that is read whole.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn next(&mut self, ctx: &RequestCtx) -> Result<Option<Bytes>, Answer> {
        let limit = ctx.conf.core.client_max_body_size.unwrap_or(u64::MAX);
        let Some(data) = next(ctx, &mut self.body).await? else {
            ctx.body.replace(State::Gone);
            return Ok(None);
        };
        self.length += length_of(&data);
        if self.length > limit {
            return Err(too_large(ctx, self.length.to_string()));
        }
        ctx.body_length.fetch_add(length_of(&data), Ordering::Relaxed);
        Ok(Some(data))
    }
}

/// How often a body is asked again for what has come of it already: it is on its way from the connection.
const ASKED_AGAIN: usize = 3;

/// How much of a body is dropped before the answer: somebody who sends without end is answered, too.
const MOST_EARLY: u64 = 64 * 1024;

/// Drops what has already come of a body that nobody wants; true if that was all of it. The rest may come after the
/// answer.
///
/// # Errors
/// 400 for what is no chunk.
pub async fn discard_early(ctx: &RequestCtx) -> Result<bool, Answer> {
    let Some(mut body) = ctx.body.take_unread() else { return Ok(true) };
    let (mut asked, mut dropped) = (0, 0);
    while asked <= ASKED_AGAIN && dropped <= MOST_EARLY {
        let frame = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
        match frame {
            Poll::Ready(None) => return Ok(true),
            Poll::Ready(Some(Ok(frame))) => {
                dropped += frame.data_ref().map_or(0, |data| length_of(data));
                asked = 0;
            }
            Poll::Ready(Some(Err(_))) => return Err(broken()),
            Poll::Pending => {
                asked += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    ctx.body.replace(State::Unread(body));
    Ok(false)
}

/// Reads a body that nobody wants, within the limits of one that is wanted.
///
/// # Errors
/// As [`read`].
pub async fn discard(ctx: &RequestCtx) -> Result<(), Answer> {
    let Some(mut body) = ctx.body.take_unread() else { return Ok(()) };
    let limit = ctx.conf.core.client_max_body_size.unwrap_or(u64::MAX);
    let mut length = 0;
    while let Some(data) = next(ctx, &mut body).await.map_err(answerable)? {
        length += length_of(&data);
        if length > limit {
            return Err(too_large(ctx, length.to_string()));
        }
    }
    Ok(())
}

/// 413 for a body that is announced longer than `client_max_body_size`: before anything of it is read.
pub fn refuse_announced(ctx: &RequestCtx) -> Option<Answer> {
    let length: u64 = std::str::from_utf8(ctx.header("content-length")?).ok()?.trim().parse().ok()?;
    let limit = ctx.conf.core.client_max_body_size?;
    (length > limit).then(|| too_large(ctx, length.to_string()))
}

async fn next(ctx: &RequestCtx, body: &mut Body) -> Result<Option<Bytes>, Answer> {
    let timeout = ctx.conf.core.client_body_timeout;
    loop {
        let Ok(frame) = tokio::time::timeout(timeout, body.frame()).await else {
            return Err(Answer { silent: true, ..Answer::empty(408) });
        };
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) if has_ended(&error) => {
                ctx.log(Severity::Info, "client prematurely closed connection");
                return Err(Answer { silent: true, ..Answer::empty(400) });
            }
            // Not a chunk where one was due.
            Some(Err(_)) => {
                ctx.log(Severity::Error, "client sent invalid chunked body");
                return Err(broken());
            }
        }
    }
}

/// Who sent only a part of a body that nobody wants may still read an answer.
fn answerable(failed: Answer) -> Answer {
    if failed.silent && failed.status == 400 {
        return Answer { close: true, ..Answer::error(400) };
    }
    failed
}

/// Whether the connection ended before the body.
fn has_ended(error: &axum::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut failures = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    failures.any(|failure| matches!(failure.kind(), UnexpectedEof | ConnectionReset | BrokenPipe))
}

fn broken() -> Answer {
    Answer { close: true, ..Answer::error(400) }
}

fn length_of(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

fn announced(ctx: &RequestCtx) -> usize {
    let header = ctx.header("content-length").and_then(|value| std::str::from_utf8(value).ok());
    header.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn too_large(ctx: &RequestCtx, length: String) -> Answer {
    ctx.log(Severity::Error, &format!("client intended to send too large body: {length} bytes"));
    Answer::error(413)
}
