//! What stands between hyper and the socket. hyper reads requests through it; answers are written by us.
//!
//! hyper parses requests, decodes bodies, keeps order in pipelines and decides when a connection may go on. Its way
//! of writing answers is not nginx's: HTTP/1.0 in the status line for old clients, its own spelling and order of
//! headers, its own bare errors. So each answer is put into the gate as finished bytes (the same bytes a parked
//! connection would get), and of what hyper itself writes only `100 Continue` passes: whatever comes while a request
//! is being handled and not yet being answered.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use crate::config::model::{ConnectionConf, Lingering, LocationConf, Server};
use crate::metrics::{Stage, StageGauge};
use crate::request::limits::Limits;

use super::chunks::Chunks;
use super::head_room::{HeadRoom, TooLarge};
use super::stream::Stream;
use super::target;
use super::tunnel::Opened;

/// What a connection is doing, and since when: what its timeouts go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for, or in the middle of, a request's head: `client_header_timeout`.
    Head(Instant),
    /// A request is being handled.
    Handling,
    /// Between requests: `keepalive_timeout`.
    Idle(Instant),
}

/// Tells handlers that their client has gone. The gate looks for the end of the connection only while somebody asks.
#[derive(Clone, Debug)]
pub struct ClientWatch(Arc<watch::Sender<bool>>);

impl Default for ClientWatch {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl ClientWatch {
    /// Waits until the client has gone.
    pub async fn gone(&self) {
        let mut gone = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// A body that breaks off when the client has gone.
    pub fn guard(&self, body: Body) -> Body {
        let watch = self.clone();
        Body::new(Guarded { body, gone: Box::pin(async move { watch.gone().await }) })
    }

    fn is_asked(&self) -> bool {
        self.0.receiver_count() > 0
    }
}

/// See [`ClientWatch::guard`].
struct Guarded {
    body: Body,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let guarded = self.get_mut();
        if guarded.gone.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)))));
        }
        Pin::new(&mut guarded.body).poll_frame(cx)
    }
}

/// State of a gate that the connection's driver and its service share with it.
#[derive(Debug)]
pub struct GateState {
    /// What the connection is doing.
    pub phase: Phase,
    /// Bytes to be written to the client.
    output: VecDeque<Bytes>,
    /// Since when the client takes no bytes though there are some: `send_timeout`.
    pub blocked: Option<Instant>,
    /// `keepalive_timeout` of the last answer's location.
    pub keepalive_timeout: Duration,
    /// `send_timeout` of the last answer's location.
    pub send_timeout: Duration,
    /// The answer wants the rest of the request read and dropped before the connection closes, lest a reset
    /// destroys the answer.
    pub linger: bool,
    /// The target of the next request, where hyper was given another one.
    pub target: Option<Bytes>,
    /// What hyper is reading.
    reading: Reading,
    /// Bytes that were read from the socket and are not hyper's turn yet.
    readahead: BytesMut,
    /// Whether some of the request came together with the one before it: `$pipe`.
    pub pipelined: bool,
    /// When the first request began, if the parking has waited for it.
    pub since: Option<Instant>,
    /// The request is being answered, perhaps piece by piece: what hyper would write is not wanted any more.
    answering: bool,
    /// Whether the client is still there, for handlers that wait for others.
    pub client: ClientWatch,
    /// The connection is to go on as this.
    tunnel: Option<Opened>,
    /// To be woken when hyper may read on.
    waiting: Option<Waker>,
    /// The request that was answered may come again, which is not for hyper: nothing is read from the socket before the driver,
    /// which is polled next, has decided that. Never while some of the next request is here.
    undecided: bool,
    /// To be woken when there is room for more output.
    crowded: Option<Waker>,
    /// What is left of the buffers for the head that is being read, and for one of which nothing has come.
    room: HeadRoom,
    whole_room: HeadRoom,
    /// The request rests: what the client sends meanwhile is read ahead, and whether it has gone is noted.
    pub watches: bool,
    /// It has.
    pub gone: bool,
    /// The connection in the gauges.
    gauge: StageGauge,
    /// The connection is closed without an answer.
    pub silent: bool,
    /// The head does not fit.
    pub too_large: Option<TooLarge>,
    /// How the connection is kept and closed, as the last answer's location says.
    pub conf: ConnectionConf,
    /// What the last requests hold until their answers have left.
    held: Vec<Arc<Limits>>,
}

