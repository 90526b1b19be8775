//! Many subscribers of all transports on the same channels, while messages of all sizes come through several workers:
//! each gets every message, once and in order. For as long as `ENCKE_SOAK_SECONDS` says, some seconds without it.
//!
//! ```sh
//! ENCKE_SOAK_SECONDS=600 cargo test --release --test encke streams -- --nocapture
//! ```

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

use crate::harness::{Conf, Connection, Server};
use crate::pss;

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The channel of most subscribers, and those that some subscribe to all at once.
const CHANNELS: [&str; 4] = ["main", "red", "green", "blue"];

/// So many messages a publisher may be ahead of the slowest subscriber: fewer than are stored.
const MOST_LAG: u64 = 150;
const STORED: u64 = 1000;

/// What a process may grow by once it has warmed up.
const MOST_GROWTH: u64 = 24 << 20;

const LAST: &str = "that was all";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LongPoll,
    EventSource,
    Chunked,
    Multipart,
    Raw,
    WebSocket,
}

const KINDS: [Kind; 6] =
    [Kind::LongPoll, Kind::EventSource, Kind::Chunked, Kind::Multipart, Kind::Raw, Kind::WebSocket];

impl Kind {
    fn headers(self) -> &'static str {
        match self {
            Self::LongPoll | Self::Raw => "",
            Self::EventSource => "Accept: text/event-stream\r\n",
            Self::Chunked => "TE: chunked\r\n",
            Self::Multipart => "Accept: multipart/mixed\r\n",
            Self::WebSocket => {
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ws+meta.nchan\r\n"
            }
        }
    }

    /// Whether a message without a byte can be seen at all.
    fn shows_empty(self) -> bool {
        self != Self::Chunked
    }
}

// === one subscriber ===

/// What a subscriber gets.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Message(String),
    /// The last words, as far as the transport has any.
    End(String),
}

struct Listener {
    kind: Kind,
    port: u16,
    target: String,
    reader: BufReader<TcpStream>,
    /// Headers with the position: of a long-poll, and of what could be resumed.
    position: String,
}

impl Listener {
    fn open(server: &Server, kind: Kind, target: &str) -> Self {
        Self::resume(server.port(), kind, target, "", None)
    }

    /// Opens behind a position, with a receive buffer of so many bytes.
    fn resume(port: u16, kind: Kind, target: &str, position: &str, buffer: Option<usize>) -> Self {
        let target = if kind == Kind::Raw { target.replacen("/sub", "/raw", 1) } else { target.to_owned() };
        let reader = BufReader::with_capacity(1 << 16, connect(port, buffer));
        let mut listener = Self { kind, port, target, reader, position: position.to_owned() };
        if kind != Kind::LongPoll {
            listener.ask();
            let status = listener.line();
            assert!(status.contains(" 200 ") || status.contains(" 101 "), "{kind:?}: {status}");
            while !listener.line().is_empty() {}
        }
        listener
    }

