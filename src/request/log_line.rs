//! Lines of access logs: what can be known at once, and what only after the answer.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::config::model::{AccessLog, AccessTarget, LocationConf, LogEscape, LogFileCache};
use crate::config::template::Template;
use crate::log;

use super::evaluation::AnswerSoFar;
use super::late::{Frozen, Pending};
use super::made_again::{Differs, Made};
use super::{Connection, RequestCtx, json};

/// The access log lines of one request, waiting for its answer.
#[derive(Debug)]
pub struct PendingLog {
    lines: Arc<Lines>,
    /// The request, if the lines are for others, too.
    made: Option<Made>,
}

/// The lines of a request that may be made again: what they have in common is kept once.
#[derive(Clone, Debug)]
pub struct RepeatedLog(Arc<Lines>);

#[derive(Debug)]
struct Lines {
    lines: Box<[PendingLine]>,
    /// Whether they are for the logs of `limit_except`.
    limited: bool,
    /// Whether they ask for words of the request.
    needs_words: bool,
    file_cache: Option<LogFileCache>,
}

#[derive(Debug)]
struct PendingLine {
    /// Its place among the location's logs.
    row: usize,
    log: Arc<AccessLog>,
    text: Pending,
    /// `if=`.
    condition: Option<Pending>,
    /// The path, if it has variables.
    path: Option<Pending>,
}

/// A [`PendingLog`] on its way to another process, which has to know the location.
#[derive(Debug, Serialize, Deserialize)]
pub struct FrozenLog {
    lines: Vec<FrozenLine>,
    limited: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct FrozenLine {
    row: usize,
    text: Frozen,
    condition: Option<Frozen>,
    path: Option<Frozen>,
}

impl PendingLog {
    /// Evaluates all that does not depend on the answer. `None` when the location logs nothing.
    pub fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let limit = ctx.conf.limit_except.as_ref();
        let limited = limit.is_some_and(|limit| limit.limits(ctx.method.as_str()));
        let logs = logs(&ctx.conf, limited).iter().enumerate();
        let lines = logs.filter_map(|(row, log)| PendingLine::new(ctx, row, log)).collect();
        Some(Box::new(Self { lines: Lines::new(lines, limited, &ctx.conf)?, made: None }))
    }

    /// For another process: each line with its place among the location's logs.
    pub fn freeze(&self) -> FrozenLog {
        let Lines { lines, limited, .. } = &*self.lines;
        let freeze = |line: &PendingLine| line.freeze(self.made.as_ref());
        FrozenLog { lines: lines.iter().map(freeze).collect(), limited: *limited }
    }

    /// From another process, for the same location; a log that is gone there gets no line.
    pub fn thaw(frozen: FrozenLog, conf: &LocationConf) -> Option<Box<Self>> {
        let logs = logs(conf, frozen.limited);
        let lines = frozen.lines.into_iter().filter_map(|line| PendingLine::thaw(line, logs)).collect();
        Some(Box::new(Self { lines: Lines::new(lines, frozen.limited, conf)?, made: None }))
    }

    /// For the same request when it is made again, if it may be.
    pub fn again(&self) -> Option<RepeatedLog> {
        self.made.is_some().then(|| RepeatedLog(Arc::clone(&self.lines)))
    }

    /// Writes the lines, with what there is of the answer.
    pub fn write(&self, answer: &AnswerSoFar<'_>) {
        for line in &self.lines.lines {
            line.write(answer, self.made.as_ref(), self.lines.file_cache.as_ref());
        }
    }
}

impl RepeatedLog {
    /// For a request that may be made again and differ in this; `Some(None)` when there is nothing to log. `None` where a line
    /// tells of more.
    pub fn new(ctx: &RequestCtx, differs: Differs) -> Option<Option<Self>> {
        let asked = ctx.values.arguments_asked();
        let logs = ctx.conf.log.access.iter().enumerate();
        let lines = logs.map(|(row, log)| PendingLine::repeatable(ctx, row, log, differs));
        let lines: Option<Vec<_>> = lines.collect();
        let heeds_arguments = differs == Differs::Arguments && ctx.values.arguments_asked() != asked;
        let lines = lines.filter(|_| !ctx.values.is_volatile() && !heeds_arguments)?;
        let lines = lines.into_iter().flatten().collect();
        Some(Lines::new(lines, false, &ctx.conf).map(Self))
    }

