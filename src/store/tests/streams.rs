//! Streams: subscribers that no message releases.

use super::*;

impl Bench {
    fn stream(&self, key: &ChannelKey, position: Position) -> (Subscription, u64) {
        match self.store.subscribe(&Subscribe { mode: Mode::Stream, ..get(key, position) }) {
            Subscribed::Stream(subscription, next) => (subscription, next),
            other => panic!("no stream but {other:?}"),
        }
    }
}

fn read(subscription: &Subscription, from: u64) -> (Vec<String>, Batch) {
    let batch = subscription.read(from, usize::MAX).expect("the channel is there");
    (batch.messages.iter().map(|message| text(message)).collect(), batch)
}

#[test]
fn a_stream_reads_what_is_stored_and_hears_of_what_comes() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    bench.publish(&key, "2");
    let (stream, next) = bench.stream(&key, Position::Oldest);
    let info = bench.publish(&key, "3");
    assert_eq!(info.subscribers, 1);
    let (bodies, batch) = read(&stream, next);
    assert_eq!(
        (bodies, batch.next, batch.more, batch.missed),
        (vec!["1".into(), "2".into(), "3".into()], 3, false, false)
    );
    for _ in 0..2 {
        bench.publish(&key, "4");
    }
    let events = bench.events(0);
    assert_eq!(events.len(), 3, "a message does not end a stream");
    assert!(events.iter().all(|event| event.before() > stream.ticket()));
    assert_eq!(read(&stream, batch.next).0, ["4", "4"]);
    drop(stream);
    assert_eq!(bench.publish(&key, "5").subscribers, 0);
    assert!(bench.events(0).is_empty());
}

#[test]
fn streams_and_waiters_are_told_by_one_event_per_worker() {
    let bench = bench(PLENTY);
    let key = key("a");
    let _streams = [bench.stream(&key, Position::Newest), bench.stream(&key, Position::Newest)];
    let _waiter = bench.wait(&get(&key, Position::Newest));
    assert_eq!(bench.publish(&key, "1").subscribers, 3);
    assert_eq!(bench.events(0).len(), 1);
    assert_eq!(bench.publish(&key, "2").subscribers, 2);
}

#[test]
fn a_stream_starts_where_its_position_says() {
    let bench = bench(PLENTY);
    let key = key("a");
    for body in ["0", "1", "2", "3", "4"] {
        bench.publish(&key, body);
    }
    let cases = [
        (Position::Oldest, 0),
        (Position::Newest, 5),
        (Position::Nth(1), 0),
        (Position::Nth(3), 2),
        (Position::Nth(9), 4),
        (Position::Nth(0), 5),
        (Position::Nth(-2), 3),
        (Position::Nth(-9), 0),
        (Position::AfterId { second: START_SECS, tag: Some(1) }, 2),
        (Position::AfterId { second: START_SECS, tag: None }, 0),
        (Position::AfterId { second: START_SECS, tag: Some(4) }, 5),
        (Position::AfterId { second: START_SECS - 1, tag: Some(7) }, 0),
        (Position::AfterId { second: START_SECS + 1, tag: Some(0) }, 5),
    ];
    for (position, expected) in cases {
        assert_eq!(bench.stream(&key, position).1, expected, "{position:?}");
    }
}

#[test]
fn a_batch_ends_at_its_size_and_says_so() {
    let bench = bench(PLENTY);
    let key = key("a");
    for body in ["aaaa", "bbbb", "cccc"] {
        bench.publish(&key, body);
    }
    let (stream, next) = bench.stream(&key, Position::Oldest);
    let batch = stream.read(next, 8).expect("the channel is there");
    assert_eq!((batch.messages.len(), batch.next, batch.more), (2, 2, true));
    let batch = stream.read(2, 1).expect("the channel is there");
    assert_eq!((batch.messages.len(), batch.next, batch.more), (1, 3, false));
}

#[test]
fn a_stream_learns_that_it_missed_messages() {
    let bench = bench(PLENTY);
    let key = key("a");
    let (stream, next) = bench.stream(&key, Position::Oldest);
    for body in ["1", "2", "3"] {
        bench.store.publish(&Publish { max_messages: 2, ..post(&key, body.as_bytes()) }).expect("room");
    }
    let (bodies, batch) = read(&stream, next);
    assert_eq!((bodies, batch.missed), (vec!["2".to_owned(), "3".into()], true));
    bench.store.publish(&Publish { store: false, ..post(&key, b"4") }).expect("room");
    let (bodies, batch) = read(&stream, batch.next);
    assert_eq!((bodies.len(), batch.next, batch.missed), (0, 4, true), "what was not stored is missing");
}

#[test]
fn deleting_ends_streams() {
    let bench = bench(PLENTY);
    let key = key("a");
    let (stream, next) = bench.stream(&key, Position::Oldest);
    assert_eq!(bench.store.delete(&key).map(|info| info.subscribers), Some(1));
    assert!(matches!(bench.events(0).as_slice(), [Event::Deleted { .. }]));
    assert!(stream.read(next, 1).is_none());
    assert!(stream.is_released());
    drop(stream);
    assert_eq!(bench.store.usage().subscribers, 0);
}

#[test]
fn a_stream_keeps_its_channel() {
    let bench = bench(PLENTY);
    let (kept, other) = (key("a"), key("b"));
    let (stream, _) = bench.stream(&kept, Position::Oldest);
    bench.clock.advance(60_000);
    bench.store.reap();
    assert_eq!(bench.messages(&kept), Some(0));
    drop(stream);
    bench.clock.advance(60_000);
    assert_eq!((bench.messages(&other), bench.messages(&kept)), (None, None));
}

#[test]
fn ids_grow_when_the_clock_steps_back() {
    let bench = bench(PLENTY);
    let key = key("a");
    let ids = [0, -5_000, 0, 10_000].map(|step| {
        bench.clock.set_wall(START + step);
        bench.publish(&key, "x").last_message
    });
    let expected = [(0, 0), (0, 1), (0, 2), (10, 0)].map(|(second, tag)| Some((START_SECS + second, tag)));
    assert_eq!(ids, expected);
}
