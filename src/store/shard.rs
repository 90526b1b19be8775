//! A part of all channels, behind one lock.

use std::collections::BTreeSet;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use rustc_hash::FxHashMap;

use super::budget::Claim;
use super::channel::{Channel, NEVER};
use super::group::Seat;
use super::{Batch, ChannelId, ChannelKey, Ticket};

/// Channels that [`Shard::reap`] frees before it lets others have the lock.
const REAP_BATCH: usize = 128;

/// How long an idle channel outlives its time, in milliseconds, as long as no other channel is looked up. The old
/// module and Nchan collect a channel only in passing, so a publisher that comes back late still finds it.
pub(super) const LINGER: u64 = 5_000;

/// Capacity of a map from which on it is made smaller when it is mostly unused.
const SHRINK_ABOVE: usize = 1024;

/// A lock, and next to it what others may ask without taking it.
#[derive(Debug)]
pub(super) struct Shard {
    state: Mutex<State>,
    /// Lower bound of the next monotonic millisecond at which a message expires.
    expiry: Arc<AtomicU64>,
    /// The same for idle channels.
    idle: Arc<AtomicU64>,
    /// Lower bound of the age of the oldest evictable message.
    surplus: Arc<AtomicU64>,
}

impl Shard {
    /// An empty one, which keeps `all_idle` a lower bound of the next millisecond at which an idle channel of any shard is due.
    pub(super) fn new(all_idle: &Arc<AtomicU64>) -> Self {
        let mut state = State::new();
        state.idle.all = Some(Arc::clone(all_idle));
        let (expiry, idle, surplus) = (
            Arc::clone(&state.expiry.first),
            Arc::clone(&state.idle.first),
            Arc::clone(&state.surplus.first),
        );
        Self { state: Mutex::new(state), expiry, idle, surplus }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn oldest_idle(&self) -> u64 {
        self.idle.load(SeqCst)
    }

    pub(super) fn oldest_surplus(&self) -> u64 {
        self.surplus.load(Relaxed)
    }

    /// Frees what is due.
    pub(super) fn reap(&self, now: u64) {
        while self.expiry.load(Relaxed) <= now {
            self.lock().reap_messages(now);
        }
        let lingered = now.saturating_sub(LINGER);
        while self.idle.load(Relaxed) <= lingered {
            self.lock().reap_channels(lingered);
        }
    }

    /// Collects idle channels whose time is over, in passing on the way to another one.
    pub(super) fn pass(&self, now: u64, towards: &ChannelKey) {
        if self.idle.load(Relaxed) <= now {
            self.lock().collect_due(now, towards);
        }
    }
}

/// All channels of a shard.
#[derive(Debug)]
pub(super) struct State {
    /// By the hashes of their names, which [`Channel::key`] has.
    ids: HashTable<ChannelId>,
    /// Boxed so that a growing map moves pointers only.
    pub(super) channels: FxHashMap<ChannelId, Box<Channel>>,
    pub(super) tickets: Tickets,
    expiry: Index,
    idle: Index,
    surplus: Index,
}

impl State {
    fn new() -> Self {
        Self {
            ids: HashTable::new(),
            channels: FxHashMap::default(),
            tickets: Tickets::default(),
            expiry: Index::default(),
            idle: Index::default(),
            surplus: Index::default(),
        }
    }

    /// The channel of this name, without its expired messages; nothing if it outlived its time for too long.
    pub(super) fn find(&mut self, key: &ChannelKey, now: u64) -> Option<ChannelId> {
        let id = self.id(key)?;
        let channel = self.channels.get_mut(&id)?;
        channel.drop_expired(now);
        if channel.idle_at().saturating_add(LINGER) > now {
            return Some(id);
        }
        self.collect(id);
        None
    }

    pub(super) fn contains(&self, key: &ChannelKey) -> bool {
        self.id(key).is_some()
    }

    #[inline]
    fn id(&self, key: &ChannelKey) -> Option<ChannelId> {
        let is_it = |id: &ChannelId| self.channels.get(id).is_some_and(|channel| channel.key == *key);
        self.ids.find(key.digest(), is_it).copied()
    }

