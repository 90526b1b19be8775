//! The moment in which a process hands over: all workers stand still, so that what is sent is one moment's state.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Barrier, Condvar, Mutex, PoisonError};

use crate::http::parking::Parking;
use crate::http::parking::handover::Handed;

use super::wire::{DESCRIPTORS, Frame, Wire};

/// Where workers and the main thread meet. Workers block in it; that is what it is for.
#[derive(Debug)]
pub struct Standstill {
    barrier: Barrier,
    wire: Mutex<Wire>,
    /// What went wrong first.
    error: Mutex<Option<io::Error>>,
    verdict: Mutex<Option<bool>>,
    told: Condvar,
}

impl Standstill {
    /// For so many workers and the main thread.
    pub fn new(workers: usize, wire: Wire) -> Self {
        Self {
            barrier: Barrier::new(workers + 1),
            wire: Mutex::new(wire),
            error: Mutex::default(),
            verdict: Mutex::default(),
            told: Condvar::new(),
        }
    }

    /// Waits for all others. There are three meetings: nobody publishes any more; all events are heeded; all connections
    /// are sent.
    pub fn meet(&self) {
        self.barrier.wait();
    }

    /// Uses the wire, unless something went wrong already.
    pub fn with_wire(&self, action: impl FnOnce(&mut Wire) -> io::Result<()>) {
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if error.is_none() {
            *error = action(&mut wire).err().map(|error| wire.explain(error));
        }
    }

    /// What went wrong.
    pub fn take_error(&self) -> Option<io::Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sends a worker's connections; returns those that can go, for [`Parking::forget`].
    pub fn send_connections(&self, parking: &Parking) -> Vec<usize> {
        let mut ids = Vec::new();
        self.with_wire(|wire| {
            let mut batch = Batch { wire, connections: Vec::new(), sockets: Vec::new() };
            ids = parking.hand_over(&mut |handed, socket| batch.add(handed, socket))?;
            batch.send()
        });
        ids
    }

    /// Tells how it ended: whether everything is with the other process.
    pub fn decide(&self, is_over: bool) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(is_over);
        self.told.notify_all();
    }

    /// Waits for [`Standstill::decide`].
    pub fn verdict(&self) -> bool {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(is_over) = *verdict {
                return is_over;
            }
            verdict = self.told.wait(verdict).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Connections on their way into one frame.
struct Batch<'w, 'fd> {
    wire: &'w mut Wire,
    connections: Vec<Handed>,
    sockets: Vec<BorrowedFd<'fd>>,
}

impl<'fd> Batch<'_, 'fd> {
    fn add(&mut self, handed: Handed, socket: BorrowedFd<'fd>) -> io::Result<()> {
        self.connections.push(handed);
        self.sockets.push(socket);
        if self.sockets.len() < DESCRIPTORS { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.sockets.is_empty() {
            return Ok(());
        }
        let connections = std::mem::take(&mut self.connections);
        self.wire.send(&Frame::Connections(connections), &std::mem::take(&mut self.sockets))
    }
}
