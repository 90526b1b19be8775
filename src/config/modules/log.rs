//! `access_log`, `log_format`, `open_log_file_cache`.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::Duration;

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{
    AccessLog, AccessTarget, ErrorLog, LogBuffer, LogConf, LogEscape, LogFileCache, LogFormat, LogTarget,
};
use super::super::template::{Part, Template};
use super::super::value;
use super::super::variable::Variable;
use super::{HSL, HSLI, Module, done};

draft! {
    /// Logs of a block.
    LogDraft {
        access: Vec<Arc<AccessLog>>,
        file_cache: Option<LogFileCache>,
        error: Vec<ErrorLog>,
        rewrite: bool,
        uninitialized: bool,
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
        "Where requests are logged: a file, whose path may hold variables, `stderr` or `syslog:server=...`; in which \
         format; on which condition (`if=`). `buffer=`, `flush=` and `gzip` gather lines before they are written. \
         `off` logs nothing.",
        access_log,
    ),
    done(
        "open_log_file_cache",
        HSL,
        Arity::between(1, 4),
        "off",
        "Keeps log files open whose paths hold variables; without it such a file is opened for each line.",
        file_cache,
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
    // Each word is a text of its own: no variable reaches from one into the next.
    let texts = words.into_iter().map(|word| b.compile(word).map_err(|error| lone_dollar(error, word)));
    let template = Template::concat(texts.collect::<Outcome<Vec<_>>>()?);
    for part in template.parts() {
        // Lines have no groups of expressions; nginx takes `$1` for a variable of that name, which is not there.
        if let Part::Variable(Variable::Capture(group)) = part {
            b.variables.resolve(&group.to_string());
        }
    }
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
fn lone_dollar(error: Diagnostic, word: &[u8]) -> Diagnostic {
    let named = |next: &u8| next.is_ascii_alphanumeric() || *next == b'_';
    let lone = |at: &usize| match &word[*at..] {
        [b'$', b'{', next, ..] | [b'$', next, ..] => !named(next),
        rest => rest == b"$" || rest == b"${",
    };
    match (0..word.len()).find(lone) {
        Some(at) if error.message == "invalid variable name" => invalid_parameter(&word[at..]),
        _ => error,
    }
}

// === access_log ===

fn access_log(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if call.arg(0) == b"off" {
        return match call.count() {
            1 => {
                b.block().conf.log.access = Some(Vec::new());
                b.block().seen.insert(OFF);
                Ok(())
            }
            _ => Err(invalid_parameter(call.arg(1))),
        };
    }
    let target = access_target(b, call)?;
    let format = format(b, call)?;
    let parameters = parameters(b, call)?;
    buffer(b, &target, parameters.buffer(&target, call)?)?;
    let log = AccessLog { target: target.target, format, condition: parameters.condition };
    let block = b.block();
    let logs = block.conf.log.access.get_or_insert_default();
    if !block.seen.contains(OFF) {
        logs.push(Arc::new(log));
    }
    Ok(())
}

/// Noted when a block says `access_log off`: it outdoes the others, whatever their order.
const OFF: &str = "access_log off";

/// Where lines go, and the name of it in messages.
struct Named {
    target: AccessTarget,
    name: String,
}

fn access_target(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Named> {
    let given = call.arg(0);
    if given.starts_with(b"syslog:") || !given.contains(&b'$') {
        let target = AccessTarget::Fixed(b.log_target(given)?);
        return Ok(Named { target, name: call.text(0).into_owned() });
    }
    let path = b.path(given);
    let target = AccessTarget::Path(b.compile(path.as_os_str().as_bytes())?);
    Ok(Named { target, name: path.to_string_lossy().into_owned() })
}

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

/// What follows the format.
#[derive(Default)]
struct Parameters {
    size: Option<usize>,
    flush: Option<Duration>,
    gzip: Option<u32>,
    condition: Option<Template>,
}

/// Size of the buffer when there is a `gzip` and no `buffer=`.
const GZIP_BUFFER: usize = 64 << 10;

fn parameters(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Parameters> {
    let mut parameters = Parameters::default();
    for word in call.args().skip(2) {
        let Some((name, given)) = split_parameter(word) else { return Err(invalid_parameter(word)) };
        let invalid =
            |what: &str| Diagnostic::emerg(format!("invalid {what} \"{}\"", String::from_utf8_lossy(given)));
        match name {
            b"buffer" => {
                let size = value::size(given).and_then(|size| usize::try_from(size).ok());
                let size = size.filter(|size| *size > 0).ok_or_else(|| invalid("buffer size"))?;
                parameters.size = Some(size);
            }
            b"flush" => {
                let time = value::millis(given).filter(|time| *time > 0);
                let time = time.ok_or_else(|| invalid("flush time"))?;
                parameters.flush = Some(Duration::from_millis(time));
            }
            b"gzip" => {
                let level = value::number(given).and_then(|level| u32::try_from(level).ok());
                let level = level.filter(|level| (1..=9).contains(level));
                parameters.gzip = Some(level.ok_or_else(|| invalid("compression level"))?);
            }
            b"if" => parameters.condition = Some(b.compile(given)?),
            _ => return Err(invalid_parameter(word)),
        }
    }
    Ok(parameters)
}

impl Parameters {
    /// The buffer that they ask for.
    fn buffer(&self, target: &Named, call: &Call<'_>) -> Outcome<Option<LogBuffer>> {
        let size = self.size.or(self.gzip.map(|_| GZIP_BUFFER));
        let problem = match (size, &target.target) {
            (None, _) if self.flush.is_some() => {
                let name = if matches!(target.target, AccessTarget::Path(_)) {
                    &target.name
                } else {
                    &*call.text(0)
                };
                format!("no buffer is defined for access_log \"{name}\"")
            }
            (Some(_), AccessTarget::Path(_)) => "buffered logs cannot have variables in name".to_owned(),
            (Some(_), AccessTarget::Fixed(LogTarget::Syslog(_))) => {
                "logs to syslog cannot be buffered".to_owned()
            }
            _ => return Ok(size.map(|size| LogBuffer { size, flush: self.flush, gzip: self.gzip })),
        };
        Err(Diagnostic::emerg(problem))
    }
}

/// Gives a file its buffer: all that name one must mean the same.
fn buffer(b: &mut Builder<'_>, target: &Named, buffer: Option<LogBuffer>) -> Outcome {
    let (Some(buffer), AccessTarget::Fixed(LogTarget::File(path))) = (buffer, &target.target) else {
        return Ok(());
    };
    let file = b.log_file(path);
    if file.buffer.is_some_and(|before| before != buffer) {
        let problem = "already defined with conflicting parameters";
        return Err(Diagnostic::emerg(format!("access_log \"{}\" {problem}", target.name)));
    }
    file.buffer = Some(buffer);
    Ok(())
}

/// `NAME=VALUE`, or `gzip` alone, which is `gzip=1`.
fn split_parameter(word: &[u8]) -> Option<(&[u8], &[u8])> {
    if word == b"gzip" {
        return Some((word, b"1"));
    }
    let at = word.iter().position(|byte| *byte == b'=')?;
    Some((&word[..at], &word[at + 1..]))
}

// === open_log_file_cache ===

fn file_cache(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.log.file_cache.is_some() {
        return Err(call.duplicate());
    }
    b.log_file_caches += 1;
    let (mut max, mut inactive, mut min_uses, mut valid, mut off) = (0, 10, 1, 60, false);
    for word in call.args() {
        let invalid = || {
            let word = String::from_utf8_lossy(word);
            Diagnostic::emerg(format!("invalid \"open_log_file_cache\" parameter \"{word}\""))
        };
        match (word, split_parameter(word)) {
            (b"off", _) => off = true,
            (_, Some((b"max", given))) => {
                max = value::number(given).ok_or_else(invalid)?;
            }
            (_, Some((b"inactive", given))) => inactive = value::seconds(given).ok_or_else(invalid)?,
            (_, Some((b"min_uses", given))) => min_uses = value::number(given).ok_or_else(invalid)?,
            (_, Some((b"valid", given))) => valid = value::seconds(given).ok_or_else(invalid)?,
            _ => return Err(invalid()),
        }
    }
    if max == 0 && !off {
        return Err(Diagnostic::emerg("\"open_log_file_cache\" must have \"max\" parameter"));
    }
    let cache = LogFileCache {
        number: b.log_file_caches,
        max: usize::try_from(max).unwrap_or(usize::MAX),
        inactive: Duration::from_secs(inactive),
        min_uses,
        valid: Duration::from_secs(valid),
    };
    b.block().conf.log.file_cache = Some((!off).then_some(cache));
    Ok(())
}

impl LogDraft {
    /// The logs in force; `main` are the error logs of the main context.
    pub fn finish(&self, main: &[ErrorLog]) -> LogConf {
        LogConf {
            access: self.access.clone().unwrap_or_default(),
            file_cache: self.file_cache.flatten(),
            error: self.error.clone().unwrap_or_else(|| main.to_vec()),
            rewrite: self.rewrite.unwrap_or(false),
            uninitialized: self.uninitialized.unwrap_or(true),
        }
    }
}
