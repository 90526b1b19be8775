//! Connections that wait for their next request, longest first: those that are closed when a worker has as many
//! connections as it may, to make room for new ones.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::config::model::Severity;
use crate::log;
use crate::metrics;

/// Most connections closed at once, as in nginx.
const AT_ONCE: usize = 32;

/// Connections that may be closed to make room.
#[derive(Debug, Default)]
pub struct Idle {
    /// At once, longest idle first.
    now: Queue,
    /// When their time has come (`keepalive_min_timeout`).
    later: BTreeMap<(Instant, u64), Seat>,
    serial: u64,
    told: Option<Instant>,
}

/// The place of a connection among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Its link, which may be another's by now, and a number that tells them apart.
    Now(usize, u64),
    Later(Instant, u64),
}

impl Key {
    /// Whether the connection may be closed by now.
    pub fn is_due(self, now: Instant) -> bool {
        match self.0 {
            Place::Now(..) => true,
            Place::Later(from, _) => from <= now,
        }
    }
}

/// Seats in the order they were taken, each with the time. A list: most are given up from its middle.
#[derive(Debug)]
struct Queue {
    links: Slab<Link>,
    first: usize,
    last: usize,
}

#[derive(Debug)]
struct Link {
    serial: u64,
    since: Instant,
    seat: Seat,
    previous: usize,
    next: usize,
}

/// No link.
const END: usize = usize::MAX;

impl Default for Queue {
    fn default() -> Self {
        Self { links: Slab::new(), first: END, last: END }
    }
}

impl Queue {
    fn push(&mut self, serial: u64, since: Instant, seat: Seat) -> usize {
        let place = self.links.insert(Link { serial, since, seat, previous: self.last, next: END });
        match self.links.get_mut(self.last) {
            Some(last) => last.next = place,
            None => self.first = place,
        }
        self.last = place;
        place
    }

    fn remove(&mut self, place: usize) -> Option<Seat> {
        let Link { seat, previous, next, .. } = self.links.try_remove(place)?;
        match self.links.get_mut(previous) {
            Some(link) => link.next = next,
            None => self.first = next,
        }
        match self.links.get_mut(next) {
            Some(link) => link.previous = previous,
            None => self.last = previous,
        }
        Some(seat)
    }

    fn first(&self) -> Option<Instant> {
        self.links.get(self.first).map(|link| link.since)
    }
}

#[derive(Debug)]
enum Seat {
    /// With hyper: its driver is told.
    Driven(Rc<Cell<bool>>, Waker),
    /// In the parking, at this place.
    Parked(usize),
}

impl Idle {
    /// Notes a parked connection that is idle now, and may be closed when so much time has passed.
    pub fn park(&mut self, place: usize, now: Instant, after: Duration) -> Key {
        self.insert(now + after, now, Seat::Parked(place))
    }

    /// Forgets a connection that is idle no more.
    pub fn forget(&mut self, key: Key) {
        match key.0 {
            Place::Now(place, serial) => {
                if self.now.links.get(place).is_some_and(|link| link.serial == serial) {
                    self.now.remove(place);
                }
            }
            Place::Later(from, serial) => drop(self.later.remove(&(from, serial))),
        }
    }

    fn insert(&mut self, from: Instant, now: Instant, seat: Seat) -> Key {
        self.serial += 1;
        if from <= now {
            return Key(Place::Now(self.now.push(self.serial, from, seat), self.serial));
        }
        self.later.insert((from, self.serial), seat);
        Key(Place::Later(from, self.serial))
    }

    fn len(&self) -> usize {
        self.now.links.len() + self.later.len()
    }

    /// Takes the one that could be closed for longest.
    fn pop(&mut self, now: Instant) -> Option<Seat> {
        let later = self.later.first_entry().filter(|first| first.key().0 <= now);
        match (self.now.first(), later) {
            (Some(since), Some(later)) if later.key().0 < since => Some(later.remove()),
            (None, Some(later)) => Some(later.remove()),
            _ => self.now.remove(self.now.first),
        }
    }

