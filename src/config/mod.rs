//! The meaning of configurations: text tree in; typed, checked, merged plain data out.
//!
//! `load` goes through the parser's tree in file order. Each directive is looked up in the table
//! (`directive`, `modules`), checked against its row, and written down by the row's setter into the draft of its
//! block (`draft`, `builder`). At the end of `http` every block takes what it does not say itself from the one
//! around it (`merge`, `vhosts`), and the result is a [`model::Config`].

pub mod builder;
pub mod builtin;
pub mod call;
pub mod check;
pub mod computed;
pub mod context;
pub mod diag;
pub mod directive;
pub mod docs;
pub mod draft;
mod fragment;
pub mod host_port;
pub mod hostnames;
mod merge;
pub mod model;
pub mod modules;
pub mod regex;
mod roles;
mod syslog;
pub mod template;
#[cfg(test)]
mod tests;
pub mod value;
pub mod variable;
mod vhosts;

use std::path::{Path, PathBuf};

use encke_parser::{Error, ErrorKind, Loader, Options, Parsed, SourceMap, parse, parse_bytes};

use self::builder::{Builder, Outcome};
use self::check::Finding;
use self::diag::Diagnostic;
use self::fragment::Shape;
use self::model::{Affinity, Config, ErrorLog, MainConf, Severity};
use self::modules::listen::ListenDraft;
use self::modules::{listen, push, zones};

/// `worker_connections` of a fragment, which cannot say it: as many as the limit of open files allows.
const FRAGMENT_CONNECTIONS: usize = 1 << 20;

/// Whether to go on after an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Stop at the first, as nginx does.
    #[default]
    FirstError,
    /// Tell all of them.
    Collect,
}

/// How to read a configuration.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `-p`: relative paths of logs and the pid file are below it.
    pub prefix: PathBuf,
    /// `--listen`: addresses for a fragment, which has none of its own.
    pub listen: Vec<String>,
    /// `-g`: directives for the main context.
    pub globals: Option<String>,
    /// `-e`: the error log when the configuration names none.
    pub error_log: Option<PathBuf>,
    /// The pid file when the configuration names none.
    pub pid: Option<PathBuf>,
    /// Whether to go to the background when the configuration does not say.
    pub daemon: bool,
    /// Whether the default port is 80 or 8000.
    pub is_root: bool,
    /// Whether to go on after an error.
    pub mode: Mode,
}

/// What reading a configuration came to.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` after an error.
    pub config: Option<Config>,
    /// Errors, warnings and notices, in the order they came up.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read.
    pub sources: SourceMap,
    /// Every directive, in [`Mode::Collect`].
    pub findings: Vec<Finding>,
    /// The text itself was right: errors came up after reading, behind so many of the diagnostics. nginx says `syntax is
    /// ok` there.
    pub syntax_ok: Option<usize>,
}

impl Loaded {
    /// The first error.
    pub fn error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|diagnostic| diagnostic.is_error())
    }
}

/// Blocks inside one another: far more than configurations have, far less than the stack of a thread holds.
const MAX_DEPTH: usize = 64;

/// Reads the configuration at `path`.
pub fn load(path: &Path, loader: &dyn Loader, options: &LoadOptions) -> Loaded {
    let parser_options =
        Options { raw_blocks: directive::RAW_BLOCKS, max_depth: MAX_DEPTH, ..Options::default() };
    let parsed = parse(path, loader, &parser_options);
    let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut builder = Builder::new(options, &parsed.sources, directory);
    let mut syntax_ok = None;
    let config = read(&mut builder, &parsed, &mut syntax_ok);
    let (mut diagnostics, findings) = (builder.diagnostics, builder.findings);
    let config = config.map_err(|error| diagnostics.push(error)).ok();
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    Loaded { config: config.filter(|_| !failed), diagnostics, sources: parsed.sources, findings, syntax_ok }
}

fn read(b: &mut Builder<'_>, parsed: &Parsed, syntax_ok: &mut Option<usize>) -> Outcome<Config> {
    globals(b)?;
    let shape = Shape::of(&parsed.directives);
    let walked = fragment::read(b, shape, &parsed.directives);
    let parse_error = parsed.error.as_ref().map(parse_error);
    if let Some(error) = walked.err().or(parse_error) {
        // nginx merges where `http` ends, so what is wrong there comes before what is wrong behind it.
        let before = if b.http.closed { merge::http(b).err() } else { None };
        return Err(before.unwrap_or(error));
    }
    listens(b, shape)?;
    default_error_log(b)?;
    let max_reserved_memory = push::reserved_memory(b);
    let (servers, listens, upstreams) = merge::http(b)?;
    if !b.diagnostics.iter().any(Diagnostic::is_error) {
        *syntax_ok = Some(b.diagnostics.len());
    }
    if shape == Shape::Whole && !b.main.events {
        b.settle(Err(Diagnostic::emerg("no \"events\" section in configuration")))?;
    }
    let connections = match shape {
        Shape::Whole => 512,
        _ => FRAGMENT_CONNECTIONS,
    };
    let (connections, sockets) = (*b.main.worker_connections.get_or_insert(connections), listens.len());
    if connections < sockets {
        let error =
            format!("{connections} worker_connections are not enough for {sockets} listening sockets");
        b.settle(Err(Diagnostic::emerg(error)))?;
    }
    let zones = zones::finish(b)?;
    if servers.is_empty() {
        let error = Diagnostic::emerg("there is nothing to serve: there is no server");
        b.settle(Err(error.with_help("write \"http { server { ... } }\"")))?;
    }
    Ok(Config {
        main: main(b),
        max_reserved_memory,
        deflate: b.http.deflate.finish(),
        listens,
        upstreams,
        servers,
        variables: std::mem::take(&mut b.variables),
        log_files: std::mem::take(&mut b.log_files),
        zones,
    })
}

