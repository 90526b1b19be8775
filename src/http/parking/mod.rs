//! Parked connections: those that wait for a message, and those that wait for their first request or the next one.
//!
//! A parked connection is a socket and a few words; hyper, axum and the request are gone. All of a worker's parked
//! sockets are watched by one epoll instance of its own, so that a waiting subscriber costs neither a task nor a
//! registration with tokio, and a delivery is one `send` of bytes that all subscribers share.

mod blocks;
mod delivery;
pub mod handover;
mod lists;
mod output;
mod reading;
mod requests;
mod streaming;
mod timers;
mod writing;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc};

use crate::config::model::{ConnectionConf, Lingering};
use crate::metrics::{self, Stage, StageGauge};
use crate::push::again::Repeat;
use crate::push::benchmark::Seats;
use crate::push::longpoll::{LastAnswer, LongPoll};
use crate::push::transport::Ending;
use crate::push::waiting::{Waiting, What};
use crate::request::answer::Rendered;
use crate::request::evaluation::AnswerSoFar;
use crate::request::limits::Limits;
use crate::request::log_line::PendingLog;
use crate::store::{Event, WorkerId};

use super::origin::Origin;
use super::reuse::{self, Idle};
use super::site::Site;
use super::stream::{IdleStream, Stream};

use self::blocks::Blocks;
use self::lists::{Lists, Places};
use self::reading::{Heard, drop_input, listen, read_ahead};
use self::requests::{Begun, Shortcut};
use self::streaming::{Next, Streaming};
use self::timers::{Timer, Timers};
use self::writing::{Outgoing, Writing, advance};

/// Requests of that many bytes and more are not looked at here.
const MOST_REPEATED: usize = 16 * 1024;

/// Most connections looked at before other work of the worker gets its turn.
const BATCH: usize = 1024;

/// A connection that leaves parking for the http phase.
pub struct Resumed {
    /// Its socket.
    pub stream: Stream,
    /// Bytes of the next request that were read already.
    pub readahead: Bytes,
    /// They came before the last request was answered.
    pub pipelined: bool,
    /// When that request began, if it was waited for here.
    pub since: Option<Instant>,
    /// The connection.
    pub origin: Origin,
    /// An answer that is still to be sent: slowly, which is nothing for the parking.
    pub paced: Option<Box<Paced>>,
}

impl Resumed {
    /// One of which so much was read already.
    pub fn new(stream: Stream, readahead: Bytes, origin: Origin) -> Self {
        Self { stream, readahead, pipelined: false, since: None, origin, paced: None }
    }
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
    entries: Blocks<Parked>,
    lists: Lists,
    timers: Timers,
    serial: u64,
    waiting: usize,
    resumed: Vec<Resumed>,
    /// For requests that need not go through the http phase.
    shortcut: Shortcut,
    /// What is read of them.
    buffer: Box<[u8]>,
    /// Those that are idle, among others of the worker.
    idle: Rc<RefCell<Idle>>,
    /// Told when an earlier deadline came up or a connection was resumed.
    wake: Rc<Notify>,
    /// Rung for WebSockets (place and serial number) whose clients are to hear of messages that others were shown.
    bells: mpsc::UnboundedSender<(usize, u64)>,
    rung: Option<mpsc::UnboundedReceiver<(usize, u64)>>,
    /// When this turn of the event loop began: what comes next in it need not ask the clock.
    now: Instant,
    /// What happens to channels that somebody here waits in.
    occurrences: mpsc::UnboundedReceiver<Occurrence>,
    /// Subscribers of benchmarks, who have no connections.
    seats: Rc<Seats>,
}

/// Something that happened to a channel, and when.
pub type Occurrence = (Event, Instant);

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
    /// For one message.
    Waiting(Waiter),
    /// For all messages.
    Streaming(Box<Streaming>),
    Writing(Box<Writing>),
    /// Leaves to be answered slowly, once its socket is here.
    Paced(Box<Paced>),
    /// For its first request, or its next one.
    Idle(Rest),
    /// For the rest of a request.
    Begun(Box<Begun>),
    /// Our side is closed. What the client still sends is read and dropped: a socket closed with unread bytes is reset,
    /// and the reset may overtake the answer.
    Closing,
}