    /// The channels that are in a group.
    pub(super) fn of_group(&self, group: &[u8]) -> Vec<ChannelId> {
        self.channels
            .values()
            .filter(|channel| channel.key.group() == group)
            .map(|channel| channel.id)
            .collect()
    }

    pub(super) fn create(&mut self, key: &ChannelKey, id: ChannelId, claim: Claim) {
        self.channels.insert(id, Box::new(Channel::new(key, id, claim)));
        let channels = &self.channels;
        self.ids.insert_unique(key.digest(), id, |id| hash_of(*id, channels));
    }

    /// Removes a channel with all that belongs to it.
    pub(super) fn remove(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.remove(&id) else { return };
        if let Ok(found) = self.ids.find_entry(channel.key.digest(), |other| *other == id) {
            found.remove();
        }
        self.expiry.remove(channel.listed.expiry, id);
        self.idle.remove(channel.listed.idle, id);
        self.surplus.remove(channel.listed.surplus, id);
        self.shrink();
    }

    /// Gives the memory of the maps back once it is mostly unused, at a cost that the removals before have paid for.
    fn shrink(&mut self) {
        let few = |capacity: usize, len: usize| {
            (capacity > SHRINK_ABOVE && len < capacity / 8).then_some(capacity / 4)
        };
        let channels = &self.channels;
        if let Some(capacity) = few(self.ids.capacity(), self.ids.len()) {
            self.ids.shrink_to(capacity, |id| hash_of(*id, channels));
        }
        if let Some(capacity) = few(self.channels.capacity(), self.channels.len()) {
            self.channels.shrink_to(capacity);
        }
    }

    /// Lists a channel where it belongs, after any change to it.
    ///
    /// Entries may be too early, and are put right when their turn comes: so a busy channel, whose times only
    /// move away, costs nothing here.
    pub(super) fn settle(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let (expiry, idle, surplus) = (channel.expiry(), channel.idle_at(), channel.surplus());
        self.expiry.list(&mut channel.listed.expiry, expiry, id);
        self.idle.list(&mut channel.listed.idle, idle, id);
        self.surplus.list(&mut channel.listed.surplus, surplus, id);
    }

    fn reap_messages(&mut self, now: u64) {
        for _ in 0..REAP_BATCH {
            let Some(id) = self.expiry.due(now) else { return };
            if let Some(channel) = self.channels.get_mut(&id) {
                self.expiry.unlist(&mut channel.listed.expiry, id);
                channel.drop_expired(now);
            }
            self.settle(id);
        }
    }

    fn reap_channels(&mut self, now: u64) {
        for _ in 0..REAP_BATCH {
            let Some(id) = self.idle.due(now) else { return };
            let Some(channel) = self.channels.get_mut(&id) else { return };
            self.idle.unlist(&mut channel.listed.idle, id);
            if channel.idle_at() <= now {
                self.collect(id);
            } else {
                self.settle(id);
            }
        }
    }

    /// Collects every idle channel whose time is over, but for one.
    fn collect_due(&mut self, now: u64, but: &ChannelKey) {
        for id in self.idle.all_due(now) {
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            let is_due = channel.idle_at() <= now;
            if is_due && channel.key == *but {
                continue;
            }
            self.idle.unlist(&mut channel.listed.idle, id);
            if is_due {
                self.collect(id);
            } else {
                self.settle(id);
            }
        }
    }

    /// Frees the idle channel whose time is over first, unless the index was wrong about it; then it is put
    /// right.
    pub(super) fn collect_idle(&mut self) {
        let Some(id) = self.idle.due(NEVER) else { return };
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let was_right = channel.listed.idle == channel.idle_at();
        self.idle.unlist(&mut channel.listed.idle, id);
        if was_right {
            self.collect(id);
        } else {
            self.settle(id);
        }
    }

    /// Evicts the oldest evictable message, unless the index was wrong about its age; then it is put right.
    pub(super) fn evict_oldest(&mut self) {
        let Some(id) = self.surplus.due(NEVER) else { return };
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let was_right = channel.listed.surplus == channel.surplus();
        self.surplus.unlist(&mut channel.listed.surplus, id);
        if was_right {
            channel.evict_oldest();
        }
        self.settle(id);
    }

