//! The pid file, and signals to the process it names (`-s`).

use std::fs;
use std::io::Write as _;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::log::os_error;

/// Writes this process's number.
///
/// # Errors
/// nginx's words.
pub fn write(path: &Path) -> Result<(), String> {
    let written = fs::File::create(path).and_then(|mut file| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| format!("open() \"{}\" failed ({})", path.display(), os_error(&error)))
}

/// Whether the pid file could be written: what `-t` asks.
///
/// # Errors
/// nginx's words.
pub fn try_open(path: &Path) -> Result<(), String> {
    let existed = path.exists();
    let opened = fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|error| format!("open() \"{}\" failed ({})", path.display(), os_error(&error)))?;
    if !existed {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// Sends the signal of a `-s` word to the running server.
///
/// # Errors
/// nginx's words.
pub fn send(path: &Path, word: &str) -> Result<(), String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("open() \"{}\" failed ({})", path.display(), os_error(&error)))?;
    let number = text.trim();
    let invalid = || format!("invalid PID number \"{number}\" in \"{}\"", path.display());
    let pid = number.parse().ok().filter(|pid: &i32| *pid > 0).ok_or_else(invalid)?;
    let signal = match word {
        "stop" => Signal::SIGTERM,
        "quit" => Signal::SIGQUIT,
        "reopen" => Signal::SIGUSR1,
        _ => Signal::SIGHUP,
    };
    kill(Pid::from_raw(pid), signal).map_err(|errno| {
        let number = errno as i32;
        format!("kill({pid}, {}) failed ({number}: {})", signal as i32, errno.desc())
    })
}
