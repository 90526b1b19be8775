//! Parked connections: those that wait for a message, and those that wait for their next request after one.
//!
//! A parked connection is a socket and a few words; hyper, axum and the request are gone. All of a worker's parked
//! sockets are watched by one epoll instance of its own, so that a waiting subscriber costs neither a task nor a
//! registration with tokio, and a delivery is one `writev` of bytes that all subscribers share.

pub mod handover;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use slab::Slab;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::config::model::{ConnectionConf, Lingering};
use crate::metrics::{self, Stage, StageGauge};
use crate::push::subscriber;
use crate::push::waiting::Waiting;
use crate::request::answer::{Answer, Rendered, Responder, Sent};
use crate::request::limits::Limits;
use crate::request::log_line::PendingLog;
use crate::store::{ChannelId, Event, Subscription};

use super::origin::Origin;
use super::reuse::{self, Idle};
use super::stream::{IdleStream, Stream};

/// Most bytes read ahead from a client that sends while it waits: a few pipelined requests. What is beyond stays
/// in the socket.
const MOST_READAHEAD: usize = 64 * 1024;

/// Most connections looked at before other work of the worker gets its turn.
const BATCH: usize = 1024;

/// A connection that leaves parking for the http phase.
pub struct Resumed {
    /// Its socket.
    pub stream: Stream,
    /// Bytes of the next request that were read already.
    pub readahead: Bytes,
    /// The connection.
    pub origin: Origin,
    /// An answer that is still to be sent: slowly, which is nothing for the parking.
    pub paced: Option<Box<Paced>>,
}

/// An answer under `limit_rate`.
#[derive(Debug)]
pub struct Paced {
    /// Its bytes.
    pub rendered: Rendered,
    /// Its lines in access logs.
    pub log: Option<Box<PendingLog>>,
    /// `send_timeout` of its location.
    pub send_timeout: Duration,
    /// `keepalive_timeout` of its location.
    pub keepalive_timeout: Duration,
    /// What else concerns the connection there.
    pub connection: ConnectionConf,
    /// What its request holds until it is sent.
    pub limits: Option<Arc<Limits>>,
}

/// The parked connections of one worker.
pub struct Parking {
    registry: mio::Registry,
    entries: Slab<Parked>,
    channels: HashMap<ChannelId, List>,
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    serial: u64,
    waiting: usize,
    resumed: Vec<Resumed>,
    /// Those that are idle, among others of the worker.
    idle: Rc<RefCell<Idle>>,
    /// Told when an earlier deadline came up or a connection was resumed.
    wake: Rc<Notify>,
}

struct Parked {
    /// `None` while hyper still holds the socket.
    stream: Option<IdleStream>,
    origin: Origin,
    state: State,
    readahead: Vec<u8>,
    /// Tells this life of the slot from others: timers and list links of earlier ones mean nothing.
    serial: u64,
    deadline: Option<Instant>,
    gauge: StageGauge,
}

enum State {
    Waiting(Waiter),
    Writing(Box<Writing>),
    /// Leaves to be answered slowly, once its socket is here.
    Paced(Box<Paced>),
    /// With its seat among those that may be closed to make room.
    Idle(Option<reuse::Key>),
    /// Our side is closed. What the client still sends is read and dropped: a socket closed with unread bytes is reset,
    /// and the reset may overtake the answer.
    Closing,
}

struct Waiter {
    subscription: Subscription,
    responder: Responder,
    log: Option<Box<PendingLog>>,
    limits: Option<Arc<Limits>>,
    previous: Option<usize>,
    next: Option<usize>,
}

struct Writing {
    parts: [Bytes; 2],
    keep_alive: bool,
    sent: Sent,
    /// The head once more, for the log.
    head: Bytes,
    log: Option<Box<PendingLog>>,
    /// Held until the answer is written.
    _limits: Option<Arc<Limits>>,
    keepalive_timeout: Duration,
    send_timeout: Duration,
    connection: ConnectionConf,
    /// The socket did not take all of it at once.
    slow: bool,
    /// When the message was published that this is about.
    published: Option<Instant>,
}

/// Waiters of one channel, oldest first.
struct List {
    first: usize,
    last: usize,
}

