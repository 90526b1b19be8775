//! `access_log` and `log_format`.

use std::sync::Arc;

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{AccessLog, ErrorLog, LogConf, LogEscape, LogFormat};
use super::super::template::Template;
use super::super::value;
use super::{HSLI, Module, done};

draft! {
    /// Logs of a block.
    LogDraft {
        access: Vec<AccessLog>,
        error: Vec<ErrorLog>,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_log_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "log_format",
        Contexts::HTTP,
        Arity::at_least(2),
        "combined",
        "Names a form of access log lines; `escape=default`, `json` or `none` says how values are escaped.",
        log_format,
    ),
    done(
        "access_log",
        HSLI.or(Contexts::LIMIT_EXCEPT),
        Arity::at_least(1),
        "off",
        "Where requests are logged, in which format, and on which condition (`if=`). `off` logs nothing. Lines are \
         written at once: `buffer=`, `flush=` and `gzip` are checked and have no effect.",
        access_log,
    ),
];

/// The format that is always there.
const COMBINED: &[u8] = b"$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
\"$http_referer\" \"$http_user_agent\"";

// === log_format ===

fn log_format(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let name = call.arg(0);
    if name == b"combined" || b.http.formats.contains_key(name) {
        return Err(Diagnostic::emerg(format!("duplicate \"log_format\" name \"{}\"", call.text(0))));
    }
    let mut words: Vec<&[u8]> = call.args().skip(1).collect();
    let escape = match words.first().and_then(|word| word.strip_prefix(b"escape=")) {
        Some(escape) => {
            words.remove(0);
            log_escape(escape)?
        }
        None => LogEscape::Default,
    };
    let line = words.concat();
    let template = b.compile(&line).map_err(|error| lone_dollar(error, &words))?;
    b.http.formats.insert(name.into(), Arc::new(LogFormat { template, escape }));
    Ok(())
}

fn log_escape(word: &[u8]) -> Outcome<LogEscape> {
    match word {
        b"default" => Ok(LogEscape::Default),
        b"json" => Ok(LogEscape::Json),
        b"none" => Ok(LogEscape::None),
        _ => Err(Diagnostic::emerg(format!(
            "unknown log format escaping \"{}\"",
            String::from_utf8_lossy(word)
        ))),
    }
}

/// Here nginx quotes from the `$` on that no name follows, instead of its usual words.
fn lone_dollar(error: Diagnostic, words: &[&[u8]]) -> Diagnostic {
    let lone = |at: usize, word: &[u8]| {
        let next = word.get(at + 1);
        word[at] == b'$'
            && !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'{'))
    };
    let rest = words.iter().find_map(|word| (0..word.len()).find(|at| lone(*at, word)).map(|at| &word[at..]));
    match rest {
        Some(rest) if error.message == "invalid variable name" => invalid_parameter(rest),
        _ => error,
    }
}

// === access_log ===

fn access_log(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let path = call.arg(0);
    if path == b"off" {
        return match call.count() {
            1 => {
                b.block().conf.log.access = Some(Vec::new());
                b.block().seen.insert(OFF);
                Ok(())
            }
            _ => Err(invalid_parameter(call.arg(1))),
        };
    }
    if path.starts_with(b"syslog:") {
        return Err(Diagnostic::emerg("\"access_log syslog:\" is not supported yet: use a file or stderr"));
    }
    if path.contains(&b'$') {
        return Err(Diagnostic::emerg("a variable in the path of \"access_log\" is not supported yet"));
    }
    let format = format(b, call)?;
    let condition = parameters(b, call)?;
    let log = AccessLog { target: b.log_target(path), format, condition };
    let block = b.block();
    let logs = block.conf.log.access.get_or_insert_default();
    if !block.seen.contains(OFF) {
        logs.push(log);
    }
    Ok(())
}

/// Noted when a block says `access_log off`: it outdoes the others, whatever their order.
const OFF: &str = "access_log off";

fn format(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Arc<LogFormat>> {
    let name = if call.count() > 1 { call.arg(1) } else { b"combined" };
    if let Some(format) = b.http.formats.get(name) {
        return Ok(format.clone());
    }
    if name != b"combined" {
        return Err(Diagnostic::emerg(format!("unknown log format \"{}\"", call.text(1))));
    }
    let format = Arc::new(LogFormat { template: b.compile(COMBINED)?, escape: LogEscape::Default });
    b.http.formats.insert(name.into(), format.clone());
    Ok(format)
}

/// What follows the format; only `if=` has an effect.
fn parameters(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Option<Template>> {
    let (mut condition, mut buffered, mut flushed) = (None, false, false);
    for word in call.args().skip(2) {
        let Some((name, given)) = split_parameter(word) else { return Err(invalid_parameter(word)) };
        let invalid =
            |what: &str| Diagnostic::emerg(format!("invalid {what} \"{}\"", String::from_utf8_lossy(given)));
        match name {
            b"buffer" => {
                value::size(given).filter(|size| *size > 0).ok_or_else(|| invalid("buffer size"))?;
                buffered = true;
            }
            b"flush" => {
                value::millis(given).filter(|time| *time > 0).ok_or_else(|| invalid("flush time"))?;
                flushed = true;
            }
            b"gzip" => {
                let level = value::number(given).filter(|level| (1..=9).contains(level));
                level.ok_or_else(|| invalid("compression level"))?;
                buffered = true;
                b.warn(
                    call,
                    "\"gzip\" of \"access_log\" has no effect here: lines are written as plain text",
                );
            }
            b"if" => condition = Some(b.compile(given)?),
            _ => return Err(invalid_parameter(word)),
        }
    }
    if flushed && !buffered {
        return Err(Diagnostic::emerg(format!("no buffer is defined for access_log \"{}\"", call.text(0))));
    }
    Ok(condition)
}

/// `NAME=VALUE`, or `gzip` alone, which is `gzip=1`.
fn split_parameter(word: &[u8]) -> Option<(&[u8], &[u8])> {
    if word == b"gzip" {
        return Some((word, b"1"));
    }
    let at = word.iter().position(|byte| *byte == b'=')?;
    Some((&word[..at], &word[at + 1..]))
}

impl LogDraft {
    /// The logs in force; `main` are the error logs of the main context.
    pub fn finish(&self, main: &[ErrorLog]) -> LogConf {
        LogConf {
            access: self.access.clone().unwrap_or_default(),
            error: self.error.clone().unwrap_or_else(|| main.to_vec()),
        }
    }
}
