//! The command line: nginx's switches, and a few of our own.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Parser, Subcommand};
use encke_parser::FsLoader;

use crate::config::diag::Diagnostic;
use crate::config::model::{Config, Severity};
use crate::config::{self, LoadOptions, Loaded, Mode, check};
use crate::log;
use crate::runtime::{self, daemon, pid};

/// The configuration when no `-c` names one.
const DEFAULT_CONFIG: &str = "/etc/encke/encke.conf";

/// A comet (HTTP push) server that reads the nginx configuration you already have.
#[derive(Debug, Parser)]
#[command(
    name = "encke",
    disable_help_flag = true,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    /// this help
    #[arg(short = 'h', long = "help", short_alias = '?', action = ArgAction::Help)]
    help: Option<bool>,
    /// show version and exit
    #[arg(short = 'v', long = "version")]
    version: bool,
    /// show version and how it was built, then exit
    #[arg(short = 'V')]
    build: bool,
    /// test configuration and exit
    #[arg(short = 't')]
    test: bool,
    /// test configuration, dump it and exit
    #[arg(short = 'T')]
    dump: bool,
    /// suppress non-error messages during configuration testing
    #[arg(short = 'q')]
    quiet: bool,
    /// send signal to a running server: stop, quit, reopen, reload
    #[arg(short = 's', value_name = "signal", value_parser = ["stop", "quit", "reopen", "reload"])]
    signal: Option<String>,
    /// set prefix path: relative log and pid paths are below it (default: the current directory)
    #[arg(short = 'p', value_name = "prefix")]
    prefix: Option<PathBuf>,
    /// set error log file, `stderr` for standard error (default)
    #[arg(short = 'e', value_name = "filename")]
    error_log: Option<PathBuf>,
    /// set configuration file (default: /etc/encke/encke.conf)
    #[arg(short = 'c', value_name = "filename")]
    config: Option<PathBuf>,
    /// set global directives out of configuration file
    #[arg(short = 'g', value_name = "directives")]
    globals: Option<String>,
    /// listen here if the configuration is a fragment without addresses of its own; may be repeated
    #[arg(long = "listen", value_name = "address")]
    listen: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// tell what a configuration would do here: what is honoured, what has no effect, what is refused
    Check {
        /// the configuration
        file: PathBuf,
        /// as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line; what it returns is the exit code: 0, or 1 after an error.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => run(&arguments).map_or_else(|Failed| ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&usage_error(&error));
            ExitCode::FAILURE
        }
    }
}

/// It did not work, and why was said.
struct Failed;

fn run(arguments: &Arguments) -> Result<(), Failed> {
    if let Some(Command::Check { file, json }) = &arguments.command {
        return check_file(arguments, file, *json);
    }
    if arguments.version || arguments.build {
        eprintln!("encke version: encke/{}", env!("CARGO_PKG_VERSION"));
        if arguments.build {
            eprintln!("follows nginx/{}", crate::request::vars::NGINX_VERSION);
        }
        return Ok(());
    }
    let path = arguments.config.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
    let loaded = config::load(&path, &FsLoader, &arguments.load_options(Mode::FirstError));
    if arguments.test || arguments.dump {
        return test(arguments, &path, &loaded);
    }
    report(&loaded, &loaded.diagnostics);
    let config = loaded.config.ok_or(Failed)?;
    match &arguments.signal {
        Some(word) => send_signal(&config, word),
        None => serve(arguments, path, config),
    }
}

impl Arguments {
    fn load_options(&self, mode: Mode) -> LoadOptions {
        LoadOptions {
            prefix: self.prefix.clone().unwrap_or_default(),
            listen: self.listen.clone(),
            globals: self.globals.clone(),
            error_log: self.error_log.clone().filter(|path| path.as_os_str() != "stderr"),
            is_root: nix::unistd::Uid::effective().is_root(),
            mode,
        }
    }
}

