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
pub enum Stream {
    /// Over IP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// A socket that tokio does not watch.
#[derive(Debug)]
pub struct IdleStream {
    /// The socket, non-blocking.
    pub socket: Socket,
    unix: bool,
}

impl Stream {
    /// Takes the socket away from tokio.
    ///
    /// # Errors
    /// When the system refuses to stop watching it.
    pub fn into_idle(self) -> io::Result<IdleStream> {
        let (fd, unix): (OwnedFd, bool) = match self {
            Self::Tcp(stream) => (stream.into_std()?.into(), false),
            Self::Unix(stream) => (stream.into_std()?.into(), true),
        };
        Ok(IdleStream { socket: fd.into(), unix })
    }
}

impl Stream {
    /// Has the connection reset when it is closed: nothing of it stays in the kernel.
    pub fn reset_on_close(&self) {
        match self {
            Self::Tcp(stream) => reset_on_close(&SockRef::from(stream)),
            Self::Unix(stream) => reset_on_close(&SockRef::from(stream)),
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
        Self { socket: socket.into(), unix }
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
        if self.unix {
            UnixStream::from_std(fd.into()).map(Stream::Unix)
        } else {
            TcpStream::from_std(fd.into()).map(Stream::Tcp)
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
