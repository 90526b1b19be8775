//! Connections that wait for their next request, longest first: those that are closed when a worker has as many
//! connections as it may, to make room for new ones.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::config::model::Severity;
use crate::log;
use crate::metrics;

/// Most connections closed at once, as in nginx.
const AT_ONCE: usize = 32;

/// Connections that may be closed to make room.
#[derive(Debug, Default)]
pub struct Idle {
    seats: BTreeMap<Key, Seat>,
    serial: u64,
    told: Option<Instant>,
}

/// From when on a connection may be closed, and a number that tells it from others.
pub type Key = (Instant, u64);

#[derive(Debug)]
enum Seat {
    /// With hyper: its driver is told.
    Driven(Rc<Cell<bool>>, Waker),
    /// In the parking, at this place.
    Parked(usize),
}

impl Idle {
    /// Notes a parked connection that may be closed from then on.
    pub fn park(&mut self, place: usize, from: Instant) -> Key {
        self.insert(from, Seat::Parked(place))
    }

    /// Forgets a connection that is idle no more.
    pub fn forget(&mut self, key: Key) {
        self.seats.remove(&key);
    }

    fn insert(&mut self, from: Instant, seat: Seat) -> Key {
        self.serial += 1;
        let key = (from, self.serial);
        self.seats.insert(key, seat);
        key
    }

    /// Tells those with hyper who have been idle for longest to close, and returns the places of those in the parking.
    fn drain(&mut self) -> Vec<usize> {
        let count = (self.seats.len() / 8).clamp(1, AT_ONCE);
        let mut parked = Vec::new();
        let now = Instant::now();
        for _ in 0..count {
            let Some(first) = self.seats.first_entry().filter(|first| first.key().0 <= now) else { break };
            metrics::count(|worker| worker.reused.add(1));
            match first.remove() {
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
        if limit.saturating_sub(used) > limit / 16 || self.seats.is_empty() {
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
    key: Option<Key>,
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
        if let Some(key) = self.key.take() {
            idle.forget(key);
        }
        self.key = from.map(|from| idle.insert(from, Seat::Driven(Rc::clone(&self.told), waker.clone())));
    }

    /// Whether it has to close, to make room. Not if it has got a request meanwhile.
    pub fn must_close(&self) -> bool {
        self.told.get() && self.key.is_some()
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.idle.borrow_mut().forget(key);
        }
    }
}
