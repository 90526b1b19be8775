//! A subscriber that has to wait, on its way from the handler to the worker that parks its connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::request::limits::Limits;
use crate::request::log_line::PendingLog;
use crate::store::WorkerId;

use super::again::Repeat;
use super::feed::Feed;
use super::longpoll::LongPoll;
use super::socket::SocketSide;

/// All that is kept of a request while its subscriber waits.
pub struct Waiting {
    /// What it waits for.
    pub what: What,
    /// Its lines in access logs.
    pub log: Option<Box<PendingLog>>,
    /// What its request holds until it is over, if anything.
    pub limits: Option<Arc<Limits>>,
    /// `push_subscriber_timeout`.
    pub timeout: Option<Duration>,
}

/// What a subscriber waits for.
#[derive(Debug)]
pub enum What {
    /// One message.
    Message(Box<LongPoll>),
    /// All messages, over a connection that is theirs from now on.
    Stream(Box<Stream>),
}

/// A stream that begins.
#[derive(Debug)]
pub struct Stream {
    /// Its messages.
    pub feed: Feed,
    /// Status line and headers, with the empty line.
    pub head: Bytes,
    /// The status, for the log.
    pub status: u16,
    /// What a WebSocket's client sends.
    pub socket: Option<Box<SocketSide>>,
}

/// Where a handler leaves a subscriber that has to wait. The connection's driver looks into it after every step,
/// takes the socket back from hyper, and parks it; the handler never returns.
pub struct ParkSlot {
    worker: WorkerId,
    resting: AtomicBool,
    waiting: Mutex<Option<Waiting>>,
    repeat: Mutex<Option<Repeat>>,
}

impl ParkSlot {
    /// An empty slot of a connection that `worker` serves.
    pub fn new(worker: WorkerId) -> Self {
        Self { worker, resting: AtomicBool::new(false), waiting: Mutex::default(), repeat: Mutex::default() }
    }

    /// The worker that serves the connection.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Lets a request wait before it goes on. Meanwhile the connection's driver looks whether the client goes away.
    pub async fn rest(&self, time: Duration) {
        let _resting = Resting::begin(&self.resting);
        tokio::time::sleep(time).await;
    }

    /// Whether a request rests.
    pub fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    /// Leaves a subscriber.
    pub fn fill(&self, waiting: Waiting) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiting);
    }

    /// The request that is being answered may come again.
    pub fn may_repeat(&self, repeat: Option<Repeat>) {
        *self.repeat.lock().unwrap_or_else(PoisonError::into_inner) = repeat;
    }

    /// Whether the request that was answered may come again.
    pub fn has_repeat(&self) -> bool {
        self.repeat.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes what is needed for the request that was answered to come again, if it may.
    pub fn take_repeat(&self) -> Option<Repeat> {
        self.repeat.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes the subscriber that was left, if there is one.
    pub fn take(&self) -> Option<Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A rest, which ends when this is dropped.
struct Resting<'a>(&'a AtomicBool);

impl<'a> Resting<'a> {
    fn begin(resting: &'a AtomicBool) -> Self {
        resting.store(true, Ordering::Relaxed);
        Self(resting)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
