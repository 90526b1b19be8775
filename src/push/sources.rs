//! The channels a subscriber reads, and how far it has come in each.

use std::sync::Arc;

use crate::store::{ChannelId, Event, Message, Subscription};

use super::cursor::Cursor;

/// One or several channels, read in the order of publication.
#[derive(Debug)]
pub struct Sources {
    channels: Channels,
    /// It has read all that was stored when it began: what is missing from now on it missed.
    live: bool,
}

#[derive(Debug)]
enum Channels {
    /// A WebSocket that only publishes.
    None,
    One(Source),
    /// Ids of several channels name all of them.
    Many(Box<Many>),
}

/// A channel, and the offset of the next message to be read from it.
#[derive(Debug)]
struct Source {
    subscription: Subscription,
    next: u64,
}

#[derive(Debug)]
struct Many {
    sources: Box<[Source]>,
    cursor: Cursor,
}

/// A message, and the position after it.
#[derive(Clone, Debug)]
pub struct Next {
    /// The message.
    pub message: Arc<Message>,
    /// The position.
    pub cursor: Cursor,
}

/// Stored messages.
#[derive(Debug, Default)]
pub struct Read {
    /// The messages, in order.
    pub messages: Vec<Next>,
    /// There are more.
    pub more: bool,
    /// Messages that should have come are stored no longer.
    pub missed: bool,
}

impl Sources {
    /// For subscriptions with the offsets they start at; `cursor` is where the client said it stands.
    pub fn new(mut subscriptions: Vec<(Subscription, u64)>, cursor: Cursor) -> Self {
        let source = |(subscription, next)| Source { subscription, next };
        let channels = match subscriptions.len() {
            0 | 1 => subscriptions.pop().map_or(Channels::None, |only| Channels::One(source(only))),
            _ => {
                let sources = subscriptions.into_iter().map(source).collect();
                Channels::Many(Box::new(Many { sources, cursor }))
            }
        };
        Self { channels, live: false }
    }

    /// Whether there is one channel: then a message has the same position for all who read it.
    pub fn is_one(&self) -> bool {
        matches!(self.channels, Channels::One(_))
    }

    /// The channels.
    pub fn ids(&self) -> impl Iterator<Item = ChannelId> {
        self.all().iter().map(|source| source.subscription.channel())
    }

    /// Whether an event of the store is for this subscriber: one of before it came is not.
    pub fn concern(&self, event: &Event) -> bool {
        let mut sources = self.all().iter();
        sources.any(|Source { subscription, .. }| {
            subscription.channel() == event.channel() && subscription.ticket() < event.before()
        })
    }

    /// Reads stored messages: about `most` bytes of each channel, but at least one message if there is any.
    pub fn read(&mut self, most: usize) -> Read {
        let read = match &mut self.channels {
            Channels::None => Read::default(),
            Channels::One(source) => {
                let (messages, read) = source.read(most);
                let next = |message: Arc<Message>| Next { cursor: Cursor::of(&message), message };
                Read { messages: messages.into_iter().map(next).collect(), ..read }
            }
            Channels::Many(many) => many.read(most),
        };
        let missed = read.missed && self.live;
        self.live |= !read.more;
        Read { missed, ..read }
    }

    /// Whether a message of the only channel is new; it is read then.
    pub fn is_next(&mut self, message: &Message) -> bool {
        match &mut self.channels {
            Channels::One(source) => source.is_next(message),
            Channels::None | Channels::Many(_) => false,
        }
    }

    /// What is new with a message that was just published. Nothing if it was read before; where there are several channels,
    /// perhaps more than it.
    pub fn hear(&mut self, channel: ChannelId, message: &Arc<Message>) -> Vec<Next> {
        match &mut self.channels {
            Channels::None => Vec::new(),
            Channels::One(source) => {
                let next = || Next { message: Arc::clone(message), cursor: Cursor::of(message) };
                source.is_next(message).then(next).into_iter().collect()
            }
            Channels::Many(many) => many.hear(channel, message),
        }
    }

    fn all(&self) -> &[Source] {
        match &self.channels {
            Channels::None => &[],
            Channels::One(source) => std::slice::from_ref(source),
            Channels::Many(many) => &many.sources,
        }
    }
}