    fn collect(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get(&id) {
            channel.note_collected();
        }
        self.remove(id);
    }
}

fn hash_of(id: ChannelId, channels: &FxHashMap<ChannelId, Box<Channel>>) -> u64 {
    channels.get(&id).map_or(0, |channel| channel.key.digest())
}

/// The sequence of waits and events.
#[derive(Debug, Default)]
pub(super) struct Tickets(u64);

impl Tickets {
    pub(super) fn next(&mut self) -> Ticket {
        self.0 += 1;
        Ticket(self.0)
    }
}

/// Channels in the order of a number that each of them remembers in its [`Listed`](super::channel::Listed).
#[derive(Debug)]
struct Index {
    entries: BTreeSet<(u64, ChannelId)>,
    /// The smallest number.
    first: Arc<AtomicU64>,
    /// At most the smallest number of all shards.
    all: Option<Arc<AtomicU64>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { entries: BTreeSet::new(), first: Arc::new(AtomicU64::new(NEVER)), all: None }
    }
}

impl Index {
    /// Lists a channel at `at`, unless it is listed earlier.
    fn list(&mut self, listed: &mut u64, at: u64, id: ChannelId) {
        if at < *listed {
            self.entries.remove(&(*listed, id));
            self.entries.insert((at, id));
            *listed = at;
            self.publish_first();
        }
    }

    fn unlist(&mut self, listed: &mut u64, id: ChannelId) {
        self.remove(*listed, id);
        *listed = NEVER;
    }

    fn remove(&mut self, listed: u64, id: ChannelId) {
        if listed != NEVER {
            self.entries.remove(&(listed, id));
            self.publish_first();
        }
    }

    /// The first channel, if its number is not above `now`.
    fn due(&self, now: u64) -> Option<ChannelId> {
        self.entries.first().filter(|(at, _)| *at <= now).map(|&(_, id)| id)
    }

    /// All channels whose number is not above `now`.
    fn all_due(&self, now: u64) -> Vec<ChannelId> {
        self.entries.range(..=(now, ChannelId(u64::MAX))).map(|&(_, id)| id).collect()
    }

    fn publish_first(&self) {
        let first = self.entries.first().map_or(NEVER, |&(at, _)| at);
        // In this order, which `Store::look_up` relies on.
        self.first.store(first, SeqCst);
        if let Some(all) = &self.all {
            all.fetch_min(first, SeqCst);
        }
    }
}

/// The place of one subscriber in its channel. Dropping it ends the wait or the stream; after an event that ended a wait it
/// is of no effect.
#[derive(Debug)]
pub struct Subscription {
    shard: Arc<Shard>,
    channel: ChannelId,
    ticket: Ticket,
    is_stream: bool,
    /// Its place in the group, given back with it.
    _seat: Option<Seat>,
}

impl Subscription {
    pub(super) fn new(
        shard: Arc<Shard>,
        channel: ChannelId,
        ticket: Ticket,
        is_stream: bool,
        seat: Option<Seat>,
    ) -> Self {
        Self { shard, channel, ticket, is_stream, _seat: seat }
    }

    /// Stored messages from an offset on: no more than `most` bytes of bodies, but one message if there is any.
    /// `None` when the channel was deleted.
    pub fn read(&self, from: u64, most: usize) -> Option<Batch> {
        let mut state = self.shard.lock();
        let batch = state.channels.get_mut(&self.channel)?.read(from, most);
        state.settle(self.channel);
        Some(batch)
    }

    /// The channel whose events concern this waiter.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The name of its channel, while there is the channel.
    pub fn key(&self) -> Option<ChannelKey> {
        self.shard.lock().channels.get(&self.channel).map(|channel| channel.key.clone())
    }

    /// Whether an event has ended the wait: it is in the worker's mailbox, or was.
    pub fn is_released(&self) -> bool {
        let state = self.shard.lock();
        let ended = |channel: &Channel| !self.is_stream && channel.has_released(self.ticket);
        state.channels.get(&self.channel).is_none_or(|channel| ended(channel))
    }

    /// An event of the channel concerns this waiter when its `before` is larger.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.shard.lock();
        if let Some(channel) = state.channels.get_mut(&self.channel) {
            if self.is_stream {
                channel.end_stream();
            } else {
                channel.leave(self.ticket);
            }
            state.settle(self.channel);
        }
    }
}