/// Most bytes read ahead while the end of the connection is looked for.
const MOST_READAHEAD: usize = 64 * 1024;

/// Output beyond which no more of an answer's pieces are taken.
const MOST_OUTPUT: usize = 64 * 1024;

/// What hyper is reading. It is given the bytes of one request at a time, so that the head of each is known as it came,
/// and nothing of the next one is lost in hyper's buffer.
#[derive(Debug)]
enum Reading {
    /// A head: what there is of it, and whether that is all.
    Head(Vec<u8>, bool),
    /// A body of which so much is missing.
    Length(u64),
    /// A body in chunks.
    Chunks(Chunks),
}

impl GateState {
    /// For a connection on which a head is awaited, of which `readahead` was read already.
    ///
    /// `target` is that of the first request, if another one stands in its place; see [`super::target`].
    pub fn new(readahead: Bytes, target: Option<Bytes>, server: &Server) -> Rc<RefCell<Self>> {
        let room = HeadRoom::new(server);
        Rc::new(RefCell::new(Self {
            phase: Phase::Head(Instant::now()),
            output: VecDeque::new(),
            blocked: None,
            keepalive_timeout: Duration::from_secs(75),
            send_timeout: Duration::from_secs(60),
            linger: false,
            target,
            reading: Reading::Head(Vec::new(), false),
            pipelined: !readahead.is_empty(),
            since: None,
            readahead: readahead.into(),
            answering: false,
            client: ClientWatch::default(),
            tunnel: None,
            waiting: None,
            undecided: false,
            crowded: None,
            room,
            whole_room: room,
            watches: false,
            gone: false,
            gauge: StageGauge::default(),
            silent: false,
            too_large: None,
            conf: server.conf.connection,
            held: Vec::new(),
        }))
    }

    /// A request's head has been read; `body` is the length of its body, `None` for chunks. Returns the head as it came.
    pub fn begin(&mut self, body: Option<u64>) -> Vec<u8> {
        (self.phase, self.answering) = (Phase::Handling, false);
        self.gauge.set(Stage::Writing);
        let body = body.map_or_else(|| Reading::Chunks(Chunks::default()), Reading::Length);
        self.wake();
        match std::mem::replace(&mut self.reading, body) {
            Reading::Head(head, _) => head,
            Reading::Length(_) | Reading::Chunks(_) => Vec::new(),
        }
    }

    /// The request will be answered under these settings, from now until [`GateState::end`].
    pub fn answer_under(&mut self, conf: &LocationConf, linger: bool) {
        let core = &conf.core;
        self.conf = conf.connection;
        self.linger = match self.conf.lingering_close {
            Lingering::Off => false,
            Lingering::On => linger,
            Lingering::Always => true,
        };
        self.answering = true;
        self.keepalive_timeout = core.keepalive_timeout;
        self.send_timeout = core.send_timeout;
    }

    /// The request has been answered.
    pub fn end(&mut self) {
        self.answering = false;
        self.phase = Phase::Idle(Instant::now());
        self.gauge.set(Stage::Waiting);
        self.pipelined = !self.readahead.is_empty();
        self.reading = Reading::Head(Vec::new(), false);
        self.room = self.whole_room;
        self.wake();
    }

    /// The request that was answered may come again: nothing is read before it is known whether the parking takes it.
    pub fn hold_back(&mut self) {
        self.undecided = self.readahead.is_empty();
    }

    /// Whether reading was held back, as it is no more.
    pub fn read_on(&mut self) -> bool {
        self.is_at_rest() && std::mem::take(&mut self.undecided)
    }

    /// No request is under way: the next one has so long to come.
    pub fn rest(&mut self, keepalive_timeout: Duration, conf: ConnectionConf) {
        self.keepalive_timeout = keepalive_timeout;
        self.conf = conf;
        self.phase = Phase::Idle(Instant::now());
    }

    /// All that came of a request that hyper refused, and what came behind it.
    pub fn take_refused(&mut self) -> Bytes {
        let head = match &mut self.reading {
            Reading::Head(head, _) => std::mem::take(head),
            Reading::Length(_) | Reading::Chunks(_) => Vec::new(),
        };
        [&head[..], &self.take_readahead()].concat().into()
    }

    /// What was read from the socket and not given to hyper.
    pub fn take_readahead(&mut self) -> Bytes {
        std::mem::take(&mut self.readahead).freeze()
    }

