//! Time, as the store sees it: replaced by [`ManualClock`] in tests.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

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
    /// Monotonic millisecond.
    start: i64,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        Self { start: millis(ClockId::CLOCK_MONOTONIC) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall_millis(&self) -> i64 {
        millis(ClockId::CLOCK_REALTIME)
    }

    fn monotonic_millis(&self) -> u64 {
        /// There is time before the start: what came from another process happened in it.
        const START: u64 = 1 << 40;
        START.saturating_add_signed(millis(ClockId::CLOCK_MONOTONIC).saturating_sub(self.start))
    }
}

/// What a clock shows. The standard library's clocks are made for differences, which take longer.
fn millis(clock: ClockId) -> i64 {
    let millis =
        |time: TimeSpec| time.tv_sec().saturating_mul(1000).saturating_add(time.tv_nsec() / 1_000_000);
    // Every system has these clocks.
    clock_gettime(clock).map_or(0, millis)
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
