//! The requests of parked connections, from the first one on. Those that were made before, here or on another connection, do
//! not go through the http phase.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::model::LocationConf;
use crate::http::access;
use crate::metrics::{self, Stage};
use crate::push::again::{Entrance, Heads, Known, Repeat, Repeated, Request};
use crate::push::last_poll::LastPoll;
use crate::push::longpoll::LongPoll;
use crate::push::waiting::{Waiting, What};
use crate::request::log_line::PendingLog;
use crate::store::WorkerId;

use super::super::head_room::HeadRoom;
use super::super::origin::Origin;
use super::super::site::Site;
use super::super::stream::IdleStream;
use super::writing::Outgoing;
use super::{Fate, MOST_REPEATED, Parked, Parking, Rest, Resumed, State};

/// What is known of requests that may be made again.
pub(super) struct Shortcut {
    /// Heads of so many bytes and lines fit into the buffers of every server.
    room: (usize, usize),
    /// The generation of the configuration in force.
    site: Arc<Site>,
    worker: WorkerId,
    /// The worker is about to end: what comes next is the last request of its connection, and the http phase writes answers that
    /// close.
    ends: bool,
    heads: Heads,
    known: Known,
    /// Of this worker's answers to polls.
    last_poll: LastPoll,
}

/// What bytes of a client are.
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Found {
    /// A request that was made again, and its log lines.
    Made(Repeated, Option<Box<PendingLog>>),
    /// The beginning of one that may be.
    Begun(Repeat),
}

/// A request of which the head is known, and something of the body is missing.
pub(super) struct Begun {
    repeat: Repeat,
    pub(super) since: Instant,
}

/// How long the rest of a request may take. Then it is for the http phase, as it is when its connection ends.
const PATIENCE: Duration = Duration::from_millis(200);

impl Shortcut {
    pub(super) fn new(site: Arc<Site>, worker: WorkerId) -> Self {
        let servers = site.config.servers.iter();
        let room = servers.map(|server| (HeadRoom::at_least(server), server.max_headers));
        let least = |(bytes, lines): (usize, usize), (other, others)| (bytes.min(other), lines.min(others));
        let room = room.reduce(least).unwrap_or_default();
        let (heads, known, last_poll) = Default::default();
        Self { room, site, worker, ends: false, heads, known, last_poll }
    }

    /// Another generation of the configuration is in force.
    pub(super) fn reload(&mut self, site: Arc<Site>) {
        let (ends, worker) = (self.ends, self.worker);
        *self = Self { ends, ..Self::new(site, worker) };
    }

    /// The worker is about to end.
    pub(super) fn end(&mut self) {
        self.ends = true;
    }

    pub(super) fn last_poll(&mut self) -> &mut LastPoll {
        &mut self.last_poll
    }

    /// Remembers a poll that waits, if anybody may make it.
    pub(super) fn learn_poll(&mut self, origin: &Origin, poll: &mut LongPoll, log: Option<&PendingLog>) {
        if Arc::ptr_eq(&origin.site, &self.site) {
            self.known.learn_poll(entrance(origin), poll, log.and_then(PendingLog::again));
        }
    }

    fn learn(&mut self, origin: &Origin, repeat: &Repeat) {
        if Arc::ptr_eq(&origin.site, &self.site) {
            self.known.learn(entrance(origin), repeat);
        }
    }

    /// Whether the settings let the request be made again on this connection, and it will not be the last one.
    fn may_repeat(&self, origin: &Origin, conf: &LocationConf, now: Instant) -> bool {
        !self.ends
            && Arc::ptr_eq(&origin.site, &self.site)
            && origin.requests + 1 < conf.core.keepalive_requests
            && origin
                .connection
                .accepted
                .checked_add(conf.connection.keepalive_time)
                .is_none_or(|end| now < end)
    }

