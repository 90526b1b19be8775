//! Error logs, access logs, the files and syslog servers they go to, and nginx's levels.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::template::Template;

/// Logs of a location.
#[derive(Clone, Debug, Default)]
pub struct LogConf {
    /// `access_log`, in order; empty: none.
    pub access: Vec<Arc<AccessLog>>,
    /// `open_log_file_cache`, for logs with variables in their paths.
    pub file_cache: Option<LogFileCache>,
    /// `error_log` in force.
    pub error: Vec<ErrorLog>,
    /// `rewrite_log`.
    pub rewrite: bool,
    /// `uninitialized_variable_warn`.
    pub uninitialized: bool,
}

/// One `access_log`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// Where lines go.
    pub target: AccessTarget,
    /// How a line looks.
    pub format: Arc<LogFormat>,
    /// `if=`: no line when it is empty or `0`.
    pub condition: Option<Template>,
}

/// Where lines of an access log go.
#[derive(Clone, Debug)]
pub enum AccessTarget {
    /// Always to the same log.
    Fixed(LogTarget),
    /// To the file that the path names for the request.
    Path(Template),
}

/// A `log_format`.
#[derive(Clone, Debug)]
pub struct LogFormat {
    /// The line.
    pub template: Template,
    /// How values are escaped.
    pub escape: LogEscape,
}

/// `log_format ... escape=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogEscape {
    /// `\xHH` for `"`, `\`, and bytes below 32 or above 126; empty values are `-`.
    #[default]
    Default,
    /// JSON strings.
    Json,
    /// As they are.
    None,
}

/// `open_log_file_cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFileCache {
    /// Which of the configuration's caches it is.
    pub number: usize,
    /// `max=`: most files that are remembered.
    pub max: usize,
    /// `inactive=`: how long a file is remembered after its last use.
    pub inactive: Duration,
    /// `min_uses=`: from which use on it is kept open.
    pub min_uses: u64,
    /// `valid=`: how long a file is written to before its path is looked at again.
    pub valid: Duration,
}

/// One `error_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go.
    pub target: LogTarget,
    /// The least severe level that is written.
    pub level: Severity,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// A file, made if missing, appended to.
    File(PathBuf),
    /// Standard error.
    Stderr,
    /// `syslog:`.
    Syslog(Arc<Syslog>),
}

/// nginx's log levels, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Severity {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
}

/// A log file. How it is buffered is a property of the file: whoever else names it writes through the same buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// `buffer=`, `flush=` and `gzip=` of an `access_log`.
    pub buffer: Option<LogBuffer>,
}

/// `buffer=`, `flush=` and `gzip=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBuffer {
    /// Bytes to gather before they are written.
    pub size: usize,
    /// How long a line may wait; `None`: until the buffer is full.
    pub flush: Option<Duration>,
    /// The level, 1 to 9, if what is written is compressed.
    pub gzip: Option<u32>,
}

/// `syslog:server=...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Syslog {
    /// Who gets the lines.
    pub server: SyslogServer,
    /// `facility=`, as a number.
    pub facility: u8,
    /// `severity=` of access log lines; those of error logs have their own.
    pub severity: Severity,
    /// `tag=`.
    pub tag: Box<str>,
    /// Whether this machine's name is in the header: not with `nohostname`.
    pub hostname: bool,
}

/// The address of a syslog server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SyslogServer {
    /// Over UDP.
    Udp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}
