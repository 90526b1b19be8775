//! One test for each rule.

use super::*;

// === Names ===

#[test]
fn group_and_id_stay_a_pair() {
    assert_ne!(ChannelKey::new(b"a", b"b/c"), ChannelKey::new(b"a/b", b"c"));
    assert_ne!(ChannelKey::new(b"a", b"bc"), ChannelKey::new(b"ab", b"c"));
    let key = ChannelKey::new(b"g\xff", b"");
    assert_eq!((key.group(), key.id()), (&b"g\xff"[..], &b""[..]));
    assert_eq!(format!("{key:?}"), r#""g\xff"/"""#);
}

#[test]
fn a_subscription_is_small() {
    assert!(size_of::<Subscription>() <= 40);
}

#[test]
fn a_channel_costs_little_above_its_message() {
    let (channel, message) = sizes("0123456789", 100);
    assert!(channel + message - 100 <= 600 + 112, "{channel} + {message}");
}

// === Messages and positions ===

#[test]
fn a_message_comes_back_as_it_was_published() {
    let bench = bench(PLENTY);
    let key = key("a");
    let info = bench.store.publish(&Publish { content_type: Some(b"text/x"), ..post(&key, b"\0\xff") });
    assert_eq!(
        info,
        Ok(ChannelInfo {
            messages: 1,
            requested: None,
            subscribers: 0,
            last_message: info.ok().and_then(|info| info.last_message)
        })
    );
    let message = bench.message(&get(&key, Position::Oldest));
    assert_eq!((message.body(), message.content_type()), (&b"\0\xff"[..], Some(&b"text/x"[..])));
    assert_eq!(MessageBody(message).as_ref(), b"\0\xff");
}

#[test]
fn an_empty_message_is_a_message() {
    let bench = bench(PLENTY);
    let key = key("a");
    assert_eq!(bench.publish(&key, "").messages, 1);
    let message = bench.message(&get(&key, Position::Oldest));
    assert_eq!((message.body(), message.content_type()), (&b""[..], None));
}

#[test]
fn messages_of_one_second_have_stamps_of_their_own() {
    let bench = bench(PLENTY);
    let key = key("a");
    for body in ["1", "2", "3"] {
        bench.publish(&key, body);
    }
    assert_eq!(bench.stored(&key), ["1", "2", "3"]);
    let second = bench.message(&get(&key, Position::After(START_SECS)));
    assert_eq!((second.stamp(), second.offset(), text(&second).as_str()), (START_SECS + 1, 1, "2"));
}

#[test]
fn order_survives_a_clock_that_steps_back() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    bench.clock.set_wall(START - 7_200_000);
    bench.publish(&key, "2");
    let second = bench.message(&get(&key, Position::After(START_SECS)));
    assert_eq!((second.stamp(), text(&second).as_str()), (START_SECS + 1, "2"));
}

#[test]
fn the_last_stamp_counts_even_when_its_message_is_gone() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.store.publish(&Publish { store: false, ..post(&key, b"1") }).expect("room");
    bench.publish(&key, "2");
    let message = bench.message(&get(&key, Position::Oldest));
    assert_eq!((message.stamp(), message.offset()), (START_SECS + 1, 1));
}

#[test]
fn a_position_before_the_oldest_gets_the_oldest_and_one_in_a_hole_the_next() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    bench.clock.advance(10_000);
    bench.publish(&key, "2");
    assert_eq!(text(&bench.message(&get(&key, Position::After(5)))), "1");
    assert_eq!(text(&bench.message(&get(&key, Position::After(START_SECS + 4)))), "2");
}

