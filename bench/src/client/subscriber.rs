//! One subscriber, and what it has to get.

use std::io;
use std::net::Ipv4Addr;

use mio::Registry;

use super::connection::Connection;
use super::transport::{Decoder, Transport};
use crate::message::Message;
use crate::target::Target;

/// A subscriber of one channel.
#[derive(Debug)]
pub(super) struct Subscriber {
    connection: Connection,
    decoder: Decoder,
    channel: u32,
    /// The message that has to come next. `None` if it may be any.
    expected: Option<u32>,
}

/// What went wrong with the messages of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Faults {
    /// Never came.
    pub(crate) lost: u64,
    /// Came twice, or behind one that was published later.
    pub(crate) doubled: u64,
    /// Of a channel that nobody subscribed to.
    pub(crate) foreign: u64,
}

impl Subscriber {
    pub(super) fn open(
        target: &Target,
        transport: Transport,
        channel: u32,
        first: Option<u32>,
        source: Option<Ipv4Addr>,
    ) -> io::Result<Self> {
        let mut connection = Connection::open(target.subscribe_address(), source)?;
        let mut request = Vec::new();
        let decoder = transport.start(&target.subscribe(transport, channel), &mut request);
        connection.send(|output| *output = request)?;
        Ok(Self { connection, decoder, channel, expected: first })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        self.connection.register(registry, token)
    }

    pub(super) fn is_open(&self) -> bool {
        self.decoder.is_open()
    }

    pub(super) fn channel(&self) -> u32 {
        self.channel
    }

    /// Messages up to `published` that did not come.
    pub(super) fn missing(&self, published: u32) -> u32 {
        self.expected.map_or(published.min(1), |expected| published.saturating_sub(expected))
    }

    /// Appends the messages that came.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        messages: &mut Vec<Message>,
        faults: &mut Faults,
    ) -> io::Result<()> {
        let before = messages.len();
        self.connection.receive(buffer, |input, output| self.decoder.decode(input, output, messages))?;
        messages[before..].iter().for_each(|message| self.check(*message, faults));
        Ok(())
    }

    fn check(&mut self, message: Message, faults: &mut Faults) {
        if message.channel != self.channel {
            faults.foreign += 1;
            return;
        }
        let expected = self.expected.unwrap_or(message.sequence);
        if message.sequence < expected {
            faults.doubled += 1;
        } else {
            faults.lost += u64::from(message.sequence - expected);
            self.expected = Some(message.sequence + 1);
        }
    }
}

impl Faults {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.foreign += other.foreign;
    }
}
