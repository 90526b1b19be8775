//! Subscribers of all transports, many of which fit into one thread.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often an interval-poll asks again.
const INTERVAL: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    LongPoll,
    IntervalPoll,
    EventSource,
    Chunked,
    Multipart,
    Raw,
    WebSocket,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] = [
        Kind::LongPoll,
        Kind::IntervalPoll,
        Kind::EventSource,
        Kind::Chunked,
        Kind::Multipart,
        Kind::Raw,
        Kind::WebSocket,
    ];

    /// Those that hold a connection for more than one message.
    pub(crate) const STREAMS: [Kind; 5] =
        [Kind::EventSource, Kind::Chunked, Kind::Multipart, Kind::Raw, Kind::WebSocket];

    /// The path of its location: these cannot be asked for by a header.
    fn location(self, base: &str) -> String {
        match self {
            Self::Raw => format!("{base}-raw"),
            Self::IntervalPoll => format!("{base}-interval"),
            _ => base.to_owned(),
        }
    }

    fn headers(self) -> &'static str {
        match self {
            Self::LongPoll | Self::IntervalPoll | Self::Raw => "",
            Self::EventSource => "Accept: text/event-stream\r\n",
            Self::Chunked => "TE: chunked\r\n",
            Self::Multipart => "Accept: multipart/mixed\r\n",
            Self::WebSocket => {
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ws+meta.nchan\r\n"
            }
        }
    }

    pub(crate) fn polls(self) -> bool {
        matches!(self, Self::LongPoll | Self::IntervalPoll)
    }

    /// Whether a message without a byte can be seen at all.
    pub(crate) fn shows_empty(self) -> bool {
        self != Self::Chunked
    }

    /// Whether a subscriber learns where it is.
    pub(crate) fn can_resume(self) -> bool {
        !matches!(self, Self::Chunked | Self::Raw)
    }
}

/// What a subscriber gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Message(String),
    /// The last words, as far as the transport has any.
    End(String),
}

/// Where a subscriber comes from, and what it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) server: SocketAddr,
    /// The client's own address.
    pub(crate) source: Option<Ipv4Addr>,
    /// Bytes of the receive buffer.
    pub(crate) buffer: Option<u32>,
    pub(crate) kind: Kind,
    /// The location's path without the kind's ending, and the query.
    pub(crate) base: &'static str,
    pub(crate) query: String,
    /// Headers with the position to begin behind.
    pub(crate) position: String,
}

impl Asking {
    pub(crate) fn of(port: u16, kind: Kind, base: &'static str, query: &str) -> Self {
        Self {
            server: (Ipv4Addr::LOCALHOST, port).into(),
            source: None,
            buffer: None,
            kind,
            base,
            query: query.to_owned(),
            position: String::new(),
        }
    }

    async fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        if let Some(buffer) = self.buffer {
            socket.set_recv_buffer_size(buffer)?;
        }
        if let Some(source) = self.source {
            socket.bind((source, 0).into())?;
        }
        Ok(BufReader::new(socket.connect(self.server).await?))
    }

    fn request(&self) -> String {
        let (location, query) = (self.kind.location(self.base), &self.query);
        let (headers, position) = (self.kind.headers(), &self.position);
        format!("GET {location}?{query} HTTP/1.1\r\nHost: a\r\n{headers}{position}\r\n")
    }
}

/// One subscriber. What the server sends against the rules of its transport is a panic.
#[derive(Debug)]
pub(crate) struct Listener {
    asking: Asking,
    reader: BufReader<TcpStream>,
}

impl Listener {
    /// Streams have their head when this returns; polls have not asked yet.
    pub(crate) async fn open(asking: Asking) -> io::Result<Self> {
        within(async {
            let reader = asking.connect().await?;
            let mut listener = Self { asking, reader };
            if !listener.kind().polls() {
                listener.ask().await?;
                let status = line(&mut listener.reader).await?;
                let kind = listener.kind();
                assert!(status.contains(" 200 ") || status.contains(" 101 "), "{kind:?}: {status}");
                while !line(&mut listener.reader).await?.is_empty() {}
            }
            Ok(listener)
        })
        .await
    }

    pub(crate) fn kind(&self) -> Kind {
        self.asking.kind
    }

    /// What would go on behind the last message.
    pub(crate) fn asking(&self) -> &Asking {
        &self.asking
    }

