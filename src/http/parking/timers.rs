//! When something of a parked connection is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Timers that may be stale before they are swept out.
const FEW: usize = 1024;

/// The timers of one worker. One that was replaced stays until it is swept out, or comes up and means nothing.
#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<Timer>>);

/// A deadline of a connection: of one life of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) deadline: Instant,
    pub(super) entry: usize,
    pub(super) serial: u64,
}

impl Timers {
    /// When the next one comes up.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse(timer)| timer.deadline)
    }

    /// Takes the next one, if it came up by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        self.next().filter(|deadline| *deadline <= now)?;
        self.0.pop().map(|Reverse(timer)| timer)
    }

    /// Adds a timer. Once most of them must be stale, for `entries` have one each, those that are not `current` go.
    pub(super) fn push(&mut self, timer: Timer, entries: usize, current: impl Fn(&Timer) -> bool) {
        self.0.push(Reverse(timer));
        if self.0.len() > 2 * entries + FEW {
            self.0.retain(|Reverse(timer)| current(timer));
        }
    }
}