/// What became of an entry.
enum Fate {
    Stays,
    Leaves,
    Resumes,
    /// Another process has it now.
    HandedOver,
}

impl Parking {
    /// An empty car park, and the epoll instance that watches it.
    ///
    /// # Errors
    /// When the system gives no epoll instance.
    pub fn new(idle: Rc<RefCell<Idle>>) -> io::Result<(Rc<RefCell<Self>>, mio::Poll)> {
        let poll = mio::Poll::new()?;
        let parking = Self {
            registry: poll.registry().try_clone()?,
            entries: Slab::new(),
            channels: HashMap::new(),
            timers: BinaryHeap::new(),
            serial: 0,
            waiting: 0,
            resumed: Vec::new(),
            idle,
            wake: Rc::default(),
        };
        Ok((Rc::new(RefCell::new(parking)), poll))
    }

    /// How many subscribers wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a subscriber whose socket follows with [`Parking::adopt`]; until then an event is only noted.
    pub fn expect(&mut self, waiting: Waiting, origin: Origin) -> usize {
        let Waiting { subscription, responder, log, limits, timeout } = waiting;
        let channel = subscription.channel();
        let waiter = Waiter { subscription, responder, log, limits, previous: None, next: None };
        self.serial += 1;
        let id = self.entries.insert(Parked {
            stream: None,
            origin,
            state: State::Waiting(waiter),
            readahead: Vec::new(),
            serial: self.serial,
            deadline: None,
            gauge: StageGauge::default(),
        });
        self.waiting += 1;
        metrics::count(|worker| worker.parked.add(1));
        self.link(channel, id);
        self.set_deadline(id, timeout);
        id
    }

    /// Forgets a subscriber whose socket never came.
    pub fn abandon(&mut self, id: usize) {
        self.finish(id, Fate::Leaves);
    }

