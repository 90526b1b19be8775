//! The memory limit, and the counters that go with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bytes that the allocator takes for an allocation of `size` bytes: a word of its own, rounded up to 16, at
/// least 32.
pub(super) const fn allocation(size: usize) -> usize {
    let rounded = (size + size_of::<usize>()).next_multiple_of(16);
    match size {
        0 => 0,
        _ if rounded < 32 => 32,
        _ => rounded,
    }
}

/// All memory of a store is claimed here before it is allocated.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) limit: usize,
    used: AtomicUsize,
    /// Bytes of the stored messages that may be evicted: those beyond the minimum of their channel.
    pub(super) evictable: AtomicUsize,
    pub(super) counters: Counters,
}

/// How much there is, and what became of it. Never decides anything.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) channels: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) subscribers: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) collected: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            evictable: AtomicUsize::new(0),
            counters: Counters::default(),
        })
    }

    /// Takes `bytes`, if that many are free.
    pub(super) fn claim(self: &Arc<Self>, bytes: usize) -> Option<Claim> {
        let grow = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, grow).ok()?;
        Some(Claim { budget: Arc::clone(self), bytes })
    }

    /// A claim to nothing, which always succeeds.
    pub(super) fn nothing(self: &Arc<Self>) -> Claim {
        Claim { budget: Arc::clone(self), bytes: 0 }
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Whether evicting all there is would make room for `bytes`.
    pub(super) fn can_free(&self, bytes: usize) -> bool {
        let free = self.limit.saturating_sub(self.used());
        free.saturating_add(self.evictable.load(Relaxed)) >= bytes
    }
}

/// Claimed bytes, returned on drop.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) budget: Arc<Budget>,
    bytes: usize,
}

impl Claim {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` of this claim (at most all) for something of its own.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: Arc::clone(&self.budget), bytes }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.used.fetch_sub(self.bytes, Relaxed);
        }
    }
}
