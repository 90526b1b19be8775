//! The pid file, and signals to the process it names (`-s`).

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

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

/// Takes the pid file away, if it is still this process's: after an upgrade it names another one.
pub fn remove(path: &Path) {
    if read(path).ok() == i32::try_from(std::process::id()).ok() {
        let _ = fs::remove_file(path);
    }
}

/// Where the old process's number goes while its successor starts: nginx's `.oldbin`.
pub fn old(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".oldbin");
    name.into()
}

/// Sends the signal of a `-s` word to the running server.
///
/// # Errors
/// nginx's words, with their severity.
pub fn send(path: &Path, word: &str) -> Result<(), String> {
    let pid = read(path).map_err(|error| format!("[error] {error}"))?;
    let signal = match word {
        "stop" => Signal::SIGTERM,
        "quit" => Signal::SIGQUIT,
        "reopen" => Signal::SIGUSR1,
        _ => Signal::SIGHUP,
    };
    kill(Pid::from_raw(pid), signal).map_err(|errno| {
        let number = errno as i32;
        format!("[alert] kill({pid}, {}) failed ({number}: {})", signal as i32, errno.desc())
    })
}

fn read(path: &Path) -> Result<i32, String> {
    /// nginx reads no more than this.
    const MOST: usize = 22;
    let bytes = fs::read(path)
        .map_err(|error| format!("open() \"{}\" failed ({})", path.display(), os_error(&error)))?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    let number = text.trim_end_matches(['\r', '\n']);
    let invalid = || format!("invalid PID number \"{number}\" in \"{}\"", path.display());
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|pid: &i32| digits && *pid > 0).ok_or_else(invalid)
}