    /// Makes the request that these bytes are, all of it and nothing else: the connection's last one again, or one that is known.
    /// `None`, with nothing done, where they are something else. `since` is when the request began, if that was not now.
    fn make(
        &mut self,
        origin: &Origin,
        last: Option<Repeat>,
        bytes: &[u8],
        now: Instant,
        since: Option<Instant>,
    ) -> Option<Found> {
        if bytes.len() >= MOST_REPEATED {
            // There may be more, of which epoll does not tell again.
            return None;
        }
        let request = self.heads.read(bytes).filter(|request| self.has_room(request))?;
        let missing = request.missing()?;
        let repeat = match last.filter(|last| last.fits(&request)) {
            Some(last) => last,
            None => self.find(origin, &request, now)?.clone(),
        };
        if missing > 0 {
            let fits = bytes.len().checked_add(missing).is_some_and(|length| length < MOST_REPEATED);
            return fits.then_some(Found::Begun(repeat));
        }
        let log = repeat.log(&origin.connection, origin.requests + 1, &request, since);
        Some(Found::Made(repeat.make(&request, &self.site.store, self.worker, &mut self.last_poll)?, log))
    }

    fn has_room(&self, request: &Request<'_>) -> bool {
        let ((bytes, lines), (most_bytes, most_lines)) = (request.size_of_head(), self.room);
        bytes <= most_bytes && lines <= most_lines
    }

    /// The request as it is known from other connections, if it may be made on this one.
    fn find(&self, origin: &Origin, request: &Request<'_>, now: Instant) -> Option<&Repeat> {
        let known = self.known.find(&entrance(origin), request)?;
        let (conf, connection) = (known.conf(), &origin.connection);
        let may = self.may_repeat(origin, conf, now)
            && connection.proxied.is_none()
            && !connection.debug
            && !access::turns_away(&conf.access, &connection.remote);
        may.then_some(known)
    }
}

fn entrance(origin: &Origin) -> Entrance {
    Entrance::new(origin.listen, &origin.connection)
}

impl Parking {
    /// Remembers a request that was answered, if anybody may make it.
    pub fn learn(&mut self, origin: &Origin, repeat: &Repeat) {
        self.shortcut.learn(origin, repeat);
    }

