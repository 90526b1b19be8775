//! Connections to servers behind. hyper reads their answers; the heads of requests are written by us.
//!
//! hyper's client spells and orders headers its own way, knows no HTTP/1.0 requests, and gives no header back as it was
//! spelled. So between it and the socket stands a wire, as the gate does on the other side: what hyper writes as the
//! head of a request is dropped and ours sent in its place, and the head of the answer is kept as it came. Bodies,
//! framing, trailers, `100 Continue` and the reuse of connections are hyper's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::config::model::PeerAddress;

use super::super::stream::Stream;
use super::super::target;

/// hyper's smallest read buffer, bytes.
const SMALLEST_BUFFER: usize = 8192;

/// A connection to a server behind.
#[derive(Debug)]
pub struct Link {
    /// hyper's end of it.
    pub sender: SendRequest<Body>,
    /// What goes over it.
    pub wire: WireState,
    /// When it was made.
    pub made: Instant,
    /// Requests made on it.
    pub requests: u64,
}

impl Link {
    /// Whether the server has closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// What goes over a connection, seen from both sides of it.
#[derive(Clone, Debug, Default)]
pub struct WireState(Arc<Mutex<Traffic>>);

/// What went over a connection for one request.
#[derive(Debug)]
pub struct Traffic {
    /// What is still to be sent of the head.
    pending: Bytes,
    /// What hyper writes as the head of a request: how much of its end was seen; `None` once it is over.
    skipping: Option<usize>,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// The head of the answer as it came; heads of `100 Continue` and the like are forgotten.
    pub head: Vec<u8>,
    /// All of the head has come.
    pub complete: bool,
    /// The longest head that is taken.
    limit: usize,
    /// The head was longer.
    pub too_big: bool,
    /// When something last went either way.
    pub active: Instant,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            pending: Bytes::new(),
            skipping: None,
            sent: 0,
            received: 0,
            head: Vec::new(),
            complete: true,
            limit: 0,
            too_big: false,
            active: Instant::now(),
        }
    }
}

impl WireState {
    /// A request with this head is about to be sent; the head of its answer may be `limit` bytes long.
    pub fn begin(&self, head: Bytes, limit: usize) {
        let fresh =
            Traffic { pending: head, skipping: Some(0), complete: false, limit, ..Traffic::default() };
        *self.lock() = fresh;
    }