/// Between two requests.
#[derive(Default)]
struct Rest {
    /// Its seat among those that may be closed to make room.
    seat: Option<reuse::Key>,
    /// Its last request, if that may come again.
    repeat: Option<Repeat>,
}

struct Waiter {
    poll: Box<LongPoll>,
    log: Option<Box<PendingLog>>,
    limits: Option<Arc<Limits>>,
    places: Places,
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
    /// An empty car park, and the epoll instance that watches it. It is told what happens in the store.
    ///
    /// # Errors
    /// When the system gives no epoll instance.
    pub fn new(
        worker: WorkerId,
        site: Arc<Site>,
        idle: Rc<RefCell<Idle>>,
        occurrences: mpsc::UnboundedReceiver<Occurrence>,
    ) -> io::Result<(Rc<RefCell<Self>>, mio::Poll)> {
        let poll = mio::Poll::new()?;
        let (bells, rung) = mpsc::unbounded_channel();
        let parking = Self {
            registry: poll.registry().try_clone()?,
            entries: Blocks::default(),
            lists: Lists::default(),
            timers: Timers::default(),
            serial: 0,
            waiting: 0,
            resumed: Vec::new(),
            shortcut: Shortcut::new(site, worker),
            buffer: vec![0; MOST_REPEATED].into(),
            idle,
            wake: Rc::default(),
            bells,
            rung: Some(rung),
            now: Instant::now(),
            occurrences,
            seats: Rc::default(),
        };
        Ok((Rc::new(RefCell::new(parking)), poll))
    }

    /// Another generation of the configuration is in force.
    pub fn reload(&mut self, site: Arc<Site>) {
        self.shortcut.reload(site);
    }

    /// Subscribers of benchmarks in this worker.
    pub fn seats(&self) -> &Rc<Seats> {
        &self.seats
    }

    /// How many subscribers wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a subscriber whose socket follows with [`Parking::adopt`]; until then an event is only noted.
    pub fn expect(&mut self, mut waiting: Waiting, origin: Origin) -> usize {
        self.serial += 1;
        let (serial, timeout) = (self.serial, waiting.timeout);
        let id = self.entries.vacant();
        if let What::Message(poll) = &mut waiting.what {
            self.shortcut.learn_poll(&origin, poll, waiting.log.as_deref());
        }
        let state = self.subscribe(id, serial, waiting);
        let is_stream = matches!(state, State::Streaming(_));
        self.entries.insert(Parked::new(origin, state, serial));
        if is_stream {
            self.follow(id, Next::Waits);
        } else {
            self.set_deadline(id, timeout);
        }
        id
    }

    /// Puts a subscriber into the lists of its channels: the state of its entry from now on.
    fn subscribe(&mut self, id: usize, serial: u64, waiting: Waiting) -> State {
        let Waiting { what, log, limits, timeout } = waiting;
        self.waiting += 1;
        metrics::count(|worker| worker.parked.add(1));
        match what {
            What::Message(poll) => {
                let places = self.lists.enter(poll.channels(), id);
                State::Waiting(Waiter { poll, log, limits, places })
            }
            What::Stream(stream) => {
                let mut streaming = Streaming::new(*stream, log, limits, timeout);
                streaming.places = self.lists.enter(streaming.feed.sources.ids(), id);
                let bells = &self.bells;
                streaming.call_back(|| {
                    let bells = bells.clone();
                    Box::new(move || {
                        // Nobody listens any more when the worker is at its end.
                        let _ = bells.send((id, serial));
                    })
                });
                State::Streaming(Box::new(streaming))
            }
        }
    }

    /// Forgets a subscriber whose socket never came.
    pub fn abandon(&mut self, id: usize) {
        self.finish(id, Fate::Leaves);
    }

    /// Takes the socket of an expected subscriber and watches it.
    pub fn adopt(&mut self, id: usize, stream: IdleStream, readahead: &[u8]) {
        self.now = Instant::now();
        let Some(entry) = self.entries.get_mut(id) else { return };
        let raw = stream.socket.as_raw_fd();
        entry.readahead.extend_from_slice(readahead);
        entry.stream = Some(stream);
        entry.gauge.set(Stage::Writing);
        let token = token(id, entry.serial);
        let registered = self.registry.register(&mut SourceFd(&raw), token, Interest::READABLE);
        match &entry.state {
            _ if registered.is_err() => self.finish(id, Fate::Leaves),
            State::Writing(_) => {
                let fate = self.write(id);
                self.finish(id, fate);
            }
            State::Streaming(_) => self.stream_begins(id),
            State::Paced(_) => self.finish(id, Fate::Resumes),
            State::Waiting(_) | State::Idle(_) | State::Begun(_) | State::Closing => {}
        }
    }