    /// Takes up to `most` of the bytes read ahead for hyper: what it may have of them now.
    fn give(&mut self, most: usize) -> BytesMut {
        let there = self.readahead.len().min(most);
        let length = match &mut self.reading {
            Reading::Head(_, true) => 0,
            Reading::Head(head, complete) => {
                let next = &self.readahead[..there];
                let rest = target::head_rest(head, next);
                *complete = rest.is_some();
                let length = rest.unwrap_or(there);
                head.extend_from_slice(&next[..length]);
                if let Err(too_large) = self.room.feed(&next[..length]) {
                    // Not for hyper any more: the connection ends with the refusal.
                    self.too_large.get_or_insert(too_large);
                    self.readahead.advance(length);
                    return BytesMut::new();
                }
                length
            }
            Reading::Length(missing) => {
                let length = usize::try_from(*missing).map_or(there, |missing| missing.min(there));
                *missing -= u64::try_from(length).unwrap_or(0);
                length
            }
            Reading::Chunks(chunks) => chunks.feed(&self.readahead[..there]),
        };
        if length > 0 && self.phase != Phase::Handling {
            self.gauge.set(Stage::Reading);
        }
        if length > 0 && matches!(self.phase, Phase::Idle(_)) {
            self.phase = Phase::Head(Instant::now());
        }
        self.readahead.split_to(length)
    }

    /// Keeps what a request holds until its answer has left.
    pub fn hold(&mut self, limits: Arc<Limits>) {
        if limits.holds() && !self.is_flushed() {
            self.held.push(limits);
        }
    }

    /// Whether the connection is reset now that it took too long. One that only waited for a next request is closed as
    /// always.
    pub fn resets_after_timeout(&self) -> bool {
        let waited = self.blocked.is_none() && matches!(self.phase, Phase::Idle(_));
        self.conf.reset_timedout && !waited
    }

    /// From when on the connection may be closed to make room for others: it waits for the first byte of a request.
    pub fn closable_from(&self) -> Option<Instant> {
        match (self.phase, &self.reading) {
            (Phase::Idle(since), _) if self.is_flushed() => Some(since + self.conf.keepalive_min_timeout),
            (Phase::Head(since), Reading::Head(head, _)) if head.is_empty() => Some(since),
            _ => None,
        }
    }

    /// Sends the head of an answer behind which the connection is a tunnel.
    pub fn open_tunnel(&mut self, opened: Opened) {
        self.push(opened.head.clone());
        self.tunnel = Some(opened);
    }

    /// The tunnel, once everything before it was handed to the system.
    pub fn take_tunnel(&mut self) -> Option<Opened> {
        if self.output.is_empty() { self.tunnel.take() } else { None }
    }

    /// Whether a handler waits for somebody else than the client.
    pub fn waits_for_others(&self) -> bool {
        self.phase == Phase::Handling && self.client.is_asked()
    }

    /// Whether the end of the connection is looked for while a request rests or a handler waits for others, and there is
    /// room for what comes before the end.
    fn looks_for_end(&self) -> bool {
        let rests = self.watches && !self.gone;
        (rests || self.is_asked()) && self.readahead.len() < MOST_READAHEAD
    }

    /// Whether a handler wants to know of the end, and nothing of its request is missing.
    fn is_asked(&self) -> bool {
        let complete = match &self.reading {
            Reading::Head(..) => false,
            Reading::Length(missing) => *missing == 0,
            Reading::Chunks(chunks) => chunks.is_over(),
        };
        complete && self.waits_for_others()
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Queues bytes for the client.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.output.push_back(bytes);
        }
    }

    /// Whether the connection is between two requests: nothing of the next one has come, nothing of the last is left.
    pub fn is_at_rest(&self) -> bool {
        let nothing_read = matches!(&self.reading, Reading::Head(head, _) if head.is_empty());
        nothing_read
            && self.phase != Phase::Handling
            && self.is_flushed()
            && self.readahead.is_empty()
            && self.target.is_none()
            && self.too_large.is_none()
    }

    /// Takes what is still queued.
    pub fn take_output(&mut self) -> VecDeque<Bytes> {
        std::mem::take(&mut self.output)
    }

    /// Whether more pieces of an answer may be queued.
    fn has_room(&self) -> bool {
        self.output.iter().map(Bytes::len).sum::<usize>() < MOST_OUTPUT
    }

    /// Whether everything was handed to the system, and nothing more of an answer is to come.
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.answering
    }
}

