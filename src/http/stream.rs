//! A connection's socket, TCP or unix, with tokio or without.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket that tokio watches.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    nodelay: bool,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self { io: Io::Tcp(stream), nodelay: false }
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self { io: Io::Unix(stream), nodelay: true }
    }
}

/// A socket that tokio does not watch.
#[derive(Debug)]
pub struct IdleStream {
    /// The socket, non-blocking.
    pub socket: Socket,
    unix: bool,
    nodelay: bool,
}

impl Stream {
    /// Takes the socket away from tokio.
    ///
    /// # Errors
    /// When the system refuses to stop watching it.
    pub fn into_idle(self) -> io::Result<IdleStream> {
        let (fd, unix): (OwnedFd, bool) = match self.io {
            Io::Tcp(stream) => (stream.into_std()?.into(), false),
            Io::Unix(stream) => (stream.into_std()?.into(), true),
        };
        Ok(IdleStream { socket: fd.into(), unix, nodelay: self.nodelay })
    }

    /// Has what is written sent at once from now on, as `tcp_nodelay` wants it. It stays so, as in nginx.
    pub fn send_at_once(&mut self) {
        if let (Io::Tcp(stream), false) = (&self.io, self.nodelay) {
            // Where that fails, pieces wait for one another.
            let _ = stream.set_nodelay(true);
            self.nodelay = true;
        }
    }

    /// Has the connection reset when it is closed: nothing of it stays in the kernel.
    pub fn reset_on_close(&self) {
        match &self.io {
            Io::Tcp(stream) => reset_on_close(&SockRef::from(stream)),
            Io::Unix(stream) => reset_on_close(&SockRef::from(stream)),
        }
    }
}

fn reset_on_close(socket: &Socket) {
    // Where that fails the connection is closed as others are.
    let _ = socket.set_linger(Some(Duration::ZERO));
}

impl IdleStream {
    /// A connected, non-blocking socket from elsewhere.
    pub fn new(socket: OwnedFd, unix: bool) -> Self {
        Self { socket: socket.into(), unix, nodelay: unix }
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

    /// Gives the socket to tokio.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    pub fn into_stream(self) -> io::Result<Stream> {
        let fd = OwnedFd::from(self.socket);
        let io = if self.unix {
            Io::Unix(UnixStream::from_std(fd.into())?)
        } else {
            Io::Tcp(TcpStream::from_std(fd.into())?)
        };
        Ok(Stream { io, nodelay: self.nodelay })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Io::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