    /// The next message, or the end. An error is a connection that broke, or [`PATIENCE`] that came to an end.
    pub(crate) async fn next(&mut self) -> io::Result<Got> {
        within(async {
            match self.kind() {
                Kind::LongPoll | Kind::IntervalPoll => self.next_poll().await,
                Kind::EventSource => self.next_event().await,
                Kind::Chunked => self.next_chunk().await,
                Kind::Multipart => self.next_part().await,
                Kind::Raw => match line(&mut self.reader).await {
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Got::End(String::new())),
                    line => line.map(Got::Message),
                },
                Kind::WebSocket => self.next_frame().await,
            }
        })
        .await
    }

    /// A reset instead of an end.
    pub(crate) fn reset(self) {
        SockRef::from(self.reader.get_ref()).set_linger(Some(Duration::ZERO)).expect("an option");
    }

    /// Asks, and no more.
    pub(crate) async fn ask(&mut self) -> io::Result<()> {
        self.reader.get_mut().write_all(self.asking.request().as_bytes()).await
    }

    async fn next_poll(&mut self) -> io::Result<Got> {
        loop {
            self.ask().await?;
            let answer = Answer::read(&mut self.reader).await?;
            if answer.closes {
                self.reader = self.asking.connect().await?;
            }
            match answer.status {
                200 => {
                    self.asking.position = answer.position;
                    return Ok(Got::Message(answer.body));
                }
                304 if self.kind() == Kind::IntervalPoll => tokio::time::sleep(INTERVAL).await,
                other => return Ok(Got::End(other.to_string())),
            }
        }
    }

    async fn next_event(&mut self) -> io::Result<Got> {
        let mut data = None;
        loop {
            let line = match line(&mut self.reader).await {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Got::End(String::new())),
                line => line?,
            };
            match (line.split_once(": "), data.take()) {
                (None, Some(data)) if line.is_empty() => return Ok(Got::Message(data)),
                (Some((":410" | ":503" | ":408", reason)), _) => return Ok(Got::End(reason.to_owned())),
                (Some(("id", id)), other) => {
                    self.asking.position = format!("Last-Event-ID: {id}\r\n");
                    data = other;
                }
                (Some(("data", value)), None) => data = Some(value.to_owned()),
                (_, other) => data = other,
            }
        }
    }

    async fn next_chunk(&mut self) -> io::Result<Got> {
        let length = usize::from_str_radix(&line(&mut self.reader).await?, 16).expect("a length");
        let chunk = text(&mut self.reader, length).await?;
        assert_eq!(line(&mut self.reader).await?, "");
        Ok(if length == 0 { Got::End(String::new()) } else { Got::Message(chunk) })
    }

    async fn next_part(&mut self) -> io::Result<Got> {
        // The rest of the boundary's line.
        if line(&mut self.reader).await?.ends_with("--") {
            return Ok(Got::End(String::new()));
        }
        let head = Head::read(&mut self.reader).await?;
        let body = line(&mut self.reader).await?;
        self.asking.position = head.position;
        Ok(Got::Message(body))
    }

    async fn next_frame(&mut self) -> io::Result<Got> {
        loop {
            let mut head = [0; 2];
            match self.reader.read_exact(&mut head).await {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Got::End(String::new())),
                read => read?,
            };
            let length = match head[1] {
                126 => usize::from(self.reader.read_u16().await?),
                127 => usize::try_from(self.reader.read_u64().await?).expect("a length"),
                length => usize::from(length),
            };
            match head[0] {
                0x88 => {
                    let code = self.reader.read_u16().await?;
                    return Ok(Got::End(format!("{code} {}", text(&mut self.reader, length - 2).await?)));
                }
                0x89 => {
                    assert_eq!(length, 0, "the server's pings are empty");
                    self.reader.get_mut().write_all(&[0x8A, 0x80, 0, 0, 0, 0]).await?;
                }
                first => {
                    assert_eq!(first, 0x81, "a text frame");
                    let text = text(&mut self.reader, length).await?;
                    let (meta, body) = text.split_once("\n\n").expect("meta data");
                    let id = meta.lines().find_map(|line| line.strip_prefix("id: ")).expect("an id");
                    self.asking.position = format!("Last-Event-ID: {id}\r\n");
                    return Ok(Got::Message(body.to_owned()));
                }
            }
        }
    }
}

/// An answer with `Content-Length` or without a body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Whether the connection ends behind it.
    pub(crate) closes: bool,
    position: String,
}

impl Answer {
    pub(crate) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let first = line(reader).await?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let head = Head::read(reader).await?;
        let body = text(reader, if status == 304 { 0 } else { head.length }).await?;
        Ok(Self { status, body, closes: head.closes, position: head.position })
    }
}

#[derive(Default)]
struct Head {
    length: usize,
    closes: bool,
    position: String,
}

impl Head {
    async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let mut head = Self::default();
        loop {
            let line = line(reader).await?;
            match line.split_once(": ") {
                None => return Ok(head),
                Some(("Content-Length", value)) => head.length = value.parse().expect("a length"),
                Some(("Connection", "close")) => head.closes = true,
                Some(("Last-Modified", value)) => head.position += &format!("If-Modified-Since: {value}\r\n"),
                Some(("Etag", value)) => head.position += &format!("If-None-Match: {value}\r\n"),
                Some(_) => {}
            }
        }
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}

async fn text(reader: &mut (impl AsyncBufRead + Unpin), length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await?;
    Ok(String::from_utf8(bytes).expect("text"))
}

/// The next line without its end.
async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let line = String::from_utf8(line).expect("text");
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