    /// What went over the connection so far.
    pub fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing went either way for too long. How long that is, `patience` tells by the bytes sent so far.
    pub async fn silence(&self, patience: impl Fn(u64) -> Patience) {
        /// How often it is asked again while its word may change.
        const LOOK_AGAIN: Duration = Duration::from_millis(50);
        loop {
            let now = Instant::now();
            let (until, changes) = {
                let mut traffic = self.lock();
                match patience(traffic.sent) {
                    Patience::Endless => {
                        traffic.active = now;
                        (None, true)
                    }
                    Patience::ForNow(limit) => (traffic.active.checked_add(limit), true),
                    Patience::Settled(limit) => (traffic.active.checked_add(limit), false),
                }
            };
            if until.is_some_and(|until| until <= now) {
                return;
            }
            let look = now.checked_add(LOOK_AGAIN).filter(|_| changes);
            match until.into_iter().chain(look).min() {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// How long silence is put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It is not the server's turn.
    Endless,
    /// So long, until it is somebody else's turn.
    ForNow(Duration),
    /// So long, to the end.
    Settled(Duration),
}

impl Traffic {
    /// Looks at bytes that came for the head of an answer.
    fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.received += u64::try_from(bytes.len()).unwrap_or(0);
        while !self.complete && !bytes.is_empty() {
            let end = target::head_rest(&self.head, bytes);
            let (own, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.head.extend_from_slice(own);
            bytes = rest;
            if self.head.len() > self.limit || (end.is_none() && self.head.len() == self.limit) {
                self.too_big = true;
                return Err(io::Error::other("too big header"));
            }
            if end.is_some() {
                let interim =
                    matches!(self.head.get(9..12), Some([b'1', tens, ones]) if [*tens, *ones] != *b"01");
                self.complete = !interim;
                if interim {
                    self.head.clear();
                }
            }
        }
        Ok(())
    }

    /// How many of the bytes that hyper writes belong to its own head.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        const END: &[u8] = b"\r\n\r\n";
        let Some(mut seen) = self.skipping else { return 0 };
        for (at, byte) in bytes.iter().enumerate() {
            seen = if *byte == END[seen] { seen + 1 } else { usize::from(*byte == b'\r') };
            if seen == END.len() {
                self.skipping = None;
                return at + 1;
            }
        }
        self.skipping = Some(seen);
        bytes.len()
    }
}

/// What stands between hyper and the socket.
#[derive(Debug)]
struct Wire {
    stream: Stream,
    state: WireState,
}

impl Wire {
    /// Sends our head, once hyper has written its own: before that it would not expect an answer.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let (pending, early) = {
                let state = self.state.lock();
                (state.pending.clone(), state.skipping.is_some())
            };
            if pending.is_empty() || early {
                return Poll::Ready(Ok(()));
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let mut state = self.state.lock();
            state.pending.advance(written);
            state.sent += u64::try_from(written).unwrap_or(0);
            state.active = Instant::now();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut wire.stream).poll_read(cx, buf))?;
        let mut state = wire.state.lock();
        state.active = Instant::now();
        Poll::Ready(state.see(&buf.filled()[before..]))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let skipped = wire.state.lock().skip(buf);
        if skipped > 0 {
            return Poll::Ready(Ok(skipped));
        }
        ready!(wire.poll_head(cx))?;
        let written = ready!(Pin::new(&mut wire.stream).poll_write(cx, buf))?;
        let mut state = wire.state.lock();
        state.sent += u64::try_from(written).unwrap_or(0);
        state.active = Instant::now();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        ready!(wire.poll_head(cx))?;
        Pin::new(&mut wire.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// How a connection is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `proxy_bind`.
    pub bind: Option<SocketAddr>,
    /// `proxy_socket_keepalive`.
    pub keepalive: bool,
}

/// Connects to a server behind.
///
/// # Errors
/// As the system says.
pub async fn connect(address: &PeerAddress, options: Options) -> io::Result<Link> {
    let stream = match address {
        PeerAddress::Unix(path) => Stream::from(UnixStream::connect(path).await?),
        PeerAddress::Inet(address) => Stream::from(connect_tcp(*address, options).await?),
    };
    let wire = WireState::default();
    let io = TokioIo::new(Wire { stream, state: wire.clone() });
    let handshake = http1::Builder::new()
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .max_headers(1000)
        .max_buf_size(SMALLEST_BUFFER)
        .handshake(io);
    let (sender, connection) = handshake.await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // What goes wrong is told to the request that it concerns.
        let _ = connection.with_upgrades().await;
    });
    Ok(Link { sender, wire, made: Instant::now(), requests: 0 })
}

async fn connect_tcp(address: SocketAddr, options: Options) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new())?;
    }
    if let Some(local) = options.bind {
        socket.bind(&local.into())?;
    }
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}

/// The address that `proxy_bind` means.
pub fn local_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(limit: usize) -> Traffic {
        Traffic { complete: false, skipping: Some(0), limit, ..Traffic::default() }
    }

    #[test]
    fn the_head_that_hyper_writes_is_skipped_however_it_is_cut() {
        let bytes = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody";
        for cut in 0..bytes.len() {
            let mut traffic = traffic(100);
            let (first, second) = bytes.split_at(cut);
            let skipped = traffic.skip(first);
            let skipped = skipped + if skipped == first.len() { traffic.skip(second) } else { 0 };
            assert_eq!(&bytes[skipped..], b"body", "cut at {cut}");
        }
    }

    #[test]
    fn heads_of_answers_are_kept_and_bounded() {
        let mut long = traffic(30);
        assert!(long.see(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody").is_ok());
        assert_eq!((&long.head[..], long.complete), (&b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"[..], true));
        let mut interim = traffic(30);
        assert!(interim.see(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n").is_ok());
        assert_eq!(interim.head, b"HTTP/1.1 204 x\r\n\r\n");
        let mut short = traffic(20);
        assert!(short.see(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n").is_err());
        assert!(short.too_big);
    }
}