/// `-t`, `-T`, `-q`: nginx's lines.
fn test(arguments: &Arguments, path: &Path, loaded: &Loaded) -> Result<(), Failed> {
    let path = path.display();
    let (before, after) = loaded.diagnostics.split_at(loaded.syntax_ok.unwrap_or(loaded.diagnostics.len()));
    report(loaded, before);
    if loaded.syntax_ok.is_some() && !arguments.quiet {
        say(&format!("the configuration file {path} syntax is ok"));
    }
    report(loaded, after);
    let tested = loaded.config.as_ref().ok_or(Failed).and_then(|config| {
        crate::runtime::test(config).map_err(|error| {
            say(&format!("[emerg] {error}"));
            Failed
        })
    });
    if tested.is_err() {
        say(&format!("configuration file {path} test failed"));
        return Err(Failed);
    }
    if !arguments.quiet {
        say(&format!("configuration file {path} test is successful"));
    }
    if arguments.dump {
        dump(loaded);
    }
    Ok(())
}

/// The text of every file that was read, as `nginx -T` prints it.
fn dump(loaded: &Loaded) {
    let mut out = std::io::stdout().lock();
    for (file, name, bytes) in loaded.sources.files() {
        let _ = file;
        // Whoever reads this may stop reading.
        let _ = writeln!(out, "# configuration file {}:", name.display());
        let _ = out.write_all(bytes);
        let _ = writeln!(out);
    }
}

fn check_file(arguments: &Arguments, file: &Path, json: bool) -> Result<(), Failed> {
    let loaded = config::load(file, &FsLoader, &arguments.load_options(Mode::Collect));
    let report = if json { check::json(&loaded) } else { check::text(&loaded) };
    let _ = writeln!(std::io::stdout(), "{}", report.trim_end());
    loaded.config.map(|_| ()).ok_or(Failed)
}

fn send_signal(config: &Config, word: &str) -> Result<(), Failed> {
    let Some(path) = &config.main.pid else {
        say("[error] the configuration has no \"pid\" directive that would tell the running server");
        return Err(Failed);
    };
    pid::send(path, word).map_err(|error| {
        say(&format!("[error] {error}"));
        Failed
    })
}

fn serve(arguments: &Arguments, path: PathBuf, config: Config) -> Result<(), Failed> {
    let fail = |error: String| {
        say(&format!("[emerg] {error}"));
        Failed
    };
    if config.main.daemon && !daemon::is_child() {
        return daemon::start(std::env::args_os().skip(1)).map_err(fail);
    }
    if daemon::is_child() {
        daemon::detach();
    }
    log::init();
    runtime::privileges::use_small_pages();
    let options = arguments.load_options(Mode::FirstError);
    let reread = move || {
        let loaded = config::load(&path, &FsLoader, &options);
        for diagnostic in &loaded.diagnostics {
            log::event(diagnostic.severity, &diagnostic.text(&loaded.sources));
        }
        loaded.config
    };
    runtime::serve(config, Box::new(reread)).map_err(fail)
}

/// Prints what was found in a configuration: one line each, as nginx does, with the source line on a terminal.
fn report(loaded: &Loaded, diagnostics: &[Diagnostic]) {
    let terminal = std::io::stderr().is_terminal();
    for diagnostic in diagnostics {
        if diagnostic.severity > Severity::Notice {
            continue;
        }
        say(&if terminal { diagnostic.long(&loaded.sources) } else { diagnostic.line(&loaded.sources) });
    }
}

fn say(message: &str) {
    eprintln!("encke: {message}");
}

/// nginx's words for a command line that cannot be read.
fn usage_error(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument =
        context(ContextKind::InvalidArg).or(context(ContextKind::InvalidSubcommand)).unwrap_or_default();
    let option = argument.split(' ').next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidValue if !value.is_empty() => format!("invalid option: \"{option} {value}\""),
        ErrorKind::InvalidValue => format!("option \"{option}\" requires {}", what_it_requires(option)),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand if argument.starts_with("--") => {
            format!("invalid option: \"{argument}\"")
        }
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => {
            format!("invalid option: \"{}\"", argument.trim_start_matches('-'))
        }
        _ => error.to_string(),
    }
}

fn what_it_requires(option: &str) -> &'static str {
    match option {
        "-p" => "directory name",
        "-g" => "parameter",
        "-s" => "signal",
        "--listen" => "an address",
        _ => "file name",
    }
}