fn parse_error(error: &Error) -> Diagnostic {
    // nginx is a little less excited about a directory in place of a file.
    let severity =
        if matches!(error.kind, ErrorKind::Read { .. }) { Severity::Crit } else { Severity::Emerg };
    Diagnostic { span: error.span, ..Diagnostic::new(severity, error.to_string()) }
}

/// Reads the text of `-g`, as if it stood above the file.
fn globals(b: &mut Builder<'_>) -> Outcome {
    let Some(text) = &b.options.globals else { return Ok(()) };
    let parsed = parse_bytes(Path::new("command line"), text.as_bytes(), &Options::default());
    let blocks = parsed.directives.iter().position(|node| node.block().is_some());
    let walked = b.walk(&parsed.directives[..blocks.unwrap_or(parsed.directives.len())]).and_then(|()| {
        let error = match (&parsed.error, blocks) {
            (_, Some(at)) => {
                let error = Diagnostic::emerg("block directives are not supported in -g option");
                error.at(parsed.directives[at].span)
            }
            (Some(Error { kind: ErrorKind::UnexpectedEnd(_), span }), None) => Diagnostic {
                span: *span,
                ..Diagnostic::emerg("unexpected end of parameter, expecting \";\"")
            },
            (Some(error), None) => parse_error(error),
            (None, None) => return Ok(()),
        };
        b.settle(Err(error))
    });
    // Its places are in a source of its own: a line number would say nothing.
    let placeless = |mut diagnostic: Diagnostic| {
        if diagnostic.span.take().is_some() {
            diagnostic.message.push_str(" in command line");
        }
        diagnostic
    };
    let said = std::mem::take(&mut b.diagnostics);
    b.diagnostics.extend(said.into_iter().map(placeless));
    b.findings.clear();
    walked.map_err(placeless)
}

/// Gives servers without `listen` the default address, and fragments the one asked for.
fn listens(b: &mut Builder<'_>, shape: Shape) -> Outcome {
    if shape == Shape::Whole && !b.options.listen.is_empty() {
        let error =
            "an address to listen on can be given for a fragment only: this file has servers of its own";
        b.settle(Err(Diagnostic::emerg(error)))?;
    }
    let default = if b.options.is_root { "*:80" } else { "*:8000" };
    let asked: Vec<&str> = b.options.listen.iter().map(String::as_str).collect();
    let addresses = if asked.is_empty() { vec![default] } else { asked };
    let mut drafts: Vec<ListenDraft> = Vec::new();
    for address in addresses {
        let words: Vec<&[u8]> = address.split_ascii_whitespace().map(str::as_bytes).collect();
        drafts.push(listen::parse(&words, |warning| b.diagnostics.push(Diagnostic::warn(warning)))?);
    }
    let without = b.http.servers.iter_mut().filter(|server| server.listens.is_empty());
    without.for_each(|server| server.listens.clone_from(&drafts));
    Ok(())
}

/// Without an `error_log`, errors go where `-e` says, or to standard error.
fn default_error_log(b: &mut Builder<'_>) -> Outcome {
    if b.main.error_log.is_empty() {
        let path = b.options.error_log.clone().unwrap_or_default();
        let target = b.log_target(path.as_os_str().as_encoded_bytes())?;
        b.main.error_log.push(ErrorLog { target, level: Severity::Error });
    }
    Ok(())
}

fn main(b: &mut Builder<'_>) -> MainConf {
    let main = std::mem::take(&mut b.main);
    let workers = main.worker_processes.unwrap_or(1);
    if let Some(Affinity::Masks(masks)) = &main.affinity
        && masks.len() != 1
        && masks.len() != workers
    {
        b.diagnostics.push(Diagnostic::warn(
            "the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" masks, \
             using last mask for remaining worker processes",
        ));
    }
    MainConf {
        worker_processes: workers,
        worker_connections: main.worker_connections.unwrap_or(FRAGMENT_CONNECTIONS),
        user: main.user,
        pid: main.pid.flatten().or_else(|| b.options.pid.clone()),
        daemon: main.daemon.unwrap_or(b.options.daemon),
        error_log: main.error_log,
        open_files: main.open_files,
        core_size: main.core_size,
        priority: main.priority,
        affinity: main.affinity,
        multi_accept: main.multi_accept.unwrap_or(false),
        debug_connections: main.debug_connections,
        shutdown_timeout: main.shutdown_timeout.filter(|timeout| !timeout.is_zero()),
        working_directory: main.working_directory,
        environment: main.environment,
    }
}
