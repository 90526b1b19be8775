//! The store: all channels in the memory of this process.

mod handover;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use super::budget::{Budget, Claim};
use super::channel::{Channel, NEVER};
use super::group::{Group, Groups, Seat};
use super::shard::{Shard, State, Tickets};
use super::{
    Accounting, ChannelId, ChannelInfo, ChannelKey, Clock, Concurrency, Event, GroupInfo, GroupLimit,
    GroupLimits, Mailbox, Message, Mode, OutOfMemory, Publish, Refusal, Subscribe, Subscribed, Subscription,
    Ticket,
};

pub use handover::{MessageImage, Piece};

/// A power of two, several times the threads of a large machine, so that two rarely want the same lock.
const SHARDS: usize = 64;

/// The lowest bit of a hash that tells the shard, in its lower half.
const SHARD_BITS: u32 = 19;

/// All channels and their messages, shared by all threads.
///
/// # When memory runs out
///
/// A request that needs more than is left of the budget frees, in this order and no more than it needs:
/// 1. expired messages, and channels whose time is over;
/// 2. channels without messages and waiters, the one that would go first coming first;
/// 3. what publishing would drop from its own channel anyway, being above `max_messages`;
/// 4. the oldest messages of all channels, as far as each channel holds more than its `min_messages`. The
///    channel published to counts as if it had the new message already.
///
/// Before 3 it makes sure that 3 and 4 can free enough, otherwise it loses nothing and answers
/// [`OutOfMemory`]. Two things can still spoil that: a message that a client is just reading goes, but does
/// not free its memory before it has been read; and another thread may take what was freed.
///
/// # Locks
///
/// Channels are spread over shards, each with one short lock; no thread ever holds two. Mailboxes are called
/// under it: see [`Mailbox`].
pub struct Store {
    shards: Box<[Arc<Shard>]>,
    /// Lower bound of the next monotonic millisecond at which an idle channel is due: so that nobody who looks a channel up
    /// has to ask each shard. Never, while somebody else asks them.
    next_idle: Arc<AtomicU64>,
    mailboxes: Vec<Mailbox>,
    clock: Arc<dyn Clock>,
    budget: Arc<Budget>,
    groups: Groups,
    last_channel: AtomicU64,
    last_message: AtomicU64,
}

/// What a store holds, and what became of the rest. Each number is exact; together they are no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes charged for channels and messages.
    pub bytes: usize,
    /// The limit for `bytes`.
    pub budget: usize,
    /// The part of `bytes` that may be evicted.
    pub evictable: usize,
    /// Channels in existence.
    pub channels: u64,
    /// Messages stored.
    pub messages: u64,
    /// Messages published since the start, stored or not.
    pub published: u64,
    /// Subscribers waiting.
    pub subscribers: u64,
    /// Messages evicted for lack of memory, since the start.
    pub evicted: u64,
    /// Messages expired, since the start.
    pub expired: u64,
    /// Idle channels that are gone, since the start.
    pub collected: u64,
    /// Requests answered with [`OutOfMemory`], since the start.
    pub refused: u64,
}

impl Store {
    /// An empty store that may use `budget_bytes`, and tells the waiters of worker n through `mailboxes[n]`:
    /// there must be one for each [`WorkerId`](super::WorkerId) that subscribes.
    pub fn new(budget_bytes: usize, clock: Arc<dyn Clock>, mailboxes: Vec<Mailbox>) -> Self {
        let next_idle = Arc::new(AtomicU64::new(NEVER));
        Self {
            shards: (0..SHARDS).map(|_| Arc::new(Shard::new(&next_idle))).collect(),
            next_idle,
            mailboxes,
            clock,
            budget: Budget::new(budget_bytes),
            groups: Groups::default(),
            last_channel: AtomicU64::new(0),
            last_message: AtomicU64::new(0),
        }
    }

