//! Subscribers and publishers on one thread: it must not be what is measured.
//!
//! A [`Crowd`] is a loop over epoll. It reads with one buffer for all, decodes what came in place
//! ([`transport::Decoder`]), and keeps of a connection only what is not whole yet.

mod chunked;
mod chunks;
mod connection;
mod event_source;
mod expected;
mod head;
mod long_poll;
mod multipart;
mod pipeline;
mod publisher;
mod raw;
mod reader;
mod source;
mod subscriber;
mod transport;
mod websocket;

#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use expected::Expected;
use publisher::Publisher;
use reader::Reader;
use source::Sources;
use subscriber::Subscriber;

use crate::measure::Latencies;
use crate::message::{Label, Message};
use crate::target::{Request, Target};

pub(crate) use expected::Faults;
pub(crate) use transport::Transport;

/// How long nothing may come from a server that owes something.
const PATIENCE: Duration = Duration::from_secs(60);

/// Subscribers that come at once, fewer than a server's backlog holds.
const BATCH: usize = 400;

/// Tokens of publishers begin here, those of subscribers at 0.
const PUBLISHERS: usize = 1 << 32;

/// The token of the reader of many channels.
const READER: usize = 1 << 33;

/// Connections that publish what has to be there before a measurement.
const STORE_CONNECTIONS: usize = 16;

/// Questions of the reader that wait for their answers.
const AT_ONCE: usize = 32;

/// Messages of one channel in a second, at most: Nchan counts those of a second in 15 bits, and mixes them up afterwards.
const PER_SECOND: usize = 1 << 14;

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;

/// What a turn of the loop brought.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A subscriber got a message.
    Delivered(Message),
    /// The publisher of this number got an answer.
    Answered(usize),
}

/// Everybody who talks to a server.
pub(crate) struct Crowd {
    target: Target,
    poll: Poll,
    ready: Events,
    subscribers: Vec<Subscriber>,
    publishers: Vec<Publisher>,
    reader: Option<Reader>,
    publish: Request,
    channels: Vec<Channel>,
    sources: Sources,
    buffer: Box<[u8]>,
    labels: Vec<Label>,
    messages: Vec<Message>,
    events: Vec<Event>,
    tally: Tally,
    faults: Faults,
}

/// A channel, as those know it who publish.
#[derive(Clone, Debug, Default)]
struct Channel {
    /// When each message was sent, or should have been.
    sent: Vec<Instant>,
}

/// What happened since the last [`Crowd::reset`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: usize,
    pub(crate) answered: usize,
    /// From a publish to each subscriber that got it.
    pub(crate) deliveries: Latencies,
    /// From a publish to its answer.
    pub(crate) answers: Latencies,
}

impl Crowd {
    /// Connects `publishers`, which may publish to channels below `channels`.
    pub(crate) fn new(target: &Target, channels: u32, publishers: usize) -> io::Result<Self> {
        let mut crowd = Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(1024),
            subscribers: Vec::new(),
            publishers: Vec::new(),
            reader: None,
            publish: target.publish("POST"),
            channels: vec![Channel::default(); channels as usize],
            sources: Sources::default(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            labels: Vec::new(),
            messages: Vec::new(),
            events: Vec::new(),
            tally: Tally::default(),
            faults: Faults::default(),
            target: target.clone(),
        };
        (0..publishers).try_for_each(|_| crowd.add_publisher())?;
        Ok(crowd)
    }

    fn add_publisher(&mut self) -> io::Result<()> {
        let source = self.sources.next(self.target.publish_address());
        let token = PUBLISHERS + self.publishers.len();
        self.publishers.push(Publisher::open(&self.target, source, self.poll.registry(), token)?);
        Ok(())
    }

    // === who is there ===

    /// Lets a subscriber of each channel come, and returns when the server has taken all their connections, and
    /// answered those that it answers at once. They have to get every message of their channel that there is.
    pub(crate) fn join(
        &mut self,
        transport: Transport,
        channels: impl IntoIterator<Item = u32>,
    ) -> io::Result<()> {
        self.join_at(transport, channels, Some(0))
    }

    /// The same, but earlier messages may be gone already.
    pub(crate) fn join_late(
        &mut self,
        transport: Transport,
        channels: impl IntoIterator<Item = u32>,
    ) -> io::Result<()> {
        self.join_at(transport, channels, None)
    }