    /// A stream has its socket: what came behind its request is its client's first word.
    fn stream_begins(&mut self, id: usize) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let State::Streaming(streaming) = &mut entry.state else { return };
        if let (Some(stream), true) = (&mut entry.stream, streaming.feed.format.conf.connection.tcp_nodelay) {
            stream.send_at_once();
        }
        streaming.receive(&std::mem::take(&mut entry.readahead));
        let next = streaming.write(entry.stream.as_ref());
        self.follow(id, next);
    }

    /// A message of a WebSocket's client was shown to another location: there may be something to be said, and room.
    fn hear_back(&mut self, id: usize, serial: u64) {
        let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.serial == serial) else { return };
        let State::Streaming(streaming) = &mut entry.state else { return };
        streaming.hear_back();
        let next = streaming.write(entry.stream.as_ref());
        self.follow(id, next);
        self.ask_again(id);
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
        self.shortcut.end();
        // One whose socket has yet to come would leave its place to somebody else.
        let now = Instant::now();
        let stays = |entry: &Parked| match &entry.state {
            State::Writing(_) => true,
            // As in nginx, who has just come may yet say something.
            State::Idle(_) if entry.origin.awaits_first().is_some() => true,
            State::Idle(Rest { seat: Some(seat), .. }) => !seat.is_due(now),
            _ => false,
        };
        let here = self.entries.iter().filter(|(_, entry)| entry.stream.is_some() && !stays(entry));
        let ids: Vec<usize> = here.map(|(id, _)| id).collect();
        for id in ids {
            self.say_goodbye(id);
        }
    }

    fn say_goodbye(&mut self, id: usize) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        match &mut entry.state {
            State::Streaming(streaming) => {
                streaming.end(Ending::Gone);
                let next = streaming.write(entry.stream.as_ref());
                self.follow(id, next);
            }
            State::Closing => {}
            _ => {
                let fate = entry.ended();
                self.finish(id, fate);
            }
        }
    }

    /// Takes a subscriber out of its channels' lists.
    fn leave_channels(&mut self, id: usize) {
        let Some(entry) = self.entries.get(id) else { return };
        match &entry.state {
            State::Waiting(waiter) => self.lists.leave(waiter.poll.channels(), &waiter.places),
            State::Streaming(streaming) => {
                self.lists.leave(streaming.feed.sources.ids(), &streaming.places);
            }
            State::Writing(_) | State::Paced(_) | State::Idle(_) | State::Begun(_) | State::Closing => return,
        }
        self.waiting -= 1;
        metrics::count(|worker| worker.parked.subtract(1));
    }

    /// Sends an answer. What its socket, which may not be here yet, does not take at once waits.
    fn send(&mut self, id: usize, outgoing: Outgoing) -> Fate {
        let Some(entry) = self.entries.get_mut(id) else { return Fate::Leaves };
        let mut written = 0;
        if let Some(stream) = &mut entry.stream {
            if outgoing.conf.connection.tcp_nodelay {
                stream.send_at_once();
            }
            if let Some(whole) = outgoing.rendered.whole() {
                // Where that fails it is tried once more below.
                written = (&stream.socket).write(whole).unwrap_or(0);
            }
        }
        if outgoing.rendered.whole().is_some_and(|whole| written == whole.len()) {
            let Outgoing { rendered, conf, log, repeat, .. } = outgoing;
            if let Some(log) = log {
                log.write(&rendered.so_far(rendered.sent()));
            }
            return self.go_on(id, rendered.keep_alive, conf.core.keepalive_timeout, conf.connection, repeat);
        }
        entry.state = State::Writing(Box::new(outgoing.into_writing(written)));
        self.write(id)
    }

    /// Writes as much as the socket takes.
    fn write(&mut self, id: usize) -> Fate {
        let Some(entry) = self.entries.get_mut(id) else { return Fate::Leaves };
        let (Some(stream), State::Writing(writing)) = (&mut entry.stream, &mut entry.state) else {
            return Fate::Stays;
        };
        if writing.connection.tcp_nodelay {
            stream.send_at_once();
        }
        let mut progressed = false;
        while writing.parts.iter().any(|part| !part.is_empty()) {
            let [first, second] = &writing.parts;
            let mut socket = &stream.socket;
            let written = if second.is_empty() {
                socket.write(first)
            } else {
                socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
            };
            match written {
                Ok(0) => return Fate::Leaves,
                Ok(written) => {
                    advance(&mut writing.parts, written);
                    progressed = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let is_first = !std::mem::replace(&mut writing.slow, true);
                    if is_first {
                        // Once: each time tells again of what the client sends meanwhile.
                        if watch_both_ways(&self.registry, token(id, entry.serial), stream).is_err() {
                            return Fate::Leaves;
                        }
                        metrics::count(|worker| worker.slow.add(1));
                    }
                    // The client has so long for the next part.
                    let send_timeout = writing.send_timeout;
                    if is_first || progressed {
                        self.set_deadline(id, Some(send_timeout));
                    }
                    return Fate::Stays;
                }
                Err(_) => return Fate::Leaves,
            }
        }
        if let Some(published) = writing.published.filter(|_| writing.slow) {
            metrics::count(|worker| worker.latency.observe(published.elapsed()));
        }
        if let Some(log) = &writing.log {
            let Writing { sent, head, last_chunk, .. } = &**writing;
            log.write(&AnswerSoFar { sent: *sent, head, last_chunk });
        }
        let (keep_alive, timeout, conf) = (writing.keep_alive, writing.keepalive_timeout, writing.connection);
        let repeat = writing.repeat.take();
        let was_slow = writing.slow;
        let fate = self.go_on(id, keep_alive, timeout, conf, repeat);
        if was_slow && matches!(fate, Fate::Stays) {
            // What the client sent meanwhile was told, and not heeded.
            self.ask_again(id);
        }
        fate
    }

    /// Goes on with a connection whose answer is written.
    fn go_on(
        &mut self,
        id: usize,
        keep_alive: bool,
        timeout: Duration,
        conf: ConnectionConf,
        repeat: Option<Repeat>,
    ) -> Fate {
        let Some(entry) = self.entries.get_mut(id) else { return Fate::Leaves };
        entry.gauge.set(Stage::Waiting);
        if !keep_alive || !entry.readahead.is_empty() {
            entry.state = State::Idle(Rest::default());
            return if keep_alive { Fate::Resumes } else { self.close(id, conf) };
        }
        let seat = Some(self.idle.borrow_mut().park(id, self.now, conf.keepalive_min_timeout));
        entry.state = State::Idle(Rest { seat, repeat });
        self.set_deadline_at(id, self.now.checked_add(timeout));
        Fate::Stays
    }

    /// Closes our side, once all is said.
    fn close(&mut self, id: usize, conf: ConnectionConf) -> Fate {
        let Some(entry) = self.entries.get_mut(id) else { return Fate::Leaves };
        if let Some(stream) = &entry.stream {
            let _ = stream.socket.shutdown(std::net::Shutdown::Write);
        }
        entry.state = State::Closing;
        if conf.lingering_close == Lingering::Off {
            return Fate::Leaves;
        }
        self.set_deadline(id, Some(conf.lingering_timeout));
        Fate::Stays
    }

    /// Looks at a socket that epoll reported, perhaps as closed by the client.
    fn ready(&mut self, reported: Token, closed: bool) {
        let id = place(reported);
        let Some(entry) = self.entries.get_mut(id) else { return };
        if reported != token(id, entry.serial) {
            return;
        }
        let fate = match &mut entry.state {
            // Also when so much was read ahead that its end will not be read.
            State::Waiting(_) if closed => Fate::Leaves,
            State::Waiting(_) => read_ahead(entry),
            State::Streaming(streaming) => {
                let heard = listen(streaming, entry.stream.as_ref());
                let ended = heard == Heard::End;
                let next = if ended { Next::Gone } else { streaming.write(entry.stream.as_ref()) };
                self.follow(id, next);
                if heard == Heard::More {
                    self.ask_again(id);
                }
                return;
            }
            State::Writing(_) => self.write(id),
            State::Idle(_) | State::Begun(_) => match self.next_request(id) {
                // Its end came with its request, and no other event tells of it. What is not yet sent of an answer is.
                Fate::Stays if closed && !self.is_writing(id) => {
                    self.entries.get(id).map_or(Fate::Leaves, Parked::ended)
                }
                fate => fate,
            },
            State::Paced(_) => Fate::Resumes,
            State::Closing => drop_input(entry),
        };
        self.finish(id, fate);
    }

    fn is_writing(&self, id: usize) -> bool {
        self.entries.get(id).is_some_and(|entry| matches!(entry.state, State::Writing(_)))
    }

    /// Has epoll report again what it reported already: it tells of news only.
    fn ask_again(&mut self, id: usize) {
        let Some(entry) = self.entries.get(id) else { return };
        let Some(stream) = &entry.stream else { return };
        if watch_both_ways(&self.registry, token(id, entry.serial), stream).is_err() {
            self.finish(id, Fate::Leaves);
        }
    }

    /// Lets go of an entry that does not stay.
    fn finish(&mut self, id: usize, fate: Fate) {
        if matches!(fate, Fate::Stays) || !self.entries.contains(id) {
            return;
        }
        self.leave_channels(id);
        let Some(entry) = self.entries.remove(id) else { return };
        match &entry.state {
            State::Waiting(Waiter { log: Some(log), .. }) if !matches!(fate, Fate::HandedOver) => {
                log.write(&AnswerSoFar::of_status(499));
            }
            State::Writing(writing) => writing.log_broken_off(),
            _ => {}
        }
        // Who has no seat did not rest: the next request was there already.
        let pipelined = !matches!(entry.state, State::Idle(Rest { seat: Some(_), .. }) | State::Begun(_));
        if let State::Idle(Rest { seat: Some(seat), .. }) = entry.state {
            self.idle.borrow_mut().forget(seat);
        }
        let Some(stream) = entry.stream else { return };
        if !matches!(fate, Fate::Leaves) {
            // Closed, a socket is watched no longer; this one stays open, here or in another process.
            let raw = stream.socket.as_raw_fd();
            let _ = self.registry.deregister(&mut SourceFd(&raw));
        }
        if matches!(fate, Fate::Resumes) {
            let stream = stream.into();
            let readahead = entry.readahead.into();
            let (paced, since) = match entry.state {
                State::Paced(paced) => (Some(paced), None),
                State::Begun(begun) => (None, Some(begun.since)),
                _ => (None, None),
            };
            let next = Resumed::new(stream, readahead, entry.origin);
            self.give_back(Resumed { pipelined, since, paced, ..next });
        }
    }

    /// Gives a connection to the http phase.
    fn give_back(&mut self, resumed: Resumed) {
        self.resumed.push(resumed);
        self.wake.notify_one();
    }

    /// Does what is due.
    fn expire(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.pop(now) {
            let Some(entry) = self.entries.get_mut(timer.entry) else { continue };
            if !entry.is_current(&timer) {
                continue;
            }
            let id = timer.entry;
            entry.deadline = None;
            match &mut entry.state {
                // An event is on its way that ends the wait otherwise.
                State::Waiting(waiter) if waiter.poll.is_released() => {}
                State::Waiting(_) => self.answer(id, &mut LastAnswer::default(), None),
                State::Streaming(streaming) => {
                    let next = streaming.tick(now, entry.stream.as_ref());
                    self.follow(id, next);
                }
                State::Writing(writing) => {
                    if let Some(stream) = entry.stream.as_ref().filter(|_| writing.connection.reset_timedout)
                    {
                        stream.reset_on_close();
                    }
                    self.finish(id, Fate::Leaves);
                }
                State::Paced(_) | State::Idle(_) | State::Begun(_) | State::Closing => {
                    let fate = entry.ended();
                    self.finish(id, fate);
                }
            }
        }
    }

    fn set_deadline(&mut self, id: usize, timeout: Option<Duration>) {
        self.set_deadline_at(id, timeout.and_then(|timeout| Instant::now().checked_add(timeout)));
    }

    fn set_deadline_at(&mut self, id: usize, deadline: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.deadline = deadline;
        let Some(deadline) = deadline else { return };
        let timer = Timer { deadline, entry: id, serial: entry.serial };
        if self.timers.next().is_none_or(|next| deadline < next) {
            self.wake.notify_one();
        }
        let entries = &self.entries;
        let current = |timer: &Timer| entries.get(timer.entry).is_some_and(|entry| entry.is_current(timer));
        self.timers.push(timer, entries.len(), current);
    }
}

