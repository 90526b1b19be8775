//! A connection that never blocks.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};

/// A socket, and what could not be used or sent yet. Both are empty most of the time.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

impl Connection {
    /// Connects, from `source` if the server is on this machine.
    pub(super) fn open(server: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        socket.connect(&server.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { stream: TcpStream::from_std(socket.into()), unread: Vec::new(), unsent: Vec::new() })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        registry.register(&mut self.stream, Token(token), Interest::READABLE | Interest::WRITABLE)
    }

    /// Sends what `write` appends.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        write(&mut self.unsent)?;
        self.flush()
    }

    /// Reads all that came, by way of `buffer`. `decode` gets it, may append an answer, and returns how much it used;
    /// it gets the rest again, with more behind it.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut decode: impl FnMut(&[u8], &mut Vec<u8>) -> io::Result<usize>,
    ) -> io::Result<()> {
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::other("the server closed a connection")),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.decode(&buffer[..length], &mut decode)?;
            // Less than there was room for: nothing is left, and the next byte is an event.
            if length < buffer.len() {
                break;
            }
        }
        self.flush()
    }

    fn decode(
        &mut self,
        received: &[u8],
        decode: &mut impl FnMut(&[u8], &mut Vec<u8>) -> io::Result<usize>,
    ) -> io::Result<()> {
        if self.unread.is_empty() {
            let used = decode(received, &mut self.unsent)?;
            self.unread.extend_from_slice(&received[used..]);
        } else {
            self.unread.extend_from_slice(received);
            let used = decode(&self.unread, &mut self.unsent)?;
            self.unread.drain(..used);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