#[test]
fn a_tag_counts_among_the_messages_published_in_its_second() {
    let bench = bench(PLENTY);
    let key = key("a");
    for body in ["0", "1", "2"] {
        bench.store.publish(&Publish { max_messages: 2, ..post(&key, body.as_bytes()) }).expect("room");
    }
    let after = |tag| Position::AfterTag { second: START_SECS, tag };
    assert_eq!(text(&bench.message(&get(&key, after(1)))), "2", "counted with what was dropped");
    assert!(matches!(bench.store.subscribe(&poll(&key, after(2))), Subscribed::NothingNew));
    assert!(matches!(bench.store.subscribe(&poll(&key, after(9))), Subscribed::NothingNew));
    bench.clock.advance(1000);
    bench.publish(&key, "later");
    assert_eq!(text(&bench.message(&get(&key, after(9)))), "later");
    let before = Position::AfterTag { second: START_SECS - 1, tag: 9 };
    assert_eq!(text(&bench.message(&get(&key, before))), "1", "no message of that second: the next one");
}

#[test]
fn newest_skips_what_is_stored() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    let _waiter = bench.wait(&get(&key, Position::Newest));
    assert!(matches!(bench.store.subscribe(&poll(&key, Position::Newest)), Subscribed::NothingNew));
}

#[test]
fn a_waiter_gets_the_next_message_even_from_a_position_in_the_future() {
    let bench = bench(PLENTY);
    let key = key("a");
    let waiter = bench.wait(&get(&key, Position::After(i64::MAX)));
    assert_eq!(bench.publish(&key, "1").subscribers, 1);
    match bench.events(0).as_slice() {
        [Event::Message { channel, before, message }] => {
            assert_eq!((*channel, text(message).as_str()), (waiter.channel(), "1"));
            assert!(waiter.ticket() < *before);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_history_is_cut_to_the_limit_of_the_publishing_location() {
    let bench = bench(PLENTY);
    let key = key("a");
    for body in ["1", "2", "3", "4"] {
        bench.publish(&key, body);
    }
    let info = bench.store.publish(&Publish { max_messages: 2, ..post(&key, b"5") });
    assert_eq!(info.map(|info| info.messages), Ok(2));
    assert_eq!(bench.stored(&key), ["4", "5"]);
}

#[test]
fn what_is_not_stored_reaches_only_those_who_wait() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "old");
    let nowhere = Publish { max_messages: 0, ..post(&key, b"1") };
    assert_eq!(bench.store.publish(&nowhere).map(|info| (info.messages, info.subscribers)), Ok((0, 0)));
    bench.publish(&key, "new");
    let _waiter = bench.wait(&get(&key, Position::Newest));
    assert_eq!(bench.store.publish(&nowhere).map(|info| (info.messages, info.subscribers)), Ok((0, 1)));
    assert_eq!(bench.events(0).len(), 1);
    assert_eq!(bench.messages(&key), Some(0), "what was stored goes too");
}

// === Waiting ===

#[test]
fn a_waiter_gets_one_message_and_no_more() {
    let bench = bench(PLENTY);
    let key = key("a");
    let waiter = bench.wait(&get(&key, Position::Oldest));
    assert_eq!(bench.publish(&key, "1").subscribers, 1);
    assert_eq!(bench.publish(&key, "2").subscribers, 0);
    assert_eq!(bench.events(0).len(), 1);
    let late = bench.wait(&get(&key, Position::Newest));
    drop(waiter);
    assert_eq!(bench.store.info(&key, 5).map(|info| info.subscribers), Some(1));
    drop(late);
    assert_eq!(bench.store.usage().subscribers, 0);
}

#[test]
fn each_worker_with_waiters_hears_once() {
    let bench = bench(PLENTY);
    let key = key("a");
    let on = |worker| Subscribe { worker: WorkerId(worker), ..get(&key, Position::Oldest) };
    let _waiters = [bench.wait(&on(0)), bench.wait(&on(0)), bench.wait(&on(2))];
    assert_eq!(bench.publish(&key, "1").subscribers, 3);
    assert_eq!([0, 1, 2].map(|worker| bench.events(worker).len()), [1, 0, 1]);
}

#[test]
fn one_who_comes_after_an_event_is_not_concerned_by_it() {
    let bench = bench(PLENTY);
    let key = key("a");
    let early = bench.wait(&get(&key, Position::Newest));
    bench.publish(&key, "1");
    let late = bench.wait(&get(&key, Position::Newest));
    let before = bench.events(0)[0].before();
    assert!(early.ticket() < before && late.ticket() > before);
}

#[test]
fn one_who_gave_up_is_not_counted() {
    let bench = bench(PLENTY);
    let key = key("a");
    drop(bench.wait(&get(&key, Position::Oldest)));
    assert_eq!(bench.publish(&key, "1").subscribers, 0);
    assert!(bench.events(0).is_empty());
}

#[test]
fn requested_is_the_time_of_the_request_not_of_the_delivery() {
    let bench = bench(PLENTY);
    let key = key("a");
    assert_eq!(bench.publish(&key, "1").requested, None);
    bench.message(&get(&key, Position::Oldest));
    bench.clock.advance(2999);
    assert_eq!(bench.store.info(&key, 5).and_then(|info| info.requested), Some(2));
    let _waiter = bench.wait(&get(&key, Position::Newest));
    bench.clock.advance(7000);
    assert_eq!(bench.publish(&key, "2").requested, Some(7));
}

// === Admission ===

#[test]
fn a_channel_that_must_exist_is_not_created() {
    let bench = bench(PLENTY);
    let key = key("a");
    for mode in [Mode::Once, Mode::Poll, Mode::Stream] {
        let subscribe = Subscribe { must_exist: true, mode, ..get(&key, Position::Oldest) };
        assert!(matches!(bench.store.subscribe(&subscribe), Subscribed::NoSuchChannel));
    }
    assert_eq!(bench.messages(&key), None);
    bench.store.create(&key, 5).expect("room");
    let _waiter = bench.wait(&Subscribe { must_exist: true, ..get(&key, Position::Oldest) });
}

#[test]
fn a_full_channel_refuses_even_a_stored_message() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    let limited = |mode, position| Subscribe { max_subscribers: 1, mode, ..get(&key, position) };
    bench.message(&limited(Mode::Once, Position::Oldest));
    let waiter = bench.wait(&limited(Mode::Once, Position::Newest));
    bench.clock.advance(3000);
    assert!(matches!(bench.store.subscribe(&limited(Mode::Once, Position::Oldest)), Subscribed::Full));
    assert!(matches!(bench.store.subscribe(&limited(Mode::Poll, Position::Oldest)), Subscribed::Full));
    assert_eq!(bench.store.info(&key, 5).and_then(|info| info.requested), Some(3));
    drop(waiter);
    bench.message(&limited(Mode::Once, Position::Oldest));
}