    /// Takes the socket of an expected subscriber and watches it.
    pub fn adopt(&mut self, id: usize, stream: IdleStream, readahead: &[u8]) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let raw = stream.socket.as_raw_fd();
        entry.readahead.extend_from_slice(readahead);
        entry.stream = Some(stream);
        entry.gauge.set(Stage::Writing);
        let registered = self.registry.register(&mut SourceFd(&raw), Token(id), Interest::READABLE);
        let fate = match &entry.state {
            _ if registered.is_err() => Fate::Leaves,
            State::Writing(_) => self.write(id),
            State::Paced(_) => Fate::Resumes,
            _ => Fate::Stays,
        };
        self.finish(id, fate);
    }

    /// Answers those whom an event of the store is for, which came up at `since`.
    pub fn deliver(&mut self, event: &Event, since: Instant) {
        let mut answers = Answers::default();
        let concerned = self.concerned(event);
        let (count, is_message) = (concerned.len(), matches!(event, Event::Message { .. }));
        for id in concerned {
            self.answer(id, &mut answers, is_message.then_some(since), || match event {
                Event::Message { message, .. } => subscriber::message_answer(message),
                Event::Displaced { .. } => subscriber::conflict(),
                Event::Deleted { .. } => subscriber::gone(),
            });
        }
        if is_message && count > 0 {
            metrics::count(|worker| {
                worker.delivered.add(u64::try_from(count).unwrap_or(u64::MAX));
                worker.latency.observe(since.elapsed());
            });
        }
    }

    /// Closes a connection that waits for its next request.
    pub fn close_idle(&mut self, id: usize) {
        if matches!(self.entries.get(id).map(|entry| &entry.state), Some(State::Idle(_))) {
            self.finish(id, Fate::Leaves);
        }
    }

    /// Closes every parked connection that is not just being answered: waiting subscribers without an answer, as
    /// nginx's workers do.
    pub fn close_all(&mut self) {
        // One whose socket has yet to come would leave its place to somebody else.
        let here = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.stream.is_some() && !matches!(entry.state, State::Writing(_)));
        let ids: Vec<usize> = here.map(|(id, _)| id).collect();
        for id in ids {
            self.finish(id, Fate::Leaves);
        }
    }

    /// When something times out next.
    fn next_deadline(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((deadline, ..))| *deadline)
    }

    /// Waiters of the event's channel that waited before it.
    fn concerned(&self, event: &Event) -> Vec<usize> {
        let mut ids = Vec::new();
        let mut next = self.channels.get(&event.channel()).map(|list| list.first);
        while let Some(id) = next {
            let Some(State::Waiting(waiter)) = self.entries.get(id).map(|entry| &entry.state) else { break };
            if waiter.subscription.ticket() < event.before() {
                ids.push(id);
            }
            next = waiter.next;
        }
        ids
    }

    /// Answers one waiter and goes on with its connection.
    fn answer(
        &mut self,
        id: usize,
        answers: &mut Answers,
        published: Option<Instant>,
        answer: impl Fn() -> Answer,
    ) {
        self.unlink(id);
        let Some(entry) = self.entries.get_mut(id) else { return };
        let State::Waiting(waiter) = std::mem::replace(&mut entry.state, State::Idle(None)) else { return };
        self.waiting -= 1;
        metrics::count(|worker| worker.parked.subtract(1));
        let rendered = answers.rendered(&waiter.responder, answer);
        let core = &waiter.responder.conf.core;
        let (send_timeout, keepalive_timeout) = (core.send_timeout, core.keepalive_timeout);
        if rendered.pace.is_some() {
            let log = waiter.log;
            entry.state = State::Paced(Box::new(Paced {
                rendered,
                log,
                send_timeout,
                keepalive_timeout,
                connection: waiter.responder.conf.connection,
                limits: waiter.limits,
            }));
            entry.deadline = None;
            if entry.stream.is_some() {
                self.finish(id, Fate::Resumes);
            }
            return;
        }
        entry.state = State::Writing(Box::new(Writing {
            parts: [rendered.head.clone(), rendered.in_memory()],
            keep_alive: rendered.keep_alive,
            sent: rendered.sent(),
            head: rendered.head,
            log: waiter.log,
            _limits: waiter.limits,
            keepalive_timeout,
            send_timeout,
            connection: waiter.responder.conf.connection,
            slow: false,
            published,
        }));
        entry.deadline = None;
        if entry.stream.is_some() {
            let fate = self.write(id);
            self.finish(id, fate);
        }
    }

    /// Writes as much as the socket takes.
    fn write(&mut self, id: usize) -> Fate {
        let Some(entry) = self.entries.get_mut(id) else { return Fate::Leaves };
        let (Some(stream), State::Writing(writing)) = (&entry.stream, &mut entry.state) else {
            return Fate::Stays;
        };
        while writing.parts.iter().any(|part| !part.is_empty()) {
            let slices = [IoSlice::new(&writing.parts[0]), IoSlice::new(&writing.parts[1])];
            match (&stream.socket).write_vectored(&slices) {
                Ok(0) => return Fate::Leaves,
                Ok(written) => advance(&mut writing.parts, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let raw = stream.socket.as_raw_fd();
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    let watched = self.registry.reregister(&mut SourceFd(&raw), Token(id), interest);
                    if watched.is_err() {
                        return Fate::Leaves;
                    }
                    if !std::mem::replace(&mut writing.slow, true) {
                        metrics::count(|worker| worker.slow.add(1));
                    }
                    // The client has so long for the next part.
                    let send_timeout = writing.send_timeout;
                    self.set_deadline(id, Some(send_timeout));
                    return Fate::Stays;
                }
                Err(_) => return Fate::Leaves,
            }
        }
        if let Some(published) = writing.published.filter(|_| writing.slow) {
            metrics::count(|worker| worker.latency.observe(published.elapsed()));
        }
        if let Some(log) = &writing.log {
            log.write(&writing.sent, &writing.head);
        }
        let (keep_alive, timeout, conf) = (writing.keep_alive, writing.keepalive_timeout, writing.connection);
        entry.state = State::Idle(None);
        entry.gauge.set(Stage::Waiting);
        if !keep_alive {
            let _ = stream.socket.shutdown(std::net::Shutdown::Write);
            entry.state = State::Closing;
            if conf.lingering_close == Lingering::Off {
                return Fate::Leaves;
            }
            self.set_deadline(id, Some(conf.lingering_timeout));
            return Fate::Stays;
        }
        if !entry.readahead.is_empty() {
            return Fate::Resumes;
        }
        entry.state = State::Idle(Some(self.idle.borrow_mut().park(id)));
        self.set_deadline(id, Some(timeout));
        Fate::Stays
    }

    /// Looks at a socket that epoll reported, perhaps as closed by the client.
    fn ready(&mut self, id: usize, closed: bool) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let fate = match entry.state {
            // Also when so much was read ahead that its end will not be read.
            State::Waiting(_) if closed => Fate::Leaves,
            State::Waiting(_) => read_ahead(entry),
            State::Writing(_) => self.write(id),
            State::Idle(_) | State::Paced(_) => Fate::Resumes,
            State::Closing => drop_input(entry),
        };
        self.finish(id, fate);
    }

    /// Lets go of an entry that does not stay.
    fn finish(&mut self, id: usize, fate: Fate) {
        if matches!(fate, Fate::Stays) || !self.entries.contains(id) {
            return;
        }
        self.unlink(id);
        let entry = self.entries.remove(id);
        if let State::Waiting(waiter) = &entry.state {
            self.waiting -= 1;
            metrics::count(|worker| worker.parked.subtract(1));
            if let (Some(log), false) = (&waiter.log, matches!(fate, Fate::HandedOver)) {
                log.write(&Sent { status: 499, ..Sent::default() }, &[]);
            }
        }
        if let State::Idle(Some(key)) = entry.state {
            self.idle.borrow_mut().forget(key);
        }
        let Some(stream) = entry.stream else { return };
        let raw = stream.socket.as_raw_fd();
        let _ = self.registry.deregister(&mut SourceFd(&raw));
        if matches!(fate, Fate::Resumes)
            && let Ok(stream) = stream.into_stream()
        {
            let readahead = entry.readahead.into();
            let paced = match entry.state {
                State::Paced(paced) => Some(paced),
                _ => None,
            };
            self.resumed.push(Resumed { stream, readahead, origin: entry.origin, paced });
            self.wake.notify_one();
        }
    }

    /// Ends whatever ran out of time.
    fn expire(&mut self, now: Instant) {
        while let Some(&Reverse((deadline, id, serial))) = self.timers.peek() {
            if deadline > now {
                break;
            }
            self.timers.pop();
            let Some(entry) = self.entries.get(id) else { continue };
            if entry.serial != serial || entry.deadline != Some(deadline) {
                continue;
            }
            match entry.state {
                // An event is on its way that ends the wait otherwise.
                State::Waiting(ref waiter) if waiter.subscription.is_released() => {}
                State::Waiting(_) => self.answer(id, &mut Answers::default(), None, subscriber::timed_out),
                State::Writing(ref writing) => {
                    if let Some(stream) = entry.stream.as_ref().filter(|_| writing.connection.reset_timedout)
                    {
                        stream.reset_on_close();
                    }
                    self.finish(id, Fate::Leaves);
                }
                State::Paced(_) | State::Idle(_) | State::Closing => self.finish(id, Fate::Leaves),
            }
        }
    }

    fn set_deadline(&mut self, id: usize, timeout: Option<Duration>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let Some(deadline) = entry.deadline else { return };
        let serial = entry.serial;
        if self.next_deadline().is_none_or(|next| deadline < next) {
            self.wake.notify_one();
        }
        self.timers.push(Reverse((deadline, id, serial)));
        // Most waits end long before their deadline and leave its timer behind.
        if self.timers.len() > 2 * self.entries.len() + BATCH {
            let entries = &self.entries;
            self.timers.retain(|Reverse((deadline, id, serial))| {
                entries
                    .get(*id)
                    .is_some_and(|entry| entry.serial == *serial && entry.deadline == Some(*deadline))
            });
        }
    }

    fn link(&mut self, channel: ChannelId, id: usize) {
        let previous = match self.channels.get_mut(&channel) {
            Some(list) => Some(std::mem::replace(&mut list.last, id)),
            None => {
                self.channels.insert(channel, List { first: id, last: id });
                None
            }
        };
        if let Some(waiter) = previous.and_then(|previous| self.waiter(previous)) {
            waiter.next = Some(id);
        }
        if let Some(waiter) = self.waiter(id) {
            waiter.previous = previous;
        }
    }

    fn unlink(&mut self, id: usize) {
        let Some(waiter) = self.waiter(id) else { return };
        let channel = waiter.subscription.channel();
        let (previous, next) = (waiter.previous.take(), waiter.next.take());
        if let Some(waiter) = previous.and_then(|previous| self.waiter(previous)) {
            waiter.next = next;
        }
        if let Some(waiter) = next.and_then(|next| self.waiter(next)) {
            waiter.previous = previous;
        }
        let Some(list) = self.channels.get_mut(&channel) else { return };
        match (previous, next) {
            (None, None) if list.first == id => {
                self.channels.remove(&channel);
            }
            (None, Some(next)) => list.first = next,
            (Some(previous), None) => list.last = previous,
            _ => {}
        }
    }

    fn waiter(&mut self, id: usize) -> Option<&mut Waiter> {
        match &mut self.entries.get_mut(id)?.state {
            State::Waiting(waiter) => Some(waiter),
            _ => None,
        }
    }
}

