//! One connection, byte for byte.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use super::response::{Parsed, Response, parse};

/// What came from the server within a time limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Response(Response),
    /// Nothing came and the connection is open.
    Pending,
    /// The connection ended without a byte.
    Ended(Ending),
    /// Something came that is not a whole HTTP response.
    Partial(Vec<u8>, Option<Ending>),
}

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    Reset,
}

/// A client's side of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    ending: Option<Ending>,
}

impl Reply {
    pub(crate) fn response(&self) -> Option<&Response> {
        match self {
            Reply::Response(response) => Some(response),
            _ => None,
        }
    }

    /// The response that the test expected; panics when something else came.
    #[track_caller]
    pub(crate) fn into_response(self) -> Response {
        match self {
            Reply::Response(response) => response,
            other => panic!("expected a response, got {other:?}"),
        }
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Connection> {
        Self::new(TcpStream::connect(address)?)
    }

    /// The same from this address of the machine.
    pub(crate) fn open_from(source: Ipv4Addr, address: SocketAddr) -> io::Result<Connection> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&address.into())?;
        Self::new(socket.into())
    }

    fn new(stream: TcpStream) -> io::Result<Connection> {
        // A request written in two pieces must leave in two packets.
        stream.set_nodelay(true)?;
        Ok(Connection { stream, unread: Vec::new(), ending: None })
    }

    /// Opens a connection to an address the server may be just about to listen on: it listens on one after another,
    /// and was waited for on the first.
    pub(crate) fn open_patiently(address: SocketAddr) -> io::Result<Connection> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::open(address) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return opened,
            }
        }
    }

    /// The socket, for what this type has no words for.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Writes bytes. An error is no failure: a server may have closed after an early refusal, and the next
    /// [`Connection::receive`] shows it.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Tells the server that nothing more will be sent.
    pub(crate) fn shut_down_writing(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next response, if it comes within `limit`.
    pub(crate) fn receive(&mut self, limit: Duration) -> Reply {
        self.receive_reply(limit, false)
    }

    /// The next response, to a `HEAD` request: no body follows, whatever the headers say.
    pub(crate) fn receive_head(&mut self, limit: Duration) -> Reply {
        self.receive_reply(limit, true)
    }

    /// Watches for `limit` whether the server ends the connection; `None` means that it is open.
    pub(crate) fn watch(&mut self, limit: Duration) -> Option<Ending> {
        let deadline = Instant::now() + limit;
        while self.read_more(deadline) {}
        self.ending
    }

    /// Bytes that came and belong to no response returned so far.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Takes the bytes that have come, without waiting.
    pub(crate) fn receive_now(&mut self) -> Vec<u8> {
        if self.ending.is_none() && self.stream.set_nonblocking(true).is_ok() {
            while self.ending.is_none() && self.read_once() {}
            let _ = self.stream.set_nonblocking(false);
        }
        std::mem::take(&mut self.unread)
    }

    /// How the server ended the connection, as far as it was seen.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Takes all bytes that have come and come within `limit`, for streams that are not one response.
    pub(crate) fn receive_bytes(&mut self, limit: Duration) -> Vec<u8> {
        let deadline = Instant::now() + limit;
        while self.unread.is_empty() && self.read_more(deadline) {}
        std::mem::take(&mut self.unread)
    }

    fn receive_reply(&mut self, limit: Duration, head: bool) -> Reply {
        let deadline = Instant::now() + limit;
        loop {
            if let Parsed::Whole { response, length } = parse(&self.unread, head, self.ending.is_some()) {
                self.unread.drain(..length);
                return Reply::Response(response);
            }
            if !self.read_more(deadline) {
                return self.incomplete();
            }
        }
    }

    fn incomplete(&mut self) -> Reply {
        match (self.unread.is_empty(), self.ending) {
            (true, None) => Reply::Pending,
            (true, Some(ending)) => Reply::Ended(ending),
            (false, ending) => Reply::Partial(self.unread.clone(), ending),
        }
    }

    /// Reads once. False when the deadline is over, or was known to be the end before.
    fn read_more(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if self.ending.is_some() || left.is_zero() {
            return false;
        }
        self.stream.set_read_timeout(Some(left)).expect("the limit is not zero");
        self.read_once()
    }

    fn read_once(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.ending = Some(Ending::Closed),
            Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            Err(error) if is_timeout(&error) => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.ending = Some(Ending::Reset),
        }
        true
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