    fn ask(&mut self) {
        let (target, headers, position) = (&self.target, self.kind.headers(), &self.position);
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}{position}\r\n");
        self.reader.get_mut().write_all(request.as_bytes()).expect("the server takes requests");
    }

    fn next(&mut self) -> Got {
        match self.kind {
            Kind::LongPoll => self.next_poll(),
            Kind::EventSource => self.next_event(),
            Kind::Chunked => self.next_chunk(),
            Kind::Multipart => self.next_part(),
            Kind::Raw => match self.try_line() {
                Some(line) => Got::Message(line),
                None => Got::End(String::new()),
            },
            Kind::WebSocket => self.next_frame(),
        }
    }

    fn next_poll(&mut self) -> Got {
        self.ask();
        let status = self.line();
        let (mut length, mut close, mut position) = (0, false, [String::new(), String::new()]);
        loop {
            let line = self.line();
            match line.split_once(": ") {
                None => break,
                Some(("Content-Length", value)) => length = value.parse().expect("a length"),
                Some(("Connection", "close")) => close = true,
                Some(("Last-Modified", value)) => position[0] = format!("If-Modified-Since: {value}\r\n"),
                Some(("Etag", value)) => position[1] = format!("If-None-Match: {value}\r\n"),
                Some(_) => {}
            }
        }
        let body = self.exactly(length);
        if !status.contains(" 200 ") {
            return Got::End(status);
        }
        self.position = position.concat();
        if close {
            self.reader = BufReader::with_capacity(1 << 16, connect(self.port, None));
        }
        Got::Message(body)
    }

    fn next_event(&mut self) -> Got {
        let mut data = None;
        loop {
            let Some(line) = self.try_line() else { return Got::End(String::new()) };
            match (line.split_once(": "), data.take()) {
                (None, Some(data)) if line.is_empty() => return Got::Message(data),
                (Some((":410" | ":503" | ":408", reason)), _) => return Got::End(reason.to_owned()),
                (Some(("id", id)), other) => {
                    self.position = format!("Last-Event-ID: {id}\r\n");
                    data = other;
                }
                (Some(("data", value)), None) => data = Some(value.to_owned()),
                (_, other) => data = other,
            }
        }
    }

    fn next_chunk(&mut self) -> Got {
        let length = usize::from_str_radix(&self.line(), 16).expect("a length");
        let chunk = self.exactly(length);
        assert_eq!(self.line(), "");
        if length == 0 { Got::End(String::new()) } else { Got::Message(chunk) }
    }

    fn next_part(&mut self) -> Got {
        // The rest of the boundary's line.
        if self.line().ends_with("--") {
            return Got::End(String::new());
        }
        let mut position = [String::new(), String::new()];
        loop {
            let line = self.line();
            match line.split_once(": ") {
                None => break,
                Some(("Last-Modified", value)) => position[0] = format!("If-Modified-Since: {value}\r\n"),
                Some(("Etag", value)) => position[1] = format!("If-None-Match: {value}\r\n"),
                Some(_) => {}
            }
        }
        self.position = position.concat();
        Got::Message(self.line())
    }

    fn next_frame(&mut self) -> Got {
        let mut head = [0; 2];
        if self.reader.read_exact(&mut head).is_err() {
            return Got::End(String::new());
        }
        let length = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.bytes())),
            127 => usize::try_from(u64::from_be_bytes(self.bytes())).expect("a length"),
            length => usize::from(length),
        };
        if head[0] == 0x88 {
            let code = u16::from_be_bytes(self.bytes());
            return Got::End(format!("{code} {}", self.exactly(length - 2)));
        }
        assert_eq!(head[0], 0x81, "a text frame");
        let text = self.exactly(length);
        let (meta, body) = text.split_once("\n\n").expect("meta data");
        let id = meta.lines().find_map(|line| line.strip_prefix("id: ")).expect("an id");
        self.position = format!("Last-Event-ID: {id}\r\n");
        Got::Message(body.to_owned())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).expect("the rest comes");
        bytes
    }

    fn exactly(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).expect("the rest comes");
        String::from_utf8(bytes).expect("text")
    }

    /// The next line without its end.
    fn line(&mut self) -> String {
        let context = (self.kind, self.target.clone());
        self.try_line().unwrap_or_else(|| panic!("{context:?}: the connection ended"))
    }

    /// `None`: the connection ended.
    fn try_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let length = self.reader.read_until(b'\n', &mut line);
        let length = length.unwrap_or_else(|error| panic!("{:?} of {}: {error}", self.kind, self.target));
        let line = String::from_utf8(line).expect("text");
        (length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn connect(port: u16, buffer: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer).expect("a small buffer");
    }
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.into()
}

// === many ===

/// Everything that the threads share.
struct Crowd<'a> {
    server: &'a Server,
    is_over: AtomicBool,
    /// Messages published, per channel.
    published: [AtomicU64; CHANNELS.len()],
    /// Messages that each lasting subscriber got of each of its channels.
    received: Vec<[AtomicU64; CHANNELS.len()]>,
}

/// A message says which one it is; some of the main channel say nothing.
fn body(channel: usize, number: u64) -> String {
    if channel == 0 && number % 50 == 49 {
        return String::new();
    }
    let fill = match number % 500 {
        400 => 1 << 20,
        150 => 70_000,
        other => usize::try_from(other * 37 % 1500).expect("below 1500"),
    };
    // Large messages are for all; those in several channels at once are small.
    let fill = if channel == 0 { fill } else { fill % 1500 };
    format!("{channel}:{number}:{}", "x".repeat(fill))
}

