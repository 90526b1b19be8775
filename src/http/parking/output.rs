//! Bytes on their way to a parked socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write as _};

use bytes::{Buf as _, Bytes};
use socket2::Socket;

/// Pieces handed to the system at once.
const AT_ONCE: usize = 16;

/// Bytes that wait for their socket to take them. Costs no allocation while there are none.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<Bytes>,
    length: usize,
}

/// How far a socket took what there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it.
    All,
    /// The rest when it is writable again; whether it took something.
    Blocked(bool),
    /// The connection is gone.
    Closed,
}

impl Output {
    /// Adds a piece.
    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Writes a piece, behind what waits already. What the socket does not take waits.
    pub(super) fn send(&mut self, mut piece: Bytes, mut socket: &Socket) -> Written {
        if self.is_empty() && !piece.is_empty() {
            match socket.write(&piece) {
                Ok(0) => return Written::Closed,
                Ok(written) if written == piece.len() => return Written::All,
                Ok(written) => piece.advance(written),
                // It is tried once more below.
                Err(_) => {}
            }
        }
        self.push(piece);
        self.write_to(socket)
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether none wait.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Drops all but the piece of which some is written already, or may be.
    pub(super) fn keep_first(&mut self) {
        self.pieces.truncate(1);
        self.length = self.pieces.front().map_or(0, Bytes::len);
    }

    /// Writes as much as the socket takes.
    pub(super) fn write_to(&mut self, mut socket: &Socket) -> Written {
        let before = self.length;
        while !self.pieces.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                self.pieces.iter().take(AT_ONCE).map(|piece| IoSlice::new(piece)).collect();
            match socket.write_vectored(&slices) {
                Ok(0) => return Written::Closed,
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Written::Blocked(self.length < before);
                }
                Err(_) => return Written::Closed,
            }
        }
        // What a burst took, a stream that waits again shall not keep.
        self.pieces = VecDeque::new();
        Written::All
    }

    fn advance(&mut self, mut written: usize) {
        self.length = self.length.saturating_sub(written);
        while let Some(front) = self.pieces.front_mut()
            && written > 0
        {
            let step = written.min(front.len());
            front.advance(step);
            written -= step;
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}
