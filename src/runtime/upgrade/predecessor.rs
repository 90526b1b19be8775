//! The new process's side: takes over from the one that started it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::http::parking::handover::{Arrived, Handed, names};
use crate::http::site::Site;
use crate::push::PushState;
use crate::runtime::inherit::{self, Inherited};
use crate::store::{ChannelKey, Piece, WorkerId};

use super::wire::{Frame, PROTOCOL, Wire, unexpected};

/// The process that goes.
#[derive(Debug)]
pub struct Predecessor {
    wire: Wire,
}

impl Predecessor {
    /// Says hello over standard input, which is what it was given for, and takes the listening sockets.
    ///
    /// # Errors
    /// When the other side is not who it should be.
    pub fn meet() -> io::Result<(Self, Inherited)> {
        let mut wire = wire()?;
        inherit::close_nginx_sockets();
        wire.send(&Frame::Hello { protocol: PROTOCOL }, &[])?;
        let mut sockets = Vec::new();
        loop {
            let more = wire.receive(|frame, sockets| match frame {
                Frame::Sockets => Ok(sockets),
                other => Err(unexpected(&other)),
            })?;
            if more.is_empty() {
                return Ok((Self { wire }, Inherited::received(sockets)));
            }
            sockets.extend(more);
        }
    }

    /// Says why it cannot take over.
    pub fn refuse(mut self, why: &str) {
        // Hanging up says it, too.
        let _ = self.wire.send(&Frame::Failed { why: why.to_owned() }, &[]);
    }

    /// Takes channels, messages and connections over; the connections are spread over so many workers. When it returns,
    /// the old process answers nobody any more.
    ///
    /// # Errors
    /// When the old one goes on instead.
    pub fn take_over(
        &mut self,
        state: &PushState,
        site: &Site,
        workers: usize,
    ) -> io::Result<Vec<Vec<Arrived>>> {
        self.wire.send(&Frame::Ready, &[])?;
        let mut connections: Vec<(Handed, OwnedFd)> = Vec::new();
        let mut channel = None;
        while !self
            .wire
            .receive(|frame, sockets| take(frame, sockets, state, &mut channel, &mut connections))?
        {}
        let names = names(site);
        let mut arrived: Vec<Vec<Arrived>> = (0..workers).map(|_| Vec::new()).collect();
        let mut refused = 0;
        for (number, (handed, socket)) in connections.into_iter().enumerate() {
            let worker = number % workers;
            let id = WorkerId(u16::try_from(worker).unwrap_or(u16::MAX));
            match handed.arrive(socket, site, &names, state, id) {
                Some(connection) => arrived[worker].push(connection),
                None => refused += 1,
            }
        }
        self.wire.send(&Frame::Done { refused }, &[])?;
        self.wire.receive(|frame, _| match frame {
            Frame::Commit => Ok(arrived),
            other => Err(unexpected(&other)),
        })
    }
}

/// Says why this process cannot even begin to take over.
pub fn refuse(why: &str) {
    if let Ok(wire) = wire() {
        Predecessor { wire }.refuse(why);
    }
}

/// The socket that was given as standard input.
fn wire() -> io::Result<Wire> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    if let Ok(null) = File::open("/dev/null") {
        let _ = nix::unistd::dup2_stdin(&null);
    }
    Wire::new(UnixStream::from(socket))
}

/// Takes one frame; whether it was the last.
fn take(
    frame: Frame<'_>,
    sockets: Vec<OwnedFd>,
    state: &PushState,
    channel: &mut Option<ChannelKey>,
    connections: &mut Vec<(Handed, OwnedFd)>,
) -> io::Result<bool> {
    let full = |_| io::Error::other("push_max_reserved_memory is less than what is stored takes");
    match frame {
        Frame::Store(Piece::Channel(image)) => {
            *channel = Some(state.store.import_channel(&image).map_err(full)?);
        }
        Frame::Store(Piece::Message(image)) => {
            let key = channel.as_ref().ok_or(io::ErrorKind::InvalidData)?;
            state.store.import_message(key, &image).map_err(full)?;
        }
        Frame::Connections(handed) if handed.len() == sockets.len() => {
            connections.extend(handed.into_iter().zip(sockets));
        }
        Frame::End => return Ok(true),
        other => return Err(unexpected(&other)),
    }
    Ok(false)
}
