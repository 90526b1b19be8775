//! Time, as the store sees it: replaced by [`ManualClock`] in tests.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Two clocks: one for what clients are told, one for how long things last.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970. May be set back or forward at any time.
    fn wall_millis(&self) -> i64;

    /// Milliseconds since some start. Never goes back.
    fn monotonic_millis(&self) -> u64;
}

/// The clocks of the operating system.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall_millis(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        }
    }

    fn monotonic_millis(&self) -> u64 {
        /// There is time before the start: what came from another process happened in it.
        const START: u64 = 1 << 40;
        START.saturating_add(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `wall_millis` since 1970, at monotonic time 0.
    pub fn new(wall_millis: i64) -> Self {
        Self { wall: AtomicI64::new(wall_millis), monotonic: AtomicU64::new(0) }
    }

    /// Lets `millis` pass on both clocks.
    pub fn advance(&self, millis: u32) {
        self.wall.fetch_add(i64::from(millis), Ordering::SeqCst);
        self.monotonic.fetch_add(u64::from(millis), Ordering::SeqCst);
    }

    /// Sets the wall clock, as an administrator does; no time passes.
    pub fn set_wall(&self, wall_millis: i64) {
        self.wall.store(wall_millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_millis(&self) -> i64 {
        self.wall.load(Ordering::SeqCst)
    }

    fn monotonic_millis(&self) -> u64 {
        self.monotonic.load(Ordering::SeqCst)
    }
}
