//! Error log and access logs: nginx's line forms, in files that can be reopened, on standard error, to syslog servers.
//!
//! Nobody waits for a log: what a full disk, a pipe that nobody reads or a busy syslog server does not take is lost, and
//! the error log says so once a minute.

mod cache;
mod complaint;
mod error;
mod file;
mod open;
mod syslog;
mod trace;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::config::model::{LogFile as Settings, LogTarget, Severity};

pub use self::cache::write_to_path;
pub use self::error::{event, set_main, write_error, write_error_to_all};
use self::file::LogFile;
pub use self::trace::init;

/// Open log files by path. One file serves all who name it, and is opened anew by [`reopen`].
static FILES: LazyLock<RwLock<Files>> = LazyLock::new(RwLock::default);

type Files = HashMap<PathBuf, Arc<LogFile>>;

/// A log file that cannot be opened, in nginx's words.
#[derive(Debug)]
pub struct OpenError(String);

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens the log files of a configuration and closes others, so that a path that cannot be opened is an error before
/// anything is served. Those that stay open are the same as before, but for how they are buffered.
///
/// # Errors
/// The first that cannot be opened; then nothing has changed.
pub fn open_all(settings: &[Settings]) -> Result<(), OpenError> {
    let before = FILES.read().unwrap_or_else(PoisonError::into_inner).clone();
    let open = |settings: &Settings| {
        let path = settings.path.clone();
        match before.get(&path) {
            Some(file) if file.buffering() == settings.buffer => Ok((path, Arc::clone(file))),
            _ => match LogFile::open(settings) {
                Ok(file) => Ok((path, Arc::new(file))),
                Err(error) => Err(failed_to_open(&path, &error)),
            },
        }
    };
    let after = settings.iter().map(open).collect::<Result<Files, _>>()?;
    *FILES.write().unwrap_or_else(PoisonError::into_inner) = after;
    cache::clear();
    before.values().for_each(|file| file.flush());
    Ok(())
}

/// Opens every log file again, as log rotation wants it; what was buffered goes to the old one. A file that cannot be
/// opened keeps its old descriptor.
pub fn reopen() {
    for file in files() {
        if let Err(error) = file.reopen() {
            event(Severity::Emerg, &failed_to_open(file.path(), &error).0);
        }
    }
    cache::clear();
}

/// Writes what is buffered.
pub fn flush() {
    files().iter().for_each(|file| file.flush());
}

/// Writes what was buffered longer than `flush=` allows.
pub fn flush_due(now: Instant) {
    files().iter().for_each(|file| file.flush_due(now));
}

/// How often [`flush_due`] should be called: often enough for the shortest `flush=`.
pub fn flush_interval() -> Duration {
    const SHORTEST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);
    let shortest = files().iter().filter_map(|file| file.buffering()?.flush).min();
    shortest.map_or(LONGEST, |flush| (flush / 4).clamp(SHORTEST, LONGEST))
}

/// Gives the log files to the user that the server becomes, so that it can open them again after they were rotated.
pub fn give_to(uid: u32, gid: u32) {
    files().iter().for_each(|file| file.give_to(uid, gid));
}

/// Writes a line of an access log, its end included.
pub fn write_access(target: &LogTarget, line: &[u8]) {
    match target {
        LogTarget::File(path) => {
            if let Some(file) = find(path) {
                file.write(line);
            }
        }
        LogTarget::Stderr => open::write_to_stderr(line),
        LogTarget::Syslog(syslog) => syslog::send(syslog, syslog.severity, line),
    }
}

/// nginx's words for an error of the system: `2: No such file or directory`.
pub fn os_error(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => {
            // The words of the system's library, without what Rust puts behind them.
            let text = io::Error::from_raw_os_error(number).to_string();
            format!("{number}: {}", text.trim_end_matches(&format!(" (os error {number})")))
        }
        None => error.to_string(),
    }
}

/// Current local time in a `strftime` form that tells no parts of seconds.
pub fn local_time(form: &'static str) -> String {
    thread_local! {
        /// The last one, which many lines of a second share.
        static LAST: RefCell<(i64, &'static str, String)> = const { RefCell::new((0, "", String::new())) };
    }
    let now = chrono::Utc::now();
    let second = now.timestamp();
    LAST.with_borrow_mut(|(at, of, text)| {
        if (*at, *of) != (second, form) {
            (*at, *of, *text) = (second, form, now.with_timezone(&chrono::Local).format(form).to_string());
        }
        text.clone()
    })
}

fn failed_to_open(path: &Path, error: &io::Error) -> OpenError {
    OpenError(format!("open() \"{}\" failed ({})", path.display(), os_error(error)))
}

fn files() -> Vec<Arc<LogFile>> {
    FILES.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
}

/// The open file of that path. One that a reload closed is opened again: requests of before may still log to it. It
/// stays until the next reload.
fn find(path: &Path) -> Option<Arc<LogFile>> {
    if let Some(file) = FILES.read().unwrap_or_else(PoisonError::into_inner).get(path) {
        return Some(Arc::clone(file));
    }
    let new = Arc::new(LogFile::open(&Settings { path: path.to_owned(), buffer: None }).ok()?);
    let mut files = FILES.write().unwrap_or_else(PoisonError::into_inner);
    Some(Arc::clone(files.entry(path.to_owned()).or_insert(new)))
}
