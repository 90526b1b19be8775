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
    fn collect(&mut self, most: usize) -> (Vec<Placed>, Read) {
        let (mut messages, mut read) = (Vec::new(), Read::default());
        // Messages behind those that a channel did not give yet must wait for them.
        let mut horizon = None;
        for (at, source) in self.sources.iter_mut().enumerate() {
            let (batch, state) = source.read(most);
            read.missed |= state.missed;
            if state.more {
                read.more = true;
                let last = batch.last().map(|last| place(at, last)).unwrap_or_default();
                horizon = Some(horizon.map_or(last, |horizon: Place| horizon.min(last)));
            }
            messages.extend(batch.into_iter().map(|message| (at, message)));
        }
        messages.retain(|(at, message): &Placed| {
            let in_turn = horizon.is_none_or(|horizon| place(*at, message) <= horizon);
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
