//! The signals that are obeyed: nginx's.

use std::io;

use nix::sys::signal::SigSet;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
    winch: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// TERM, INT: end now.
    Stop,
    /// QUIT: end when what is under way has ended.
    Quit,
    /// HUP: read the configuration anew.
    Reload,
    /// USR1: open the logs anew.
    Reopen,
    /// USR2: let a new program take over.
    Upgrade,
    /// WINCH: nginx ends its workers and keeps its master.
    EndWorkers,
}

impl Signals {
    /// Watches for them from now on.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn new() -> io::Result<Self> {
        // Whoever started us may have held them back, and that is passed on: nginx does when it changes its binary.
        SigSet::empty().thread_set_mask()?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
            winch: signal(SignalKind::window_change())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.quit.recv() => Told::Quit,
            _ = self.hangup.recv() => Told::Reload,
            _ = self.reopen.recv() => Told::Reopen,
            _ = self.upgrade.recv() => Told::Upgrade,
            _ = self.winch.recv() => Told::EndWorkers,
        }
    }

    /// Any that ends the process; all others are dropped.
    pub async fn end(&mut self) {
        while !matches!(self.next().await, Told::Stop | Told::Quit) {}
    }
}
