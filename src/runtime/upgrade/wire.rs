//! What the old and the new process say to each other over a socket: frames, with descriptors beside them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::http::parking::handover::Handed;
use crate::store::Piece;

/// Grows with every change of what is said. Two processes with different numbers do not talk.
pub const PROTOCOL: u32 = 3;

/// Most descriptors in one frame: the system takes 253.
pub const DESCRIPTORS: usize = 128;

/// Larger than any frame: a message is the largest, and `client_max_body_size` rarely allows as much.
const MOST: usize = 1 << 31;

/// How long the other side may stay silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is said, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub enum Frame<'f> {
    /// New to old: here I am.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// Old to new: the listening sockets.
    Sockets,
    /// New to old: my configuration is right and my addresses are bound, hand over.
    Ready,
    /// Old to new: a part of the store.
    #[serde(borrow)]
    Store(Piece<'f>),
    /// Old to new: connections, with their sockets in the same order.
    Connections(Vec<Handed>),
    /// Old to new: that was all.
    End,
    /// New to old: I have it all and wait for your word.
    Done {
        /// Waiting subscribers whose location is not there any more.
        refused: usize,
    },
    /// New to old: I cannot, and this is why. It may come in the place of any of the others.
    Failed {
        /// nginx's words.
        why: String,
    },
    /// Old to new: it is yours. From here on the old process answers nobody.
    Commit,
}

/// One end of the socket.
#[derive(Debug)]
pub struct Wire {
    socket: UnixStream,
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Wire {
    /// Speaks over this socket.
    ///
    /// # Errors
    /// When the system does not take the timeouts.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, bytes: Vec::new(), descriptors: VecDeque::new() })
    }

    /// Says something.
    ///
    /// # Errors
    /// When the other side is gone or does not listen.
    pub fn send(&mut self, frame: &Frame<'_>, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let body = postcard::to_stdvec(frame).map_err(io::Error::other)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let count = u32::try_from(descriptors.len()).map_err(io::Error::other)?;
        let head = [length.to_le_bytes(), count.to_le_bytes()].concat();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many descriptors in one frame"));
        }
        let sent = sendmsg(&self.socket, &[IoSlice::new(&head)], &mut control, SendFlags::NOSIGNAL)?;
        self.socket.write_all(&head[sent..])?;
        self.socket.write_all(&body)
    }

    /// What the other side says next, for as long as `then` looks at it.
    ///
    /// # Errors
    /// When it is gone, silent for too long, or not understood.
    pub fn receive<R>(
        &mut self,
        then: impl FnOnce(Frame<'_>, Vec<OwnedFd>) -> io::Result<R>,
    ) -> io::Result<R> {
        const HEAD: usize = 8;
        self.fill(HEAD)?;
        let number = |at: usize| {
            let bytes = self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX))
        };
        let (length, count) = (number(0), number(4));
        if length > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.fill(HEAD + length)?;
        if self.descriptors.len() < count {
            return Err(io::Error::other("descriptors are missing"));
        }
        let descriptors = self.descriptors.drain(..count).collect();
        let frame = postcard::from_bytes(&self.bytes[HEAD..HEAD + length]).map_err(io::Error::other)?;
        let result = then(frame, descriptors);
        self.bytes.drain(..HEAD + length);
        result
    }

    /// What was wrong, if sending failed because the other side has hung up: it may have said why before.
    pub fn explain(&mut self, error: io::Error) -> io::Error {
        if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
            return error;
        }
        let last_words = self.receive(|frame, _| Ok(unexpected(&frame)));
        last_words.unwrap_or_else(|_| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads until there are so many bytes.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        const AT_ONCE: usize = 256 * 1024;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        while self.bytes.len() < length {
            let there = self.bytes.len();
            self.bytes.resize(there + AT_ONCE, 0);
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut self.bytes[there..])];
            let received = recvmsg(&self.socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC);
            let read = received.as_ref().map_or(0, |received| received.bytes);
            self.bytes.truncate(there + read);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptors.extend(descriptors);
                }
            }
            match received {
                Ok(_) if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// For a frame that does not belong here, or says that the other side has failed.
pub fn unexpected(frame: &Frame<'_>) -> io::Error {
    if let Frame::Failed { why } = frame {
        return io::Error::other(why.clone());
    }
    let text = format!("{frame:?}");
    io::Error::other(format!("unexpected: {}", text.chars().take(40).collect::<String>()))
}
