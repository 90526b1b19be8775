//! Groups: counts and limits.

use super::*;

const COUNTED: Accounting = Accounting {
    limits: GroupLimits { channels: None, subscribers: None, messages: None, memory: None, disk: None },
    counts_subscriber: true,
};

fn in_group(id: &str) -> ChannelKey {
    ChannelKey::new(b"g", id.as_bytes())
}

fn counted<'a>(key: &'a ChannelKey, body: &'a [u8]) -> Publish<'a> {
    Publish { accounting: Some(COUNTED), ..post(key, body) }
}

fn sit(key: &ChannelKey) -> Subscribe<'_> {
    Subscribe { accounting: Some(COUNTED), mode: Mode::Stream, ..get(key, Position::Newest) }
}

fn limits(change: impl FnOnce(&mut GroupLimits)) -> GroupLimits {
    let mut limits = GroupLimits::default();
    change(&mut limits);
    limits
}

impl Bench {
    fn limit(&self, change: impl FnOnce(&mut GroupLimits)) {
        self.store.limit_group(b"g", &limits(change)).expect("room");
    }

    fn counts(&self) -> (u64, u64, u64) {
        let info = self.store.group(b"g");
        (info.channels, info.subscribers, info.messages)
    }
}

#[test]
fn a_group_counts_what_its_channels_hold() {
    let bench = bench(PLENTY);
    let (a, b) = (in_group("a"), in_group("b"));
    assert_eq!(bench.counts(), (0, 0, 0));
    bench.store.publish(&counted(&a, b"1")).expect("room");
    bench.store.publish(&counted(&b, b"2")).expect("room");
    let Subscribed::Stream(stream, _) = bench.store.subscribe(&sit(&b)) else { panic!("a stream") };
    assert_eq!(bench.counts(), (2, 1, 2));
    bench.publish(&a, "by somebody who does not account");
    assert_eq!(bench.counts(), (2, 1, 3));
    assert!(bench.store.group(b"g").memory > 0);
    drop(stream);
    bench.store.delete(&a);
    assert_eq!(bench.counts(), (1, 0, 1));
    bench.store.delete(&b);
    assert_eq!((bench.counts(), bench.store.group(b"g").memory), ((0, 0, 0), 0));
}

#[test]
fn channels_of_those_who_do_not_account_count_once_somebody_does() {
    let bench = bench(PLENTY);
    let a = in_group("a");
    bench.publish(&a, "1");
    bench.publish(&a, "2");
    assert_eq!(bench.counts(), (0, 0, 0));
    bench.store.publish(&counted(&a, b"3")).expect("room");
    assert_eq!(bench.counts(), (1, 0, 3));
}

#[test]
fn counts_go_down_with_what_expires_and_what_is_trimmed() {
    let bench = bench(PLENTY);
    let a = in_group("a");
    for _ in 0..3 {
        bench.store.publish(&Publish { max_messages: 2, ..counted(&a, b"x") }).expect("room");
    }
    assert_eq!(bench.counts(), (1, 0, 2));
    bench.clock.advance(4_000_000);
    bench.store.reap();
    assert_eq!(bench.counts(), (0, 0, 0));
    assert_eq!(bench.store.usage().bytes, 0, "the group itself is forgotten");
}

