//! A message into the store. Channels are full: each message pushes an old one out.

use divan::Bencher;
use divan::counter::ItemsCount;
use encke::store::{ChannelKey, Mode, Store, Subscribed, Subscription};

use crate::given;

/// Bytes of a body.
const SIZES: [usize; 2] = [100, 4096];

#[divan::bench(args = SIZES, sample_size = 100)]
fn one_channel(bencher: Bencher<'_, '_>, size: usize) {
    publish_in_turn(bencher, &keys(1), size);
}

#[divan::bench(args = SIZES, sample_size = 100)]
fn many_channels(bencher: Bencher<'_, '_>, size: usize) {
    publish_in_turn(bencher, &keys(1_000), size);
}

/// So many streams are told of it; their worker gets one event.
#[divan::bench(args = [1, 10_000], sample_size = 100)]
fn with_streams(bencher: Bencher<'_, '_>, count: usize) {
    let (store, keys) = (given::store(), keys(1));
    let _streams = subscribe(&store, &keys[0], Mode::Stream, count);
    bencher.bench_local(|| store.publish(&given::message(&keys[0], &[b'm'; 100])));
}

/// One long-poll comes, is answered, and goes.
#[divan::bench(sample_size = 100)]
fn with_poll(bencher: Bencher<'_, '_>) {
    let (store, keys) = (given::store(), keys(1));
    bencher.bench_local(|| {
        let _wait = store.subscribe(&given::subscriber(&keys[0], Mode::Once));
        store.publish(&given::message(&keys[0], &[b'm'; 100]))
    });
}

fn publish_in_turn(bencher: Bencher<'_, '_>, keys: &[ChannelKey], size: usize) {
    let (store, body) = (given::store(), vec![b'm'; size]);
    for key in keys.iter().flat_map(|key| std::iter::repeat_n(key, 100)) {
        store.publish(&given::message(key, &body)).expect("room");
    }
    let mut turn = keys.iter().cycle();
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| turn.next().map(|key| store.publish(&given::message(key, &body))));
}

fn subscribe(store: &Store, key: &ChannelKey, mode: Mode, count: usize) -> Vec<Subscription> {
    let subscribe = |_| match store.subscribe(&given::subscriber(key, mode)) {
        Subscribed::Stream(subscription, _) | Subscribed::Wait(subscription) => subscription,
        other => panic!("{other:?}"),
    };
    (0..count).map(subscribe).collect()
}

fn keys(count: usize) -> Vec<ChannelKey> {
    (0..count).map(|number| ChannelKey::new(b"", format!("channel-{number}").as_bytes())).collect()
}
