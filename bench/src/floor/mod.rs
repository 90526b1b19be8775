//! The floor: a loop over epoll that does nothing but receive and send what has to be received and sent.
//!
//! It is a limit, not a competitor: what it takes is the kernel's price for the sockets, one system call for each message.
//! It knows the clients of this program and nobody else ([`request`]), has its answers ready ([`answer`]), and stores
//! nothing. One `recv` for whatever comes, one `send` for each delivery and each answer; no allocation for a request that
//! comes in one piece.

mod answer;
mod request;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::client::Transport;

use request::Request;

const LISTENER: Token = Token(usize::MAX);

/// As of the other servers.
const BACKLOG: i32 = 4096;

/// Bytes that are received at once: more than any request has.
const BUFFER: usize = 64 * 1024;

struct Floor {
    poll: Poll,
    listener: TcpListener,
    /// By their numbers, of which none is used again.
    connections: Vec<Option<Connection>>,
    channels: Vec<Channel>,
    /// What came of requests that are not whole yet, by the number of their connection.
    pieces: HashMap<usize, Vec<u8>>,
    /// The message that is being delivered.
    frame: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    is_subscriber: bool,
}

/// The subscribers of a channel, who all have the same transport.
struct Channel {
    transport: Transport,
    /// Numbers of their connections.
    subscribers: Vec<usize>,
}

/// Serves a port of this machine for good; 0 is any port.
pub(crate) fn serve(port: u16) -> io::Result<Infallible> {
    Floor::new(listen(port)?)?.run()
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Floor {
    fn new(mut listener: TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            connections: Vec::new(),
            channels: Vec::new(),
            pieces: HashMap::new(),
            frame: Vec::new(),
        })
    }

    fn run(&mut self) -> io::Result<Infallible> {
        let mut ready = Events::with_capacity(1024);
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.poll.poll(&mut ready, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &ready {
                match event.token() {
                    LISTENER => self.accept()?,
                    // Who is gone, or is no client of ours, is dropped, and notices.
                    Token(number) if self.receive(number, &mut buffer).is_err() => {
                        self.connections[number] = None;
                    }
                    _ => {}
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let token = Token(self.connections.len());
            self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
            self.connections.push(Some(Connection { stream, is_subscriber: false }));
        }
    }

    /// An error if the connection is to be closed.
    fn receive(&mut self, number: usize, buffer: &mut [u8]) -> io::Result<()> {
        let Some(connection) = &mut self.connections[number] else { return Ok(()) };
        let length = match connection.stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            received => received?,
        };
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // A poll that asks for the next message says nothing new.
        if connection.is_subscriber {
            return Ok(());
        }
        match self.pieces.remove(&number) {
            Some(mut piece) => {
                piece.extend_from_slice(&buffer[..length]);
                self.answer(number, &piece)
            }
            None => self.answer(number, &buffer[..length]),
        }
    }

    fn answer(&mut self, number: usize, received: &[u8]) -> io::Result<()> {
        match Request::read(received)? {
            Some(Request::Publish { channel, body }) => {
                self.deliver(channel, body);
                self.send(number, answer::ACCEPTED)
            }
            Some(Request::Subscribe { channel, transport }) => self.subscribe(number, channel, transport),
            Some(Request::Knock { channel }) => {
                let parked = self.channels.get(channel).map_or(0, |channel| channel.subscribers.len());
                self.send(number, answer::parked(parked).as_bytes())?;
                // It asks to be closed.
                Err(ErrorKind::ConnectionAborted.into())
            }
            None if received.len() < BUFFER => {
                self.pieces.insert(number, received.to_vec());
                Ok(())
            }
            None => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// Sends a message to all at once: to who has not asked for it yet, too, since it will have when it reads it.
    fn deliver(&mut self, channel: usize, body: &[u8]) {
        let Some(Channel { transport, subscribers }) = self.channels.get(channel) else { return };
        answer::write_message(*transport, body, &mut self.frame);
        for &number in subscribers {
            let connection = &mut self.connections[number];
            if connection.as_mut().is_some_and(|connection| connection.send(&self.frame).is_err()) {
                *connection = None;
            }
        }
    }

    fn subscribe(&mut self, number: usize, channel: usize, transport: Transport) -> io::Result<()> {
        let channels = self.channels.len().max(channel + 1);
        self.channels.resize_with(channels, || Channel { transport, subscribers: Vec::new() });
        let channel = &mut self.channels[channel];
        channel.transport = transport;
        channel.subscribers.push(number);
        if let Some(connection) = &mut self.connections[number] {
            connection.is_subscriber = true;
        }
        self.send(number, answer::head(transport))
    }

    fn send(&mut self, number: usize, bytes: &[u8]) -> io::Result<()> {
        self.connections[number].as_mut().map_or(Ok(()), |connection| connection.send(bytes))
    }
}

impl Connection {
    /// All or nothing: no client of ours lets as much wait as a socket holds.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Nothing is no message.
        if !bytes.is_empty() && self.stream.write(bytes)? < bytes.len() {
            return Err(ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::server::Site;
    use crate::works::{self, Sizes, Work};

    fn run(work: Work) {
        let listener = listen(0).expect("a port");
        let site = Site::of_floor(listener.local_addr().expect("its address").port()).expect("its URLs");
        thread::spawn(|| Floor::new(listener)?.run());
        let sample = work.kind.run(&site).unwrap_or_else(|error| panic!("{}: {error}", work.name));
        assert!(sample.faults.is_none(), "{}: {:?}", work.name, sample.faults);
        assert!(sample.units > 0, "{}", work.name);
    }

    #[test]
    fn nothing_is_lost_in_any_work_that_is_for_it() {
        let works = works::all(Sizes { idle: 5, publishers: 16 }).into_iter().map(Work::smoke);
        let works: Vec<Work> = works.filter(|work| !work.kind.is_about_what_is_kept()).collect();
        assert!(works.len() > 10, "most works");
        thread::scope(|scope| works.into_iter().for_each(|work| drop(scope.spawn(|| run(work)))));
    }
}
