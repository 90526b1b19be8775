//! Requests that were made in one worker, for all who make them.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use crate::request::log_line::RepeatedLog;
use crate::request::{Connection, Endpoint};

use super::super::longpoll::LongPoll;
use super::likeness::Likeness;
use super::{Repeat, Request, hasher};

/// How many are known at most.
const SLOTS: usize = 1024;

/// Requests that lead to the same place whoever makes them. Each has one slot, which it takes from the one before.
#[derive(Debug, Default)]
pub struct Known(Vec<Option<Entry>>);

#[derive(Debug)]
struct Entry {
    arrival: Arrival,
    repeat: Repeat,
}

/// Where a connection came in, by which it is decided which servers its requests are for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arrival {
    /// The listening socket: an index into the generation's.
    listen: usize,
    local: Endpoint,
}

impl Arrival {
    /// Of a connection that came in by this listening socket.
    pub fn new(listen: usize, connection: &Connection) -> Self {
        Self { listen, local: connection.local.clone() }
    }

    /// Where a request of this digest is kept.
    fn slot(&self, digest: u64) -> usize {
        let mut hasher = hasher();
        (self, digest).hash(&mut hasher);
        usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0)
    }
}

impl Known {
    /// The request that may be made again like this one, if one is known.
    pub fn find(&self, arrival: &Arrival, request: &Request<'_>) -> Option<&Repeat> {
        let mut found =
            [request.digest, request.whole()].into_iter().filter_map(|digest| self.at(arrival, digest));
        found.find(|repeat| repeat.fits(request))
    }

    /// Remembers a request, if anybody may make it.
    pub fn learn(&mut self, arrival: Arrival, repeat: &Repeat) {
        let likeness = repeat.likeness();
        if likeness.is_anybodys() && self.like(&arrival, likeness).is_none() {
            self.insert(Entry { arrival, repeat: repeat.clone() });
        }
    }

    /// The same for one that waits, which shares with its like what they have in common.
    pub fn learn_poll(&mut self, arrival: Arrival, poll: &mut LongPoll, log: Option<RepeatedLog>) {
        let Some(again) = poll.again_mut().filter(|again| again.likeness.is_anybodys()) else { return };
        if let Some(known) = self.like(&arrival, &again.likeness) {
            again.likeness = Arc::clone(known);
        } else if let Some(repeat) = poll.to_repeat(log) {
            self.insert(Entry { arrival, repeat });
        }
    }

    /// The likeness that is known, if it says as much as this one.
    fn like(&self, arrival: &Arrival, likeness: &Likeness) -> Option<&Arc<Likeness>> {
        let known = self.at(arrival, likeness.digest())?.likeness();
        let says_as_much = known.start().is_some() || likeness.start().is_none();
        (known.digest() == likeness.digest() && says_as_much).then_some(known)
    }

    fn at(&self, arrival: &Arrival, digest: u64) -> Option<&Repeat> {
        let entry = self.0.get(arrival.slot(digest))?.as_ref();
        entry.filter(|entry| entry.arrival == *arrival).map(|entry| &entry.repeat)
    }

    fn insert(&mut self, entry: Entry) {
        // Most workers of most servers know none.
        if self.0.is_empty() {
            self.0.resize_with(SLOTS, || None);
        }
        let slot = entry.arrival.slot(entry.repeat.likeness().digest());
        if let Some(place) = self.0.get_mut(slot) {
            *place = Some(entry);
        }
    }
}
