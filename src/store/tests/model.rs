//! Random operations on the store and on a naive model of it.

use std::collections::HashMap;

use super::super::channel::Channel;
use super::super::shard::LINGER;
use super::*;

struct ModelMessage {
    body: Vec<u8>,
    stamp: i64,
    published: (i64, u64),
    offset: u64,
    deadline: u64,
    delete_beyond: Option<u32>,
    sequence: u64,
    size: usize,
}

#[derive(Default)]
struct ModelChannel {
    messages: Vec<ModelMessage>,
    last_stamp: Option<i64>,
    last_message: Option<(i64, u64)>,
    offset: u64,
    keep: usize,
    requested: Option<u64>,
    idle_at: u64,
    /// When the clock reaches the last stamp.
    ahead_until: u64,
    /// Somebody goes by stamps.
    goes_by_stamps: bool,
    /// Numbers of waiters.
    waiting: Vec<usize>,
    size: usize,
}

impl ModelChannel {
    fn is_idle(&self) -> bool {
        self.messages.is_empty() && self.waiting.is_empty()
    }

    fn gone_at(&self) -> u64 {
        if self.goes_by_stamps { self.idle_at.max(self.ahead_until) } else { self.idle_at }
    }

    fn info(&self, now: u64) -> ChannelInfo {
        ChannelInfo {
            messages: self.messages.len() as u64,
            requested: self.requested.map(|then| (now - then) / 1000),
            subscribers: self.waiting.len() as u64,
            last_message: self.last_message,
        }
    }

    fn received(&mut self, offset: u64) {
        let oldest = &self.messages[0];
        if oldest.offset == offset
            && oldest.delete_beyond.is_some_and(|keep| self.messages.len() > keep as usize)
        {
            self.messages.remove(0);
        }
    }
}

/// The store as one would write it without a thought for cost: plain lists, walked from end to end.
#[derive(Default)]
struct Model {
    channels: HashMap<u64, ModelChannel>,
    now: u64,
    budget: usize,
    sequence: u64,
    evicted: u64,
    /// Channels that the store does not have after the operation.
    gone: Vec<u64>,
}

impl Model {
    /// Drops what is over; `all` channels, or the one a request names.
    fn expire(&mut self, only: Option<u64>) {
        let now = self.now;
        self.channels.retain(|&id, channel| {
            if only.is_some_and(|only| only != id) {
                return true;
            }
            while channel.messages.first().is_some_and(|oldest| oldest.deadline <= now) {
                channel.messages.remove(0);
            }
            !channel.is_idle() || channel.gone_at() + LINGER > now
        });
    }

    /// A request on its way to a channel passes the others.
    fn look_up(&mut self, id: u64) {
        let now = self.now;
        self.channels.retain(|&other, channel| other == id || !channel.is_idle() || channel.gone_at() > now);
    }

    fn used(&self) -> usize {
        let channel = |channel: &ModelChannel| {
            channel.size + channel.messages.iter().map(|message| message.size).sum::<usize>()
        };
        self.channels.values().map(channel).sum()
    }

    /// Bytes to find for a message of `bytes` in this channel.
    fn need(&self, id: u64, bytes: usize) -> usize {
        bytes + if self.channels.contains_key(&id) { 0 } else { channel_size(id) }
    }

    /// (sequence, channel, size) of all that may be evicted, oldest first.
    fn surplus(&self, coming: Option<(u64, usize)>) -> Vec<(u64, u64, usize)> {
        let mut surplus = Vec::new();
        for (&id, channel) in &self.channels {
            let beyond = match coming {
                Some((own, keep)) if own == id => (channel.messages.len() + 1).saturating_sub(keep),
                _ => channel.messages.len().saturating_sub(channel.keep),
            };
            surplus.extend(
                channel.messages.iter().take(beyond).map(|message| (message.sequence, id, message.size)),
            );
        }
        surplus.sort_unstable();
        surplus
    }

