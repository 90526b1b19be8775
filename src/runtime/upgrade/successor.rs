//! The old process's side: starts the new one, and finds out whether it can take over.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use socket2::Socket;
use tokio::sync::oneshot;

use crate::config::model::EnvironmentVariable;
use crate::runtime::{inherit, program, systemd};

use super::MARK;
use super::wire::{Frame, PROTOCOL, Wire, unexpected};

/// A new process that is ready to take over.
#[derive(Debug)]
pub struct Successor {
    /// The process.
    pub child: Child,
    /// The way to it.
    pub wire: Wire,
}

/// Why there is none.
#[derive(Debug)]
pub enum Failure {
    /// It ended, or cannot be used: in these words.
    Failed(String),
    /// It runs, or left something that does, and does not know us: nginx, for one. It has the listening sockets.
    Stranger,
}

/// What becomes of the new process, once that is known.
pub type Outcome = oneshot::Receiver<Result<Successor, Failure>>;

/// Starts the program anew with these listening sockets, and lets it make itself ready.
///
/// # Errors
/// When it cannot be started at all.
pub fn start(sockets: &[Socket], environment: &[EnvironmentVariable]) -> io::Result<Outcome> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = spawn(sockets, environment, theirs)?;
    let copies = sockets.iter().map(Socket::try_clone).collect::<io::Result<Vec<_>>>()?;
    let wire = Wire::new(ours)?;
    let (tell, outcome) = oneshot::channel();
    std::thread::Builder::new().name("upgrade".to_owned()).spawn(move || {
        // Whoever asked may have ended meanwhile; the new process notices.
        let _ = tell.send(make_ready(child, wire, &copies));
    })?;
    Ok(outcome)
}

fn spawn(sockets: &[Socket], environment: &[EnvironmentVariable], theirs: UnixStream) -> io::Result<Child> {
    let mut command = program::command()?;
    command.args(std::env::args_os().skip(1)).env_clear().env(MARK, "1");
    command.stdin(Stdio::from(OwnedFd::from(theirs)));
    for name in systemd::ENVIRONMENT.into_iter().chain(["TZ"]) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for EnvironmentVariable { name, value } in environment.iter().filter(|variable| !variable.name.is_empty())
    {
        match value {
            Some(value) => command.env(name, value),
            None => match std::env::var_os(name) {
                Some(value) => command.env(name, value),
                None => continue,
            },
        };
    }
    // Also as nginx passes them: so that nginx can be what comes next.
    let numbers: String = sockets.iter().map(|socket| format!("{};", socket.as_raw_fd())).collect();
    command.env(inherit::NGINX, numbers);
    let inherit = |inherited: bool| {
        let flags = if inherited { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
        sockets.iter().try_for_each(|socket| fcntl(socket.as_fd(), FcntlArg::F_SETFD(flags)).map(drop))
    };
    inherit(true)?;
    let child = command.spawn();
    inherit(false)?;
    child
}

fn make_ready(mut child: Child, mut wire: Wire, sockets: &[Socket]) -> Result<Successor, Failure> {
    match wire.receive(|frame, _| hello(&frame)) {
        Ok(()) => {}
        Err(error) => return Err(silent(&mut child, &error)),
    }
    let descriptors: Vec<_> = sockets.iter().map(Socket::as_fd).collect();
    let ready = descriptors
        .chunks(super::wire::DESCRIPTORS)
        .try_for_each(|some| wire.send(&Frame::Sockets, some))
        .and_then(|()| wire.send(&Frame::Sockets, &[]))
        .and_then(|()| {
            wire.receive(|frame, _| match frame {
                Frame::Ready => Ok(()),
                other => Err(unexpected(&other)),
            })
        });
    match ready {
        Ok(()) => Ok(Successor { child, wire }),
        Err(error) => Err(Failure::Failed(end(&mut child, &wire.explain(error)))),
    }
}

fn hello(frame: &Frame<'_>) -> io::Result<()> {
    match frame {
        Frame::Hello { protocol: PROTOCOL } => Ok(()),
        Frame::Hello { protocol } => {
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("it hands over by protocol {protocol}")))
        }
        other => Err(unexpected(other)),
    }
}

/// Nothing was heard of the new process that could be understood.
fn silent(child: &mut Child, error: &io::Error) -> Failure {
    let quiet = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::UnexpectedEof);
    let lives = match child.try_wait() {
        // nginx in the background: the process that was started ends well.
        Ok(Some(status)) => status.success(),
        Ok(None) => {
            // It closed its end just now and may be about to end itself.
            std::thread::sleep(std::time::Duration::from_millis(100));
            child.try_wait().is_ok_and(|status| status.is_none_or(|status| status.success()))
        }
        Err(_) => false,
    };
    if quiet && lives { Failure::Stranger } else { Failure::Failed(end(child, error)) }
}

/// Ends a new process that will not take over; says what was wrong.
pub fn end(child: &mut Child, error: &io::Error) -> String {
    let gone = error.kind() == io::ErrorKind::UnexpectedEof;
    if !gone {
        let _ = child.kill();
    }
    match child.wait() {
        Ok(status) if gone => format!("the new process ended ({status}); what was wrong it said itself"),
        _ => crate::log::os_error(error),
    }
}
