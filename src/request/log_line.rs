//! Lines of access logs: what can be known at once, and what only after the answer.

use crate::config::model::{AccessLog, LogEscape, LogTarget};

use super::RequestCtx;
use super::answer::Sent;
use super::late::Pending;

/// The access log lines of one request, waiting for its answer.
#[derive(Debug)]
pub struct PendingLog(Box<[PendingLine]>);

#[derive(Debug)]
struct PendingLine {
    target: LogTarget,
    escape: LogEscape,
    /// `if=`, where it waits for the answer.
    condition: Option<Pending>,
    text: Pending,
}

impl PendingLog {
    /// Evaluates all that does not depend on the answer. `None` when the location logs nothing.
    pub fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let lines: Box<[_]> =
            ctx.conf.log.access.iter().filter_map(|log| PendingLine::new(ctx, log)).collect();
        (!lines.is_empty()).then(|| Box::new(Self(lines)))
    }

    /// Writes the lines, for an answer with this head.
    pub fn write(&self, sent: &Sent, head: &[u8]) {
        let written = |line: &&PendingLine| {
            let condition = line.condition.as_ref();
            condition.is_none_or(|condition| holds(&condition.finish(sent, head, write_value)))
        };
        for line in self.0.iter().filter(written) {
            let mut text = line.text.finish(sent, head, |value, out| escape(line.escape, value, out));
            text.push(b'\n');
            crate::log::write(&line.target, &text);
        }
    }
}

impl PendingLine {
    /// `None` if `if=` does not hold.
    fn new(ctx: &RequestCtx, log: &AccessLog) -> Option<Self> {
        let condition = log.condition.as_ref().map(|condition| Pending::new(ctx, condition, write_value));
        if condition.as_ref().and_then(Pending::settled).is_some_and(|condition| !holds(condition)) {
            return None;
        }
        let condition = condition.filter(|condition| condition.settled().is_none());
        let how = log.format.escape;
        let text = Pending::new(ctx, &log.format.template, |value, out| escape(how, value, out));
        Some(Self { target: log.target.clone(), escape: how, condition, text })
    }
}

/// The condition of `if=`: neither empty nor `0`.
fn holds(condition: &[u8]) -> bool {
    !matches!(condition, b"" | b"0")
}

/// A value as it is; none is nothing.
fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
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