    fn make_room(&mut self, id: u64, bytes: usize, publish: Option<&Publish<'_>>) -> bool {
        let fits = |model: &Self| model.used() + model.need(id, bytes) <= model.budget;
        if fits(self) {
            return true;
        }
        if self.need(id, bytes) > self.budget {
            return false;
        }
        self.expire(None);
        while !fits(self) {
            let others = self.channels.iter().filter(|&(&other, _)| publish.is_none() || other != id);
            let idle = others.filter(|(_, channel)| channel.is_idle());
            // Of two that would go at the same time, the store may take either.
            let order = |&(id, channel): &(&u64, &ModelChannel)| (channel.gone_at(), !self.gone.contains(id));
            let Some(first) = idle.min_by_key(order).map(|(&id, _)| id) else { break };
            self.channels.remove(&first);
        }
        let coming = publish.map(|publish| (id, publish.min_messages.min(publish.max_messages) as usize));
        let surplus = self.surplus(coming);
        let sum: usize = surplus.iter().map(|(_, _, size)| size).sum();
        if self.used() + self.need(id, bytes) > self.budget + sum {
            return false;
        }
        if let (false, Some(publish), Some(own)) = (fits(self), publish, self.channels.get_mut(&id)) {
            let above = (own.messages.len() + 1).saturating_sub(publish.max_messages as usize);
            own.messages.drain(..above);
        }
        while !fits(self) {
            let (_, victim, _) = self.surplus(coming)[0];
            self.channels.get_mut(&victim).expect("has a message").messages.remove(0);
            self.evicted += 1;
        }
        true
    }

    fn enter(&mut self, id: u64, timeout: u64) -> &mut ModelChannel {
        let now = self.now;
        let channel = self.channels.entry(id).or_default();
        channel.size = channel_size(id);
        channel.idle_at = now + timeout * 1000;
        channel
    }

    fn publish(&mut self, id: u64, publish: &Publish<'_>, wall: i64) -> Result<ChannelInfo, Refusal> {
        self.look_up(id);
        let stored = publish.store && publish.max_messages > 0;
        let is_short = stored && self.used() + message_size(publish) > self.budget;
        self.expire(Some(id));
        if is_short && self.need(id, message_size(publish)) <= self.budget {
            // The store claims memory before it looks at the channel.
            self.expire(None);
        }
        let waiting = self.channels.get(&id).map_or(0, |channel| channel.waiting.len());
        let size = if stored || waiting > 0 { message_size(publish) } else { 0 };
        if !self.make_room(id, size, stored.then_some(publish)) {
            let idle_at = self.now + publish.channel_timeout * 1000;
            self.channels.entry(id).and_modify(|channel| channel.idle_at = idle_at);
            return Err(Refusal::OutOfMemory);
        }
        let now = self.now;
        let (max, keep) = (publish.max_messages as usize, publish.min_messages as usize);
        let sequence = self.sequence + u64::from(size > 0);
        self.sequence = sequence;
        let channel = self.enter(id, publish.channel_timeout);
        // Making room may have brought an expired one to the old end.
        while channel.messages.first().is_some_and(|oldest| oldest.deadline <= now) {
            channel.messages.remove(0);
        }
        let second = wall.div_euclid(1000);
        let stamp = channel.last_stamp.map_or(second, |last| second.max(last + 1));
        let offset = channel.offset;
        channel.last_stamp = Some(stamp);
        channel.last_message = Some(match channel.last_message {
            Some((last, tag)) if last >= second => (last, tag + 1),
            _ => (second, 0),
        });
        channel.ahead_until = now + u64::try_from(stamp * 1000 - wall).unwrap_or(0);
        channel.offset += 1;
        if stored {
            let lives = |secs| now + (secs + 1) * 1000 - wall.rem_euclid(1000).unsigned_abs();
            channel.messages.push(ModelMessage {
                body: publish.body.to_vec(),
                stamp,
                published: channel.last_message.unwrap_or_default(),
                offset,
                deadline: publish.message_timeout.map_or(u64::MAX, lives),
                delete_beyond: publish.delete_oldest_received.then_some(publish.min_messages),
                sequence,
                size,
            });
            channel.keep = keep.min(max);
            let above = channel.messages.len().saturating_sub(max);
            channel.messages.drain(..above);
            if waiting > 0 {
                channel.received(offset);
            }
        } else {
            channel.messages.clear();
        }
        channel.waiting.clear();
        Ok(ChannelInfo { subscribers: waiting as u64, ..channel.info(now) })
    }

