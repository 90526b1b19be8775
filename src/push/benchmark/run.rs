//! One benchmark: what its console and all workers know of it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::config::model::Distribution;
use crate::store::{ChannelKey, Publish, Store};

use super::plan::Plan;
use super::report::{self, Tally};
use super::{GROUP, IDLE};

/// `run` before all are there.
pub(super) const NOT_READY: &str = "ERROR: not ready";
/// There is not enough memory beside what is stored.
pub(super) const NO_MEMORY: &str = "ERROR: not enough memory";

/// Messages that may be on their way to subscribers: what comes on top would not come sooner, and keep workers from what
/// else they do. One message for all of its subscribers may be more.
const MOST_UNDER_WAY: u64 = 20_000;

/// Seconds that the messages of a benchmark outlive it where nobody deletes them.
const LEFT_FOR: u64 = 10;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Subscribers come, or wait for it to start.
    Preparing,
    /// Messages are published since then.
    Running(Instant),
    /// It was told to publish no more.
    Finishing,
    /// Nobody wants to know any more.
    Aborted,
}

/// One benchmark.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) store: Arc<Store>,
    number: u64,
    workers: usize,
    /// The channel of its console.
    console: ChannelKey,
    phase: watch::Sender<Phase>,
    /// Decides which worker has what.
    hasher: RandomState,
    /// Workers that may still publish.
    publishing: AtomicUsize,
    /// Messages that subscribers are to get, each for itself, and those they got.
    expected: AtomicU64,
    received: AtomicU64,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// Workers whose subscribers are not all there.
    absent: usize,
    /// Workers that have not reported.
    unreported: usize,
    tally: Tally,
    /// The second of its beginning.
    initialized: u64,
    /// The second of its start.
    started: u64,
    /// How long messages were published.
    time: Duration,
}

impl Run {
    pub(super) fn new(
        store: Arc<Store>,
        number: u64,
        console: ChannelKey,
        plan: Plan,
        workers: usize,
    ) -> Self {
        let progress = Progress {
            absent: workers,
            unreported: workers,
            tally: Tally::default(),
            initialized: second(),
            started: 0,
            time: plan.conf.time,
        };
        Self {
            plan,
            store,
            number,
            workers,
            console,
            phase: watch::Sender::new(Phase::Preparing),
            hasher: RandomState::new(),
            publishing: AtomicUsize::new(workers),
            expected: AtomicU64::new(0),
            received: AtomicU64::new(0),
            progress: Mutex::new(progress),
        }
    }

    // === The console's side ===