impl Crowd<'_> {
    fn publish(&self, channel: usize) {
        let mut connection = self.server.connect();
        for number in 0.. {
            if self.is_over.load(Relaxed) {
                break;
            }
            let slowest = || self.received.iter().map(|received| received[channel].load(Relaxed)).min();
            while slowest().is_some_and(|slowest| number >= slowest + MOST_LAG) {
                thread::sleep(Duration::from_millis(1));
            }
            post(self.server, &mut connection, channel, &body(channel, number));
            self.published[channel].store(number + 1, Relaxed);
        }
        post(self.server, &mut connection, channel, LAST);
    }

    /// Listens from the beginning to the end.
    fn listen(&self, kind: Kind, number: usize, is_multiplexed: bool) {
        let channels: &[usize] = if is_multiplexed { &[1, 2, 3] } else { &[0] };
        let names: Vec<&str> = channels.iter().map(|channel| CHANNELS[*channel]).collect();
        let received = &self.received[number];
        // Of no interest to publishers in other channels.
        (0..CHANNELS.len()).filter(|channel| !channels.contains(channel)).for_each(|channel| {
            received[channel].store(u64::MAX / 2, Relaxed);
        });
        let mut listener = Listener::open(self.server, kind, &format!("/sub?id={}", names.join(",")));
        let mut open: Vec<usize> = channels.to_vec();
        while !open.is_empty() {
            let Got::Message(got) = listener.next() else { panic!("{kind:?} ended") };
            if got == LAST {
                // They come in any order; each ends one channel.
                let done = open.iter().position(|channel| {
                    self.is_over.load(Relaxed)
                        && received[*channel].load(Relaxed) >= self.published[*channel].load(Relaxed)
                });
                open.remove(done.unwrap_or_else(|| panic!("{kind:?}: the last message came early")));
                continue;
            }
            let channel = got.split(':').next().and_then(|text| text.parse().ok()).unwrap_or(0);
            let mut expected = received[channel].load(Relaxed);
            if !kind.shows_empty() && body(channel, expected).is_empty() {
                expected += 1;
            }
            assert!(
                got == body(channel, expected),
                "{kind:?} in {names:?}: expected {expected}, got {got:.20}"
            );
            received[channel].store(expected + 1, Relaxed);
            if !kind.shows_empty() && body(channel, expected + 1).is_empty() {
                received[channel].store(expected + 2, Relaxed);
            }
        }
    }

    /// Comes and goes: politely, without a word, or in the middle of a message.
    fn come_and_go(&self, seed: usize) {
        for turn in seed.. {
            if self.is_over.load(Relaxed) {
                return;
            }
            let channel = CHANNELS[turn / 6 % 2];
            let mut listener = Listener::open(self.server, KINDS[turn % 6], &format!("/sub?id={channel}"));
            let first = listener.next();
            assert!(matches!(first, Got::Message(_)), "{first:?}");
            if turn % 3 == 0 {
                // A reset instead of an end.
                let socket = Socket::from(listener.reader.into_inner());
                socket.set_linger(Some(Duration::ZERO)).expect("an option");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Comes, and reads nothing more.
    fn stall(&self, kind: Kind) {
        let listener = Listener::resume(self.server.port(), kind, "/slow?id=main", "", Some(4096));
        while !self.is_over.load(Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        drop(listener);
    }

    fn reload(&self, every: Duration) {
        let mut next = Instant::now() + every;
        while !self.is_over.load(Relaxed) {
            thread::sleep(Duration::from_millis(20));
            if Instant::now() > next {
                self.server.signal(Signal::SIGHUP);
                next += every;
            }
        }
    }
}

fn post(server: &Server, connection: &mut Connection, channel: usize, body: &str) {
    let (channel, length) = (CHANNELS[channel], body.len());
    connection.send(format!(
        "POST /pub?id={channel} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let response = connection.receive(PATIENCE).into_response();
    assert!(matches!(response.status(), 201 | 202), "{response:?}");
    if response.header("Connection") == Some("close") {
        *connection = server.connect();
    }
}

fn conf() -> Conf {
    let inside = format!(
        "nchan_channel_group crowd; nchan_message_buffer_length {STORED}; client_max_body_size 2m;
         nchan_channel_id_split_delimiter ','; encke_subscriber_queue 64m;
         location = /pub {{ nchan_publisher; nchan_channel_id $arg_id; }}
         location = /sub {{ nchan_subscriber; nchan_channel_id $arg_id; }}
         location = /raw {{ nchan_subscriber http-raw-stream; nchan_channel_id $arg_id; }}
         location = /slow {{ nchan_subscriber; nchan_channel_id $arg_id; encke_subscriber_queue 64k; }}"
    );
    Conf::server(inside).http("nchan_shared_memory_size 256m; error_log stderr crit;").workers(3)
}

/// Waits until the server counts no subscribers.
fn wait_until_empty(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    for channel in CHANNELS {
        loop {
            let told = server.get(&format!("/pub?id={channel}")).text();
            if told.contains("active subscribers: 0") || told.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "{channel}: {told}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn everybody_gets_every_message_once_and_in_order() {
    let seconds = std::env::var("ENCKE_SOAK_SECONDS").ok();
    let duration = Duration::from_secs(seconds.as_deref().map_or(5, |text| text.parse().expect("a number")));
    let each = if seconds.is_some() { 60 } else { 25 };
    let server = Server::start(conf());
    let lasting = KINDS.len() * each;
    let received = (0..lasting).map(|_| Default::default()).collect();
    let crowd =
        Crowd { server: &server, is_over: AtomicBool::new(false), published: Default::default(), received };
    let mut memory = Vec::new();
    thread::scope(|scope| {
        let crowd = &crowd;
        for number in 0..lasting {
            // Every fifth of each kind listens to three channels.
            let (kind, is_multiplexed) = (KINDS[number % KINDS.len()], number / KINDS.len() % 5 == 4);
            scope.spawn(move || crowd.listen(kind, number, is_multiplexed));
        }
        (0..CHANNELS.len()).for_each(|channel| {
            scope.spawn(move || crowd.publish(channel));
        });
        (0..4).for_each(|seed| {
            scope.spawn(move || crowd.come_and_go(seed * 7));
        });
        for kind in [Kind::EventSource, Kind::Chunked, Kind::Multipart, Kind::WebSocket] {
            scope.spawn(move || crowd.stall(kind));
        }
        let reloads = if seconds.is_some() { Duration::from_secs(5) } else { Duration::from_secs(2) };
        scope.spawn(move || crowd.reload(reloads));
        let start = Instant::now();
        let enough = || crowd.published[0].load(Relaxed) > 500 || start.elapsed() > duration + PATIENCE;
        while start.elapsed() < duration || !enough() {
            thread::sleep(Duration::from_millis(200));
            memory.push(pss::of_tree(server.pid()).expect("the server runs"));
        }
        crowd.is_over.store(true, Relaxed);
    });
    wait_until_empty(&server);
    let published: Vec<u64> = crowd.published.iter().map(|count| count.load(Relaxed)).collect();
    eprintln!("published {published:?} to {lasting} subscribers; memory {:?} MiB", last_of(&memory));
    assert!(published.iter().all(|count| *count > 100), "only {published:?} messages");
    if seconds.is_some() {
        let third = memory.len() / 3;
        let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
        let growth = most(&memory[2 * third..]).saturating_sub(most(&memory[third..2 * third]));
        assert!(growth < MOST_GROWTH, "grew by {growth} bytes");
    }
}

/// Every tenth of the samples.
fn last_of(memory: &[u64]) -> Vec<u64> {
    memory.iter().step_by(1 + memory.len() / 10).map(|bytes| bytes >> 20).collect()
}

// === slow ones ===

#[test]
fn slow_readers_are_let_go_and_can_resume() {
    let inside = "
        nchan_message_buffer_length 1000; encke_subscriber_queue 64k;
        location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
        location = /sub { nchan_subscriber; nchan_channel_id $arg_id; }
        location = /raw { nchan_subscriber http-raw-stream; nchan_channel_id $arg_id; }";
    let server = Server::start(Conf::server(inside));
    const MESSAGES: u64 = 1500;
    let mut slow: Vec<Listener> = KINDS[1..]
        .iter()
        .map(|kind| Listener::resume(server.port(), *kind, "/sub?id=main", "", Some(4096)))
        .collect();
    let mut connection = server.connect();
    let message = |number: u64| format!("{number}:{}", "x".repeat(8000));
    // More than the system keeps for a connection.
    for number in 0..MESSAGES {
        post(&server, &mut connection, 0, &message(number));
    }
    for listener in &mut slow {
        let kind = listener.kind;
        let mut next = 0;
        let reason = loop {
            match listener.next() {
                Got::Message(got) => {
                    assert!(got == message(next), "{kind:?}: expected {next}, got {got:.20}");
                }
                Got::End(reason) => break reason,
            }
            next += 1;
        };
        assert!(next > 0 && next < MESSAGES, "{kind:?} got {next} messages");
        let expected = match kind {
            Kind::EventSource => "503 Service Temporarily Unavailable",
            Kind::WebSocket => "1013 503 Service Temporarily Unavailable",
            _ => "",
        };
        assert_eq!(reason, expected, "{kind:?}");
        // These know where they were; what is still stored comes.
        if !matches!(kind, Kind::Chunked | Kind::Raw) {
            let mut again = Listener::resume(server.port(), kind, "/sub?id=main", &listener.position, None);
            let first = next.max(MESSAGES - 1000);
            for number in first..MESSAGES {
                assert!(again.next() == Got::Message(message(number)), "{kind:?} after resuming at {next}");
            }
        }
    }
    drop(slow);
    wait_until_empty(&server);
}

#[test]
fn a_message_above_the_queue_s_limit_reaches_those_who_keep_up() {
    let inside = "
        encke_subscriber_queue 4k; client_max_body_size 2m;
        location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
        location = /sub { nchan_subscriber; nchan_channel_id $arg_id; }
        location = /raw { nchan_subscriber http-raw-stream; nchan_channel_id $arg_id; }";
    let server = Server::start(Conf::server(inside));
    let mut listeners: Vec<Listener> = KINDS
        .iter()
        .map(|kind| Listener::resume(server.port(), *kind, "/sub?id=main", "", Some(4096)))
        .collect();
    let mut connection = server.connect();
    for round in 0..3 {
        let message = format!("{round}:{}", "x".repeat(1 << 20));
        post(&server, &mut connection, 0, &message);
        for listener in &mut listeners {
            assert!(listener.next() == Got::Message(message.clone()), "{:?} in round {round}", listener.kind);
        }
    }
}
