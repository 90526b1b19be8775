//! A worker's part in a benchmark: its subscribers, which have no connections, and what it publishes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::store::{
    ChannelId, ChannelKey, Concurrency, Event, Mode, OutOfMemory, Position, Subscribe, Subscribed,
    Subscription, WorkerId,
};

use super::IDLE;
use super::report::{Tally, Times};
use super::run::{Phase, Run};

/// Steps that are done before the worker's other work gets its turn.
const STEPS_AT_ONCE: u32 = 64;
/// How long is waited for messages that have not come, once all are published.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long nothing is published when subscribers do not keep up.
const PAUSE: Duration = Duration::from_millis(1);
/// How often is looked whether they have.
const LOOK: Duration = Duration::from_millis(5);

/// A worker's part, on its way to it.
#[derive(Debug)]
pub struct Part {
    run: Arc<Run>,
    worker: WorkerId,
    /// Shows that there is something left to do.
    _shows: Arc<()>,
}

/// A worker's subscribers without connections, by their channels.
#[derive(Debug, Default)]
pub struct Seats(RefCell<HashMap<ChannelId, Seated>>);

/// Those of one channel.
#[derive(Debug)]
struct Seated {
    subscriptions: Vec<Subscription>,
    run: Arc<Run>,
    delivery: Rc<RefCell<Times>>,
}

/// Counts steps, and lets others have their turn now and then.
#[derive(Default)]
struct Steps(u32);

// === impl Seats ===

impl Seats {
    /// Gives an event of the store, which came up at `since`, to those whom it is for.
    pub fn hear(&self, event: &Event, since: Instant) {
        let seats = self.0.borrow();
        if seats.is_empty() || !matches!(event, Event::Message { .. }) {
            return;
        }
        let Some(seated) = seats.get(&event.channel()) else { return };
        let mut times = seated.delivery.borrow_mut();
        let concerned = seated.subscriptions.iter().filter(|seat| seat.ticket() < event.before());
        let received = concerned.map(|_| times.add(since.elapsed())).count();
        seated.run.has_received(u64::try_from(received).unwrap_or(u64::MAX));
    }

    fn take(&self, channel: ChannelId) -> Vec<Subscription> {
        self.0.borrow_mut().remove(&channel).map(|seated| seated.subscriptions).unwrap_or_default()
    }
}

// === impl Part ===

impl Part {
    pub(super) fn new(run: Arc<Run>, worker: WorkerId, shows: Arc<()>) -> Self {
        Self { run, worker, _shows: shows }
    }

    /// Does it, from the first subscriber to the report. Nothing is left of it afterwards, however it ended.
    pub async fn play(self, seats: Rc<Seats>) {
        let mut phases = self.run.phases();
        let delivery = Rc::<RefCell<Times>>::default();
        let mut channels = Vec::new();
        match self.come(&seats, &delivery, &mut channels).await {
            Ok(()) => self.run.is_there(),
            Err(OutOfMemory) => self.run.fail(),
        }
        let mut tally = match begin(&mut phases).await {
            Some(start) => self.publish(start, &mut phases).await,
            None => Tally::default(),
        };
        self.run.has_published();
        self.settle().await;
        self.go(&seats, channels).await;
        tally.delivery = delivery.take();
        self.run.report(&tally);
    }

    /// Subscribes; `channels` are those where it did.
    async fn come(
        &self,
        seats: &Seats,
        delivery: &Rc<RefCell<Times>>,
        channels: &mut Vec<ChannelId>,
    ) -> Result<(), OutOfMemory> {
        let (conf, mut steps) = (self.run.plan.conf, Steps::default());
        for channel in 0..conf.channels {
            let key = self.run.key(channel);
            steps.next().await;
            for subscriber in 0..conf.subscribers_per_channel {
                steps.next().await;
                if self.run.is_aborted() {
                    return Ok(());
                }
                if self.run.subscriber(channel, subscriber) != usize::from(self.worker.0) {
                    continue;
                }
                let subscription = self.subscribe(&key)?;
                let id = subscription.channel();
                let mut seats = seats.0.borrow_mut();
                let seated = seats.entry(id).or_insert_with(|| {
                    channels.push(id);
                    let (run, delivery) = (Arc::clone(&self.run), Rc::clone(delivery));
                    Seated { subscriptions: Vec::new(), run, delivery }
                });
                seated.subscriptions.push(subscription);
            }
        }
        Ok(())
    }

