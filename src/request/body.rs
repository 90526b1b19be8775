//! Reading a request's body.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http::header;
use http_body_util::BodyExt as _;

use crate::config::model::Severity;

use super::RequestCtx;
use super::answer::Answer;
use super::body_file::{self, BodyFile, Writer};

/// Most bytes reserved for a body before any of it has come.
const MOST_RESERVED: usize = 64 * 1024;

/// Most of a body in a file that stays in memory, too, for those who do not need it there.
const MOST_IN_BOTH: usize = 1 << 20;

/// A request's body: taken from the connection by the first who reads it, in memory or in a file for those after. It
/// stays with the request wherever that is sent.
#[derive(Clone, Debug, Default)]
pub struct RequestBody {
    state: Arc<Mutex<State>>,
    file: Arc<OnceLock<Arc<BodyFile>>>,
}

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
    /// In its file only.
    Stored(Arc<BodyFile>),
}

impl RequestBody {
    /// A body that is still to come.
    pub fn new(body: Body) -> Self {
        Self::in_state(State::Unread(body))
    }

    /// A body that is there already.
    pub fn read(bytes: Bytes) -> Self {
        Self::in_state(State::Read(bytes))
    }

    fn in_state(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), file: Arc::default() }
    }

    /// None, of a request whose body was given up. The file that some of it may be in is the request's all the same.
    #[must_use]
    pub fn given_up(&self) -> Self {
        Self { file: Arc::clone(&self.file), ..Self::default() }
    }

    /// The same with bytes that take its place.
    #[must_use]
    pub fn replaced(&self, bytes: Bytes) -> Self {
        Self { file: Arc::clone(&self.file), ..Self::read(bytes) }
    }

    /// The file it was written to, if it was.
    pub fn file(&self) -> Option<&Arc<BodyFile>> {
        self.file.get()
    }

    /// It is being written to this file.
    pub(super) fn is_kept_in(&self, file: &Arc<BodyFile>) {
        self.file.get_or_init(|| Arc::clone(file));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes, if somebody read them, they are no more than `most`, and in no file: `$request_body`.
    pub fn short(&self, most: usize) -> Option<Bytes> {
        match &*self.lock() {
            State::Read(bytes) if (1..=most).contains(&bytes.len()) && self.file().is_none() => {
                Some(bytes.clone())
            }
            _ => None,
        }
    }

    /// Takes the body, if nobody read it.
    pub fn take_unread(&self) -> Option<Body> {
        let mut state = self.lock();
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
        matches!(&*self.lock(), State::Unread(_))
    }

    /// Whether some of it is still to come.
    pub fn is_unread(&self) -> bool {
        matches!(&*self.lock(), State::Unread(body) if !body.is_end_stream())
    }

    /// Whether it is being passed on and not over yet.
    pub fn is_coming(&self) -> bool {
        matches!(&*self.lock(), State::Coming)
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut *self.lock(), state)
    }
}