    /// For the request that came now, or began at `since`, as the `number`th of its connection.
    pub fn of(
        &self,
        connection: &Arc<Connection>,
        number: u64,
        request: &[u8],
        since: Option<Instant>,
    ) -> Box<PendingLog> {
        self.made(Made::new(connection, number, request, since, self.0.needs_words))
    }

    /// For the first one, which has no body.
    pub fn of_first(&self, ctx: &RequestCtx) -> Box<PendingLog> {
        self.made(Made::first(ctx, self.0.needs_words))
    }

    fn made(&self, made: Made) -> Box<PendingLog> {
        Box::new(PendingLog { lines: Arc::clone(&self.0), made: Some(made) })
    }
}

impl Lines {
    fn new(lines: Box<[PendingLine]>, limited: bool, conf: &LocationConf) -> Option<Arc<Self>> {
        let needs_words = lines.iter().any(PendingLine::needs_words);
        let file_cache = conf.log.file_cache;
        (!lines.is_empty()).then(|| Arc::new(Self { lines, limited, needs_words, file_cache }))
    }
}

/// The logs of a location; with `limited`, those of its `limit_except`.
fn logs(conf: &LocationConf, limited: bool) -> &[Arc<AccessLog>] {
    match &conf.limit_except {
        Some(limit) if limited => &limit.access_log,
        None if limited => &[],
        _ => &conf.log.access,
    }
}

impl PendingLine {
    /// `None` if the condition is known not to hold, whatever the answer.
    fn new(ctx: &RequestCtx, row: usize, log: &Arc<AccessLog>) -> Option<Self> {
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
        Some(Self { row, log: Arc::clone(log), text, condition, path })
    }

    /// `Some(None)` without a line as in [`PendingLine::new`]; `None` where it tells of what is not known of other requests.
    fn repeatable(
        ctx: &RequestCtx,
        row: usize,
        log: &Arc<AccessLog>,
        differs: Differs,
    ) -> Option<Option<Self>> {
        let plain = |template: &Template| Pending::repeatable(ctx, template, differs, unescaped);
        let condition = match &log.condition {
            Some(condition) => Some(plain(condition)?),
            None => None,
        };
        if condition.as_ref().and_then(Pending::settled).is_some_and(|text| !holds(text)) {
            return Some(None);
        }
        let how = log.format.escape;
        let write = |value: Option<&[u8]>, out: &mut Vec<u8>| escape(how, value, out);
        let text = Pending::repeatable(ctx, &log.format.template, differs, write)?;
        let path = match &log.target {
            AccessTarget::Fixed(_) => None,
            AccessTarget::Path(path) => Some(plain(path)?),
        };
        Some(Some(Self { row, log: Arc::clone(log), text, condition, path }))
    }

    fn needs_words(&self) -> bool {
        let mut pending = std::iter::once(&self.text).chain(&self.condition).chain(&self.path);
        pending.any(Pending::needs_words)
    }

    fn freeze(&self, made: Option<&Made>) -> FrozenLine {
        let how = self.log.format.escape;
        let plain = |pending: &Pending| pending.freeze(made, unescaped);
        FrozenLine {
            row: self.row,
            text: self.text.freeze(made, |value, out| escape(how, value, out)),
            condition: self.condition.as_ref().map(plain),
            path: self.path.as_ref().map(plain),
        }
    }

    fn thaw(frozen: FrozenLine, logs: &[Arc<AccessLog>]) -> Option<Self> {
        let log = logs.get(frozen.row)?;
        let has_path = matches!(log.target, AccessTarget::Path(_));
        (has_path == frozen.path.is_some()).then(|| Self {
            row: frozen.row,
            log: Arc::clone(log),
            text: Pending::thaw(frozen.text),
            condition: frozen.condition.map(Pending::thaw),
            path: frozen.path.map(Pending::thaw),
        })
    }

    fn write(&self, answer: &AnswerSoFar<'_>, made: Option<&Made>, file_cache: Option<&LogFileCache>) {
        let plain = |pending: &Pending| pending.finish(answer, made, unescaped);
        if self.condition.as_ref().is_some_and(|condition| !holds(&plain(condition))) {
            return;
        }
        let how = self.log.format.escape;
        let mut line = self.text.finish(answer, made, |value, out| escape(how, value, out));
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
        LogEscape::Json => json::escape(value, out),
    }
}
