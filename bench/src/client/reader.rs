//! A connection that looks what many channels hold, one after the other.

use std::io;
use std::net::Ipv4Addr;

use mio::Registry;

use super::expected::{Expected, Faults};
use super::pipeline::Pipeline;
use super::transport::{Transport, message, unexpected};
use crate::message::Message;
use crate::target::{Request, Target};

/// Asks by long-polling for the first message of a channel.
#[derive(Debug)]
pub(super) struct Reader {
    request: Request,
    /// What each answer has to be.
    pipeline: Pipeline<Expected>,
}

impl Reader {
    pub(super) fn open(
        target: &Target,
        source: Option<Ipv4Addr>,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        let pipeline = Pipeline::open(target.subscribe_address(), source, registry, token)?;
        Ok(Self { request: target.subscribe(Transport::LongPoll), pipeline })
    }

    /// Questions without an answer.
    pub(super) fn in_flight(&self) -> usize {
        self.pipeline.in_flight()
    }

    pub(super) fn ask(&mut self, expected: Expected) -> io::Result<()> {
        self.pipeline.ask(expected, |output| {
            self.request.write(expected.channel(), output)?;
            output.extend_from_slice(b"\r\n");
            Ok(())
        })
    }

    /// Appends the messages that came.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        messages: &mut Vec<Message>,
        faults: &mut Faults,
    ) -> io::Result<()> {
        self.pipeline.receive(buffer, |mut expected, head, body| {
            if head.status != 200 {
                return Err(unexpected(head.status));
            }
            messages.push(expected.take(message(body)?, faults));
            Ok(())
        })
    }
}