/// Waits until more pieces of an answer may be queued.
pub async fn room(state: &RefCell<GateState>) {
    std::future::poll_fn(|cx| {
        let mut state = state.borrow_mut();
        if state.has_room() {
            return Poll::Ready(());
        }
        state.crowded = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// Waits until everything that is queued was handed to the system.
pub async fn flushed(state: &RefCell<GateState>) {
    std::future::poll_fn(|cx| {
        let mut state = state.borrow_mut();
        if state.output.is_empty() {
            return Poll::Ready(());
        }
        state.crowded = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// The IO that hyper is given.
#[derive(Debug)]
pub struct Gate {
    stream: Stream,
    state: Rc<RefCell<GateState>>,
}

impl Gate {
    /// For a connection in this state.
    pub fn new(stream: Stream, state: Rc<RefCell<GateState>>) -> Self {
        Self { stream, state }
    }

    /// The socket.
    pub fn into_inner(self) -> Stream {
        self.stream
    }

    /// Reads ahead while somebody wants to know of the end. hyper comes by here whenever the connection is polled.
    fn watch(&mut self, cx: &mut Context<'_>) {
        let mut state = self.state.borrow_mut();
        while state.looks_for_end() {
            let mut chunk = [0; 1024];
            let mut chunk = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.stream).poll_read(cx, &mut chunk) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !chunk.filled().is_empty() => {
                    state.readahead.extend_from_slice(chunk.filled());
                }
                Poll::Ready(_) => {
                    state.gone = true;
                    state.client.0.send_replace(true);
                    return;
                }
            }
        }
    }

    /// Writes what is queued.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        const BATCH: usize = 8;
        let mut state = self.state.borrow_mut();
        if state.conf.tcp_nodelay && !state.output.is_empty() {
            self.stream.send_at_once();
        }
        while !state.output.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let written = match state.output.make_contiguous() {
                [only] => stream.poll_write(cx, only),
                several => {
                    let slices: Vec<io::IoSlice<'_>> =
                        several.iter().take(BATCH).map(|bytes| io::IoSlice::new(bytes)).collect();
                    stream.poll_write_vectored(cx, &slices)
                }
            };
            let Poll::Ready(written) = written else {
                state.blocked.get_or_insert_with(Instant::now);
                return Poll::Pending;
            };
            let mut written = written?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            state.blocked = None;
            while written > 0
                && let Some(front) = state.output.front_mut()
            {
                let step = written.min(front.len());
                front.advance(step);
                written -= step;
                if front.is_empty() {
                    state.output.pop_front();
                }
            }
            if state.has_room()
                && let Some(waker) = state.crowded.take()
            {
                waker.wake();
            }
        }
        state.held.clear();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        const AT_ONCE: usize = 8192;
        let gate = self.get_mut();
        let mut state = gate.state.borrow_mut();
        if state.readahead.is_empty() {
            if state.undecided {
                return Poll::Pending;
            }
            let mut chunk = [MaybeUninit::uninit(); AT_ONCE];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut gate.stream).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            state.readahead.extend_from_slice(chunk.filled());
        }
        let bytes = state.give(buf.remaining());
        if bytes.is_empty() {
            state.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        if state.phase == Phase::Handling && !state.answering {
            state.push(Bytes::copy_from_slice(buf));
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        gate.watch(cx);
        gate.poll_output(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        ready!(gate.poll_output(cx))?;
        Pin::new(&mut gate.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use encke_parser::MemLoader;

    use crate::config::{LoadOptions, load};

    use super::*;

    #[test]
    fn an_answer_in_pieces_is_neither_flushed_nor_at_rest_between_two_pieces() {
        let loader = MemLoader::new().with("/c.conf", b"events {} http { server { return 204; } }");
        let loaded = load(Path::new("/c.conf"), &loader, &LoadOptions::default());
        let config = loaded.config.expect("it is right");
        let state = GateState::new(Bytes::new(), None, &config.servers[0]);
        let mut state = state.borrow_mut();
        assert!(state.is_flushed() && state.is_at_rest());
        state.begin(Some(0));
        assert!(state.is_flushed() && !state.is_at_rest(), "nothing of an answer is there to be sent");
        state.answer_under(&config.servers[0].conf, false);
        assert!(!state.is_flushed() && !state.is_at_rest());
        state.end();
        assert!(state.is_flushed() && state.is_at_rest());
    }
}