    /// Publishes a message: to all who wait, and into the history if it is to be stored.
    ///
    /// The answer counts the message, and the subscribers that waited for it.
    pub fn publish(&self, publish: &Publish<'_>) -> Result<ChannelInfo, Refusal> {
        self.look_up(publish.key);
        let group = self.group_of(publish.key, publish.accounting.as_ref())?;
        let bytes = Message::size_of(publish);
        // Before anything is freed for it. Only `append` knows for sure.
        if let Some(limit) = group.as_ref().and_then(|group| group.refuses_message(bytes)) {
            return Err(Refusal::Group(limit));
        }
        let info = self.publish_within(publish, bytes, group.as_ref())?;
        self.budget.counters.published.fetch_add(1, Relaxed);
        Ok(info)
    }

    fn publish_within(
        &self,
        publish: &Publish<'_>,
        bytes: usize,
        group: Option<&Arc<Group>>,
    ) -> Result<ChannelInfo, Refusal> {
        if !publish.is_stored()
            && let Some(info) = self.publish_to_nobody(publish, group)?
        {
            return Ok(info);
        }
        let (mut claim, was_expected) = match self.budget.claim(bytes) {
            Some(claim) => (claim, false),
            None if publish.is_stored() => self.make_room_for(publish, bytes)?,
            None => (self.make_room(publish.key, bytes, None)?, false),
        };
        // Copied before the lock is taken: bodies may be large.
        let message = Message::new(publish, claim.split(bytes));
        let appended =
            self.visit(publish.key, publish.channel_timeout, claim, group, |channel, tickets, now| {
                if was_expected {
                    channel.unexpect();
                }
                self.append(channel, tickets, now, publish, message)
            });
        if was_expected && appended.is_err() {
            self.at_channel(publish.key, |channel, _| channel.unexpect());
        }
        appended?.map_err(Refusal::Group)
    }

    /// The state of a channel. Counts as a look-up.
    pub fn info(&self, key: &ChannelKey, channel_timeout: u64) -> Option<ChannelInfo> {
        self.look_up(key);
        self.visit_existing(key, channel_timeout, |channel, _, now| channel.info(now))
    }

    /// Creates a channel without a message, if it does not exist.
    pub fn create(&self, key: &ChannelKey, channel_timeout: u64) -> Result<ChannelInfo, OutOfMemory> {
        self.look_up(key);
        let create = |channel: &mut Channel, _: &mut Tickets, now| channel.info(now);
        self.visit(key, channel_timeout, self.budget.nothing(), None, create).map_err(|_| OutOfMemory)
    }

    /// Removes a channel with its messages, and tells those who wait. The answer is how it was before.
    pub fn delete(&self, key: &ChannelKey) -> Option<ChannelInfo> {
        self.look_up(key);
        let now = self.clock.monotonic_millis();
        let mut state = self.seek(key).lock();
        let id = state.find(key, now)?;
        self.delete_in(&mut state, id, now)
    }

    fn delete_in(&self, state: &mut State, id: ChannelId, now: u64) -> Option<ChannelInfo> {
        let before = state.tickets.next();
        let channel = state.channels.get_mut(&id)?;
        let info = channel.info(now);
        self.release(channel, before, &Event::Deleted { channel: id, before });
        state.remove(id);
        Some(info)
    }

