//! Every rule of the store by name, then the whole against a naive model, then against threads.

mod groups;
mod handover;
mod model;
mod rules;
mod streams;
mod threads;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::*;

/// A wall clock in the middle of a second.
const START: i64 = 1_000_000_000_250;
const START_SECS: i64 = 1_000_000_000;
const PLENTY: usize = 1 << 30;

struct Bench {
    store: Store,
    clock: Arc<ManualClock>,
    events: Vec<Receiver<Event>>,
}

fn bench(budget: usize) -> Bench {
    let clock = Arc::new(ManualClock::new(START));
    let (mailboxes, events) = (0..3)
        .map(|_| {
            let (sender, receiver) = channel();
            let mailbox: Mailbox = Box::new(move |event| {
                let _ = sender.send(event);
            });
            (mailbox, receiver)
        })
        .unzip();
    Bench { store: Store::new(budget, Arc::<ManualClock>::clone(&clock), mailboxes), clock, events }
}

fn key(id: &str) -> ChannelKey {
    ChannelKey::new(b"", id.as_bytes())
}

fn post<'a>(key: &'a ChannelKey, body: &'a [u8]) -> Publish<'a> {
    Publish {
        key,
        body,
        content_type: None,
        event_name: None,
        deflated: None,
        store: true,
        max_messages: 10,
        min_messages: 1,
        message_timeout: Some(3600),
        delete_oldest_received: false,
        channel_timeout: 5,
        accounting: None,
    }
}

fn get(key: &ChannelKey, position: Position) -> Subscribe<'_> {
    Subscribe {
        key,
        position,
        worker: WorkerId(0),
        mode: Mode::Once,
        concurrency: Concurrency::Broadcast,
        max_subscribers: 0,
        must_exist: false,
        channel_timeout: 5,
        is_request: true,
        accounting: None,
    }
}

fn poll(key: &ChannelKey, position: Position) -> Subscribe<'_> {
    Subscribe { mode: Mode::Poll, ..get(key, position) }
}

impl Bench {
    fn publish(&self, key: &ChannelKey, body: &str) -> ChannelInfo {
        self.store.publish(&post(key, body.as_bytes())).expect("room")
    }

    fn message(&self, subscribe: &Subscribe<'_>) -> Arc<Message> {
        match self.store.subscribe(subscribe) {
            Subscribed::Message(message) => message,
            other => panic!("no message but {other:?}"),
        }
    }

    fn wait(&self, subscribe: &Subscribe<'_>) -> Subscription {
        match self.store.subscribe(subscribe) {
            Subscribed::Wait(subscription) => subscription,
            other => panic!("does not wait but {other:?}"),
        }
    }

    /// Bodies of all stored messages, by asking as a client does.
    fn stored(&self, key: &ChannelKey) -> Vec<String> {
        let mut position = Position::Oldest;
        let mut bodies = Vec::new();
        while let Subscribed::Message(message) = self.store.subscribe(&poll(key, position)) {
            bodies.push(text(&message));
            position = Position::After(message.stamp());
        }
        bodies
    }

    fn events(&self, worker: usize) -> Vec<Event> {
        self.events[worker].try_iter().collect()
    }

    fn messages(&self, key: &ChannelKey) -> Option<u64> {
        self.store.info(key, 5).map(|info| info.messages)
    }
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

/// Bytes of a channel and of one message, as charged.
fn sizes(id: &str, body: usize) -> (usize, usize) {
    let bench = bench(PLENTY);
    let key = key(id);
    bench.store.create(&key, 5).expect("room");
    let channel = bench.store.usage().bytes;
    bench.store.publish(&post(&key, &vec![0; body])).expect("room");
    (channel, bench.store.usage().bytes - channel)
}

/// Numbers that are random enough, and the same in each run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// Names of one length, so that all channels have one size.
fn model_key(id: u64) -> ChannelKey {
    key(&format!("{id:04}"))
}
