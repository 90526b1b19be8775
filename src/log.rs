//! Error log and access logs: nginx's line forms, files that can be reopened.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::model::{ErrorLog, LogTarget, Severity};

/// Open log files by path. One file serves all who name it, and is opened anew by [`reopen`].
static FILES: LazyLock<RwLock<HashMap<PathBuf, Arc<Mutex<File>>>>> = LazyLock::new(RwLock::default);

/// `error_log` of the main context: where lines go that belong to no request.
static MAIN: RwLock<Vec<ErrorLog>> = RwLock::new(Vec::new());

/// Opens a log file, so that a path that cannot be opened is an error before anything is served.
///
/// # Errors
/// As [`OpenOptions::open`].
pub fn open(target: &LogTarget) -> io::Result<()> {
    let LogTarget::File(path) = target else { return Ok(()) };
    let mut files = FILES.write().unwrap_or_else(PoisonError::into_inner);
    if !files.contains_key(path) {
        files.insert(path.clone(), Arc::new(Mutex::new(append_to(path)?)));
    }
    Ok(())
}

/// Opens every log file again, as log rotation wants it. A file that cannot be opened keeps its old descriptor.
pub fn reopen() {
    let files = FILES.read().unwrap_or_else(PoisonError::into_inner).clone();
    for (path, file) in &files {
        match append_to(path) {
            Ok(new) => *file.lock().unwrap_or_else(PoisonError::into_inner) = new,
            Err(error) => tracing::error!("open() \"{}\" failed ({})", path.display(), os_error(&error)),
        }
    }
}

/// Gives the log files to the user that the server becomes, so that it can open them again after they were rotated.
pub fn give_to(uid: u32, gid: u32) {
    for path in FILES.read().unwrap_or_else(PoisonError::into_inner).keys() {
        // Only root may, and only root needs to.
        let _ = std::os::unix::fs::chown(path, Some(uid), Some(gid));
    }
}

/// Writes whole lines to a log. A full disk loses them, and nothing else.
pub fn write(target: &LogTarget, lines: &[u8]) {
    let LogTarget::File(path) = target else {
        let _ = io::stderr().write_all(lines);
        return;
    };
    let file = FILES.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    if let Some(file) = file {
        let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines);
    }
}

/// Writes an error line that belongs to no request.
pub fn event(severity: Severity, message: &str) {
    write_error(&MAIN.read().unwrap_or_else(PoisonError::into_inner), severity, message);
}

/// Sets where lines go that belong to no request.
pub fn set_main(logs: Vec<ErrorLog>) {
    *MAIN.write().unwrap_or_else(PoisonError::into_inner) = logs;
}

/// Sends `tracing` events to the main error log. `RUST_LOG` chooses which; without it, `info` and above.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call finds a subscriber in place and changes nothing.
    let _ = tracing_subscriber::registry().with(filter).with(ErrorLogLayer).try_init();
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

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Current local time in a `strftime` form.
pub fn local_time(form: &str) -> String {
    chrono::Local::now().format(form).to_string()
}

/// Writes an error line to those logs that want lines of this severity.
pub fn write_error(logs: &[ErrorLog], severity: Severity, message: &str) {
    let pid = std::process::id();
    let stamp = local_time("%Y/%m/%d %H:%M:%S");
    let thread = nix::unistd::gettid();
    let line = format!("{stamp} [{}] {pid}#{thread}: {message}\n", severity.name());
    for log in logs.iter().filter(|log| severity <= log.level) {
        write(&log.target, line.as_bytes());
    }
}

struct ErrorLogLayer;

impl<S: tracing::Subscriber> Layer<S> for ErrorLogLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let severity = match *event.metadata().level() {
            tracing::Level::ERROR => Severity::Error,
            tracing::Level::WARN => Severity::Warn,
            tracing::Level::INFO => Severity::Notice,
            _ => Severity::Debug,
        };
        let mut text = MessageText::default();
        event.record(&mut text);
        self::event(severity, &text.0);
    }
}

/// The message of an event, with its other fields behind it.
#[derive(Default)]
struct MessageText(String);

impl Visit for MessageText {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, ", {name}: {value:?}"),
        };
    }
}
