//! What stands between hyper and the socket. hyper reads requests through it; answers are written by us.
//!
//! hyper parses requests, decodes bodies, keeps order in pipelines and decides when a connection may go on. Its way
//! of writing answers is not nginx's: HTTP/1.0 in the status line for old clients, its own spelling and order of
//! headers, its own bare errors. So each answer is put into the gate as finished bytes (the same bytes a parked
//! connection would get), and of what hyper itself writes only `100 Continue` passes: whatever comes while a request
//! is being handled and not yet answered.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;
use super::target;

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
    /// Bytes of the head that is being read.
    head: Head,
}

/// The head that hyper is reading, kept because hyper does not give it back when it refuses it.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    /// Bytes that hyper was given since the head began, those of the body included.
    given: usize,
    /// Bytes of the request, once its head is read; `None` if its end is not announced.
    length: Option<usize>,
    /// The beginning is missing: it came together with the request before.
    torn: bool,
}

impl GateState {
    /// For a connection on which a head is awaited.
    ///
    /// `target` is that of the first request, if another one stands in its place; see [`super::target`].
    pub fn new(target: Option<Bytes>) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            phase: Phase::Head(Instant::now()),
            output: VecDeque::new(),
            blocked: None,
            keepalive_timeout: Duration::from_secs(75),
            send_timeout: Duration::from_secs(60),
            linger: false,
            target,
            head: Head::default(),
        }))
    }

    /// A request's head has been read; `body` is the length of its body, if that was announced. Returns the head as
    /// it came, unless its beginning is missing.
    pub fn begin(&mut self, body: Option<usize>) -> Option<Vec<u8>> {
        self.phase = Phase::Handling;
        let mut head = std::mem::take(&mut self.head.bytes);
        let length = target::head_length(&head);
        self.head.length = length.zip(body).map(|(head, body)| head.saturating_add(body));
        head.truncate(length?);
        (!self.head.torn).then_some(head)
    }

    /// The request has been answered.
    pub fn end(&mut self) {
        self.phase = Phase::Idle(Instant::now());
        let torn = self.head.torn || self.head.length != Some(self.head.given);
        self.head = Head { torn, ..Head::default() };
    }

    /// The bytes of the request that hyper is reading, if all of them are known.
    pub fn head(&self) -> Option<&[u8]> {
        (!self.head.torn).then_some(&*self.head.bytes)
    }

    /// Notes what hyper was given.
    fn give(&mut self, bytes: &[u8]) {
        if matches!(self.phase, Phase::Idle(_)) {
            self.phase = Phase::Head(Instant::now());
        }
        self.head.given += bytes.len();
        if self.phase != Phase::Handling && !self.head.torn {
            self.head.bytes.extend_from_slice(bytes);
        }
    }

    /// Queues bytes for the client.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.output.push_back(bytes);
        }
    }

    /// Whether everything was handed to the system.
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }
}

/// The IO that hyper is given.
#[derive(Debug)]
pub struct Gate {
    stream: Stream,
    readahead: Bytes,
    state: Rc<RefCell<GateState>>,
}

impl Gate {
    /// `readahead` was read before and comes first.
    pub fn new(stream: Stream, readahead: Bytes, state: Rc<RefCell<GateState>>) -> Self {
        Self { stream, readahead, state }
    }

    /// The socket, and what hyper has not read of the bytes that came before.
    pub fn into_inner(self) -> (Stream, Bytes) {
        (self.stream, self.readahead)
    }

    /// Writes what is queued.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        const BATCH: usize = 8;
        let mut state = self.state.borrow_mut();
        while !state.output.is_empty() {
            let slices: Vec<io::IoSlice<'_>> =
                state.output.iter().take(BATCH).map(|bytes| io::IoSlice::new(bytes)).collect();
            let written = Pin::new(&mut self.stream).poll_write_vectored(cx, &slices);
            drop(slices);
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
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let before = buf.filled().len();
        if gate.readahead.is_empty() {
            ready!(Pin::new(&mut gate.stream).poll_read(cx, buf))?;
        } else {
            let step = gate.readahead.len().min(buf.remaining());
            buf.put_slice(&gate.readahead.split_to(step));
        }
        if buf.filled().len() > before {
            gate.state.borrow_mut().give(&buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        if state.phase == Phase::Handling {
            state.push(Bytes::copy_from_slice(buf));
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_output(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        ready!(gate.poll_output(cx))?;
        Pin::new(&mut gate.stream).poll_shutdown(cx)
    }
}