    /// Answers a subscriber with a stored message, or lets it wait.
    ///
    /// In this order: does the channel exist, is it full, does somebody else wait, is a message stored.
    pub fn subscribe(&self, subscribe: &Subscribe<'_>) -> Subscribed {
        self.look_up(subscribe.key);
        let (key, timeout) = (subscribe.key, subscribe.channel_timeout);
        let Ok(group) = self.group_of(key, subscribe.accounting.as_ref()) else {
            return Subscribed::OutOfMemory;
        };
        let counted =
            group.as_ref().filter(|_| subscribe.accounting.is_some_and(|how| how.counts_subscriber));
        // Before a channel is made for it.
        if counted.is_some_and(|group| group.is_full()) {
            return Subscribed::Full;
        }
        let admit = |channel: &mut Channel, tickets: &mut Tickets, now| match counted.map(Group::seat) {
            Some(None) => Subscribed::Full,
            seat => self.admit((channel, tickets), now, subscribe, seat.flatten()),
        };
        if subscribe.must_exist {
            let join = |channel: &mut Channel| group.as_ref().map_or(Ok(()), |group| channel.join(group));
            let admit = |channel: &mut Channel, tickets: &mut Tickets, now| match join(channel) {
                Ok(()) => admit(channel, tickets, now),
                Err(_) => Subscribed::Full,
            };
            return self.visit_existing(key, timeout, admit).unwrap_or(Subscribed::NoSuchChannel);
        }
        match self.visit(key, timeout, self.budget.nothing(), group.as_ref(), admit) {
            Ok(subscribed) => subscribed,
            Err(Refusal::OutOfMemory) => Subscribed::OutOfMemory,
            Err(Refusal::Group(_)) => Subscribed::Full,
        }
    }

    // === Groups ===

    /// What a group holds, and its limits.
    pub fn group(&self, name: &[u8]) -> GroupInfo {
        let no_limit = Some(0);
        let limits = GroupLimits {
            channels: no_limit,
            subscribers: no_limit,
            messages: no_limit,
            memory: no_limit,
            disk: no_limit,
        };
        let empty = GroupInfo { limits, ..GroupInfo::default() };
        self.groups.find(name).map_or(empty, |group| group.info())
    }

    /// Sets limits of a group. What is there already stays, even if it is more.
    ///
    /// # Errors
    /// There is no memory for a group that nobody is in.
    pub fn limit_group(&self, name: &[u8], limits: &GroupLimits) -> Result<GroupInfo, OutOfMemory> {
        let group = self.make_group(name)?;
        group.set_limits(limits);
        Ok(group.info())
    }

    /// Removes all channels of a group, counted or not, and tells those who wait. The answer is how it was before.
    pub fn delete_group(&self, name: &[u8]) -> GroupInfo {
        let (info, now) = (self.group(name), self.clock.monotonic_millis());
        for shard in &self.shards {
            let mut state = shard.lock();
            for id in state.of_group(name) {
                self.delete_in(&mut state, id, now);
            }
        }
        info
    }

    /// The group of a channel, for a request that accounts.
    fn group_of(
        &self,
        key: &ChannelKey,
        accounting: Option<&Accounting>,
    ) -> Result<Option<Arc<Group>>, OutOfMemory> {
        let Some(accounting) = accounting else { return Ok(None) };
        let group = self.make_group(key.group())?;
        group.set_limits(&accounting.limits);
        Ok(Some(group))
    }

    fn make_group(&self, name: &[u8]) -> Result<Arc<Group>, OutOfMemory> {
        if let Some(group) = self.groups.find(name) {
            return Ok(group);
        }
        let size = Group::size_of(name);
        let claim = match self.budget.claim(size) {
            Some(claim) => claim,
            // The key is of no matter: all that is free afterwards is free for all.
            None => self.make_room(&ChannelKey::new(name, b""), size, None)?.split(size),
        };
        Ok(self.groups.find_or_make(name, claim))
    }

    /// Frees expired messages and idle channels. Meant to be called once a second; costs next to nothing when
    /// nothing is due.
    pub fn reap(&self) {
        let now = self.clock.monotonic_millis();
        for shard in &self.shards {
            shard.reap(now);
        }
        self.groups.forget_unused();
    }

    /// What the store holds now. Takes no lock.
    pub fn usage(&self) -> Usage {
        let counters = &self.budget.counters;
        Usage {
            bytes: self.budget.used(),
            budget: self.budget.limit,
            evictable: self.budget.evictable.load(Relaxed),
            channels: counters.channels.load(Relaxed),
            messages: counters.messages.load(Relaxed),
            published: counters.published.load(Relaxed),
            subscribers: counters.subscribers.load(Relaxed),
            evicted: counters.evicted.load(Relaxed),
            expired: counters.expired.load(Relaxed),
            collected: counters.collected.load(Relaxed),
            refused: counters.refused.load(Relaxed),
        }
    }