    /// The answer as a word, and the body of a message.
    fn subscribe(&mut self, id: u64, subscribe: &Subscribe<'_>, waiter: usize) -> (&'static str, Vec<u8>) {
        self.look_up(id);
        self.expire(Some(id));
        if subscribe.must_exist && !self.channels.contains_key(&id) {
            return ("missing", Vec::new());
        }
        if !self.channels.contains_key(&id) && !self.make_room(id, 0, None) {
            return ("memory", Vec::new());
        }
        let now = self.now;
        let channel = self.enter(id, subscribe.channel_timeout);
        let waiting = channel.waiting.len();
        if subscribe.max_subscribers > 0 && waiting >= subscribe.max_subscribers as usize {
            return ("full", Vec::new());
        }
        channel.requested = Some(now);
        let by_id =
            matches!(subscribe.position, Position::AfterId { .. } | Position::Nth(_) | Position::Newest);
        channel.goes_by_stamps |= !by_id;
        match subscribe.concurrency {
            Concurrency::First if waiting > 0 => return ("conflict", Vec::new()),
            Concurrency::Last if subscribe.mode == Mode::Once => channel.waiting.clear(),
            _ => {}
        }
        let found = channel.messages.iter().find(|message| match subscribe.position {
            Position::Oldest => true,
            Position::After(stamp) => message.stamp > stamp,
            Position::AfterTag { second, tag } => {
                let seen = message.published.0 == second && message.published.1 <= tag;
                message.stamp > second && !seen
            }
            Position::AfterId { .. } | Position::Nth(_) => unreachable!("the model is not asked for it"),
            Position::Newest => false,
        });
        if let Some((offset, body)) = found.map(|message| (message.offset, message.body.clone())) {
            channel.received(offset);
            return ("message", body);
        }
        if subscribe.mode == Mode::Poll {
            return ("nothing", Vec::new());
        }
        channel.waiting.push(waiter);
        ("wait", Vec::new())
    }
}

fn channel_size(id: u64) -> usize {
    Channel::size_of(&model_key(id))
}

fn message_size(publish: &Publish<'_>) -> usize {
    Message::size_of(publish)
}