    /// Tells those with hyper who have been idle for longest to close, and returns the places of those in the parking.
    fn drain(&mut self) -> Vec<usize> {
        let count = (self.len() / 8).clamp(1, AT_ONCE);
        let mut parked = Vec::new();
        let now = Instant::now();
        for _ in 0..count {
            let Some(seat) = self.pop(now) else { break };
            metrics::count(|worker| worker.reused.add(1));
            match seat {
                Seat::Driven(told, waker) => {
                    told.set(true);
                    waker.wake();
                }
                Seat::Parked(place) => parked.push(place),
            }
        }
        parked
    }

    /// Where a worker with room for `limit` connections has few places left: closes some idle ones. Returns the places of
    /// those in the parking, for their owner to close.
    pub fn make_room(&mut self, used: usize, limit: usize) -> Vec<usize> {
        if limit.saturating_sub(used) > limit / 16 || self.len() == 0 {
            return Vec::new();
        }
        let now = Instant::now();
        if self.told.is_none_or(|told| now.duration_since(told) >= Duration::from_secs(1)) {
            self.told = Some(now);
            let message = format!("{limit} worker_connections are not enough, reusing connections");
            log::event(Severity::Warn, &message);
        }
        self.drain()
    }
}

/// The seat of a connection with hyper.
#[derive(Debug)]
pub struct Driven {
    idle: Rc<RefCell<Idle>>,
    told: Rc<Cell<bool>>,
    /// From when on it may be closed, and its place among others.
    key: Option<(Instant, Key)>,
}

impl Driven {
    /// For a connection that is not idle yet.
    pub fn new(idle: &Rc<RefCell<Idle>>) -> Self {
        Self { idle: Rc::clone(idle), told: Rc::default(), key: None }
    }

    /// The connection is idle and may be closed from then on, or is not.
    pub fn update(&mut self, from: Option<Instant>, waker: &Waker) {
        if self.key.map(|(from, _)| from) == from {
            return;
        }
        // Who was told while its next request came in serves that one first.
        self.told.set(false);
        let mut idle = self.idle.borrow_mut();
        if let Some((_, key)) = self.key.take() {
            idle.forget(key);
        }
        let seat = || Seat::Driven(Rc::clone(&self.told), waker.clone());
        self.key = from.map(|from| (from, idle.insert(from, Instant::now(), seat())));
    }

    /// Whether it has to close, to make room. Not if it has got a request meanwhile.
    pub fn must_close(&self) -> bool {
        self.told.get() && self.key.is_some()
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some((_, key)) = self.key {
            self.idle.borrow_mut().forget(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_could_be_closed_for_longest_go_first() {
        let (mut idle, start) = (Idle::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut park = |place, seconds, after| idle.park(place, at(seconds), Duration::from_secs(after));
        let [_, second, ..] = [park(0, 0, 0), park(1, 1, 0), park(2, 1, 1), park(3, 3, 0), park(4, 3, 60)];
        idle.forget(second);
        let popped: Vec<usize> = std::iter::from_fn(|| match idle.pop(at(10))? {
            Seat::Parked(place) => Some(place),
            Seat::Driven(..) => None,
        })
        .collect();
        assert_eq!((popped, idle.len()), (vec![0, 2, 3], 1));
    }

    #[test]
    fn places_given_up_are_not_given_up_again_for_others() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        let keys = [0, 1, 2].map(|place| idle.park(place, now, Duration::ZERO));
        keys.iter().for_each(|key| idle.forget(*key));
        assert_eq!((idle.len(), idle.now.first, idle.now.last), (0, END, END));
        let key = idle.park(7, now, Duration::ZERO);
        // Its place was that of one of these.
        keys.iter().for_each(|key| idle.forget(*key));
        assert!(key.is_due(now) && matches!(idle.pop(now), Some(Seat::Parked(7))));
    }
}
