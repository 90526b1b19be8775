//! Lines of access logs: what can be known at once, and what only after the answer.

use std::sync::Arc;
use std::time::Instant;

use crate::config::model::{AccessLog, LogEscape, LogTarget};
use crate::config::template::Part;
use crate::config::variable::{Builtin, Variable};

use super::RequestCtx;
use super::answer::Sent;
use super::vars::late_value;

/// The access log lines of one request, waiting for its answer.
#[derive(Debug)]
pub struct PendingLog {
    lines: Box<[PendingLine]>,
    started: Instant,
    accepted: Instant,
}

#[derive(Debug)]
struct PendingLine {
    target: LogTarget,
    escape: LogEscape,
    pieces: Box<[Piece]>,
}

#[derive(Debug)]
enum Piece {
    Text(Box<[u8]>),
    Late(Builtin),
}

impl PendingLog {
    /// Evaluates all that does not depend on the answer. `None` when the location logs nothing.
    pub fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let logs = ctx.conf.log.access.iter().filter(|log| holds(ctx, log));
        let lines: Box<[_]> = logs.map(|log| PendingLine::new(ctx, log)).collect();
        let accepted = ctx.connection.accepted;
        (!lines.is_empty()).then(|| Box::new(Self { lines, started: ctx.started, accepted }))
    }

    /// Writes the lines.
    pub fn write(&self, sent: &Sent) {
        for line in &self.lines {
            let mut out = Vec::with_capacity(160);
            for piece in &line.pieces {
                match piece {
                    Piece::Text(text) => out.extend_from_slice(text),
                    Piece::Late(builtin) => {
                        let value = late_value(*builtin, Some(sent), self.started, self.accepted);
                        escape(line.escape, value.as_deref(), &mut out);
                    }
                }
            }
            out.push(b'\n');
            crate::log::write(&line.target, &out);
        }
    }
}

impl PendingLine {
    fn new(ctx: &RequestCtx, log: &AccessLog) -> Self {
        let format = Arc::clone(&log.format);
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        for part in format.template.parts() {
            match part {
                Part::Literal(bytes) => text.extend_from_slice(bytes),
                Part::Variable(Variable::Builtin(builtin)) if Variable::Builtin(*builtin).is_late() => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                    }
                    pieces.push(Piece::Late(*builtin));
                }
                Part::Variable(variable) => escape(format.escape, ctx.value(variable).as_deref(), &mut text),
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        Self { target: log.target.clone(), escape: format.escape, pieces: pieces.into() }
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