/// Reads the whole body; a body in one piece is not copied.
///
/// # Errors
/// The answer to give: 413 when it is longer than `client_max_body_size`, 500 when it cannot be written to the file
/// where it belongs, none at all when the client is too slow (`client_body_timeout`) or went away.
pub async fn read(ctx: &RequestCtx) -> Result<Bytes, Answer> {
    let bytes = match ctx.body.replace(State::Gone) {
        State::Gone => return Ok(Bytes::new()),
        State::Coming => {
            ctx.body.replace(State::Coming);
            return Ok(Bytes::new());
        }
        State::Read(bytes) => bytes,
        State::Stored(file) => body_file::read(ctx, &file).await?,
        State::Unread(body) => match Writer::of(ctx) {
            None => receive(ctx, body).await?,
            Some(writer) => match store(ctx, body, writer, usize::MAX).await? {
                Kept::InMemory(bytes) => bytes,
                Kept::InFile(file) => body_file::read(ctx, &file).await?,
            },
        },
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

/// Where a body is that was written to a file.
enum Kept {
    /// Here, besides.
    InMemory(Bytes),
    /// Only there.
    InFile(Arc<BodyFile>),
}

/// Writes the body to a file as it comes. No more than `most` bytes of it are in memory at the end.
async fn store(ctx: &RequestCtx, body: Body, mut writer: Writer, most: usize) -> Result<Kept, Answer> {
    let mut rest = Rest { body, length: 0 };
    let mut memory = Some(BytesMut::new());
    while let Some(data) = rest.next(ctx).await? {
        writer.add(ctx, &data).await?;
        memory.take_if(|memory| memory.len() + data.len() > most);
        if let Some(memory) = &mut memory {
            memory.extend_from_slice(&data);
        }
    }
    let file = writer.finish(ctx).await?;
    Ok(memory.map_or(Kept::InFile(file), |memory| Kept::InMemory(memory.freeze())))
}

/// A body of which no more than the beginning was waited for.
#[derive(Debug)]
pub enum Begun {
    /// All of it.
    Whole(Bytes),
    /// Its beginning, and what is still to come.
    Partly(Bytes, Rest),
    /// All of it, in a file.
    Stored(Arc<BodyFile>),
}

/// The part of a body that is still to come.
#[derive(Debug)]
pub struct Rest {
    body: Body,
    length: u64,
}

/// Reads at most `enough` bytes of the body before it is used; a body that was read before is there as a whole. One that
/// belongs into a file is waited for until it is there, unless nothing is waited for.
///
/// # Errors
/// As [`read`].
pub async fn begin(ctx: &RequestCtx, enough: usize) -> Result<Begun, Answer> {
    let body = match ctx.body.replace(State::Gone) {
        State::Gone => return Ok(Begun::Whole(Bytes::new())),
        State::Coming => {
            ctx.body.replace(State::Coming);
            return Ok(Begun::Whole(Bytes::new()));
        }
        State::Read(bytes) => return Ok(whole(ctx, bytes)),
        State::Stored(file) => return Ok(stored(ctx, file)),
        State::Unread(body) => body,
    };
    if enough > 0
        && let Some(writer) = Writer::of(ctx)
    {
        return Ok(match store(ctx, body, writer, enough.min(MOST_IN_BOTH)).await? {
            Kept::InMemory(bytes) => whole(ctx, bytes),
            Kept::InFile(file) => stored(ctx, file),
        });
    }
    let mut rest = Rest { body, length: 0 };
    let mut first = BytesMut::new();
    while first.len() < enough || rest.body.is_end_stream() {
        let Some(data) = rest.next(ctx).await? else { return Ok(whole(ctx, first.freeze())) };
        first.extend_from_slice(&data);
    }
    ctx.body.replace(State::Coming);
    Ok(Begun::Partly(first.freeze(), rest))
}

fn whole(ctx: &RequestCtx, bytes: Bytes) -> Begun {
    ctx.body.replace(State::Read(bytes.clone()));
    Begun::Whole(bytes)
}

fn stored(ctx: &RequestCtx, file: Arc<BodyFile>) -> Begun {
    ctx.body.replace(State::Stored(Arc::clone(&file)));
    Begun::Stored(file)
}

/// Reads the body for its variables only.
///
/// # Errors
/// As [`read`].
pub async fn read_aside(ctx: &RequestCtx) -> Result<(), Answer> {
    if let Begun::Partly(_, mut rest) = begin(ctx, MOST_IN_BOTH).await? {
        while rest.next(ctx).await?.is_some() {}
    }
    Ok(())
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
    let length: u64 = std::str::from_utf8(ctx.header(header::CONTENT_LENGTH)?).ok()?.trim().parse().ok()?;
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
    let header = ctx.header(header::CONTENT_LENGTH).and_then(|value| std::str::from_utf8(value).ok());
    header.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn too_large(ctx: &RequestCtx, length: String) -> Answer {
    ctx.log(Severity::Error, &format!("client intended to send too large body: {length} bytes"));
    Answer::error(413)
}