    /// On the way to a channel, idle ones whose time is over are collected: on time for all who ask for others.
    fn look_up(&self, key: &ChannelKey) {
        let due = self.next_idle.load(SeqCst);
        if due == NEVER {
            return;
        }
        let now = self.clock.monotonic_millis();
        if due <= now {
            // Before the shards are asked: what they list meanwhile counts again.
            self.next_idle.store(NEVER, SeqCst);
            for shard in &self.shards {
                shard.pass(now, key);
                self.next_idle.fetch_min(shard.oldest_idle(), SeqCst);
            }
        }
    }

    /// Whether there is such a channel, perhaps only because nobody has noticed that its time is over.
    #[cfg(test)]
    pub(super) fn holds(&self, key: &ChannelKey) -> bool {
        self.seek(key).lock().contains(key)
    }

    // === Inside a channel ===

    /// Publishes what nobody waits for and nobody will find later: no memory is needed. `None` if somebody
    /// waits.
    fn publish_to_nobody(
        &self,
        publish: &Publish<'_>,
        group: Option<&Arc<Group>>,
    ) -> Result<Option<ChannelInfo>, Refusal> {
        self.visit(publish.key, publish.channel_timeout, self.budget.nothing(), group, |channel, _, now| {
            (channel.subscribers() == 0).then(|| {
                channel.number(now, self.clock.wall_millis());
                channel.trim(0);
                channel.info(now)
            })
        })
    }

    fn append(
        &self,
        channel: &mut Channel,
        tickets: &mut Tickets,
        now: u64,
        publish: &Publish<'_>,
        mut message: Message,
    ) -> Result<ChannelInfo, GroupLimit> {
        if publish.is_stored() {
            channel.admit(message.size(), publish.accounting.is_some())?;
        }
        let wall = self.clock.wall_millis();
        let numbers = channel.number(now, wall);
        (message.stamp, message.offset) = (numbers.stamp, numbers.offset);
        message.published = numbers.published;
        message.sequence = self.last_message.fetch_add(1, Relaxed) + 1;
        message.deadline = publish.message_timeout.map_or(NEVER, |timeout| deadline(now, wall, timeout));
        let message = Arc::new(message);
        let subscribers = channel.subscribers();
        if publish.is_stored() {
            channel.push(Arc::clone(&message), publish.max_messages, publish.keep());
        } else {
            channel.trim(0);
        }
        if subscribers > 0 {
            channel.received(&message);
            let before = tickets.next();
            self.release(channel, before, &Event::Message { channel: channel.id, before, message });
        }
        Ok(ChannelInfo { subscribers: u64::from(subscribers), ..channel.info(now) })
    }

    fn admit(
        &self,
        (channel, tickets): (&mut Channel, &mut Tickets),
        now: u64,
        subscribe: &Subscribe<'_>,
        seat: Option<Seat>,
    ) -> Subscribed {
        let waiting = channel.subscribers();
        if subscribe.max_subscribers > 0 && waiting >= subscribe.max_subscribers {
            return Subscribed::Full;
        }
        if subscribe.is_request {
            channel.request(now);
        }
        channel.note_position(subscribe.position);
        match subscribe.concurrency {
            Concurrency::First if waiting > 0 => return Subscribed::Conflict,
            Concurrency::Last if waiting > 0 && subscribe.mode != Mode::Poll => {
                let before = tickets.next();
                self.release(channel, before, &Event::Displaced { channel: channel.id, before });
            }
            _ => {}
        }
        let (id, shard) = (channel.id, self.seek(subscribe.key));
        let subscription =
            |is_stream| Subscription::new(Arc::clone(shard), id, tickets.next(), is_stream, seat);
        if subscribe.mode == Mode::Stream {
            channel.stream(subscribe.worker);
            return Subscribed::Stream(subscription(true), channel.start(subscribe.position));
        }
        if let Some(message) = channel.next(subscribe.position).cloned() {
            channel.received(&message);
            return Subscribed::Message(message);
        }
        if subscribe.mode == Mode::Poll {
            return Subscribed::NothingNew;
        }
        let subscription = subscription(false);
        channel.wait(subscribe.worker);
        Subscribed::Wait(subscription)
    }

