//! A parked stream: it gets every message, as fast as it takes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::push::feed::{Feed, LastFrame};
use crate::push::socket::SocketSide;
use crate::push::socket_publisher::{Bell, Received};
use crate::push::transport::Ending;
use crate::push::waiting::Stream;
use crate::request::answer::Sent;
use crate::request::evaluation::AnswerSoFar;
use crate::request::limits::Limits;
use crate::request::log_line::PendingLog;
use crate::store::Event;

use super::super::stream::IdleStream;
use super::lists::Places;
use super::output::{Output, Written};

/// Bytes of stored messages that are read at once for a stream that is behind.
const BATCH: usize = 64 * 1024;

/// A stream and what is on its way to its client.
pub(super) struct Streaming {
    pub(super) feed: Feed,
    /// Its places in the lists of its channels, in their order.
    pub(super) places: Places,
    output: Output,
    /// There may be stored messages that it has not read yet.
    behind: bool,
    /// Nothing more is to come: the connection closes when all is written.
    ended: bool,
    /// Its socket is watched for room, too.
    pub(super) watched: bool,
    /// What a WebSocket's client sends.
    socket: Option<Box<SocketSide>>,
    log: Option<Box<Log>>,
    /// Held until the stream ends.
    _limits: Option<Arc<Limits>>,
    sent: Sent,
    clocks: Clocks,
}

/// What is kept for its lines in access logs.
struct Log {
    lines: Box<PendingLog>,
    head: Bytes,
}

/// When something is due.
struct Clocks {
    /// The next ping.
    ping: Option<Instant>,
    /// The end of the subscription.
    end: Option<Instant>,
    /// Since when the client takes nothing.
    blocked: Option<Instant>,
}

/// What becomes of a stream's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on.
    Waits,
    /// It goes on when the socket can be written to again.
    WaitsToWrite,
    /// All is said: close our side.
    Closes,
    /// It is gone already.
    Gone,
}

impl Streaming {
    pub(super) fn new(
        stream: Stream,
        log: Option<Box<PendingLog>>,
        limits: Option<Arc<Limits>>,
        timeout: Option<Duration>,
    ) -> Self {
        let Stream { feed, head, socket, status } = stream;
        let now = Instant::now();
        let ping = next_ping(&feed, now);
        let mut output = Output::default();
        output.push(head.clone());
        output.push(feed.format.opening());
        let head_bytes = u64::try_from(head.len()).unwrap_or(u64::MAX);
        Self {
            feed,
            places: Places::None,
            output,
            behind: true,
            ended: false,
            watched: false,
            socket,
            log: log.map(|lines| Box::new(Log { lines, head })),
            _limits: limits,
            sent: Sent { status, head_bytes, ..Sent::default() },
            clocks: Clocks { ping, end: timeout.and_then(|timeout| now.checked_add(timeout)), blocked: None },
        }
    }

    // === Messages ===

    /// Takes an event of the store.
    pub(super) fn hear(&mut self, event: &Event, stream: Option<&IdleStream>, last: &mut LastFrame) -> Next {
        match event {
            // It got its last words already.
            Event::Message { .. } if self.ended => {}
            Event::Message { channel, message, .. } => {
                self.catch_up();
                if self.behind {
                    // Its turn comes when what was before it is written, if it is still stored then.
                    return Next::WaitsToWrite;
                }
                if self.feed.sources.is_one() && self.output.is_empty() {
                    let Some(frame) = self.feed.hear_next(message, last) else { return Next::Waits };
                    return self.send(frame, stream);
                }
                let frames = self.feed.hear(*channel, message, last);
                // One that is larger by itself is for a client that has taken all before it.
                let is_waiting = !self.output.is_empty();
                frames.into_iter().for_each(|frame| self.say(frame));
                if is_waiting && self.output.len() > self.most_queued() {
                    self.end(Ending::TooSlow);
                }
            }
            Event::Deleted { .. } | Event::Displaced { .. } => self.end(Ending::Gone),
        }
        self.write(stream)
    }

    /// Says the last words. What waits to be written is dropped if it waits for a client that is too slow.
    pub(super) fn end(&mut self, ending: Ending) {
        if self.ended {
            return;
        }
        if ending == Ending::TooSlow {
            self.output.keep_first();
        }
        self.say(self.feed.format.end(ending));
        (self.ended, self.behind) = (true, false);
    }

    /// Writes a frame before which nothing waits.
    fn send(&mut self, frame: Bytes, stream: Option<&IdleStream>) -> Next {
        self.sent.body_bytes += u64::try_from(frame.len()).unwrap_or(0);
        let Some(stream) = stream else {
            self.output.push(frame);
            return Next::Waits;
        };
        let written = self.output.send(frame, &stream.socket);
        self.written(written).unwrap_or(Next::Waits)
    }

