//! `daemon on`: the server goes on in the background, and the command returns once it serves.
//!
//! Forking a process that may have threads is not safe, so the server is started once more as a child, which leaves
//! the session and tells its parent over a pipe (its standard output) when it serves.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

/// Marks the child.
const MARK: &str = "ENCKE_DAEMON";

/// Whether this process is the one in the background.
pub fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts this command once more in the background and waits until it serves.
///
/// # Errors
/// When it cannot be started, or ended before it served; what went wrong it said itself.
pub fn start(arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<(), String> {
    let failed =
        |error: std::io::Error| format!("cannot go into the background ({})", crate::log::os_error(&error));
    let mut child = super::program::command()
        .map_err(failed)?
        .args(arguments)
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut word = [0; 1];
    let told = child.stdout.as_mut().is_some_and(|pipe| pipe.read_exact(&mut word).is_ok());
    if told { Ok(()) } else { Err("the server did not start".to_owned()) }
}

/// In the child: leaves the session of whoever started it.
pub fn detach() {
    // Fails only for the leader of a session, which a child is not.
    let _ = nix::unistd::setsid();
}

/// In the child: tells the parent that it may go, and lets go of whatever the parent's standard streams were. Standard
/// error stays with `keeps_stderr`, for a log that goes there.
pub fn tell_parent(keeps_stderr: bool) {
    if !is_child() {
        return;
    }
    let mut pipe = std::io::stdout();
    let _ = pipe.write_all(b"\n").and_then(|()| pipe.flush());
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
        if !keeps_stderr {
            let _ = nix::unistd::dup2_stderr(&null);
        }
    }
}