/// Watches the parked connections of a worker until it ends; gives those that have a next request to `resume`.
pub async fn run(parking: Rc<RefCell<Parking>>, poll: AsyncFd<mio::Poll>, resume: impl Fn(Resumed)) {
    let mut poll = poll;
    let mut events = Events::with_capacity(BATCH);
    let wake = Rc::clone(&parking.borrow().wake);
    loop {
        let deadline = parking.borrow().next_deadline();
        tokio::select! {
            guard = poll.readable_mut() => {
                let Ok(mut guard) = guard else { return };
                let polled = guard.get_inner_mut().poll(&mut events, Some(Duration::ZERO));
                if polled.is_err() || events.iter().count() < BATCH {
                    guard.clear_ready();
                }
                let mut parking = parking.borrow_mut();
                for event in &events {
                    parking.ready(event.token().0, event.is_read_closed() || event.is_error());
                }
            }
            () = wake.notified() => {}
            () = sleep_until(deadline) => parking.borrow_mut().expire(Instant::now()),
        }
        let resumed = std::mem::take(&mut parking.borrow_mut().resumed);
        resumed.into_iter().for_each(&resume);
        tokio::task::yield_now().await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Reads what a waiting client sends: nothing but the end, or its next requests.
fn read_ahead(entry: &mut Parked) -> Fate {
    let Some(stream) = &entry.stream else { return Fate::Stays };
    let mut buffer = [0; 4096];
    while entry.readahead.len() < MOST_READAHEAD {
        match (&stream.socket).read(&mut buffer) {
            Ok(0) => return Fate::Leaves,
            Ok(length) => entry.readahead.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Stays,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Fate::Leaves,
        }
    }
    Fate::Stays
}

/// Drops what a client sends after its answer.
fn drop_input(entry: &Parked) -> Fate {
    let Some(stream) = &entry.stream else { return Fate::Leaves };
    let mut buffer = [0; 4096];
    loop {
        match (&stream.socket).read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Stays,
            Ok(0) | Err(_) => return Fate::Leaves,
        }
    }
}

/// Drops the first `written` bytes of two stretches.
fn advance(parts: &mut [Bytes; 2], mut written: usize) {
    for part in parts {
        let step = written.min(part.len());
        part.advance(step);
        written -= step;
    }
}

/// Keeps the last rendered answer: subscribers of one location get the same bytes.
#[derive(Default)]
struct Answers {
    last: Option<(Responder, Rendered)>,
}

impl Answers {
    fn rendered(&mut self, responder: &Responder, answer: impl Fn() -> Answer) -> Rendered {
        if let Some((last, rendered)) = &self.last
            && last.same_bytes(responder)
        {
            return rendered.clone();
        }
        let rendered = responder.render(answer());
        self.last = Some((responder.clone(), rendered.clone()));
        rendered
    }
}

impl std::fmt::Debug for Parking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parking")
            .field("entries", &self.entries.len())
            .field("waiting", &self.waiting)
            .finish()
    }
}