    fn join_at(
        &mut self,
        transport: Transport,
        channels: impl IntoIterator<Item = u32>,
        first: Option<u32>,
    ) -> io::Result<()> {
        let mut channels = channels.into_iter().peekable();
        while channels.peek().is_some() {
            let start = self.subscribers.len();
            for channel in channels.by_ref().take(BATCH) {
                let source = self.sources.next(self.target.subscribe_address());
                let expected = Expected::new(channel, first);
                let mut subscriber = Subscriber::open(&self.target, transport, expected, source)?;
                subscriber.register(self.poll.registry(), self.subscribers.len())?;
                self.subscribers.push(subscriber);
            }
            // Connections are accepted in their order: when this one is answered, those before it were taken.
            self.knock(0)?;
            self.wait("answers to subscribers", |crowd| {
                crowd.subscribers[start..].iter().all(Subscriber::is_open)
            })?;
        }
        Ok(())
    }

    /// Closes the connections of all subscribers, and counts what they did not get.
    pub(crate) fn leave(&mut self) {
        self.count_lost();
        self.subscribers.clear();
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.subscribers.len()
    }

    /// Whether all have got the latest message of their channel.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.subscribers.iter().all(|subscriber| self.missing(subscriber) == 0)
    }

    fn missing(&self, subscriber: &Subscriber) -> u32 {
        let expected = subscriber.expected();
        let published = self.channels[expected.channel() as usize].sent.len();
        expected.missing(u32::try_from(published).unwrap_or(u32::MAX))
    }

    /// Waits until the server says that the subscribers of a channel wait, if it says how many do.
    pub(crate) fn wait_until_parked(&self, channel: u32) -> io::Result<()> {
        let wanted =
            self.subscribers.iter().filter(|subscriber| subscriber.expected().channel() == channel).count();
        let deadline = Instant::now() + PATIENCE;
        while self.knock(channel)?.is_some_and(|parked| parked < wanted) {
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!(
                    "{wanted} subscribers do not wait in channel {channel}"
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Asks about a channel on a connection of its own, and returns how many wait there, if the answer says so.
    fn knock(&self, channel: u32) -> io::Result<Option<usize>> {
        let mut stream = TcpStream::connect(self.target.publish_address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = self.target.publish("GET").to(channel) + "Connection: close\r\n\r\n";
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let count = answer.lines().find_map(|line| line.strip_prefix("active subscribers: "));
        Ok(count.and_then(|count| count.trim().parse().ok()))
    }

    // === messages ===

    pub(crate) fn is_free(&self, publisher: usize) -> bool {
        self.publishers[publisher].in_flight() == 0
    }

    /// Publishes the next message of a channel, on the connection of a publisher.
    pub(crate) fn publish(&mut self, publisher: usize, channel: u32, size: usize) -> io::Result<()> {
        self.publish_due(publisher, channel, size, Instant::now())
    }

    /// The same, with a message that should have been sent at `due`.
    pub(crate) fn publish_due(
        &mut self,
        publisher: usize,
        channel: u32,
        size: usize,
        due: Instant,
    ) -> io::Result<()> {
        let Channel { sent } = &mut self.channels[channel as usize];
        let sequence = u32::try_from(sent.len()).map_err(io::Error::other)?;
        sent.push(due);
        self.publishers[publisher].publish(&self.publish, Message { channel, sequence }, size)
    }

    /// Publishes so many messages to each of the first channels, on connections that are there for that alone.
    pub(crate) fn store(&mut self, channels: u32, messages: usize, size: usize) -> io::Result<()> {
        let others = self.publishers.len();
        let connections = STORE_CONNECTIONS.min(channels as usize);
        (0..connections).try_for_each(|_| self.add_publisher())?;
        let wait = |crowd: &mut Self, publisher: usize| {
            crowd.wait("the answer to a publish", |crowd| crowd.is_free(publisher))
        };
        for number in 1..=messages {
            for channel in 0..channels {
                // Always the same for a channel, whose messages stay in order.
                let publisher = others + channel as usize % connections;
                wait(self, publisher)?;
                self.publish(publisher, channel, size)?;
            }
            if number.is_multiple_of(PER_SECOND) || number == messages && messages > PER_SECOND / 16 {
                thread::sleep(Duration::from_secs(1));
            }
        }
        (others..self.publishers.len()).try_for_each(|publisher| wait(self, publisher))?;
        self.publishers.truncate(others);
        Ok(())
    }

    /// Looks whether each of the first channels holds its latest message, and no other.
    pub(crate) fn read_back(&mut self, channels: u32) -> io::Result<()> {
        let in_flight = |crowd: &Self| crowd.reader.as_ref().map_or(0, Reader::in_flight);
        let source = self.sources.next(self.target.subscribe_address());
        self.reader = Some(Reader::open(&self.target, source, self.poll.registry(), READER)?);
        for channel in 0..channels {
            self.wait("stored messages", |crowd| in_flight(crowd) < AT_ONCE)?;
            let latest = self.channels[channel as usize].sent.len().saturating_sub(1);
            let latest = u32::try_from(latest).map_err(io::Error::other)?;
            if let Some(reader) = &mut self.reader {
                reader.ask(Expected::new(channel, Some(latest)))?;
            }
        }
        self.wait("stored messages", |crowd| in_flight(crowd) == 0)
    }

    /// Forgets what was counted. Who has to get which message stays known.
    pub(crate) fn reset(&mut self) {
        self.tally = Tally::default();
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the last turn brought.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    // === the loop ===

    /// Turns until `is_done`. An error if nothing comes for long.
    pub(crate) fn wait(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) -> io::Result<()> {
        while !is_done(self) {
            self.wait_for_any().map_err(|error| io::Error::other(format!("waiting for {what}: {error}")))?;
        }
        Ok(())
    }

    /// Turns once, when something comes. An error if nothing does for long.
    pub(crate) fn wait_for_any(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.turn(PATIENCE)? {
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!("nothing came for {PATIENCE:?}: {}", self.progress())));
            }
        }
        Ok(())
    }

    /// Handles what came, or waits for it. Returns whether anything did.
    pub(crate) fn turn(&mut self, timeout: Duration) -> io::Result<bool> {
        self.events.clear();
        if let Err(error) = self.poll.poll(&mut self.ready, Some(timeout)) {
            return if error.kind() == io::ErrorKind::Interrupted { Ok(true) } else { Err(error) };
        }
        // Borrowed apart from the rest.
        let ready = std::mem::replace(&mut self.ready, Events::with_capacity(0));
        let result = ready.iter().try_for_each(|event| match event.token().0 {
            READER => self.receive_stored(),
            publisher @ PUBLISHERS.. => self.receive_answers(publisher - PUBLISHERS),
            subscriber => self.receive_messages(subscriber),
        });
        self.ready = ready;
        result.map(|()| !self.ready.is_empty())
    }

    fn receive_answers(&mut self, number: usize) -> io::Result<()> {
        // One that was only there for a while.
        let Some(publisher) = self.publishers.get_mut(number) else { return Ok(()) };
        self.messages.clear();
        publisher.receive(&mut self.buffer, &mut self.messages)?;
        for message in &self.messages {
            let sent = self.channels[message.channel as usize].sent[message.sequence as usize];
            self.tally.answers.add(sent.elapsed());
            self.tally.answered += 1;
            self.events.push(Event::Answered(number));
        }
        Ok(())
    }

    fn receive_stored(&mut self) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        self.messages.clear();
        reader.receive(&mut self.buffer, &mut self.messages, &mut self.faults)?;
        self.tally.delivered += self.messages.len();
        Ok(())
    }

    fn receive_messages(&mut self, number: usize) -> io::Result<()> {
        // A connection that was closed meanwhile.
        let Some(subscriber) = self.subscribers.get_mut(number) else { return Ok(()) };
        self.messages.clear();
        subscriber.receive(&mut self.buffer, &mut self.labels, &mut self.messages, &mut self.faults)?;
        let now = Instant::now();
        for message in &self.messages {
            let channel = self.channels.get(message.channel as usize);
            if let Some(sent) = channel.and_then(|channel| channel.sent.get(message.sequence as usize)) {
                self.tally.deliveries.add(now.saturating_duration_since(*sent));
            }
            self.tally.delivered += 1;
            self.events.push(Event::Delivered(*message));
        }
        Ok(())
    }

    fn progress(&self) -> String {
        format!(
            "{} subscribers, {} messages delivered, {} publishes answered, {:?}",
            self.subscribers.len(),
            self.tally.delivered,
            self.tally.answered,
            self.faults
        )
    }

    // === the end ===

    /// Looks whether more comes than was published, and counts what did not come.
    pub(crate) fn finish(&mut self) -> io::Result<Faults> {
        const LATE: Duration = Duration::from_millis(30);
        while self.turn(LATE)? {}
        self.leave();
        Ok(self.faults)
    }

    fn count_lost(&mut self) {
        let missing = self.subscribers.iter().map(|subscriber| u64::from(self.missing(subscriber)));
        self.faults.lost += missing.sum::<u64>();
    }
}