#[test]
fn first_refuses_newcomers_even_a_stored_message() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    let first = |mode, position| Subscribe { concurrency: Concurrency::First, mode, ..get(&key, position) };
    let waiter = bench.wait(&first(Mode::Once, Position::Newest));
    bench.clock.advance(3000);
    assert!(matches!(bench.store.subscribe(&first(Mode::Once, Position::Oldest)), Subscribed::Conflict));
    assert!(matches!(bench.store.subscribe(&first(Mode::Poll, Position::Oldest)), Subscribed::Conflict));
    assert_eq!(bench.store.info(&key, 5).and_then(|info| info.requested), Some(0));
    drop(waiter);
    bench.message(&first(Mode::Once, Position::Oldest));
}

#[test]
fn full_comes_before_conflict() {
    let bench = bench(PLENTY);
    let key = key("a");
    let subscribe =
        Subscribe { concurrency: Concurrency::First, max_subscribers: 1, ..get(&key, Position::Oldest) };
    let _waiter = bench.wait(&subscribe);
    assert!(matches!(bench.store.subscribe(&subscribe), Subscribed::Full));
}

#[test]
fn last_displaces_even_when_it_is_answered_at_once() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    let last = |mode, position| Subscribe { concurrency: Concurrency::Last, mode, ..get(&key, position) };
    let _first = bench.wait(&last(Mode::Once, Position::Newest));
    let second = bench.wait(&last(Mode::Once, Position::Newest));
    assert!(
        matches!(bench.events(0).as_slice(), [Event::Displaced { before, .. }] if *before < second.ticket())
    );
    bench.message(&last(Mode::Once, Position::Oldest));
    assert!(
        matches!(bench.events(0).as_slice(), [Event::Displaced { before, .. }] if *before > second.ticket())
    );
    assert_eq!(bench.store.usage().subscribers, 0);
}

