//! One channel: its history, and the count of those who wait.

mod image;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::budget::{Budget, Claim, allocation};
use super::group::{Group, GroupLimit, Membership};
use super::message::ARC_HEADER;
use super::{Batch, ChannelId, ChannelInfo, ChannelKey, Message, Position, Ticket, WorkerId};

pub use image::ChannelImage;

/// Stands for "never" among monotonic milliseconds, and for "not listed" in [`Listed`].
pub(super) const NEVER: u64 = u64::MAX;

/// Bytes per channel in the two maps, which are between half and seven eighths full.
const MAP_ENTRIES: usize = 2 * (size_of::<ChannelId>() + size_of::<(ChannelId, Box<Channel>)>() + 2);

/// Bytes per channel in the three indexes, whose nodes are at least half full.
const INDEX_ENTRIES: usize = 3 * 2 * size_of::<(u64, ChannelId)>();

/// A queue starts with room for four messages.
const FIRST_QUEUE: usize = allocation(4 * size_of::<Arc<Message>>());

/// Capacity of the queue from which on it is made smaller when it is mostly unused.
const SHRINK_ABOVE: usize = 16;

/// Where the indexes of the shard list this channel: never later than due, possibly earlier.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) expiry: u64,
    pub(super) idle: u64,
    pub(super) surplus: u64,
}

/// What tells a message from the others of its channel.
pub(super) struct Numbers {
    pub(super) stamp: i64,
    pub(super) offset: u64,
    pub(super) published: (i64, u64),
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) key: ChannelKey,
    pub(super) id: ChannelId,
    pub(super) listed: Listed,
    messages: VecDeque<Arc<Message>>,
    /// How many messages at the old end count as evictable in the budget.
    surplus: usize,
    /// The minimum given by the last publish that stored something.
    keep: u32,
    /// Publishers that are making room now: how many, and the minimum that the last of them gives.
    coming: u32,
    coming_keep: u32,
    last_stamp: i64,
    /// The second of the last publish, and the number of its message within that second.
    last_published: (i64, u64),
    /// Monotonic millisecond at which the clock reaches the last stamp. The channel does not go before if clients go by stamps:
    /// its successor would begin with smaller ones, and clients that return would not be given its messages.
    ahead_until: u64,
    goes_by_stamps: bool,
    next_offset: u64,
    /// Waiters that no event has released yet.
    waiting: u32,
    /// Bit n: some of them may be with a worker whose number is n modulo 64.
    workers: u64,
    /// Streams: subscribers that no message releases.
    streams: u32,
    /// The same for their workers.
    stream_workers: u64,
    /// Waiters with a smaller ticket do not count any more.
    released: Ticket,
    /// Monotonic millisecond of the last subscriber request.
    requested: Option<u64>,
    /// Monotonic millisecond from which on the channel is gone, if it is idle.
    idle_at: u64,
    /// Its place in the counts of its group, once somebody who accounts came by.
    group: Option<Membership>,
    claim: Claim,
}

impl Channel {
    pub(super) fn new(key: &ChannelKey, id: ChannelId, claim: Claim) -> Self {
        claim.budget.counters.channels.fetch_add(1, Relaxed);
        Self {
            key: key.clone(),
            id,
            listed: Listed { expiry: NEVER, idle: NEVER, surplus: NEVER },
            messages: VecDeque::new(),
            surplus: 0,
            keep: 0,
            coming: 0,
            coming_keep: 0,
            last_stamp: i64::MIN,
            last_published: (i64::MIN, 0),
            ahead_until: 0,
            goes_by_stamps: false,
            next_offset: 0,
            waiting: 0,
            workers: 0,
            streams: 0,
            stream_workers: 0,
            released: Ticket(0),
            requested: None,
            idle_at: NEVER,
            group: None,
            claim,
        }
    }

