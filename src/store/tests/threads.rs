//! Several threads at once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// Waits that each worker begins.
const ROUNDS: usize = 3000;

#[test]
fn each_waiter_of_many_threads_gets_exactly_one_message() {
    let (served, delivered) = run(false);
    assert_eq!(delivered, 2 * ROUNDS);
    assert_eq!(served, delivered, "publishers counted whom the events reached");
}

#[test]
fn waiters_of_many_threads_may_give_up() {
    let (served, delivered) = run(true);
    assert!(delivered > 0 && delivered < 2 * ROUNDS);
    assert!(served >= delivered, "who gives up after the publish was counted by it");
}

/// Two publishers and two workers on four channels, with too little memory. Returns the waiters that
/// publishers were told of, and those that events reached.
fn run(give_up: bool) -> (usize, usize) {
    let clock = Arc::new(ManualClock::new(START));
    let queues: Vec<Arc<Mutex<Vec<Event>>>> = (0..2).map(|_| Arc::default()).collect();
    let mailbox = |queue: &Arc<Mutex<Vec<Event>>>| {
        let queue = Arc::clone(queue);
        Box::new(move |event| queue.lock().expect("no panic").push(event)) as Mailbox
    };
    let store = Store::new(200_000, clock, queues.iter().map(mailbox).collect());
    let (done, delivered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let served: u64 = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..2)
            .map(|seed| {
                let (store, done) = (&store, &done);
                scope.spawn(move || publish_until(store, done, seed))
            })
            .collect();
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (store, queue, delivered) = (&store, &queues[worker], &delivered);
                scope.spawn(move || subscribe_rounds(store, worker as u16, queue, delivered, give_up))
            })
            .collect();
        for worker in workers {
            worker.join().expect("no panic");
        }
        done.store(true, Ordering::SeqCst);
        publishers.into_iter().map(|publisher| publisher.join().expect("no panic")).sum()
    });
    assert_eq!(store.usage().subscribers, 0);
    for id in 0..4 {
        store.delete(&model_key(id));
    }
    queues.iter().for_each(|queue| queue.lock().expect("no panic").clear());
    assert_eq!((store.usage().bytes, store.usage().evictable), (0, 0));
    (served as usize, delivered.into_inner())
}

/// Publishes to random channels; returns how many waiters the store says it served.
fn publish_until(store: &Store, done: &AtomicBool, seed: u64) -> u64 {
    let mut random = Lcg(seed);
    let mut served = 0;
    while !done.load(Ordering::SeqCst) {
        let key = model_key(random.below(4));
        let body = vec![b'x'; random.below(20_000) as usize];
        let publish = Publish { store: random.coin(), ..post(&key, &body) };
        served += store.publish(&publish).map_or(0, |info| info.subscribers);
        assert!(store.usage().bytes <= store.usage().budget);
    }
    served
}

/// One worker: waits in random channels, gives up now and then, and checks that each wait ends once.
fn subscribe_rounds(
    store: &Store,
    worker: u16,
    queue: &Mutex<Vec<Event>>,
    delivered: &AtomicUsize,
    give_up: bool,
) {
    let mut random = Lcg(u64::from(worker) + 100);
    let mut waiters: Vec<Subscription> = Vec::new();
    let mut last_offset: HashMap<ChannelId, u64> = HashMap::new();
    let mut begun = 0;
    while begun < ROUNDS || !waiters.is_empty() {
        if begun < ROUNDS && waiters.len() < 20 {
            let key = model_key(random.below(4));
            let subscribe = Subscribe { worker: WorkerId(worker), ..get(&key, Position::Newest) };
            if let Subscribed::Wait(subscription) = store.subscribe(&subscribe) {
                begun += 1;
                waiters.push(subscription);
                if give_up && random.below(4) == 0 {
                    waiters.swap_remove(random.below(waiters.len() as u64) as usize);
                }
            }
        }
        let events = std::mem::take(&mut *queue.lock().expect("no panic"));
        for event in events {
            let Event::Message { channel, before, message } = event else { panic!("nobody deletes") };
            let last = last_offset.insert(channel, message.offset());
            assert!(last.is_none_or(|last| last < message.offset()), "events come in order");
            let waiting = waiters.len();
            waiters.retain(|waiter| waiter.channel() != channel || waiter.ticket() > before);
            delivered.fetch_add(waiting - waiters.len(), Ordering::SeqCst);
        }
        assert!(store.usage().bytes <= store.usage().budget);
    }
}