#[test]
fn an_interval_poll_displaces_nobody() {
    let bench = bench(PLENTY);
    let key = key("a");
    let last = Subscribe { concurrency: Concurrency::Last, ..get(&key, Position::Oldest) };
    let _waiter = bench.wait(&last);
    assert!(matches!(bench.store.subscribe(&Subscribe { mode: Mode::Poll, ..last }), Subscribed::NothingNew));
    assert!(bench.events(0).is_empty());
    assert_eq!(bench.store.usage().subscribers, 1);
}

// === Expiry ===

#[test]
fn a_message_lives_through_the_second_of_its_timeout() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.store.publish(&Publish { message_timeout: Some(10), ..post(&key, b"1") }).expect("room");
    bench.clock.advance(10_749);
    assert_eq!(bench.messages(&key), Some(1));
    bench.clock.advance(1);
    assert_eq!(bench.messages(&key), Some(0));
    assert_eq!(bench.store.usage().expired, 1);
}

#[test]
fn a_clock_step_neither_expires_nor_keeps_a_message() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.store.publish(&Publish { message_timeout: Some(10), ..post(&key, b"1") }).expect("room");
    bench.clock.set_wall(START + 3_600_000);
    assert_eq!(bench.messages(&key), Some(1));
    bench.clock.set_wall(START - 3_600_000);
    bench.clock.advance(10_750);
    assert_eq!(bench.messages(&key), None);
}

#[test]
fn a_short_lived_message_behind_a_long_lived_one_stays() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "long");
    bench.store.publish(&Publish { message_timeout: Some(1), ..post(&key, b"short") }).expect("room");
    bench.clock.advance(60_000);
    bench.store.reap();
    assert_eq!(bench.stored(&key), ["long", "short"]);
    bench
        .store
        .publish(&Publish { max_messages: 2, message_timeout: None, ..post(&key, b"new") })
        .expect("room");
    bench.store.reap();
    assert_eq!(bench.stored(&key), ["new"]);
}

#[test]
fn a_message_without_timeout_stays() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.store.publish(&Publish { message_timeout: None, ..post(&key, b"1") }).expect("room");
    bench.store.publish(&Publish { message_timeout: Some(u64::MAX), ..post(&key, b"2") }).expect("room");
    for _ in 0..100 {
        bench.clock.advance(u32::MAX);
    }
    bench.store.reap();
    assert_eq!(bench.messages(&key), Some(2));
}

#[test]
fn reap_frees_expired_messages_and_then_their_channel() {
    let bench = bench(PLENTY);
    for id in 0..1000 {
        bench.publish(&key(&id.to_string()), "1");
    }
    bench.clock.advance(3_600_000);
    bench.store.reap();
    assert_eq!(bench.store.usage().messages, 1000);
    bench.clock.advance(1000);
    bench.store.reap();
    let usage = bench.store.usage();
    assert_eq!((usage.messages, usage.channels, usage.bytes, usage.evictable), (0, 0, 0, 0));
    assert_eq!((usage.expired, usage.collected, usage.evicted), (1000, 1000, 0));
}

// === delete_oldest_received ===

#[test]
fn the_oldest_goes_once_it_was_received() {
    let bench = bench(PLENTY);
    let key = key("a");
    for body in [b"1", b"2", b"3"] {
        bench.store.publish(&Publish { delete_oldest_received: true, ..post(&key, body) }).expect("room");
    }
    assert_eq!(text(&bench.message(&get(&key, Position::After(START_SECS)))), "2");
    assert_eq!(bench.messages(&key), Some(3), "not the oldest");
    assert_eq!(text(&bench.message(&poll(&key, Position::Oldest))), "1");
    assert_eq!(text(&bench.message(&get(&key, Position::Oldest))), "2");
    assert_eq!(text(&bench.message(&get(&key, Position::Oldest))), "3");
    assert_eq!(bench.messages(&key), Some(1), "the minimum stays");
}