    /// Lets go of all waiters of a channel and tells each worker that may have some, once.
    fn release(&self, channel: &mut Channel, before: Ticket, event: &Event) {
        let workers = channel.release(before);
        if workers == 0 {
            return;
        }
        for (worker, mailbox) in self.mailboxes.iter().enumerate() {
            if workers & (1 << (worker % 64)) != 0 {
                mailbox(event.clone());
            }
        }
    }

    /// Runs `action` in a channel, which is created in `spare` or other free memory if it does not exist, and counted for
    /// `group`.
    fn visit<R>(
        &self,
        key: &ChannelKey,
        timeout_secs: u64,
        mut spare: Claim,
        group: Option<&Arc<Group>>,
        action: impl FnOnce(&mut Channel, &mut Tickets, u64) -> R,
    ) -> Result<R, Refusal> {
        loop {
            let now = self.clock.monotonic_millis();
            let mut guard = self.seek(key).lock();
            let state = &mut *guard;
            let found = state.find(key, now);
            let id = match found {
                Some(id) => id,
                None if self.fund(&mut spare, Channel::size_of(key)) => {
                    let id = ChannelId(self.last_channel.fetch_add(1, Relaxed) + 1);
                    state.create(key, id, spare.split(Channel::size_of(key)));
                    id
                }
                None => {
                    drop(guard);
                    spare = self.make_room(key, 0, None)?;
                    continue;
                }
            };
            // Always there, having just been found or created.
            let Some(channel) = state.channels.get_mut(&id) else { continue };
            if let Some(Err(limit)) = group.map(|group| channel.join(group)) {
                if found.is_none() {
                    state.remove(id);
                }
                return Err(Refusal::Group(limit));
            }
            channel.touch(now, timeout_secs);
            let result = action(channel, &mut state.tickets, now);
            state.settle(id);
            return Ok(result);
        }
    }

    /// Runs `action` in a channel, if it exists.
    fn visit_existing<R>(
        &self,
        key: &ChannelKey,
        timeout_secs: u64,
        action: impl FnOnce(&mut Channel, &mut Tickets, u64) -> R,
    ) -> Option<R> {
        let now = self.clock.monotonic_millis();
        let mut guard = self.seek(key).lock();
        let state = &mut *guard;
        let id = state.find(key, now)?;
        let channel = state.channels.get_mut(&id)?;
        channel.touch(now, timeout_secs);
        let result = action(channel, &mut state.tickets, now);
        state.settle(id);
        Some(result)
    }

    /// Makes sure that `spare` has `bytes`, if that many are free.
    fn fund(&self, spare: &mut Claim, bytes: usize) -> bool {
        if spare.bytes() < bytes
            && let Some(claim) = self.budget.claim(bytes)
        {
            *spare = claim;
        }
        spare.bytes() >= bytes
    }

    // === Lack of memory ===

    /// Makes room for a message that will be stored. The channel, if it exists, expects it from here on (which the second
    /// value tells), so that it neither goes when it loses its last message, nor keeps one that the new one replaces.
    fn make_room_for(&self, publish: &Publish<'_>, bytes: usize) -> Result<(Claim, bool), OutOfMemory> {
        let expects = self.at_channel(publish.key, |channel, now| {
            channel.touch(now, publish.channel_timeout);
            channel.expect(publish.keep());
        });
        let claim = self.make_room(publish.key, bytes, Some(publish)).inspect_err(|_| {
            if expects {
                self.at_channel(publish.key, |channel, _| channel.unexpect());
            }
        });
        Ok((claim?, expects))
    }