/// Runs thousands of random operations on the store and on the model, and compares all that can be seen.
fn compare_with_model(seed: u64, budget: usize) -> Usage {
    let bench = bench(budget);
    let mut model = Model { budget, ..Model::default() };
    let mut random = Lcg(seed);
    let mut waiters: HashMap<usize, Subscription> = HashMap::new();
    for step in 0..6000 {
        // Time passes before each step, so no two channels become idle at once.
        let passes = match random.below(20) {
            0 => random.below(4000) as u32,
            _ => 1 + random.below(20) as u32,
        };
        bench.clock.advance(passes);
        model.now += u64::from(passes);
        if random.below(200) == 0 {
            bench.clock.set_wall(START + random.below(100_000) as i64);
        }
        let id = random.below(8);
        let key = model_key(id);
        let wall = bench.clock.wall_millis();
        match random.below(16) {
            0..6 => {
                let body = vec![step as u8; random.below(400) as usize];
                let max_messages = random.below(8) as u32;
                let publish = Publish {
                    content_type: random.coin().then_some(&b"text/plain"[..]),
                    store: random.below(5) > 0,
                    max_messages,
                    min_messages: random.below(4) as u32,
                    message_timeout: random.coin().then(|| random.below(10)),
                    delete_oldest_received: random.coin(),
                    channel_timeout: random.below(4),
                    ..post(&key, &body)
                };
                let answer = bench.store.publish(&publish);
                model.gone = gone(&bench);
                assert_eq!(answer, model.publish(id, &publish, wall), "step {step}: {publish:?}");
            }
            6..12 => {
                let position = match random.below(4) {
                    0 => Position::Oldest,
                    1 => Position::Newest,
                    2 => Position::AfterTag {
                        second: wall / 1000 - 2 + random.below(3) as i64,
                        tag: random.below(5),
                    },
                    _ => Position::After(wall / 1000 - 6 + random.below(10) as i64),
                };
                let subscribe = Subscribe {
                    worker: WorkerId(random.below(3) as u16),
                    mode: if random.coin() { Mode::Once } else { Mode::Poll },
                    concurrency: [Concurrency::First, Concurrency::Last, Concurrency::Broadcast]
                        [random.below(3) as usize],
                    max_subscribers: random.below(4) as u32,
                    must_exist: random.below(3) == 0,
                    channel_timeout: random.below(4),
                    ..get(&key, position)
                };
                let answer = bench.store.subscribe(&subscribe);
                model.gone = gone(&bench);
                let expected = model.subscribe(id, &subscribe, step);
                let (word, body) = match answer {
                    Subscribed::Message(message) => ("message", message.body().to_vec()),
                    Subscribed::Wait(subscription) => {
                        waiters.insert(step, subscription);
                        ("wait", Vec::new())
                    }
                    Subscribed::NothingNew => ("nothing", Vec::new()),
                    Subscribed::Conflict => ("conflict", Vec::new()),
                    Subscribed::Full => ("full", Vec::new()),
                    Subscribed::NoSuchChannel => ("missing", Vec::new()),
                    Subscribed::OutOfMemory => ("memory", Vec::new()),
                    Subscribed::Stream(..) => unreachable!("nobody asked for a stream"),
                };
                assert_eq!((word, body), expected, "step {step}: {subscribe:?}");
            }
            12 => {
                model.look_up(id);
                model.expire(Some(id));
                let expected = model.channels.remove(&id).map(|channel| channel.info(model.now));
                assert_eq!(bench.store.delete(&key), expected, "step {step}");
            }
            13 => {
                model.look_up(id);
                model.expire(Some(id));
                let now = model.now;
                let expected = model.channels.contains_key(&id).then(|| model.enter(id, 2).info(now));
                assert_eq!(bench.store.info(&key, 2), expected, "step {step}");
            }
            14 => {
                let gone = waiters.keys().copied().min_by_key(|waiter| waiter % 7);
                if let Some(gone) = gone {
                    waiters.remove(&gone);
                    model
                        .channels
                        .values_mut()
                        .for_each(|channel| channel.waiting.retain(|&other| other != gone));
                }
            }
            _ => {
                bench.store.reap();
                model.expire(None);
            }
        }
        deliver(&bench, &mut waiters);
        let usage = bench.store.usage();
        assert!(usage.bytes <= budget);
        let expected = (
            model.used(),
            model.channels.len() as u64,
            model.channels.values().map(|channel| channel.messages.len() as u64).sum(),
            model.channels.values().map(|channel| channel.waiting.len() as u64).sum(),
            model.surplus(None).iter().map(|(_, _, size)| size).sum(),
            model.evicted,
        );
        let seen =
            (usage.bytes, usage.channels, usage.messages, usage.subscribers, usage.evictable, usage.evicted);
        assert_eq!(seen, expected, "step {step}: bytes, channels, messages, subscribers, evictable, evicted");
        let still: usize = model.channels.values().map(|channel| channel.waiting.len()).sum();
        assert_eq!(waiters.len(), still, "step {step}: each event released exactly its waiters");
    }
    let usage = bench.store.usage();
    waiters.clear();
    for id in 0..8 {
        bench.store.delete(&model_key(id));
    }
    assert_eq!((bench.store.usage().bytes, bench.store.usage().evictable), (0, 0));
    usage
}

fn gone(bench: &Bench) -> Vec<u64> {
    (0..8).filter(|&id| !bench.store.holds(&model_key(id))).collect()
}

/// Takes all events off the mailboxes and ends the waits they concern, as a worker does.
fn deliver(bench: &Bench, waiters: &mut HashMap<usize, Subscription>) {
    for worker in 0..3 {
        for event in bench.events(worker) {
            waiters
                .retain(|_, waiter| waiter.channel() != event.channel() || waiter.ticket() > event.before());
        }
    }
}

#[test]
fn with_plenty_of_memory_it_does_what_the_model_does() {
    for seed in 0..5 {
        let usage = compare_with_model(seed, PLENTY);
        assert_eq!((usage.evicted, usage.refused), (0, 0));
        assert!(usage.expired > 0 && usage.collected > 0);
    }
}

#[test]
fn with_little_memory_it_does_what_the_model_does() {
    for seed in 0..20 {
        let usage = compare_with_model(seed, 3000 + 500 * (seed as usize % 10));
        assert!(usage.evicted > 0 && usage.refused > 0, "{usage:?}");
    }
}
