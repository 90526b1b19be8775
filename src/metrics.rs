//! What is counted: connections, deliveries, reloads. Each worker counts for itself, without locks and without sharing a
//! counter with others; sums are made when somebody asks.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// A number that one thread changes and all may read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Goes up. Only the owning thread calls this, so there is no need to lock the bus for it.
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// Goes down; likewise.
    pub fn subtract(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).saturating_sub(by), Relaxed);
    }

    /// What it is.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the classes of [`Worker::latency`], in microseconds.
pub const LATENCIES: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000];

/// How long things took.
#[derive(Debug, Default)]
pub struct Latency {
    /// How often it was at most so long; the last is for what was longer than all.
    classes: [Count; LATENCIES.len() + 1],
    /// Microseconds in all.
    sum: Count,
}

impl Latency {
    /// Counts one.
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = LATENCIES.iter().position(|bound| micros <= *bound).unwrap_or(LATENCIES.len());
        self.classes[class].add(1);
        self.sum.add(micros);
    }

    /// Counts by class, and microseconds in all.
    pub fn read(&self) -> ([u64; LATENCIES.len() + 1], u64) {
        (std::array::from_fn(|class| self.classes[class].get()), self.sum.get())
    }
}

/// What one worker counts. Only its own thread writes.
#[derive(Debug, Default)]
pub struct Worker {
    /// Its number.
    pub number: u16,
    /// Connections accepted.
    pub accepted: Count,
    /// Connections that got a place: all but those above `worker_connections`.
    pub handled: Count,
    /// Requests.
    pub requests: Count,
    /// Of these, that were answered where their connection was parked, being the last one again.
    pub repeated: Count,
    /// Connections that are open.
    pub active: Count,
    /// Of these, in the middle of a request's head.
    pub reading: Count,
    /// Of these, with a request under way: waiting subscribers too.
    pub writing: Count,
    /// Subscribers that wait.
    pub parked: Count,
    /// Idle connections closed to make room.
    pub reused: Count,
    /// Messages published.
    pub published: Count,
    /// Messages given to subscribers, at once or after a wait.
    pub delivered: Count,
    /// Answers that a subscriber's socket did not take at once.
    pub slow: Count,
    /// Answers of 507.
    pub out_of_memory: Count,
    /// From publishing to the last write to a socket of this worker.
    pub latency: Latency,
}

/// Workers of this process.
static WORKERS: RwLock<Vec<Arc<Worker>>> = RwLock::new(Vec::new());

/// Generation of the configuration in force, and what became of reloads.
static GENERATION: AtomicU64 = AtomicU64::new(0);
static RELOADED: AtomicU64 = AtomicU64::new(0);
static NOT_RELOADED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HERE: OnceCell<Arc<Worker>> = const { OnceCell::new() };
}

/// Makes this thread the worker of that number.
pub fn become_worker(number: u16) {
    let worker = Arc::new(Worker { number, ..Worker::default() });
    if HERE.with(|here| here.set(Arc::clone(&worker))).is_ok() {
        WORKERS.write().unwrap_or_else(PoisonError::into_inner).push(worker);
    }
}

/// Counts something for the worker whose thread this is; elsewhere nothing is counted.
pub fn count(what: impl FnOnce(&Worker)) {
    HERE.with(|here| here.get().map(|worker| what(worker)));
}

/// All workers, in the order of their numbers.
pub fn workers() -> Vec<Arc<Worker>> {
    let mut workers = WORKERS.read().unwrap_or_else(PoisonError::into_inner).clone();
    workers.sort_by_key(|worker| worker.number);
    workers
}

/// A reload has put a new configuration in force, or has not.
pub fn reloaded(succeeded: bool) {
    if succeeded {
        RELOADED.fetch_add(1, Relaxed);
        GENERATION.fetch_add(1, Relaxed);
    } else {
        NOT_RELOADED.fetch_add(1, Relaxed);
    }
}

/// The generation of the configuration, from 1; reloads that succeeded, and that did not.
pub fn reloads() -> (u64, u64, u64) {
    (GENERATION.load(Relaxed) + 1, RELOADED.load(Relaxed), NOT_RELOADED.load(Relaxed))
}

/// Connections and requests of all workers: what `stub_status` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Connections {
    pub accepted: u64,
    pub handled: u64,
    pub requests: u64,
    pub active: u64,
    pub reading: u64,
    pub writing: u64,
    pub waiting: u64,
}

/// Connections and requests of all workers.
pub fn connections() -> Connections {
    let mut sum = Connections::default();
    for worker in workers() {
        sum.accepted += worker.accepted.get();
        sum.handled += worker.handled.get();
        sum.requests += worker.requests.get();
        sum.active += worker.active.get();
        sum.reading += worker.reading.get();
        sum.writing += worker.writing.get();
    }
    sum.waiting = sum.active.saturating_sub(sum.reading + sum.writing);
    sum
}

/// What a connection is doing, for the gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for a request.
    #[default]
    Waiting,
    /// In the middle of a request's head.
    Reading,
    /// A request is under way.
    Writing,
}

/// A connection in the gauges; out of them when it is dropped.
#[derive(Debug, Default)]
pub struct StageGauge(Stage);

impl StageGauge {
    /// The connection is doing something else.
    pub fn set(&mut self, stage: Stage) {
        if self.0 == stage {
            return;
        }
        count(|worker| {
            if let Some(gauge) = gauge(worker, self.0) {
                gauge.subtract(1);
            }
            if let Some(gauge) = gauge(worker, stage) {
                gauge.add(1);
            }
        });
        self.0 = stage;
    }
}

fn gauge(worker: &Worker, stage: Stage) -> Option<&Count> {
    match stage {
        Stage::Waiting => None,
        Stage::Reading => Some(&worker.reading),
        Stage::Writing => Some(&worker.writing),
    }
}

impl Drop for StageGauge {
    fn drop(&mut self) {
        self.set(Stage::Waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_fall_into_their_classes() {
        let latency = Latency::default();
        for micros in [0, 100, 101, 2_000_000] {
            latency.observe(Duration::from_micros(micros));
        }
        let (classes, sum) = latency.read();
        assert_eq!((classes[0], classes[1], classes[LATENCIES.len()], sum), (2, 1, 1, 2_000_201));
    }

    #[test]
    fn gauges_follow_a_connection_to_its_end() {
        std::thread::spawn(|| {
            become_worker(u16::MAX);
            let mut gauge = StageGauge::default();
            gauge.set(Stage::Reading);
            gauge.set(Stage::Writing);
            let read = || {
                let mut numbers = (0, 0);
                count(|worker| numbers = (worker.reading.get(), worker.writing.get()));
                numbers
            };
            assert_eq!(read(), (0, 1));
            drop(gauge);
            assert_eq!(read(), (0, 0));
        })
        .join()
        .expect("nothing panics");
    }
}
