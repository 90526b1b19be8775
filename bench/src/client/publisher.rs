//! A connection that publishes.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use mio::Registry;

use super::pipeline::Pipeline;
use crate::message::Message;
use crate::target::{Request, Target};

/// A publisher with one keep-alive connection.
#[derive(Debug)]
pub(super) struct Publisher {
    /// What is published and not answered yet.
    pipeline: Pipeline<Message>,
    body: Vec<u8>,
}

impl Publisher {
    pub(super) fn open(
        target: &Target,
        source: Option<Ipv4Addr>,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        let pipeline = Pipeline::open(target.publish_address(), source, registry, token)?;
        Ok(Self { pipeline, body: Vec::new() })
    }

    /// Messages that are not answered yet.
    pub(super) fn in_flight(&self) -> usize {
        self.pipeline.in_flight()
    }

    /// Publishes by `request`.
    pub(super) fn publish(&mut self, request: &Request, message: Message, size: usize) -> io::Result<()> {
        self.body.clear();
        message.write(size, &mut self.body);
        let body = &self.body;
        self.pipeline.ask(message, |output| {
            request.write(message.channel, output)?;
            write!(output, "Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len())?;
            output.write_all(body)
        })
    }

    /// Appends the messages that were answered by what came now.
    pub(super) fn receive(&mut self, buffer: &mut [u8], answered: &mut Vec<Message>) -> io::Result<()> {
        self.pipeline.receive(buffer, |message, head, _| {
            if !(200..300).contains(&head.status) {
                return Err(io::Error::other(format!("a publish was answered {}", head.status)));
            }
            answered.push(message);
            Ok(())
        })
    }
}
