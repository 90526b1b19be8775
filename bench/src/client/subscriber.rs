//! One subscriber and its connection.

use std::io;
use std::net::Ipv4Addr;

use mio::Registry;

use super::connection::Connection;
use super::expected::{Expected, Faults};
use super::transport::{Decoder, Transport};
use crate::message::{Label, Message};
use crate::target::Target;

/// A subscriber of one channel.
#[derive(Debug)]
pub(super) struct Subscriber {
    connection: Connection,
    decoder: Decoder,
    expected: Expected,
}

impl Subscriber {
    pub(super) fn open(
        target: &Target,
        transport: Transport,
        expected: Expected,
        source: Option<Ipv4Addr>,
    ) -> io::Result<Self> {
        let mut connection = Connection::open(target.subscribe_address(), source)?;
        let request = target.subscribe(transport).to(expected.channel());
        connection.send(|output| {
            transport.write_request(&request, output);
            Ok(())
        })?;
        let decoder = transport.decoder(&request);
        Ok(Self { connection, decoder, expected })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        self.connection.register(registry, token)
    }

    pub(super) fn is_open(&self) -> bool {
        self.decoder.is_open()
    }

    pub(super) fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Appends the messages that came, by way of `labels`.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        labels: &mut Vec<Label>,
        messages: &mut Vec<Message>,
        faults: &mut Faults,
    ) -> io::Result<()> {
        self.connection.receive(buffer, |input, output| self.decoder.decode(input, output, labels))?;
        messages.extend(labels.drain(..).map(|label| self.expected.take(label, faults)));
        Ok(())
    }
}
