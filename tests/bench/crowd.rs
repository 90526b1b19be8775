//! Many subscribers that wait, on as little of the machine as possible: one blocking socket each.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::harness::{Connection, Server};

/// Subscribers that come at once, fewer than a server's backlog holds.
const BATCH: usize = 200;

/// Subscribers that share a source address: each has some 28,000 ports, and finding a free one among few takes long.
const PER_ADDRESS: usize = 2000;

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who waits where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    OneChannel,
    ChannelEach,
}

/// How they get their messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    LongPoll,
    EventSource,
    Chunked,
    Multipart,
    Raw,
    WebSocket,
}

impl Transport {
    fn request(self, channel: usize) -> String {
        let (location, headers) = match self {
            Self::LongPoll => ("subscribe", ""),
            Self::Raw => ("raw", ""),
            Self::EventSource => ("stream", "Accept: text/event-stream\r\n"),
            Self::Chunked => ("stream", "TE: chunked\r\n"),
            Self::Multipart => ("stream", "Accept: multipart/mixed\r\n"),
            Self::WebSocket => (
                "stream",
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            ),
        };
        format!("GET /{location}?id={channel} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
    }
}

/// Subscribers of one server, all waiting.
pub(crate) struct Crowd<'a> {
    server: &'a Server,
    /// What publishes and asks.
    publisher: Connection,
    layout: Layout,
    transport: Transport,
    /// Where the latest subscribers come from.
    source: Ipv4Addr,
    members: Vec<TcpStream>,
}

impl Layout {
    fn channel(self, member: usize) -> usize {
        match self {
            Self::OneChannel => 0,
            Self::ChannelEach => member,
        }
    }

    /// Channels of that many subscribers.
    fn channels(self, members: usize) -> usize {
        match self {
            Self::OneChannel => members.min(1),
            Self::ChannelEach => members,
        }
    }
}

impl<'a> Crowd<'a> {
    pub(crate) fn new(server: &'a Server, layout: Layout, transport: Transport) -> Self {
        let (publisher, source) = (server.connect(), next_source());
        Self { server, publisher, layout, transport, source, members: Vec::new() }
    }

    /// Lets subscribers come until there are `size`, and returns when the server says that all of them wait.
    pub(crate) fn grow(&mut self, size: usize) -> io::Result<()> {
        while self.members.len() < size {
            let newcomers = self.members.len()..size.min(self.members.len() + BATCH);
            for member in newcomers.clone() {
                let stream = self.join(member)?;
                self.members.push(stream);
            }
            self.wait_for(newcomers);
        }
        Ok(())
    }

    /// Publishes once to every channel, and checks that every subscriber gets that message, once. Returns how many
    /// did.
    pub(crate) fn deliver(&mut self) -> io::Result<usize> {
        for channel in 0..self.layout.channels(self.members.len()) {
            let message = message(channel);
            let status = self.ask(&format!(
                "POST /publish?id={channel} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                 Content-Length: {}\r\n\r\n{message}",
                message.len()
            ));
            assert!(status.starts_with("201 "), "a publish that somebody waits for was answered {status}");
        }
        for (number, member) in self.members.iter().enumerate() {
            receive(member, self.transport, &message(self.layout.channel(number)))?;
        }
        self.members.iter().try_for_each(expect_nothing)?;
        Ok(self.members.len())
    }

    fn join(&mut self, member: usize) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if member.is_multiple_of(PER_ADDRESS) {
            self.source = next_source();
        }
        socket.bind(&SocketAddr::from((self.source, 0)).into())?;
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.server.port())).into())?;
        let mut stream = TcpStream::from(socket);
        stream.write_all(self.transport.request(self.layout.channel(member)).as_bytes())?;
        Ok(stream)
    }

    /// Waits until the newcomers wait.
    fn wait_for(&mut self, newcomers: Range<usize>) {
        match self.layout {
            Layout::OneChannel => self.wait_for_subscribers(0, newcomers.end),
            Layout::ChannelEach => newcomers.for_each(|channel| self.wait_for_subscribers(channel, 1)),
        }
    }

    fn wait_for_subscribers(&mut self, channel: usize, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let wanted = format!("active subscribers: {count}");
        let request = format!("GET /publish?id={channel} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        loop {
            let answer = self.ask(&request);
            if answer.lines().any(|line| line.trim_end() == wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "channel {channel}: expected {wanted}, got {answer}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Status and body of the answer to one request of the publisher.
    fn ask(&mut self, request: &str) -> String {
        self.publisher.send(request);
        let response = self.publisher.receive(PATIENCE).into_response();
        // Servers close a connection after some thousand requests.
        if response.header("Connection") == Some("close") {
            self.publisher = self.server.connect();
        }
        format!("{} \n{}", response.status(), response.text())
    }
}

fn message(channel: usize) -> String {
    format!("the message of channel {channel}")
}

/// Reads one response: 200 (or 101), and `body`; behind it what ends a stream's message.
fn receive(mut stream: &TcpStream, transport: Transport, body: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let end = match transport {
        Transport::LongPoll => format!("\r\n\r\n{body}"),
        Transport::EventSource => format!("data: {body}\n\n"),
        Transport::Chunked => format!("\r\n{body}\r\n"),
        Transport::Multipart => format!("\r\n\r\n{body}\r\n--"),
        Transport::Raw => format!("{body}\n"),
        Transport::WebSocket => body.to_owned(),
    };
    // Behind this, multipart repeats its boundary.
    let is_whole = |received: &[u8]| match transport {
        Transport::Multipart => String::from_utf8_lossy(received)
            .split_once(&end)
            .is_some_and(|(_, boundary)| boundary.len() == 32),
        _ => received.ends_with(end.as_bytes()),
    };
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    while !is_whole(&received) {
        let length = stream.read(&mut buffer)?;
        assert!(length > 0, "a subscriber's connection ended: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&buffer[..length]);
    }
    let text = String::from_utf8_lossy(&received);
    let heads = text.matches("HTTP/1.1 ").count();
    let status = if transport == Transport::WebSocket { "HTTP/1.1 101 " } else { "HTTP/1.1 200 OK\r\n" };
    assert!(heads == 1 && text.starts_with(status), "a subscriber got {text}");
    assert_eq!(text.matches(body).count(), 1, "a subscriber got {text}");
    Ok(())
}

/// Checks that nothing came behind the response, and that the connection is open.
fn expect_nothing(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    match stream.peek(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
        Ok(0) => Err(io::Error::other("a subscriber's connection was closed after its message")),
        Ok(_) => Err(io::Error::other("a subscriber got more than its message")),
    }
}

/// A loopback address that no crowd before has used: ports stay taken for a minute after a connection.
fn next_source() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = Ipv4Addr::new(127, 1, 0, 0).to_bits() + ((process::id() % (1 << 12)) << 8);
    Ipv4Addr::from_bits(first + NEXT.fetch_add(1, Relaxed))
}