    /// What a write that did not take everything comes to.
    fn written(&mut self, written: Written) -> Option<Next> {
        match written {
            Written::Closed => Some(Next::Gone),
            Written::Blocked(took) => {
                let now = Instant::now();
                let since = self.clocks.blocked.get_or_insert(now);
                if took {
                    *since = now;
                }
                Some(Next::WaitsToWrite)
            }
            Written::All => {
                self.clocks.blocked = None;
                None
            }
        }
    }

    /// Writes what there is, and what is stored for it.
    pub(super) fn write(&mut self, stream: Option<&IdleStream>) -> Next {
        loop {
            self.catch_up();
            let Some(stream) = stream else { return Next::Waits };
            let written = self.output.write_to(&stream.socket);
            if let Some(next) = self.written(written) {
                return next;
            }
            if self.ended {
                self.sent.complete = true;
                return Next::Closes;
            }
            if !self.behind {
                return Next::Waits;
            }
        }
    }

    /// Reads stored messages while there is room for them.
    fn catch_up(&mut self) {
        while self.behind && self.output.len() < BATCH {
            let read = self.feed.read(BATCH);
            if read.missed {
                return self.end(Ending::TooSlow);
            }
            self.behind = read.more;
            read.frames.into_iter().for_each(|frame| self.say(frame));
        }
    }

    fn say(&mut self, frame: Bytes) {
        self.sent.body_bytes += u64::try_from(frame.len()).unwrap_or(0);
        self.output.push(frame);
    }

    fn most_queued(&self) -> usize {
        self.feed.format.conf.push.subscriber_queue
    }

    // === The client ===

    /// Takes what the client sent. Only a WebSocket's client has anything to say.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let Some(socket) = &mut self.socket else { return };
        if self.ended {
            return;
        }
        let received = socket.receive(bytes, &self.feed.format);
        self.reply(received);
    }

    /// Tells the client what came of messages that another location was shown.
    pub(super) fn hear_back(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| !self.ended) {
            let news = socket.news();
            self.reply(news);
        }
    }

    /// Has a bell rung when there is such news.
    pub(super) fn call_back(&self, bell: impl FnOnce() -> Bell) {
        if let Some(socket) = &self.socket {
            socket.call_back(bell);
        }
    }

    /// Whether the client has to wait before more of it is read.
    pub(super) fn is_full(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.is_full())
    }

    fn reply(&mut self, received: Received) {
        received.frames.into_iter().for_each(|frame| self.say(frame));
        if received.closes {
            (self.ended, self.behind) = (true, false);
        }
        // A client that asks and does not read is a slow one, too.
        if self.output.len() > self.most_queued() {
            self.end(Ending::TooSlow);
        }
    }

    // === Time ===

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let send_timeout = self.feed.format.conf.core.send_timeout;
        let blocked = self.clocks.blocked.and_then(|since| since.checked_add(send_timeout));
        [blocked, self.clocks.ping, self.clocks.end].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant, stream: Option<&IdleStream>) -> Next {
        let send_timeout = self.feed.format.conf.core.send_timeout;
        if self.clocks.blocked.is_some_and(|since| now.saturating_duration_since(since) >= send_timeout) {
            return Next::Gone;
        }
        if self.clocks.end.is_some_and(|end| end <= now) {
            self.clocks.end = None;
            self.end(Ending::TimedOut);
        }
        if self.clocks.ping.is_some_and(|at| at <= now) {
            self.clocks.ping = next_ping(&self.feed, now);
            self.ping();
        }
        self.write(stream)
    }

    /// Sends a ping, unless there is something on its way anyhow. A WebSocket whose last one was not answered ends.
    fn ping(&mut self) {
        if let Some(last_words) = self.socket.as_mut().and_then(|socket| socket.ping_again()) {
            self.say(last_words);
            (self.ended, self.behind) = (true, false);
        } else if self.output.is_empty()
            && let Some((_, ping)) = self.feed.format.ping()
        {
            self.say(ping);
        }
    }
}

/// When a stream that is silent from now on is sent a ping.
fn next_ping(feed: &Feed, now: Instant) -> Option<Instant> {
    feed.format.ping().and_then(|(every, _)| now.checked_add(every))
}

/// The line in the access log is written when the stream ends, however it ends.
impl Drop for Streaming {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            log.lines.write(&AnswerSoFar { sent: self.sent, head: &log.head, last_chunk: &[] });
        }
    }
}