#[test]
fn a_message_delivered_to_waiters_may_go_at_once() {
    let bench = bench(PLENTY);
    let key = key("a");
    let fleeting = |min_messages| Publish { delete_oldest_received: true, min_messages, ..post(&key, b"1") };
    let _waiter = bench.wait(&get(&key, Position::Oldest));
    assert_eq!(bench.store.publish(&fleeting(0)).map(|info| info.messages), Ok(0));
    assert_eq!(bench.events(0).len(), 1);
    assert_eq!(bench.store.publish(&fleeting(0)).map(|info| info.messages), Ok(1));
}

// === Life of a channel ===

#[test]
fn an_empty_channel_is_gone_on_time_for_who_asks_for_others() {
    let bench = bench(PLENTY);
    let (idle, other) = (key("a"), key("b"));
    bench.store.create(&idle, 5).expect("room");
    bench.clock.advance(4999);
    assert!(bench.store.info(&other, 5).is_none());
    assert!(bench.store.info(&idle, 7).is_some());
    bench.clock.advance(7000);
    assert!(bench.store.info(&other, 5).is_none());
    assert_eq!(bench.store.usage().bytes, 0);
    assert!(bench.store.info(&idle, 5).is_none());
}

#[test]
fn a_channel_ahead_of_the_clock_stays_for_those_who_go_by_seconds() {
    for (position, stays) in [(Position::Oldest, true), (Position::AfterId { second: 0, tag: None }, false)] {
        let bench = bench(PLENTY);
        let key = key("a");
        // A hundred messages have the next hundred seconds.
        for _ in 0..100 {
            bench.publish(&key, "x");
        }
        bench.message(&get(&key, position));
        bench.store.publish(&Publish { max_messages: 0, ..post(&key, b"the last") }).expect("room");
        bench.clock.advance(20_000);
        bench.store.reap();
        assert_eq!(bench.messages(&key).is_some(), stays, "{position:?}");
        bench.clock.advance(100_000);
        bench.store.reap();
        assert_eq!(bench.messages(&key), None, "{position:?}");
    }
}

#[test]
fn an_empty_channel_that_nobody_passes_lingers_and_then_goes() {
    for reap in [false, true] {
        let bench = bench(PLENTY);
        let key = key("a");
        bench.store.create(&key, 5).expect("room");
        for wait in [9_999, 5_000] {
            bench.clock.advance(wait);
            if reap {
                bench.store.reap();
            }
            assert!(bench.store.info(&key, 5).is_some(), "found late, and so alive again");
        }
        bench.clock.advance(10_000);
        if reap {
            bench.store.reap();
            assert_eq!(bench.store.usage().bytes, 0);
        }
        assert!(bench.store.info(&key, 5).is_none());
    }
}

#[test]
fn messages_and_waiters_keep_a_channel() {
    let bench = bench(PLENTY);
    let (stored, waited) = (key("a"), key("b"));
    bench.publish(&stored, "1");
    let waiter = bench.wait(&get(&waited, Position::Oldest));
    bench.clock.advance(60_000);
    bench.store.reap();
    assert_eq!(bench.store.usage().channels, 2);
    drop(waiter);
    bench.store.reap();
    assert_eq!(bench.store.usage().channels, 1);
}

#[test]
fn creating_stores_nothing_and_keeps_what_there_is() {
    let bench = bench(PLENTY);
    let key = key("a");
    assert_eq!(bench.store.create(&key, 5).map(|info| info.messages), Ok(0));
    bench.publish(&key, "1");
    assert_eq!(bench.store.create(&key, 5).map(|info| info.messages), Ok(1));
}

#[test]
fn deleting_answers_with_what_was_and_tells_the_waiters() {
    let bench = bench(PLENTY);
    let key = key("a");
    let published = bench.publish(&key, "1");
    let waiter = bench.wait(&get(&key, Position::Newest));
    let info = ChannelInfo { requested: Some(0), subscribers: 1, ..published };
    assert_eq!(bench.store.delete(&key), Some(info));
    assert!(
        matches!(bench.events(0).as_slice(), [Event::Deleted { channel, .. }] if *channel == waiter.channel())
    );
    assert_eq!(bench.store.delete(&key), None);
    assert_eq!(bench.store.usage().bytes, 0);
    assert_eq!(bench.store.usage().subscribers, 0);
}