    /// Takes a connection that was just accepted, and waits for its first request. Where that is here already and is not
    /// known, the connection is for the http phase.
    pub fn greet(&mut self, stream: IdleStream, origin: Origin) -> Option<Resumed> {
        self.now = origin.connection.accepted;
        let bytes = match read(&stream, &mut self.buffer) {
            Ok(length @ 1..) => &self.buffer[..length],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let patience = origin.default_server().client_header_timeout;
                self.rest(stream, origin, Some(patience), None);
                return None;
            }
            // It is closed again.
            Ok(0) | Err(_) => return None,
        };
        let Some(found) = self.shortcut.make(&origin, None, bytes, self.now, None) else {
            return Some(Resumed::new(stream.into(), bytes.to_vec().into(), origin));
        };
        let readahead = match found {
            Found::Begun(_) => bytes.to_vec(),
            Found::Made(..) => Vec::new(),
        };
        self.serial += 1;
        let id = self.entries.insert(Parked::new(origin, State::Idle(Rest::default()), self.serial));
        self.adopt(id, stream, &readahead);
        let fate = self.go_on_with(id, found, None);
        self.finish(id, fate);
        None
    }

    /// Takes a connection that is between two requests, for so long; perhaps its last request comes again.
    pub fn rest(
        &mut self,
        stream: IdleStream,
        origin: Origin,
        left: Option<Duration>,
        repeat: Option<Repeat>,
    ) {
        if let Some(repeat) = &repeat {
            self.learn(&origin, repeat);
        }
        self.serial += 1;
        let id = self.entries.insert(Parked::new(origin, State::Idle(Rest::default()), self.serial));
        self.adopt(id, stream, &[]);
        if let Some(entry) = self.entries.get_mut(id) {
            let after = repeat.as_ref().map(|repeat| repeat.conf().connection.keepalive_min_timeout);
            let seat = Some(self.idle.borrow_mut().park(id, self.now, after.unwrap_or_default()));
            entry.state = State::Idle(Rest { seat, repeat });
            entry.gauge.set(Stage::Waiting);
            self.set_deadline(id, left);
        }
    }

    /// Takes the next request of a connection, or the rest of one that has begun. One that is known is answered here, or waits;
    /// any other is for the http phase.
    pub(super) fn next_request(&mut self, id: usize) -> Fate {
        let Some(entry) = self.entries.get_mut(id) else { return Fate::Leaves };
        let length = match entry.read_on(&mut self.buffer) {
            Ok(length) => length,
            Err(fate) => return fate,
        };
        let bytes = &self.buffer[..length];
        let (last, since) = entry.state.last_request();
        let may_repeat = |last: &Repeat| self.shortcut.may_repeat(&entry.origin, last.conf(), self.now);
        let last = last.filter(may_repeat);
        let is_another = last.is_some();
        let found = self.shortcut.make(&entry.origin, last, bytes, self.now, since);
        // The http phase has what was read of any other.
        entry.readahead = match found {
            Some(Found::Made(..)) => Vec::new(),
            Some(Found::Begun(_)) | None => bytes.to_vec(),
        };
        let Some(found) = found else {
            entry.origin.misses = entry.origin.misses.saturating_add(u8::from(is_another));
            return Fate::Resumes;
        };
        if let State::Idle(Rest { seat, .. }) = &mut entry.state
            && let Some(seat) = seat.take()
        {
            self.idle.borrow_mut().forget(seat);
        }
        self.go_on_with(id, found, since)
    }

    /// Answers a request that was made again, has it wait, or waits for the rest of it.
    fn go_on_with(&mut self, id: usize, found: Found, since: Option<Instant>) -> Fate {
        let Some(entry) = self.entries.get_mut(id) else { return Fate::Leaves };
        entry.gauge.set(Stage::Writing);
        let (repeated, log) = match found {
            Found::Made(repeated, log) => (repeated, log),
            Found::Begun(repeat) => {
                let patience = repeat.conf().core.client_body_timeout.min(PATIENCE);
                let since = since.unwrap_or(self.now);
                entry.state = State::Begun(Box::new(Begun { repeat, since }));
                self.set_deadline_at(id, since.checked_add(patience));
                return Fate::Stays;
            }
        };
        entry.origin.requests += 1;
        metrics::count(|worker| {
            worker.requests.add(1);
            worker.repeated.add(1);
        });
        match repeated {
            Repeated::Waits(what, timeout) => {
                let is_stream = matches!(what, What::Stream(_));
                let serial = entry.serial;
                let state = self.subscribe(id, serial, Waiting { what, log, limits: None, timeout });
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.state = state;
                }
                if is_stream {
                    self.stream_begins(id);
                } else {
                    self.set_deadline_at(id, timeout.and_then(|timeout| self.now.checked_add(timeout)));
                }
                Fate::Stays
            }
            Repeated::Answer(rendered, repeat) => {
                entry.deadline = None;
                match &repeat {
                    Repeat::Poll(_) if rendered.status == 304 => {}
                    Repeat::Poll(_) => metrics::count(|worker| worker.delivered.add(1)),
                    // Those who wait are served before the one who published, as in nginx.
                    Repeat::Publish(_) => drop(self.hear()),
                    Repeat::Stream(_) => {}
                }
                let conf = Arc::clone(repeat.conf());
                let repeat = Some(repeat);
                self.send(id, Outgoing { rendered, conf, log, limits: None, published: None, repeat })
            }
        }
    }
}

impl Parked {
    /// Reads what its client sends, behind what is here of a request already. How much that is in all, or what becomes of the
    /// connection.
    fn read_on(&self, buffer: &mut [u8]) -> Result<usize, Fate> {
        let had = self.readahead.len();
        let (Some(stream), Some((begun, room))) = (&self.stream, buffer.split_at_mut_checked(had)) else {
            return Err(Fate::Resumes);
        };
        begun.copy_from_slice(&self.readahead);
        match read(stream, room) {
            Ok(0) => Err(self.ended()),
            Ok(length) => Ok(had + length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Fate::Stays),
            Err(_) => Err(Fate::Leaves),
        }
    }
}

impl State {
    /// The request that may be made again, and when it began if it has.
    fn last_request(&mut self) -> (Option<Repeat>, Option<Instant>) {
        match self {
            Self::Idle(rest) => (rest.repeat.take(), None),
            Self::Begun(begun) => (Some(begun.repeat.clone()), Some(begun.since)),
            _ => (None, None),
        }
    }
}

fn read(stream: &IdleStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match (&stream.socket).read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
