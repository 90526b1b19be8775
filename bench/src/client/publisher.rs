//! A connection that publishes, one message after the other.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use mio::Registry;

use super::connection::Connection;
use super::head::Head;
use crate::message::Message;
use crate::target::Target;

/// A publisher with one keep-alive connection.
#[derive(Debug)]
pub(super) struct Publisher {
    connection: Connection,
    /// What is published and not answered yet.
    in_flight: Option<Message>,
    body: Vec<u8>,
}

impl Publisher {
    pub(super) fn open(
        target: &Target,
        source: Option<Ipv4Addr>,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        let mut connection = Connection::open(target.publish_address(), source)?;
        connection.register(registry, token)?;
        Ok(Self { connection, in_flight: None, body: Vec::new() })
    }

    pub(super) fn is_free(&self) -> bool {
        self.in_flight.is_none()
    }

    /// Publishes by a `request` without its length.
    pub(super) fn publish(&mut self, request: &str, message: Message, size: usize) -> io::Result<()> {
        self.in_flight = Some(message);
        self.body.clear();
        message.write(size, &mut self.body);
        self.connection.send(|output| {
            output.extend_from_slice(request.as_bytes());
            write!(output, "Content-Length: {}\r\n\r\n", self.body.len())?;
            output.write_all(&self.body)
        })
    }

    /// The message that was answered by what came now.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Message>> {
        let mut is_answered = false;
        self.connection.receive(buffer, |input, _| {
            let Some(head) = Head::read(input)? else { return Ok(0) };
            if !(200..300).contains(&head.status) {
                return Err(io::Error::other(format!("a publish was answered {}", head.status)));
            }
            let end = head.end()?;
            if input.len() < end {
                return Ok(0);
            }
            is_answered = true;
            Ok(end)
        })?;
        Ok(if is_answered { self.in_flight.take() } else { None })
    }
}
