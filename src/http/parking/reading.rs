//! What clients of parked connections send.

use std::io::{self, Read as _};

use super::super::stream::IdleStream;
use super::streaming::Streaming;
use super::{Fate, Parked};

/// Most bytes read ahead from a client that sends while it waits: a few pipelined requests. What is beyond stays
/// in the socket.
const MOST_READAHEAD: usize = 64 * 1024;

/// Reads what a waiting client sends: nothing but the end, or its next requests.
pub(super) fn read_ahead(entry: &mut Parked) -> Fate {
    let Some(stream) = &entry.stream else { return Fate::Stays };
    let mut buffer = [0; 4096];
    while entry.readahead.len() < MOST_READAHEAD {
        match (&stream.socket).read(&mut buffer) {
            Ok(0) => return Fate::Leaves,
            Ok(length) => entry.readahead.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Stays,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Fate::Leaves,
        }
    }
    Fate::Stays
}

/// How far a client was listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It says nothing more at present.
    All,
    /// There is more, which others must not wait for.
    More,
    /// The connection is gone.
    End,
}

/// Gives a stream what its client sends.
pub(super) fn listen(streaming: &mut Streaming, stream: Option<&IdleStream>) -> Heard {
    let Some(stream) = stream else { return Heard::All };
    let mut buffer = [0; 4096];
    let mut heard = 0;
    while heard < MOST_READAHEAD {
        if streaming.is_full() {
            // It is listened to again when there is room.
            return Heard::All;
        }
        match (&stream.socket).read(&mut buffer) {
            Ok(0) => return Heard::End,
            Ok(length) => {
                heard += length;
                streaming.receive(&buffer[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::All,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Heard::End,
        }
    }
    Heard::More
}

/// Drops what a client sends after its answer.
pub(super) fn drop_input(entry: &Parked) -> Fate {
    let Some(stream) = &entry.stream else { return Fate::Leaves };
    let mut buffer = [0; 4096];
    loop {
        match (&stream.socket).read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Stays,
            Ok(0) | Err(_) => return Fate::Leaves,
        }
    }
}