    fn subscribe(&self, key: &ChannelKey) -> Result<Subscription, OutOfMemory> {
        let subscribed = self.run.store.subscribe(&Subscribe {
            key,
            position: Position::Newest,
            worker: self.worker,
            mode: Mode::Stream,
            concurrency: Concurrency::Broadcast,
            max_subscribers: 0,
            must_exist: false,
            channel_timeout: IDLE,
            is_request: false,
            accounting: None,
        });
        match subscribed {
            Subscribed::Stream(subscription, _) => Ok(subscription),
            _ => Err(OutOfMemory),
        }
    }

    /// Publishes in its channels, one after the other and evenly, until its time is over or it is told to end. What was
    /// not published in time is left out.
    async fn publish(&self, start: Instant, phases: &mut watch::Receiver<Phase>) -> Tally {
        let plan = &self.run.plan;
        let (mut tally, mut steps, mut n) = (Tally::default(), Steps::default(), 0);
        let (keys, body) = (self.keys().await, plan.message());
        let mut order = keys.iter().cycle();
        loop {
            let elapsed = start.elapsed();
            let is_running = matches!(*phases.borrow_and_update(), Phase::Running(_));
            if elapsed >= plan.conf.time || !is_running {
                return tally;
            }
            let due = plan.due(n, keys.len());
            if due > elapsed {
                let rest = due.min(plan.conf.time).saturating_sub(elapsed);
                let _ = tokio::time::timeout(rest, phases.changed()).await;
                continue;
            }
            if !self.run.keeps_up() {
                sleep(PAUSE).await;
                continue;
            }
            if let Some(key) = order.next() {
                let asked = Instant::now();
                match self.run.publish(key, &body) {
                    true => tally.confirmed += 1,
                    false => tally.failed += 1,
                }
                tally.publishing.add(asked.elapsed());
            }
            n += 1;
            steps.next().await;
        }
    }

    /// The channels it publishes in.
    async fn keys(&self) -> Vec<ChannelKey> {
        let (mut keys, mut steps) = (Vec::new(), Steps::default());
        for channel in 0..self.run.plan.conf.channels {
            if self.run.publisher(channel) == usize::from(self.worker.0) {
                keys.push(self.run.key(channel));
            }
            steps.next().await;
        }
        keys
    }

    /// Waits until everybody has got everything.
    async fn settle(&self) {
        let since = Instant::now();
        while !self.run.is_settled() && since.elapsed() < PATIENCE {
            sleep(LOOK).await;
        }
    }

    /// Lets its subscribers go, and deletes the channels that are this worker's.
    async fn go(&self, seats: &Seats, channels: Vec<ChannelId>) {
        let mut steps = Steps::default();
        for channel in channels {
            for subscription in seats.take(channel) {
                drop(subscription);
                steps.next().await;
            }
        }
        for channel in 0..self.run.plan.conf.channels {
            if self.run.home(channel) == usize::from(self.worker.0) {
                self.run.store.delete(&self.run.key(channel));
            }
            steps.next().await;
        }
    }
}

/// Waits until it starts; `None` when it never does.
async fn begin(phases: &mut watch::Receiver<Phase>) -> Option<Instant> {
    match *phases.wait_for(|phase| *phase != Phase::Preparing).await.ok()? {
        Phase::Running(since) => Some(since),
        _ => None,
    }
}

// === impl Steps ===

impl Steps {
    async fn next(&mut self) {
        self.0 += 1;
        if self.0 >= STEPS_AT_ONCE {
            self.0 = 0;
            yield_now().await;
        }
    }
}
