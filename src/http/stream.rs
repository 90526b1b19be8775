//! A connection's socket, TCP or unix, with tokio or without.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop::poll_proceed;

/// A socket that tokio watches, or will as soon as there is something to wait for: many a connection brings its request along, gets
/// its answer or is parked, and goes without that.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    nodelay: bool,
    /// Nothing was read from it yet.
    fresh: bool,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Nobody watches it yet.
    Bare(Socket, Family),
    /// The system refused to watch it.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Tcp,
    Unix,
}

/// Bytes read at once from a socket that nobody watches: a request is rarely longer.
const FIRST_READ: usize = 2048;

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self { io: Io::Tcp(stream), nodelay: false, fresh: true }
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self { io: Io::Unix(stream), nodelay: true, fresh: true }
    }
}

/// A socket that tokio does not watch.
#[derive(Debug)]
pub struct IdleStream {
    /// The socket, non-blocking.
    pub socket: Socket,
    family: Family,
    nodelay: bool,
}

impl Stream {
    /// Takes the socket away from tokio.
    ///
    /// # Errors
    /// When the system refuses to stop watching it.
    pub fn into_idle(self) -> io::Result<IdleStream> {
        let (socket, family) = match self.io {
            Io::Tcp(stream) => (OwnedFd::from(stream.into_std()?).into(), Family::Tcp),
            Io::Unix(stream) => (OwnedFd::from(stream.into_std()?).into(), Family::Unix),
            Io::Bare(socket, family) => (socket, family),
            Io::Lost => return Err(lost()),
        };
        Ok(IdleStream { socket, family, nodelay: self.nodelay })
    }

    /// Has what is written sent at once from now on, as `tcp_nodelay` wants it. It stays so, as in nginx.
    pub fn send_at_once(&mut self) {
        if !self.nodelay {
            // Where that fails, pieces wait for one another.
            let _ = self.socket().map(|socket| socket.set_tcp_nodelay(true));
            self.nodelay = true;
        }
    }

    /// Has the connection reset when it is closed: nothing of it stays in the kernel.
    pub fn reset_on_close(&self) {
        if let Some(socket) = self.socket() {
            reset_on_close(&socket);
        }
    }

    fn socket(&self) -> Option<SockRef<'_>> {
        Some(match &self.io {
            Io::Tcp(stream) => stream.into(),
            Io::Unix(stream) => stream.into(),
            Io::Bare(socket, _) => socket.into(),
            Io::Lost => return None,
        })
    }

    /// Does something with the socket while nobody watches it. `None` if somebody does, from now on at the latest: the socket
    /// was not ready.
    fn at_once<T>(
        &mut self,
        cx: &mut Context<'_>,
        action: impl FnOnce(&Socket) -> io::Result<T>,
    ) -> Option<Poll<io::Result<T>>> {
        let Io::Bare(socket, _) = &self.io else { return None };
        let Poll::Ready(turn) = poll_proceed(cx) else { return Some(Poll::Pending) };
        match action(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => {
                turn.made_progress();
                return Some(Poll::Ready(done));
            }
        }
        let Io::Bare(socket, family) = std::mem::replace(&mut self.io, Io::Lost) else { return None };
        match watch(socket, family) {
            Ok(io) => {
                self.io = io;
                None
            }
            Err(error) => Some(Poll::Ready(Err(error))),
        }
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

fn watch(socket: Socket, family: Family) -> io::Result<Io> {
    let fd = OwnedFd::from(socket);
    Ok(match family {
        Family::Tcp => Io::Tcp(TcpStream::from_std(fd.into())?),
        Family::Unix => Io::Unix(UnixStream::from_std(fd.into())?),
    })
}

fn reset_on_close(socket: &Socket) {
    // Where that fails the connection is closed as others are.
    let _ = socket.set_linger(Some(Duration::ZERO));
}

impl IdleStream {
    /// A connected, non-blocking TCP socket from elsewhere.
    pub fn tcp(socket: OwnedFd) -> Self {
        Self { socket: socket.into(), family: Family::Tcp, nodelay: false }
    }

    /// The same of a unix socket.
    pub fn unix(socket: OwnedFd) -> Self {
        Self { socket: socket.into(), family: Family::Unix, nodelay: true }
    }

    /// As [`Stream::send_at_once`].
    pub fn send_at_once(&mut self) {
        if !self.nodelay {
            let _ = self.socket.set_tcp_nodelay(true);
            self.nodelay = true;
        }
    }

    /// Has the connection reset when it is closed: nothing of it stays in the kernel.
    pub fn reset_on_close(&self) {
        reset_on_close(&self.socket);
    }
}

impl From<IdleStream> for Stream {
    fn from(stream: IdleStream) -> Self {
        let IdleStream { socket, family, nodelay } = stream;
        Self { io: Io::Bare(socket, family), nodelay, fresh: true }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let fresh = std::mem::take(&mut stream.fresh);
        let read = |mut socket: &Socket| {
            let most = buf.remaining().min(if fresh { FIRST_READ } else { usize::MAX });
            socket.read(buf.initialize_unfilled_to(most))
        };
        if let Some(read) = stream.at_once(cx, read) {
            return read.map_ok(|length| buf.advance(length));
        }
        match &mut stream.io {
            Io::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Bare(..) | Io::Lost => Poll::Ready(Err(lost())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if let Some(written) = stream.at_once(cx, |mut socket| socket.write(buf)) {
            return written;
        }
        match &mut stream.io {
            Io::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Bare(..) | Io::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if let Some(written) = stream.at_once(cx, |mut socket| socket.write_vectored(bufs)) {
            return written;
        }
        match &mut stream.io {
            Io::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::Bare(..) | Io::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Neither kind of socket holds anything back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Bare(socket, _) => Poll::Ready(match socket.shutdown(Shutdown::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                done => done,
            }),
            Io::Lost => Poll::Ready(Ok(())),
        }
    }
}
