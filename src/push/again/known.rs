//! Requests that were made in one worker, for all who make them.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use crate::request::log_line::RepeatedLog;
use crate::request::{Connection, Endpoint};

use super::super::longpoll::LongPoll;
use super::likeness::Likeness;
use super::request::hasher;
use super::{Repeat, Request};

/// Sets of two places each. A request belongs to one of them, where a new one pushes out the older.
const SETS: usize = 512;

/// Requests that lead to the same place whoever makes them: a thousand at most.
#[derive(Debug, Default)]
pub struct Known(Vec<[Option<Entry>; 2]>);

#[derive(Debug)]
struct Entry {
    entrance: Entrance,
    repeat: Repeat,
}

/// Where a connection came in, by which it is decided which servers its requests are for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entrance {
    /// The listening socket: an index into the generation's.
    listen: usize,
    local: Endpoint,
}

impl Entrance {
    /// Of a connection that came in by this listening socket.
    pub fn new(listen: usize, connection: &Connection) -> Self {
        Self { listen, local: connection.local.clone() }
    }

    /// Where a request of this digest is kept.
    fn set_of(&self, digest: u64) -> usize {
        let mut hasher = hasher();
        (self, digest).hash(&mut hasher);
        usize::try_from(hasher.finish() % SETS as u64).unwrap_or(0)
    }
}

impl Entry {
    fn is_like(&self, other: &Self) -> bool {
        self.entrance == other.entrance && self.repeat.likeness().digest == other.repeat.likeness().digest
    }
}

impl Known {
    /// The request that may be made again like this one, if one is known.
    pub fn find(&self, entrance: &Entrance, request: &Request<'_>) -> Option<&Repeat> {
        let of = |digest| self.at(entrance, digest).filter(|repeat| repeat.fits(request));
        of(request.digest).or_else(|| of(request.whole()))
    }

    /// Remembers a request, if anybody may make it.
    pub fn learn(&mut self, entrance: Entrance, repeat: &Repeat) {
        let likeness = repeat.likeness();
        if likeness.for_anybody && self.like(&entrance, likeness).is_none() {
            self.insert(Entry { entrance, repeat: repeat.clone() });
        }
    }

    /// The same for one that waits, which shares with its like what they have in common.
    pub fn learn_poll(&mut self, entrance: Entrance, poll: &mut LongPoll, log: Option<RepeatedLog>) {
        let Some(again) = poll.again_mut().filter(|again| again.likeness.for_anybody) else { return };
        if let Some(known) = self.like(&entrance, &again.likeness) {
            again.likeness = Arc::clone(known);
        } else if let Some(repeat) = poll.to_repeat(log) {
            self.insert(Entry { entrance, repeat });
        }
    }

    /// The likeness that is known, if it says as much as this one.
    fn like(&self, entrance: &Entrance, likeness: &Likeness) -> Option<&Arc<Likeness>> {
        let known = self.at(entrance, likeness.digest)?.likeness();
        (known.start.is_some() || likeness.start.is_none()).then_some(known)
    }

    fn at(&self, entrance: &Entrance, digest: u64) -> Option<&Repeat> {
        let known = self.0.get(entrance.set_of(digest))?.iter().flatten();
        let mut same = known.filter(|entry| entry.repeat.likeness().digest == digest);
        same.find(|entry| entry.entrance == *entrance).map(|entry| &entry.repeat)
    }

    fn insert(&mut self, entry: Entry) {
        // Made with the first.
        if self.0.is_empty() {
            self.0.resize_with(SETS, Default::default);
        }
        let set = entry.entrance.set_of(entry.repeat.likeness().digest);
        if let Some([newer, older]) = self.0.get_mut(set) {
            // What knows more of the same request takes its place.
            if newer.as_ref().is_some_and(|newer| !newer.is_like(&entry)) {
                *older = newer.take();
            }
            *newer = Some(entry);
        }
    }
}