impl Source {
    /// Moves on past a message, unless it is behind.
    fn is_next(&mut self, message: &Message) -> bool {
        let new = message.offset() >= self.next;
        self.next = self.next.max(message.offset() + 1);
        new
    }

    fn read(&mut self, most: usize) -> (Vec<Arc<Message>>, Read) {
        // A channel that was deleted: an event says so.
        let Some(batch) = self.subscription.read(self.next, most) else { return Default::default() };
        self.next = batch.next;
        (batch.messages, Read { messages: Vec::new(), more: batch.more, missed: batch.missed })
    }
}

/// A message and the place of its channel.
type Placed = (usize, Arc<Message>);

/// Where a message stands among those of all channels: Nchan orders them by second, number within it, and channel.
type Place = (i64, u64, usize);

fn place(at: usize, message: &Message) -> Place {
    let (second, tag) = message.id();
    (second, tag, at)
}

/// What was read of several channels.
struct Collected {
    messages: Vec<Placed>,
    read: Read,
    /// What is behind that must wait: for messages that a channel did not give yet, for instance.
    end: Place,
    /// Channels that did not give all.
    unfinished: Vec<usize>,
}

impl Default for Collected {
    fn default() -> Self {
        let end = (i64::MAX, u64::MAX, usize::MAX);
        Self { messages: Vec::new(), read: Read::default(), end, unfinished: Vec::new() }
    }
}

impl Collected {
    fn read(&mut self, at: usize, source: &mut Source, most: usize) {
        let (batch, state) = source.read(most);
        self.read.missed |= state.missed;
        if state.more {
            self.read.more = true;
            self.unfinished.push(at);
            self.end = self.end.min(batch.last().map(|last| place(at, last)).unwrap_or_default());
        }
        self.messages.extend(batch.into_iter().map(|message| (at, message)));
    }
}

impl Many {
    fn read(&mut self, most: usize) -> Read {
        let (messages, read) = self.collect(most);
        Read { messages: self.place(&messages), ..read }
    }

    /// A message that was just published, and before it whatever else is new. One event may be behind another channel's of an
    /// earlier second, and ids have one second for all channels: so all are asked.
    fn hear(&mut self, channel: ChannelId, message: &Arc<Message>) -> Vec<Next> {
        let is_of = |source: &Source| source.subscription.channel() == channel;
        let Some(at) = self.sources.iter().position(is_of) else { return Vec::new() };
        let unseen = message.offset() >= self.sources[at].next;
        let (mut messages, _) = self.collect(usize::MAX);
        if unseen && !messages.iter().any(|(_, other)| Arc::ptr_eq(other, message)) {
            // It is not stored.
            let before = |(other_at, other): &Placed| place(*other_at, other) < place(at, message);
            messages.insert(messages.partition_point(before), (at, Arc::clone(message)));
        }
        self.place(&messages)
    }

    /// Messages of all channels, in Nchan's order.
    ///
    /// Channels are read one after another, while others publish: the second message of two may be seen, and the first not,
    /// since its channel was read before it came. So all are read once more. Whatever has yet to come then is of no earlier
    /// second than what was there the first time; what is of a later one waits for its own event.
    fn collect(&mut self, most: usize) -> (Vec<Placed>, Read) {
        let mut all = Collected::default();
        self.sources.iter_mut().enumerate().for_each(|(at, source)| all.read(at, source, most));
        let Some(latest) = all.messages.iter().map(|(_, message)| message.id().0).max() else {
            return (all.messages, all.read);
        };
        all.end = all.end.min((latest, u64::MAX, usize::MAX));
        for (at, source) in self.sources.iter_mut().enumerate() {
            // Who has more of its own shows nothing that could have come in between.
            if !all.unfinished.contains(&at) {
                all.read(at, source, most);
            }
        }
        let Collected { mut messages, read, end, .. } = all;
        messages.retain(|(at, message): &Placed| {
            let in_turn = place(*at, message) <= end;
            if !in_turn {
                let source = &mut self.sources[*at];
                source.next = source.next.min(message.offset());
            }
            in_turn
        });
        messages.sort_by_key(|(at, message)| place(*at, message));
        (messages, read)
    }

