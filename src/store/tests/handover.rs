//! A store that goes to another process.

use super::*;

/// Takes everything over as another process does: as bytes.
fn hand_over(from: &Bench, to: &Bench) -> Result<(), OutOfMemory> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let exported: Result<(), postcard::Error> = from.store.export(&mut |piece| {
        frames.push(postcard::to_stdvec(&piece)?);
        Ok(())
    });
    exported.expect("it can be written");
    let mut channel = None;
    for frame in &frames {
        match postcard::from_bytes::<Piece<'_>>(frame).expect("it can be read") {
            Piece::Channel(image) => channel = Some(to.store.import_channel(&image)?),
            Piece::Message(image) => to.store.import_message(channel.as_ref().expect("before"), &image)?,
        }
    }
    Ok(())
}

/// A store in a process that began an hour before everything that the test does.
fn later(budget: usize) -> Bench {
    let bench = bench(budget);
    bench.clock.advance(3_600_000);
    bench.clock.set_wall(START);
    bench
}

#[test]
fn messages_positions_and_times_go_along() {
    let (old, new) = (bench(PLENTY), later(PLENTY));
    let (a, b) = (key("a"), ChannelKey::new(b"group", b"\xff"));
    for body in ["1", "2", "3"] {
        old.publish(&a, body);
    }
    old.store.publish(&Publish { content_type: Some(b"x/y"), ..post(&b, b"\0") }).expect("room");
    let second = old.message(&get(&a, Position::After(START_SECS)));
    old.clock.advance(7_000);
    new.clock.advance(7_000);
    let before = old.store.info(&a, 5);
    hand_over(&old, &new).expect("room");
    assert_eq!(new.store.info(&a, 5), before);
    assert_eq!(before.and_then(|info| info.requested), Some(7));
    assert_eq!(new.stored(&a), ["1", "2", "3"]);
    let third = new.message(&get(&a, Position::After(second.stamp())));
    assert_eq!((third.offset(), text(&third).as_str()), (2, "3"));
    let binary = new.message(&get(&b, Position::Oldest));
    assert_eq!((binary.body(), binary.content_type()), (&b"\0"[..], Some(&b"x/y"[..])));
    assert_eq!(new.store.usage().bytes, old.store.usage().bytes);
    assert_eq!(new.store.usage().evictable, old.store.usage().evictable);
}

#[test]
fn the_next_message_goes_on_in_the_sequence() {
    let (old, new) = (bench(PLENTY), later(PLENTY));
    let key = key("a");
    for _ in 0..5 {
        old.store.publish(&Publish { store: false, ..post(&key, b"gone") }).expect("room");
    }
    hand_over(&old, &new).expect("room");
    new.publish(&key, "next");
    let message = new.message(&get(&key, Position::Oldest));
    assert_eq!((message.stamp(), message.offset()), (START_SECS + 5, 5));
}

#[test]
fn tags_go_on_within_the_second() {
    let (old, new) = (bench(PLENTY), later(PLENTY));
    let key = key("a");
    for body in ["0", "1", "2"] {
        old.publish(&key, body);
    }
    hand_over(&old, &new).expect("room");
    new.publish(&key, "3");
    let after = |tag| text(&new.message(&get(&key, Position::AfterTag { second: START_SECS, tag })));
    assert_eq!([after(1), after(2)], ["2", "3"]);
}

#[test]
fn messages_expire_when_they_would_have() {
    let (old, new) = (bench(PLENTY), later(PLENTY));
    let key = key("a");
    old.store.publish(&Publish { message_timeout: Some(10), ..post(&key, b"short") }).expect("room");
    old.store.publish(&Publish { message_timeout: None, ..post(&key, b"for ever") }).expect("room");
    old.clock.advance(8_000);
    hand_over(&old, &new).expect("room");
    new.clock.advance(2_000);
    assert_eq!(new.stored(&key), ["short", "for ever"]);
    new.clock.advance(1_000);
    assert_eq!(new.stored(&key), ["for ever"]);
}

#[test]
fn who_waits_there_gets_the_next_message() {
    let (old, new) = (bench(PLENTY), later(PLENTY));
    let key = key("a");
    let waits = old.wait(&get(&key, Position::Oldest));
    assert_eq!(waits.key().as_ref(), Some(&key));
    // Long after the channel would have gone without it.
    old.clock.advance(60_000);
    hand_over(&old, &new).expect("room");
    let waits = new.store.import_waiter(&key, WorkerId(1)).expect("the channel is there");
    assert_eq!(new.publish(&key, "1").subscribers, 1);
    let [Event::Message { before, .. }] = &new.events(1)[..] else { panic!("no message") };
    assert!(waits.ticket() < *before);
    assert!(new.store.import_waiter(&super::key("other"), WorkerId(1)).is_none());
}

#[test]
fn the_oldest_of_all_is_still_the_first_to_make_room() {
    let (channel, message) = sizes("a", 100);
    let budget = 2 * channel + 4 * message;
    let (old, new) = (bench(budget), later(budget));
    let (a, b) = (key("a"), key("b"));
    let body = "m".repeat(100);
    for (key, first) in [(&a, "1"), (&b, "2"), (&a, "3"), (&b, "4")] {
        old.publish(key, &format!("{first}{}", &body[1..]));
    }
    hand_over(&old, &new).expect("room");
    new.publish(&b, &body);
    assert_eq!((new.messages(&a), new.messages(&b)), (Some(1), Some(3)), "a had the oldest");
}

#[test]
fn a_smaller_budget_takes_nothing_over() {
    let (channel, message) = sizes("a", 1);
    let (old, new) = (bench(PLENTY), later(channel + message));
    old.publish(&key("a"), "1");
    old.publish(&key("a"), "2");
    assert_eq!(hand_over(&old, &new), Err(OutOfMemory));
    assert_eq!(old.stored(&key("a")), ["1", "2"]);
}