impl Parked {
    /// One whose socket is still to come.
    fn new(origin: Origin, state: State, serial: u64) -> Self {
        let (readahead, gauge) = (Vec::new(), StageGauge::default());
        Self { stream: None, origin, state, readahead, serial, deadline: None, gauge }
    }

    /// What becomes of a connection whose client has ended it, or whose time is over. Where a request has begun, the http phase
    /// has words for that.
    fn ended(&self) -> Fate {
        if matches!(self.state, State::Begun(_)) { Fate::Resumes } else { Fate::Leaves }
    }

    /// Whether a timer is the one in force.
    fn is_current(&self, timer: &Timer) -> bool {
        self.serial == timer.serial && self.deadline == Some(timer.deadline)
    }
}

/// Watches a socket that is watched already for room, too. What was reported of it is reported again.
fn watch_both_ways(registry: &mio::Registry, token: Token, stream: &IdleStream) -> io::Result<()> {
    let raw = stream.socket.as_raw_fd();
    registry.reregister(&mut SourceFd(&raw), token, Interest::READABLE | Interest::WRITABLE)
}

/// What epoll calls an entry: its place, and above that the number of its life. A closed socket of an earlier life is still
/// reported while another process has it, too, as during an upgrade.
fn token(id: usize, serial: u64) -> Token {
    Token(id | (serial as usize) << (usize::BITS / 2))
}