#[test]
fn a_channel_made_again_is_another_one() {
    let bench = bench(PLENTY);
    let key = key("a");
    let old = bench.wait(&get(&key, Position::Oldest));
    bench.store.delete(&key);
    let new = bench.wait(&get(&key, Position::Oldest));
    assert_ne!(old.channel(), new.channel());
    drop(old);
    assert_eq!(bench.store.usage().subscribers, 1);
}

// === Lack of memory ===

#[test]
fn an_unread_message_counts_until_the_last_reader_lets_go() {
    let bench = bench(PLENTY);
    let key = key("a");
    bench.publish(&key, "1");
    let message = bench.message(&get(&key, Position::Oldest));
    bench.store.delete(&key);
    assert_eq!(bench.store.usage().bytes, sizes("a", 1).1);
    drop(message);
    assert_eq!(bench.store.usage().bytes, 0);
}

#[test]
fn the_oldest_message_of_all_channels_goes_first() {
    let (channel, message) = sizes("a", 100);
    let bench = bench(2 * channel + 4 * message);
    let (a, b) = (key("a"), key("b"));
    let body = "x".repeat(99);
    for (key, digit) in [(&a, "1"), (&b, "2"), (&b, "3"), (&a, "4"), (&b, "5")] {
        bench.publish(key, &format!("{digit}{body}"));
    }
    let stored = |key| bench.stored(key).iter().map(|body| body[..1].to_owned()).collect::<String>();
    assert_eq!((stored(&a), stored(&b)), ("4".into(), "235".into()));
    bench.publish(&a, &format!("6{body}"));
    assert_eq!((stored(&a), stored(&b)), ("46".into(), "35".into()));
    assert_eq!(bench.store.usage().evicted, 2);
}

#[test]
fn the_minimum_of_other_channels_is_safe_and_the_own_is_replaced() {
    let (channel, message) = sizes("a", 100);
    let bench = bench(2 * channel + 2 * message);
    let (a, b) = (key("a"), key("b"));
    bench.publish(&a, &"1".repeat(100));
    bench.publish(&b, &"2".repeat(100));
    bench.publish(&b, &"3".repeat(100));
    assert_eq!((bench.stored(&a).len(), bench.stored(&b)), (1, vec!["3".repeat(100)]));
    let two = Publish { min_messages: 2, ..post(&b, &[b'4'; 100]) };
    assert_eq!(bench.store.publish(&two), Err(Refusal::OutOfMemory));
    assert_eq!(bench.stored(&b), ["3".repeat(100)]);
    assert_eq!(bench.store.usage().refused, 1);
}

#[test]
fn the_own_limit_makes_room_before_others_lose_anything() {
    let (channel, message) = sizes("a", 100);
    let bench = bench(2 * channel + 3 * message);
    let (a, b) = (key("a"), key("b"));
    for key in [&a, &a, &b] {
        bench.publish(key, &"x".repeat(100));
    }
    let only = Publish { max_messages: 1, ..post(&b, &[b'y'; 100]) };
    assert_eq!(bench.store.publish(&only).map(|info| info.messages), Ok(1));
    assert_eq!((bench.messages(&a), bench.store.usage().evicted), (Some(2), 0));
}

#[test]
fn a_message_too_big_for_what_can_be_freed_evicts_nothing() {
    let (channel, message) = sizes("a", 100);
    let bench = bench(channel + 5 * message);
    let key = key("a");
    for _ in 0..5 {
        bench.publish(&key, &"x".repeat(100));
    }
    for size in [1000, 1 << 20, 1 << 30] {
        let body = vec![0; size];
        assert_eq!(
            bench.store.publish(&Publish { min_messages: 3, ..post(&key, &body) }),
            Err(Refusal::OutOfMemory)
        );
    }
    assert_eq!(bench.messages(&key), Some(5));
    assert_eq!(bench.store.usage().evicted, 0);
}

