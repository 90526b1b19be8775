//! Lines of error logs.

use std::sync::{PoisonError, RwLock};

use crate::config::model::{ErrorLog, LogTarget, Severity};

use super::{find, local_time, open, syslog};

/// Bytes of a line without its end: nginx cuts what is longer.
const LONGEST_LINE: usize = 2047;

/// `error_log` of the main context: where lines go that belong to no request.
static MAIN: RwLock<Vec<ErrorLog>> = RwLock::new(Vec::new());

/// Sets where lines go that belong to no request.
pub fn set_main(logs: Vec<ErrorLog>) {
    *MAIN.write().unwrap_or_else(PoisonError::into_inner) = logs;
}

/// Writes an error line that belongs to no request.
pub fn event(severity: Severity, message: &str) {
    let logs = MAIN.read().unwrap_or_else(PoisonError::into_inner).clone();
    write_error(&logs, severity, message.as_bytes(), &[]);
}

/// The same, but to no syslog server: the line is about one of them.
pub(super) fn event_about_syslog(severity: Severity, message: &str) {
    let mut logs = MAIN.read().unwrap_or_else(PoisonError::into_inner).clone();
    logs.retain(|log| !matches!(log.target, LogTarget::Syslog(_)));
    write_error(&logs, severity, message.as_bytes(), &[]);
}

/// Writes an error line to those logs that want lines of this severity. `context` is what nginx appends about the
/// request: where the message leaves no room for it, it is cut.
pub fn write_error(logs: &[ErrorLog], severity: Severity, message: &[u8], context: &[u8]) {
    if !logs.iter().any(|log| severity <= log.level) {
        return;
    }
    let line = line(severity, message, context);
    logs.iter().filter(|log| severity <= log.level).for_each(|log| write(log, severity, &line));
}

/// The same to all of the logs, whatever they want.
pub fn write_error_to_all(logs: &[ErrorLog], severity: Severity, message: &[u8], context: &[u8]) {
    let line = line(severity, message, context);
    logs.iter().for_each(|log| write(log, severity, &line));
}

fn write(log: &ErrorLog, severity: Severity, line: &[u8]) {
    match &log.target {
        LogTarget::File(path) => {
            if let Some(file) = find(path) {
                file.write_error(line);
            }
        }
        LogTarget::Stderr => open::write_to_stderr(line),
        LogTarget::Syslog(syslog) => syslog::send(syslog, severity, line),
    }
}

fn line(severity: Severity, message: &[u8], context: &[u8]) -> Vec<u8> {
    let (stamp, pid) = (local_time("%Y/%m/%d %H:%M:%S"), std::process::id());
    let thread = nix::unistd::gettid();
    let mut line = format!("{stamp} [{}] {pid}#{thread}: ", severity.name()).into_bytes();
    line.extend_from_slice(message);
    line.extend_from_slice(context);
    line.truncate(LONGEST_LINE);
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_where_nginx_cuts_them() {
        let line = line(Severity::Error, &[b'm'; 2000], &[b'c'; 2000]);
        assert_eq!(line.len(), 2048);
        assert!(line.ends_with(b"mc\n") || line.ends_with(b"cc\n"));
    }
}
