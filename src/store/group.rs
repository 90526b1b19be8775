//! Groups of channels: what is counted and limited for all channels of a group together.
//!
//! Only channels that were used through a location which accounts are counted. A channel is in its group's counts from then
//! on, whoever uses it, and each count goes down when what was counted goes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::{Claim, allocation};
use super::message::ARC_HEADER;

/// Limits of a group, as somebody sets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupLimits {
    /// Channels in existence; 0: no limit, `None`: as it was.
    pub channels: Option<u64>,
    /// Subscribers, likewise.
    pub subscribers: Option<u64>,
    /// Stored messages, likewise.
    pub messages: Option<u64>,
    /// Bytes of stored messages, likewise.
    pub memory: Option<u64>,
    /// Bytes of messages in files, likewise. There are none.
    pub disk: Option<u64>,
}

/// How a request is counted for the group of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// Limits that the group gets from this request on.
    pub limits: GroupLimits,
    /// Whether a subscriber is counted; one that waits in several channels is counted in one of them.
    pub counts_subscriber: bool,
}

/// What a group holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupInfo {
    /// Channels in existence.
    pub channels: u64,
    /// Subscribers waiting.
    pub subscribers: u64,
    /// Messages stored.
    pub messages: u64,
    /// Bytes they take.
    pub memory: u64,
    /// The limits in force.
    pub limits: GroupLimits,
}

/// The limit of a group that a request would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupLimit {
    /// Of channels.
    Channels,
    /// Of subscribers.
    Subscribers,
    /// Of stored messages.
    Messages,
    /// Of their bytes.
    Memory,
}

/// A number and its limit.
#[derive(Debug, Default)]
struct Count {
    now: AtomicU64,
    /// 0: none.
    limit: AtomicU64,
}

/// The counts of one group.
#[derive(Debug)]
pub(super) struct Group {
    channels: Count,
    subscribers: Count,
    messages: Count,
    memory: Count,
    disk: AtomicU64,
    /// The group's own memory: names of groups come from strangers.
    _claim: Claim,
}

/// A subscriber's place in the counts, given back on drop.
#[derive(Debug)]
pub(super) struct Seat(Arc<Group>);

/// A channel's place in the counts of its group, given back on drop.
#[derive(Debug)]
pub(super) struct Membership(Arc<Group>);

/// All groups that are counted or limited.
#[derive(Debug, Default)]
pub(super) struct Groups(Mutex<HashMap<Box<[u8]>, Arc<Group>>>);

// === impl Count ===

impl Count {
    fn take(&self, amount: u64) -> bool {
        let limit = self.limit.load(Relaxed);
        let grow = |now: u64| now.checked_add(amount).filter(|sum| limit == 0 || *sum <= limit);
        self.now.fetch_update(Relaxed, Relaxed, grow).is_ok()
    }

    fn would_exceed(&self, amount: u64) -> bool {
        let limit = self.limit.load(Relaxed);
        limit > 0 && self.now.load(Relaxed).saturating_add(amount) > limit
    }

    fn set_limit(&self, limit: Option<u64>) {
        if let Some(limit) = limit {
            self.limit.store(limit, Relaxed);
        }
    }

    fn load(&self) -> (u64, Option<u64>) {
        (self.now.load(Relaxed), Some(self.limit.load(Relaxed)))
    }
}

// === impl Group ===

impl Group {
    fn new(claim: Claim) -> Self {
        let (channels, subscribers, messages, memory) = Default::default();
        Self { channels, subscribers, messages, memory, disk: AtomicU64::new(0), _claim: claim }
    }

    /// Bytes that a group of this name takes.
    pub(super) fn size_of(name: &[u8]) -> usize {
        // The map is between half and seven eighths full.
        let entry = 2 * size_of::<(Box<[u8]>, Arc<Self>)>() + 2;
        allocation(ARC_HEADER + size_of::<Self>()) + allocation(name.len()) + entry
    }

    pub(super) fn set_limits(&self, limits: &GroupLimits) {
        self.channels.set_limit(limits.channels);
        self.subscribers.set_limit(limits.subscribers);
        self.messages.set_limit(limits.messages);
        self.memory.set_limit(limits.memory);
        if let Some(disk) = limits.disk {
            self.disk.store(disk, Relaxed);
        }
    }

    /// What keeps a message of so many bytes out.
    pub(super) fn refuses_message(&self, bytes: usize) -> Option<GroupLimit> {
        if self.messages.would_exceed(1) {
            return Some(GroupLimit::Messages);
        }
        self.memory.would_exceed(bytes as u64).then_some(GroupLimit::Memory)
    }

    /// Whether there is no room for another subscriber.
    pub(super) fn is_full(&self) -> bool {
        self.subscribers.would_exceed(1)
    }

    /// A place for a subscriber, if there is one.
    pub(super) fn seat(self: &Arc<Self>) -> Option<Seat> {
        self.subscribers.take(1).then(|| Seat(Arc::clone(self)))
    }

    /// Counts a channel, if there may be one more.
    pub(super) fn join(self: &Arc<Self>) -> Option<Membership> {
        self.channels.take(1).then(|| Membership(Arc::clone(self)))
    }

    pub(super) fn info(&self) -> GroupInfo {
        let (channels, max_channels) = self.channels.load();
        let (subscribers, max_subscribers) = self.subscribers.load();
        let (messages, max_messages) = self.messages.load();
        let (memory, max_memory) = self.memory.load();
        let limits = GroupLimits {
            channels: max_channels,
            subscribers: max_subscribers,
            messages: max_messages,
            memory: max_memory,
            disk: Some(self.disk.load(Relaxed)),
        };
        GroupInfo { channels, subscribers, messages, memory, limits }
    }

    fn is_limited(&self) -> bool {
        let counts = [&self.channels, &self.subscribers, &self.messages, &self.memory];
        counts.iter().any(|count| count.limit.load(Relaxed) > 0) || self.disk.load(Relaxed) > 0
    }
}

// === impl Membership ===

impl Membership {
    /// Counts a message that is about to be stored, if the limits allow it.
    pub(super) fn admit(&self, bytes: usize) -> Result<(), GroupLimit> {
        if !self.0.messages.take(1) {
            return Err(GroupLimit::Messages);
        }
        if !self.0.memory.take(bytes as u64) {
            self.0.messages.now.fetch_sub(1, Relaxed);
            return Err(GroupLimit::Memory);
        }
        Ok(())
    }

    /// Counts a message whatever the limits are.
    pub(super) fn count(&self, bytes: usize) {
        self.0.messages.now.fetch_add(1, Relaxed);
        self.0.memory.now.fetch_add(bytes as u64, Relaxed);
    }

    /// A counted message is stored no longer.
    pub(super) fn uncount(&self, bytes: usize) {
        self.0.messages.now.fetch_sub(1, Relaxed);
        self.0.memory.now.fetch_sub(bytes as u64, Relaxed);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.channels.now.fetch_sub(1, Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.subscribers.now.fetch_sub(1, Relaxed);
    }
}

// === impl Groups ===

impl Groups {
    pub(super) fn find(&self, name: &[u8]) -> Option<Arc<Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The group of this name, made in `claim` if there is none.
    pub(super) fn find_or_make(&self, name: &[u8], claim: Claim) -> Arc<Group> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(groups.entry(name.into()).or_insert_with(|| Arc::new(Group::new(claim))))
    }

    /// Forgets groups that nobody is in and that have no limits.
    pub(super) fn forget_unused(&self) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|_, group| Arc::strong_count(group) > 1 || group.is_limited());
    }
}
