//! The program that this process runs: to be found again after the file was replaced or the process went to another
//! directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static PATH: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Notes which file the program was started from. To be called before anything changes the current directory.
pub fn remember() {
    let name = std::env::args_os().next().unwrap_or_default();
    PATH.get_or_init(|| find(&name));
}

/// The program once more, called by the same name; arguments and everything else are the caller's.
///
/// # Errors
/// When nobody knows where it is.
pub fn command() -> std::io::Result<Command> {
    let path = PATH.get().cloned().flatten().ok_or(std::io::ErrorKind::NotFound)?;
    let mut command = Command::new(path);
    // A link called `nginx` decides how we speak.
    command.arg0(std::env::args_os().next().unwrap_or_default());
    Ok(command)
}

/// By the name it was called, as a shell finds it: an upgrade may replace the file, or the link that leads to it.
/// `/proc/self/exe` would go on naming the old file.
fn find(name: &OsStr) -> Option<PathBuf> {
    let by_name = match Path::new(name).parent() {
        Some(parent) if parent != Path::new("") => std::path::absolute(name).ok(),
        _ => in_path(name, &std::env::var_os("PATH").unwrap_or_default()),
    };
    by_name.filter(|path| path.is_file()).or_else(|| std::env::current_exe().ok())
}

fn in_path(name: &OsStr, path: &OsString) -> Option<PathBuf> {
    let candidates = std::env::split_paths(path).map(|directory| directory.join(name));
    candidates.filter_map(|path| std::path::absolute(path).ok()).find(|path| path.is_file())
}