    fn place(&mut self, messages: &[Placed]) -> Vec<Next> {
        let next = messages.iter().map(|(at, message)| {
            self.cursor.advance(*at, message);
            Next { message: Arc::clone(message), cursor: self.cursor.clone() }
        });
        next.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use crate::store::{
        ChannelKey, Concurrency, ManualClock, Mode, Publish, Store, Subscribe, Subscribed, WorkerId,
    };

    use super::*;

    const EACH: usize = 500;

    /// Tells the other threads when the reader is done, or has failed.
    struct Ends<'a>(&'a AtomicBool);

    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Stays a few messages in front of the reader, who has seen `seen` of all channels.
    fn publish(store: &Store, id: &str, written: &AtomicUsize, seen: &AtomicUsize, over: &AtomicBool) {
        let key = ChannelKey::new(b"", id.as_bytes());
        for number in 0..EACH {
            while written.load(Ordering::Relaxed) > seen.load(Ordering::Relaxed) + 3 {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                thread::yield_now();
            }
            written.fetch_add(1, Ordering::Relaxed);
            let body = format!("{id}{number}");
            let publish = Publish {
                key: &key,
                body: body.as_bytes(),
                content_type: None,
                event_name: None,
                deflated: None,
                store: true,
                max_messages: 20,
                min_messages: 0,
                message_timeout: None,
                delete_oldest_received: false,
                channel_timeout: 60,
                accounting: None,
            };
            store.publish(&publish).expect("room");
        }
    }

    /// What a client gets that comes back after each message.
    fn first_after(store: &Store, ids: &[&str], cursor: &Cursor) -> Option<Next> {
        let keys: Vec<_> = ids.iter().map(|id| ChannelKey::new(b"", id.as_bytes())).collect();
        let subscriptions = keys.iter().enumerate().map(|(at, key)| {
            let subscribed = store.subscribe(&Subscribe {
                key,
                position: cursor.position(at),
                worker: WorkerId(0),
                mode: Mode::Stream,
                concurrency: Concurrency::Broadcast,
                max_subscribers: 0,
                must_exist: false,
                channel_timeout: 60,
                is_request: true,
                accounting: None,
            });
            let Subscribed::Stream(subscription, from) = subscribed else { panic!("{subscribed:?}") };
            (subscription, from)
        });
        let read = Sources::new(subscriptions.collect(), cursor.clone()).read(usize::MAX);
        read.messages.into_iter().next()
    }

    #[test]
    fn nothing_is_skipped_while_seconds_pass_and_channels_are_written_to() {
        // Silent channels between the two make it likely that something happens between the reading of one and of the other.
        let silent: Vec<String> = (0..100).map(|number| format!("silent{number}")).collect();
        let ids: Vec<&str> =
            ["a"].into_iter().chain(silent.iter().map(String::as_str)).chain(["b"]).collect();
        let clock = Arc::new(ManualClock::new(1_000_000_000_000));
        let store = Store::new(1 << 30, Arc::<ManualClock>::clone(&clock), vec![Box::new(|_| {})]);
        let (store, over) = (&store, &AtomicBool::new(false));
        let (written, total) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        thread::scope(|threads| {
            let writers =
                ["a", "b"].map(|id| threads.spawn(move || publish(store, id, written, total, over)));
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    clock.advance(1000);
                    thread::yield_now();
                }
            });
            let _ends = Ends(over);
            let (mut cursor, mut seen) = (Cursor::start(ids.len()), [0; 2]);
            loop {
                let ended = writers.iter().all(thread::ScopedJoinHandle::is_finished);
                match first_after(store, &ids, &cursor) {
                    Some(next) => {
                        let body = String::from_utf8_lossy(next.message.body()).into_owned();
                        let channel = usize::from(body.starts_with('b'));
                        assert_eq!(body[1..], seen[channel].to_string(), "{} of {body}", cursor.time());
                        seen[channel] += 1;
                        cursor = next.cursor;
                        total.fetch_add(1, Ordering::Relaxed);
                    }
                    None if ended => break,
                    None => {}
                }
            }
            assert_eq!(seen, [EACH; 2]);
        });
    }
}
