//! Lines of access logs: what can be known at once, and what only after the answer.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::config::model::{AccessLog, AccessTarget, LogEscape, LogFileCache};
use crate::config::template::Template;
use crate::log;

use super::RequestCtx;
use super::answer::Sent;
use super::late::Pending;

/// The access log lines of one request, waiting for its answer.
#[derive(Debug)]
pub struct PendingLog {
    lines: Box<[PendingLine]>,
    file_cache: Option<LogFileCache>,
}

#[derive(Debug)]
struct PendingLine {
    log: Arc<AccessLog>,
    text: Pending,
    /// `if=`.
    condition: Option<Pending>,
    /// The path, if it has variables.
    path: Option<Pending>,
}

impl PendingLog {
    /// Evaluates all that does not depend on the answer. `None` when the location logs nothing.
    pub fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let logs = match &ctx.conf.limit_except {
            Some(limit) if limit.limits(ctx.method.as_str()) => &limit.access_log,
            _ => &ctx.conf.log.access,
        };
        let lines: Box<[_]> = logs.iter().filter_map(|log| PendingLine::new(ctx, log)).collect();
        (!lines.is_empty()).then(|| Box::new(Self { lines, file_cache: ctx.conf.log.file_cache }))
    }

    /// Writes the lines, for an answer with this head.
    pub fn write(&self, sent: &Sent, head: &[u8]) {
        for line in &self.lines {
            line.write(sent, head, self.file_cache.as_ref());
        }
    }
}

impl PendingLine {
    /// `None` if the condition is known not to hold, whatever the answer.
    fn new(ctx: &RequestCtx, log: &Arc<AccessLog>) -> Option<Self> {
        let plain = |template: &Template| Pending::new(ctx, template, unescaped);
        let condition = log.condition.as_ref().map(plain);
        if condition.as_ref().and_then(Pending::settled).is_some_and(|text| !holds(text)) {
            return None;
        }
        let how = log.format.escape;
        let text = Pending::new(ctx, &log.format.template, |value, out| escape(how, value, out));
        let path = match &log.target {
            AccessTarget::Fixed(_) => None,
            AccessTarget::Path(path) => Some(plain(path)),
        };
        Some(Self { log: Arc::clone(log), text, condition, path })
    }

    fn write(&self, sent: &Sent, head: &[u8], file_cache: Option<&LogFileCache>) {
        let plain = |pending: &Pending| pending.finish(sent, head, unescaped);
        if self.condition.as_ref().is_some_and(|condition| !holds(&plain(condition))) {
            return;
        }
        let how = self.log.format.escape;
        let mut line = self.text.finish(sent, head, |value, out| escape(how, value, out));
        line.push(b'\n');
        match (&self.log.target, &self.path) {
            (AccessTarget::Fixed(target), _) => log::write_access(target, &line),
            (AccessTarget::Path(_), path) => {
                let path = path.as_ref().map(plain).unwrap_or_default();
                log::write_to_path(Path::new(OsStr::from_bytes(&path)), file_cache, &line);
            }
        }
    }
}

/// `if=`: neither empty nor `0`.
fn holds(condition: &[u8]) -> bool {
    !matches!(condition, b"" | b"0")
}

fn unescaped(value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(value.unwrap_or_default());
}

fn escape(how: LogEscape, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let value = match (how, value) {
        (LogEscape::Default, None) => return out.push(b'-'),
        (_, value) => value.unwrap_or_default(),
    };
    match how {
        LogEscape::None => out.extend_from_slice(value),
        LogEscape::Default => {
            for &byte in value {
                match byte {
                    b'"' | b'\\' | ..32 | 127.. => out.extend_from_slice(format!("\\x{byte:02X}").as_bytes()),
                    _ => out.push(byte),
                }
            }
        }
        LogEscape::Json => {
            for &byte in value {
                match byte {
                    b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    0x08 => out.extend_from_slice(b"\\b"),
                    0x0c => out.extend_from_slice(b"\\f"),
                    ..32 => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
                    _ => out.push(byte),
                }
            }
        }
    }
}