#[test]
fn what_nobody_would_miss_goes_before_messages() {
    let (channel, message) = sizes("a", 100);
    let bench = bench(3 * channel + 3 * message);
    let (a, b, c) = (key("a"), key("b"), key("c"));
    bench.publish(&a, &"x".repeat(100));
    bench.publish(&a, &"x".repeat(100));
    bench.store.publish(&Publish { message_timeout: Some(0), ..post(&b, &[0; 100]) }).expect("room");
    bench.store.create(&c, 3600).expect("room");
    bench.clock.advance(1000);
    bench.publish(&a, &"x".repeat(100));
    assert_eq!(bench.store.usage().channels, 3, "the expired message was enough");
    bench.publish(&a, &"x".repeat(100));
    assert_eq!((bench.messages(&a), bench.store.usage().evicted), (Some(4), 0));
    assert_eq!(bench.store.usage().channels, 2, "an empty channel had to go");
}

#[test]
fn a_channel_with_waiters_is_not_collected() {
    let (channel, _) = sizes("a", 0);
    let bench = bench(channel);
    let (a, b) = (key("a"), key("b"));
    let waiter = bench.wait(&get(&a, Position::Oldest));
    assert!(matches!(bench.store.subscribe(&get(&b, Position::Oldest)), Subscribed::OutOfMemory));
    assert_eq!(bench.store.create(&b, 5), Err(OutOfMemory));
    drop(waiter);
    let _waiter = bench.wait(&get(&b, Position::Oldest));
}

#[test]
fn creating_a_channel_may_evict_messages() {
    let (channel, message) = sizes("a", 100);
    let count = channel.div_ceil(message) + 1;
    let bench = bench(channel + count * message);
    let (a, b) = (key("a"), key("b"));
    for _ in 0..count {
        bench.store.publish(&Publish { max_messages: 100, ..post(&a, &[0; 100]) }).expect("room");
    }
    bench.store.create(&b, 5).expect("room");
    assert_eq!((bench.messages(&a), bench.messages(&b)), (Some(1), Some(0)));
}

#[test]
fn a_message_that_is_read_does_not_drag_others_along() {
    let (channel, message) = sizes("a", 1000);
    let bench = bench(channel + 3 * message);
    let key = key("a");
    for _ in 0..3 {
        bench.publish(&key, &"x".repeat(1000));
    }
    let pinned = bench.message(&get(&key, Position::Oldest));
    let big = Publish { min_messages: 2, ..post(&key, &[0; 2000]) };
    assert_eq!(bench.store.publish(&big), Err(Refusal::OutOfMemory));
    assert_eq!(bench.messages(&key), Some(2), "only the one that was being read is lost");
    drop(pinned);
    assert!(bench.store.publish(&big).is_ok());
}

#[test]
fn a_message_for_nobody_needs_no_memory() {
    let (channel, message) = sizes("a", 100);
    let bench = bench(channel + message);
    let key = key("a");
    bench.publish(&key, &"x".repeat(100));
    let big = [0; 5000];
    assert!(bench.store.publish(&Publish { store: false, ..post(&key, &big) }).is_ok());
    bench.publish(&key, &"x".repeat(100));
    let _waiter = bench.wait(&get(&key, Position::Newest));
    assert_eq!(bench.store.publish(&Publish { store: false, ..post(&key, &big) }), Err(Refusal::OutOfMemory));
    assert_eq!(bench.messages(&key), Some(1));
}

#[test]
fn a_channel_whose_only_message_is_replaced_stays_itself() {
    let (channel, message) = sizes("a", 100);
    let bench = bench(channel + message);
    let key = key("a");
    let fleeting = Publish { min_messages: 0, channel_timeout: 0, ..post(&key, &[0; 100]) };
    for offset in 0..3 {
        assert_eq!(bench.store.publish(&fleeting).map(|info| info.messages), Ok(1));
        assert_eq!(bench.message(&get(&key, Position::Oldest)).offset(), offset);
    }
}