    /// Bytes that a channel of this name takes, without its messages.
    pub(super) fn size_of(key: &ChannelKey) -> usize {
        allocation(size_of::<Self>())
            + allocation(ARC_HEADER + key.len())
            + FIRST_QUEUE
            + MAP_ENTRIES
            + INDEX_ENTRIES
    }

    // === Life ===

    /// Restarts the channel's time, as every request that names it does.
    pub(super) fn touch(&mut self, now: u64, timeout_secs: u64) {
        self.idle_at = now.saturating_add(timeout_secs.saturating_mul(1000)).min(NEVER - 1);
    }

    /// Notes what a subscriber goes by.
    pub(super) fn note_position(&mut self, position: Position) {
        self.goes_by_stamps |=
            matches!(position, Position::Oldest | Position::After(_) | Position::AfterTag { .. });
    }

    /// When the channel is gone if nothing happens.
    pub(super) fn idle_at(&self) -> u64 {
        let is_idle = self.messages.is_empty() && self.subscribers() == 0 && self.coming == 0;
        let ahead_until = if self.goes_by_stamps { self.ahead_until } else { 0 };
        if is_idle { self.idle_at.max(ahead_until) } else { NEVER }
    }

    /// Counts the channel as one that went because it was idle.
    pub(super) fn note_collected(&self) {
        self.budget().counters.collected.fetch_add(1, Relaxed);
    }

    // === History ===

    /// Numbers the next message, at a monotonic millisecond and a wall clock's millisecond.
    pub(super) fn number(&mut self, now: u64, wall_millis: i64) -> Numbers {
        let offset = self.next_offset;
        let second = wall_millis.div_euclid(1000);
        let (last_second, last_tag) = self.last_published;
        // A clock that steps back does not reorder: messages go on counting in the last second.
        self.last_published =
            if second > last_second { (second, 0) } else { (last_second, last_tag.saturating_add(1)) };
        self.last_stamp = second.max(self.last_stamp.saturating_add(1));
        let ahead = self.last_stamp.saturating_mul(1000).saturating_sub(wall_millis);
        self.ahead_until = now.saturating_add(u64::try_from(ahead).unwrap_or(0)).min(NEVER - 1);
        self.next_offset += 1;
        Numbers { stamp: self.last_stamp, offset, published: self.last_published }
    }

    /// Adds the newest message and lets the oldest go, until there are `max` or fewer. `keep` of them stay
    /// when memory is short.
    pub(super) fn push(&mut self, message: Arc<Message>, max: u32, keep: u32) {
        self.budget().counters.messages.fetch_add(1, Relaxed);
        self.keep = keep;
        self.messages.push_back(message);
        self.rebalance();
        self.trim(max);
    }

    pub(super) fn trim(&mut self, max: u32) {
        while self.messages.len() > max as usize {
            self.pop_oldest();
        }
    }

    /// Drops expired messages from the old end; one behind a valid message stays.
    pub(super) fn drop_expired(&mut self, now: u64) {
        while self.expiry() <= now {
            self.pop_oldest();
            self.budget().counters.expired.fetch_add(1, Relaxed);
        }
    }

    /// When the oldest message expires.
    pub(super) fn expiry(&self) -> u64 {
        self.messages.front().map_or(NEVER, |oldest| oldest.deadline)
    }

    /// The first stored message after `position`.
    pub(super) fn next(&self, position: Position) -> Option<&Arc<Message>> {
        match position {
            Position::Oldest => self.messages.front(),
            Position::After(stamp) => {
                self.messages.get(self.messages.partition_point(|message| message.stamp <= stamp))
            }
            Position::AfterTag { second, tag } => {
                let seen = |message: &&Arc<Message>| {
                    let (published, number) = message.published;
                    published == second && number <= tag
                };
                let later = self.messages.partition_point(|message| message.stamp <= second);
                self.messages.range(later..).find(|message| !seen(message))
            }
            Position::Nth(n @ 1..) => {
                self.messages.get((n.unsigned_abs() as usize - 1).min(self.messages.len().saturating_sub(1)))
            }
            Position::Nth(n @ ..0) => {
                self.messages.get(self.messages.len().saturating_sub(n.unsigned_abs() as usize))
            }
            Position::AfterId { second, tag } => {
                let seen = |message: &Arc<Message>| {
                    message.published.0 < second
                        || (message.published.0 == second
                            && tag.is_some_and(|tag| message.published.1 <= tag))
                };
                self.messages.get(self.messages.partition_point(seen))
            }
            Position::Newest | Position::Nth(0) => None,
        }
    }