#[test]
fn limits_are_exact() {
    let bench = bench(PLENTY);
    let (a, b, c) = (in_group("a"), in_group("b"), in_group("c"));
    bench.limit(|limits| limits.channels = Some(2));
    for key in [&a, &b] {
        bench.store.publish(&counted(key, b"x")).expect("there is room for two");
    }
    let refused = |limit| Err(Refusal::Group(limit));
    assert_eq!(bench.store.publish(&counted(&c, b"x")), refused(GroupLimit::Channels));
    assert!(matches!(bench.store.subscribe(&sit(&c)), Subscribed::Full));
    assert!(!bench.store.holds(&c), "no channel is left of what was refused");
    bench.limit(|limits| limits.messages = Some(3));
    assert!(bench.store.publish(&counted(&a, b"x")).is_ok());
    assert_eq!(bench.store.publish(&counted(&a, b"x")), refused(GroupLimit::Messages));
    let memory = bench.store.group(b"g").memory;
    bench.limit(|limits| (limits.messages, limits.memory) = (Some(0), Some(memory / 3 * 4)));
    assert!(bench.store.publish(&counted(&a, b"x")).is_ok());
    assert_eq!(bench.store.publish(&counted(&a, b"x")), refused(GroupLimit::Memory));
    bench.store.delete(&b);
    assert!(bench.store.publish(&counted(&a, b"x")).is_ok());
}

#[test]
fn a_seat_is_free_again_when_its_subscription_goes() {
    let bench = bench(PLENTY);
    let a = in_group("a");
    bench.limit(|limits| limits.subscribers = Some(2));
    let first = bench.store.subscribe(&sit(&a));
    let once = Subscribe { mode: Mode::Once, ..sit(&a) };
    let Subscribed::Wait(second) = bench.store.subscribe(&once) else { panic!("a waiter") };
    assert!(matches!(bench.store.subscribe(&once), Subscribed::Full));
    drop(second);
    let also = Subscribe { accounting: Some(Accounting { counts_subscriber: false, ..COUNTED }), ..sit(&a) };
    let _uncounted = bench.store.subscribe(&also);
    let Subscribed::Wait(third) = bench.store.subscribe(&once) else { panic!("a waiter") };
    assert!(matches!(bench.store.subscribe(&once), Subscribed::Full));
    drop((first, third));
    assert_eq!(bench.counts().1, 0);
}

#[test]
fn limits_stay_and_those_of_a_request_are_the_groups_from_then_on() {
    let bench = bench(PLENTY);
    let a = in_group("a");
    let own = Accounting { limits: limits(|limits| limits.messages = Some(1)), ..COUNTED };
    bench.store.publish(&Publish { accounting: Some(own), ..post(&a, b"x") }).expect("room");
    bench.store.delete(&a);
    bench.store.reap();
    assert_eq!(bench.store.group(b"g").limits.messages, Some(1));
    bench.limit(|limits| limits.messages = Some(0));
    bench.store.reap();
    assert_eq!(bench.store.usage().bytes, 0);
}

#[test]
fn a_group_is_deleted_with_all_its_channels_and_no_others() {
    let bench = bench(PLENTY);
    let keys: Vec<ChannelKey> = (0..100).map(|n| in_group(&n.to_string())).collect();
    for key in &keys {
        bench.store.publish(&counted(key, b"x")).expect("room");
    }
    let other = ChannelKey::new(b"", b"g");
    bench.publish(&other, "x");
    let _waiter = bench.wait(&get(&keys[0], Position::Newest));
    assert_eq!(bench.store.delete_group(b"g").channels, 100);
    assert_eq!((bench.counts(), bench.messages(&other)), ((0, 0, 0), Some(1)));
    assert!(matches!(bench.events(0)[..], [Event::Deleted { .. }]));
}

#[test]
fn threads_never_get_the_same_last_place() {
    let bench = bench(PLENTY);
    bench.limit(|limits| (limits.channels, limits.messages) = (Some(10), Some(25)));
    let store = &bench.store;
    let publish = |thread: u64| {
        let mut random = Lcg(thread);
        let mut stored = 0;
        for _ in 0..500 {
            let key = in_group(&random.below(30).to_string());
            stored += u64::from(store.publish(&counted(&key, b"x")).is_ok());
            let info = store.group(b"g");
            assert!(info.channels <= 10 && info.messages <= 25, "{info:?}");
        }
        stored
    };
    let stored: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || publish(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
    });
    assert_eq!((stored, bench.counts().2), (25, 25));
}