    /// Starts it, and says what that came to.
    pub(super) fn start(&self) -> &'static str {
        let mut progress = self.progress();
        if *self.phase.borrow() != Phase::Preparing {
            return "ERROR: already running";
        }
        if progress.absent > 0 {
            return NOT_READY;
        }
        progress.started = second();
        self.phase.send_replace(Phase::Running(Instant::now()));
        "RUNNING"
    }

    /// Ends it before its time: results follow.
    pub(super) fn finish(&self) {
        let mut progress = self.progress();
        let phase = *self.phase.borrow();
        if let Phase::Running(since) = phase {
            progress.time = since.elapsed().min(self.plan.conf.time);
            self.phase.send_replace(Phase::Finishing);
        }
    }

    /// Ends it. From here on its console hears nothing of it.
    pub(super) fn abort(&self) {
        // Whoever is just telling the console something is done with that afterwards.
        let _progress = self.progress();
        self.phase.send_replace(Phase::Aborted);
    }

    /// Whether it was aborted, or failed.
    pub(super) fn is_aborted(&self) -> bool {
        *self.phase.borrow() == Phase::Aborted
    }

    // === The workers' side ===

    /// How far it is, and will be.
    pub(super) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// A channel.
    pub(super) fn key(&self, channel: u64) -> ChannelKey {
        ChannelKey::new(GROUP, format!("{}/{channel}", self.number).as_bytes())
    }

    /// The worker whose a channel is.
    pub(super) fn home(&self, channel: u64) -> usize {
        self.nth_worker(channel)
    }

    /// The worker that publishes in a channel.
    pub(super) fn publisher(&self, channel: u64) -> usize {
        match self.plan.conf.publishers {
            Distribution::Optimal => self.home(channel),
            Distribution::Random => self.nth_worker(self.hasher.hash_one(channel)),
        }
    }

    /// The worker that has a subscriber of a channel.
    pub(super) fn subscriber(&self, channel: u64, subscriber: u64) -> usize {
        match self.plan.conf.subscribers {
            Distribution::Optimal => self.home(channel),
            Distribution::Random => self.nth_worker(self.hasher.hash_one((channel, subscriber))),
        }
    }

    fn nth_worker(&self, number: u64) -> usize {
        let workers = u64::try_from(self.workers.max(1)).unwrap_or(u64::MAX);
        usize::try_from(number % workers).unwrap_or(0)
    }

    /// A worker has its subscribers.
    pub(super) fn is_there(&self) {
        let mut progress = self.progress();
        progress.absent -= 1;
        if progress.absent == 0 {
            self.tell(&report::ready(&self.plan, progress.initialized));
        }
    }

    /// A worker cannot have its subscribers.
    pub(super) fn fail(&self) {
        let _progress = self.progress();
        self.tell(NO_MEMORY);
        self.phase.send_replace(Phase::Aborted);
    }

    /// Whether subscribers have got so much of what was published that more may follow.
    pub(super) fn keeps_up(&self) -> bool {
        let under_way = self.under_way();
        let with_next = under_way.saturating_add(self.plan.conf.subscribers_per_channel);
        under_way == 0 || with_next <= MOST_UNDER_WAY
    }

    fn under_way(&self) -> u64 {
        // In this order: what was received was expected before.
        let received = self.received.load(Ordering::SeqCst);
        self.expected.load(Ordering::SeqCst).saturating_sub(received)
    }

    /// Publishes a message; false when the store does not take it.
    pub(super) fn publish(&self, key: &ChannelKey, body: &[u8]) -> bool {
        let subscribers = self.plan.conf.subscribers_per_channel;
        self.expected.fetch_add(subscribers, Ordering::SeqCst);
        let is_published = self.store_message(key, body);
        if !is_published {
            self.expected.fetch_sub(subscribers, Ordering::SeqCst);
        }
        is_published
    }

    fn store_message(&self, key: &ChannelKey, body: &[u8]) -> bool {
        let time = self.plan.conf.time.as_secs();
        let message = Publish {
            store: self.plan.store,
            max_messages: self.plan.max_messages,
            message_timeout: Some(time.saturating_add(LEFT_FOR)),
            ..message(key, body)
        };
        self.store.publish(&message).is_ok()
    }

    /// A worker publishes no more.
    pub(super) fn has_published(&self) {
        self.publishing.fetch_sub(1, Ordering::SeqCst);
    }

    /// Subscribers got this many messages.
    pub(super) fn has_received(&self, messages: u64) {
        self.received.fetch_add(messages, Ordering::SeqCst);
    }

    /// Whether all that is published is there.
    pub(super) fn is_settled(&self) -> bool {
        let is_published = self.publishing.load(Ordering::SeqCst) == 0;
        is_published && (self.is_aborted() || self.under_way() == 0)
    }

    /// What came of a worker's part, of which nothing is left. After the last one the console is told, and closed.
    pub(super) fn report(&self, tally: &Tally) {
        let mut progress = self.progress();
        progress.tally.add_all(tally);
        progress.unreported -= 1;
        if progress.unreported == 0 && !self.is_aborted() {
            let Progress { started, time, tally, .. } = &*progress;
            self.tell(&report::results(&self.plan, *started, *time, tally));
            self.store.delete(&self.console);
        }
    }

    /// Tells the console something. The caller holds the progress: a console that is gone must not be told anything, for
    /// that would make its channel anew.
    fn tell(&self, text: &str) {
        if !self.is_aborted() {
            let message = message(&self.console, text.as_bytes());
            // Without memory it is not told.
            let _ = self.store.publish(&message);
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message as the console gets it.
fn message<'a>(key: &'a ChannelKey, body: &'a [u8]) -> Publish<'a> {
    Publish {
        key,
        body,
        content_type: None,
        event_name: None,
        deflated: None,
        store: true,
        max_messages: 2,
        min_messages: 0,
        message_timeout: Some(LEFT_FOR),
        delete_oldest_received: false,
        channel_timeout: IDLE,
        accounting: None,
    }
}

/// The second it is.
fn second() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