    /// The offset of the first message after `position`, stored or still to come.
    pub(super) fn start(&self, position: Position) -> u64 {
        self.next(position).map_or(self.next_offset, |message| message.offset)
    }

    /// Stored messages from an offset on: no more than `most` bytes of them, but one if there is any.
    pub(super) fn read(&mut self, from: u64, most: usize) -> Batch {
        let first = self.messages.partition_point(|message| message.offset < from);
        let mut batch = Batch { messages: Vec::new(), next: from, more: false, missed: false };
        let mut bytes = 0;
        for message in self.messages.range(first..) {
            bytes += message.body().len();
            if bytes > most && !batch.messages.is_empty() {
                batch.more = true;
                break;
            }
            batch.missed |= message.offset > batch.next;
            batch.next = message.offset + 1;
            batch.messages.push(Arc::clone(message));
        }
        if !batch.more {
            // What came after them was not stored.
            batch.missed |= batch.next < self.next_offset;
            batch.next = self.next_offset;
        }
        batch.messages.iter().for_each(|message| self.received(message));
        batch
    }

    // === Group ===

    /// Enters the counts of its group with all that it holds, unless it is there already.
    pub(super) fn join(&mut self, group: &Arc<Group>) -> Result<(), GroupLimit> {
        if self.group.is_none() {
            let membership = group.join().ok_or(GroupLimit::Channels)?;
            self.messages.iter().for_each(|message| membership.count(message.size()));
            self.group = Some(membership);
        }
        Ok(())
    }

