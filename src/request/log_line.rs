//! Lines of access logs: what can be known at once, and what only after the answer.

use crate::config::model::{AccessLog, LogConf, LogEscape, LogTarget};

use super::RequestCtx;
use super::answer::Sent;
use super::late::{Frozen, Pending};

/// The access log lines of one request, waiting for its answer.
#[derive(Debug)]
pub struct PendingLog(Box<[PendingLine]>);

#[derive(Debug)]
struct PendingLine {
    /// Its place among the location's logs.
    row: usize,
    target: LogTarget,
    escape: LogEscape,
    text: Pending,
}

impl PendingLog {
    /// Evaluates all that does not depend on the answer. `None` when the location logs nothing.
    pub fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let logs = ctx.conf.log.access.iter().enumerate().filter(|(_, log)| holds(ctx, log));
        let lines: Box<[_]> = logs.map(|(row, log)| PendingLine::new(ctx, row, log)).collect();
        (!lines.is_empty()).then(|| Box::new(Self(lines)))
    }

    /// For another process: each line with its place among the location's logs.
    pub fn freeze(&self) -> Vec<(usize, Frozen)> {
        self.0.iter().map(|line| (line.row, line.text.freeze())).collect()
    }

    /// From another process, for the same location; a log that is gone there gets no line.
    pub fn thaw(frozen: Vec<(usize, Frozen)>, conf: &LogConf) -> Option<Box<Self>> {
        let lines = frozen.into_iter().filter_map(|(row, text)| {
            let log = conf.access.get(row)?;
            Some(PendingLine::with_text(row, log, Pending::thaw(text)))
        });
        let lines: Box<[_]> = lines.collect();
        (!lines.is_empty()).then(|| Box::new(Self(lines)))
    }

    /// Writes the lines, for an answer with this head.
    pub fn write(&self, sent: &Sent, head: &[u8]) {
        for line in &self.0 {
            let mut text = line.text.finish(sent, head, |value, out| escape(line.escape, value, out));
            text.push(b'\n');
            crate::log::write(&line.target, &text);
        }
    }
}

impl PendingLine {
    fn new(ctx: &RequestCtx, row: usize, log: &AccessLog) -> Self {
        let how = log.format.escape;
        let text = Pending::new(ctx, &log.format.template, |value, out| escape(how, value, out));
        Self::with_text(row, log, text)
    }

    fn with_text(row: usize, log: &AccessLog, text: Pending) -> Self {
        Self { row, target: log.target.clone(), escape: log.format.escape, text }
    }
}

/// `if=`: neither empty nor `0`.
fn holds(ctx: &RequestCtx, log: &AccessLog) -> bool {
    log.condition.as_ref().is_none_or(|condition| !matches!(&*ctx.render(condition), b"" | b"0"))
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