    /// Frees memory until `bytes` can be claimed, and what the channel `key` takes if it does not exist.
    /// `publish` is the message they are for, if it will be stored.
    fn make_room(
        &self,
        key: &ChannelKey,
        bytes: usize,
        publish: Option<&Publish<'_>>,
    ) -> Result<Claim, OutOfMemory> {
        let claim = self.collect_for(key, bytes).or_else(|| self.evict_for(key, bytes, publish));
        claim.ok_or_else(|| {
            self.budget.counters.refused.fetch_add(1, Relaxed);
            OutOfMemory
        })
    }

    /// Steps 1 and 2 of [`Store`]: nothing that anybody would miss.
    fn collect_for(&self, key: &ChannelKey, bytes: usize) -> Option<Claim> {
        if self.with_channel(key, bytes) > self.budget.limit {
            return None;
        }
        self.reap();
        loop {
            // Anew each time: the channel may itself be one that goes.
            let claim = self.budget.claim(self.with_channel(key, bytes));
            if claim.is_some() {
                return claim;
            }
            let shard = self.shards.iter().min_by_key(|shard| shard.oldest_idle())?;
            if shard.oldest_idle() == NEVER {
                return None;
            }
            shard.lock().collect_idle();
        }
    }

    /// Steps 3 and 4 of [`Store`].
    fn evict_for(&self, key: &ChannelKey, bytes: usize, publish: Option<&Publish<'_>>) -> Option<Claim> {
        let bytes = self.with_channel(key, bytes);
        if let Some(publish) = publish
            && self.budget.can_free(bytes)
        {
            self.at_channel(key, |channel, _| channel.trim(publish.max_messages - 1));
        }
        loop {
            let claim = self.budget.claim(bytes);
            // Asked again after each eviction: a message that somebody reads has not freed anything.
            if claim.is_some() || !self.budget.can_free(bytes) {
                return claim;
            }
            let shard = self.shards.iter().min_by_key(|shard| shard.oldest_surplus())?;
            if shard.oldest_surplus() == NEVER {
                return None;
            }
            shard.lock().evict_oldest();
        }
    }

    /// `bytes`, and what the channel takes if it has yet to be created.
    fn with_channel(&self, key: &ChannelKey, bytes: usize) -> usize {
        match self.seek(key).lock().contains(key) {
            true => bytes,
            false => bytes.saturating_add(Channel::size_of(key)),
        }
    }

    /// Changes a channel, if it exists (which it returns), without counting as a look-up.
    fn at_channel(&self, key: &ChannelKey, action: impl FnOnce(&mut Channel, u64)) -> bool {
        let now = self.clock.monotonic_millis();
        let mut state = self.seek(key).lock();
        let Some(id) = state.find(key, now) else { return false };
        if let Some(channel) = state.channels.get_mut(&id) {
            action(channel, now);
        }
        state.settle(id);
        true
    }

    /// Where a channel is looked for.
    fn seek(&self, key: &ChannelKey) -> &Arc<Shard> {
        // Not by the bits that tell channels of a shard apart: the lowest, and the highest seven.
        &self.shards[(key.digest() >> SHARD_BITS) as usize % SHARDS]
    }
}

/// The monotonic millisecond at which a message published now expires: when the wall clock, had nobody set
/// it, is past the second of publication plus `timeout_secs`.
fn deadline(now: u64, wall: i64, timeout_secs: u64) -> u64 {
    let into_second = wall.rem_euclid(1000).unsigned_abs();
    timeout_secs.saturating_add(1).saturating_mul(1000).saturating_sub(into_second).saturating_add(now)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("usage", &self.usage()).finish_non_exhaustive()
    }
}