    /// Counts a message that is about to be [pushed](Self::push) for the group; its limits concern only those who account.
    pub(super) fn admit(&self, bytes: usize, accounts: bool) -> Result<(), GroupLimit> {
        match &self.group {
            Some(group) if accounts => group.admit(bytes),
            Some(group) => {
                group.count(bytes);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn last_message(&self) -> Option<(i64, u64)> {
        (self.next_offset > 0).then_some(self.last_published)
    }

    /// `delete_oldest_received`: the message was delivered to somebody.
    pub(super) fn received(&mut self, message: &Arc<Message>) {
        let Some(keep) = message.delete_beyond else { return };
        let is_oldest = self.messages.front().is_some_and(|oldest| Arc::ptr_eq(oldest, message));
        if is_oldest && self.messages.len() > keep as usize {
            self.pop_oldest();
        }
    }

    fn pop_oldest(&mut self) {
        let Some(oldest) = self.messages.pop_front() else { return };
        if self.surplus > 0 {
            self.surplus -= 1;
            self.budget().evictable.fetch_sub(oldest.size(), Relaxed);
        }
        self.budget().counters.messages.fetch_sub(1, Relaxed);
        if let Some(group) = &self.group {
            group.uncount(oldest.size());
        }
        let capacity = self.messages.capacity();
        if capacity > SHRINK_ABOVE && self.messages.len() < capacity / 4 {
            self.messages.shrink_to(capacity / 2);
        }
    }

    // === Lack of memory ===

    /// A publisher makes room for a message: evictable is what will be beyond the minimum with it, and the
    /// channel is not idle.
    pub(super) fn expect(&mut self, keep: u32) {
        self.coming += 1;
        self.coming_keep = keep;
        self.rebalance();
    }

    /// The end of [`Self::expect`].
    pub(super) fn unexpect(&mut self) {
        self.coming = self.coming.saturating_sub(1);
        self.rebalance();
    }

    /// Age of the oldest message, if it is evictable.
    pub(super) fn surplus(&self) -> u64 {
        match self.messages.front() {
            Some(oldest) if self.surplus > 0 => oldest.sequence,
            _ => NEVER,
        }
    }

    /// Drops the oldest message to make room.
    pub(super) fn evict_oldest(&mut self) {
        self.pop_oldest();
        self.budget().counters.evicted.fetch_add(1, Relaxed);
    }

    /// Drops all messages, as the channel is going.
    pub(super) fn clear(&mut self) {
        while !self.messages.is_empty() {
            self.pop_oldest();
        }
    }

    /// Keeps the sum of evictable bytes exact after a change of the queue or of the minimum.
    fn rebalance(&mut self) {
        let keep = if self.coming > 0 { self.coming_keep } else { self.keep };
        let len = self.messages.len();
        let surplus = (len + self.coming as usize).saturating_sub(keep as usize).min(len);
        let evictable = &self.claim.budget.evictable;
        for message in self.messages.range(self.surplus.min(surplus)..surplus) {
            evictable.fetch_add(message.size(), Relaxed);
        }
        for message in self.messages.range(surplus..self.surplus.max(surplus)) {
            evictable.fetch_sub(message.size(), Relaxed);
        }
        self.surplus = surplus;
    }

    fn budget(&self) -> &Budget {
        &self.claim.budget
    }

    // === Subscribers ===

    /// Notes a subscriber request.
    pub(super) fn request(&mut self, now: u64) {
        self.requested = Some(now);
    }

    /// How many wait, for one message or for all.
    pub(super) fn subscribers(&self) -> u32 {
        self.waiting.saturating_add(self.streams)
    }

    pub(super) fn wait(&mut self, worker: WorkerId) {
        self.waiting += 1;
        self.workers |= 1 << (worker.0 % 64);
        self.budget().counters.subscribers.fetch_add(1, Relaxed);
    }

    /// A waiter gives up. One that an event has released was taken off the count already.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        if self.has_released(ticket) || self.waiting == 0 {
            return;
        }
        self.waiting -= 1;
        if self.waiting == 0 {
            self.workers = 0;
        }
        self.budget().counters.subscribers.fetch_sub(1, Relaxed);
    }

    /// A stream begins.
    pub(super) fn stream(&mut self, worker: WorkerId) {
        self.streams += 1;
        self.stream_workers |= 1 << (worker.0 % 64);
        self.budget().counters.subscribers.fetch_add(1, Relaxed);
    }

    /// A stream ends.
    pub(super) fn end_stream(&mut self) {
        self.streams = self.streams.saturating_sub(1);
        if self.streams == 0 {
            self.stream_workers = 0;
        }
        self.budget().counters.subscribers.fetch_sub(1, Relaxed);
    }

    /// Whether an event has let go of this waiter.
    pub(super) fn has_released(&self, ticket: Ticket) -> bool {
        ticket < self.released
    }

    /// Lets go of all waiters, and returns the set of workers to tell: theirs and those of streams.
    pub(super) fn release(&mut self, before: Ticket) -> u64 {
        self.budget().counters.subscribers.fetch_sub(u64::from(self.waiting), Relaxed);
        self.released = before;
        self.waiting = 0;
        std::mem::take(&mut self.workers) | self.stream_workers
    }

    pub(super) fn info(&self, now: u64) -> ChannelInfo {
        ChannelInfo {
            messages: self.messages.len() as u64,
            requested: self.requested.map(|then| now.saturating_sub(then) / 1000),
            subscribers: u64::from(self.subscribers()),
            last_message: self.last_message(),
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.clear();
        self.budget().counters.subscribers.fetch_sub(u64::from(self.subscribers()), Relaxed);
        self.budget().counters.channels.fetch_sub(1, Relaxed);
    }
}