/// The place in a token.
fn place(token: Token) -> usize {
    token.0 & (usize::MAX >> (usize::BITS / 2))
}

/// Watches the parked connections of a worker until it ends; gives those that have a next request to `resume`.
pub async fn run(parking: Rc<RefCell<Parking>>, poll: AsyncFd<mio::Poll>, resume: impl Fn(Resumed)) {
    let mut poll = poll;
    let mut events = Events::with_capacity(BATCH);
    let wake = Rc::clone(&parking.borrow().wake);
    let Some(mut rung) = parking.borrow_mut().rung.take() else { return };
    loop {
        let deadline = parking.borrow().timers.next();
        let mut has_more = false;
        tokio::select! {
            guard = poll.readable_mut() => {
                let Ok(mut guard) = guard else { return };
                let polled = guard.get_inner_mut().poll(&mut events, Some(Duration::ZERO));
                has_more = polled.is_ok() && events.iter().count() == BATCH;
                if !has_more {
                    guard.clear_ready();
                }
                let mut parking = parking.borrow_mut();
                parking.now = Instant::now();
                for event in &events {
                    parking.ready(event.token(), event.is_read_closed() || event.is_error());
                }
            }
            () = wake.notified() => {}
            Some((event, since)) = next_occurrence(&parking) => {
                let mut parking = parking.borrow_mut();
                parking.now = Instant::now();
                parking.deliver(&event, since);
                has_more = parking.hear();
            }
            Some((id, serial)) = rung.recv() => parking.borrow_mut().hear_back(id, serial),
            () = sleep_until(deadline) => parking.borrow_mut().expire(Instant::now()),
        }
        let resumed = std::mem::take(&mut parking.borrow_mut().resumed);
        resumed.into_iter().for_each(&resume);
        if has_more {
            tokio::task::yield_now().await;
        }
    }
}

async fn next_occurrence(parking: &RefCell<Parking>) -> Option<Occurrence> {
    poll_fn(|cx| parking.borrow_mut().occurrences.poll_recv(cx)).await
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
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

#[cfg(test)]
mod tests {
    use crate::push::socket::SocketSide;
    use crate::request::Connection;

    use super::*;

    /// Each byte is one per subscriber: whoever needs more changes this, and docs/performance.md. A box is better for what few
    /// have.
    #[test]
    fn a_subscriber_that_waits_takes_no_more_than_this() {
        let sizes = [
            ("Parked", size_of::<Parked>(), 160),
            ("LongPoll", size_of::<LongPoll>(), 128),
            ("Streaming", size_of::<Streaming>(), 256),
            ("SocketSide", size_of::<SocketSide>(), 80),
            ("Connection", size_of::<Connection>(), 112),
            ("Timer", size_of::<Timer>(), 32),
        ];
        for (name, size, most) in sizes {
            assert!(size <= most, "{name}: {size} bytes, {most} at most");
        }
    }
}
