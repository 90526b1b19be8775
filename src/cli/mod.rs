//! The command line: nginx's switches, and a few of our own.

mod arguments;
mod guise;

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use encke_parser::FsLoader;

use crate::config::diag::Diagnostic;
use crate::config::model::{Config, Severity};
use crate::config::{self, LoadOptions, Loaded, Mode, check};
use crate::log;
use crate::runtime::{self, daemon, inherit, pid, program, upgrade};

use arguments::{Arguments, Command, usage_error};
use guise::Guise;

/// Runs the command line; what it returns is the exit code: 0, or 1 after an error.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let guise = Guise::of(arguments.first().map_or(OsStr::new(""), OsString::as_os_str));
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => {
            run(&Call { guise, arguments }).map_or_else(|Failed| ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            match guise.help() {
                Some(help) => eprint!("{help}"),
                None => drop(error.print()),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            guise.say(&usage_error(&error));
            ExitCode::FAILURE
        }
    }
}

/// The command line as data: what the manual page and the shells' completions are made from.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// It did not work, and why was said.
struct Failed;

/// One call of the program.
struct Call {
    guise: &'static Guise,
    arguments: Arguments,
}

fn run(call: &Call) -> Result<(), Failed> {
    let Call { guise, arguments } = call;
    if let Some(Command::Check { file, json }) = &arguments.command {
        return call.check_file(file, *json);
    }
    if arguments.version || arguments.build {
        guise.print_version(arguments.build);
        return Ok(());
    }
    let path = call.config();
    let loaded = config::load(&path, &FsLoader, &call.load_options(Mode::FirstError));
    if arguments.test || arguments.dump {
        return call.test(&path, &loaded);
    }
    call.report(&loaded, &loaded.diagnostics);
    if upgrade::is_under_way()
        && let Some(error) = loaded.error()
    {
        upgrade::refuse(&error.line(&loaded.sources));
    }
    let config = loaded.config.ok_or(Failed)?;
    match &arguments.signal {
        Some(word) => call.send_signal(&config, word),
        None => call.serve(&path, config),
    }
}

impl Call {
    /// The configuration: a relative path is below the prefix, as in nginx.
    fn config(&self) -> PathBuf {
        let given = self.arguments.config.as_deref().unwrap_or(Path::new(self.guise.config));
        self.prefix().map_or_else(|| given.to_owned(), |prefix| prefix.join(given))
    }

    fn prefix(&self) -> Option<&Path> {
        self.arguments.prefix.as_deref().or(self.guise.prefix.map(Path::new))
    }

    fn load_options(&self, mode: Mode) -> LoadOptions {
        let arguments = &self.arguments;
        LoadOptions {
            prefix: absolute(self.prefix().unwrap_or(Path::new("."))),
            listen: arguments.listen.clone(),
            globals: arguments.globals.clone(),
            error_log: arguments.error_log.clone().filter(|path| path.as_os_str() != "stderr"),
            pid: self.guise.pid.map(PathBuf::from),
            daemon: self.guise.daemon,
            is_root: nix::unistd::Uid::effective().is_root(),
            mode,
        }
    }
    /// `-t`, `-T`, `-q`: nginx's lines.
    fn test(&self, path: &Path, loaded: &Loaded) -> Result<(), Failed> {
        let (arguments, say) = (&self.arguments, |message: &str| self.guise.say(message));
        let path = path.display();
        let (before, after) =
            loaded.diagnostics.split_at(loaded.syntax_ok.unwrap_or(loaded.diagnostics.len()));
        self.report(loaded, before);
        if loaded.syntax_ok.is_some() && !arguments.quiet {
            say(&format!("the configuration file {path} syntax is ok"));
        }
        self.report(loaded, after);
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

    fn check_file(&self, file: &Path, json: bool) -> Result<(), Failed> {
        let loaded = config::load(file, &FsLoader, &self.load_options(Mode::Collect));
        let report = if json { check::json(&loaded) } else { check::text(&loaded) };
        let _ = writeln!(std::io::stdout(), "{}", report.trim_end());
        loaded.config.map(|_| ()).ok_or(Failed)
    }

    /// `-s`: tells the running server, which its pid file names.
    fn send_signal(&self, config: &Config, word: &str) -> Result<(), Failed> {
        let Some(path) = &config.main.pid else {
            self.guise
                .say("[error] the configuration has no \"pid\" directive that would tell the running server");
            return Err(Failed);
        };
        pid::send(path, word).map_err(|error| {
            self.guise.say(&error);
            Failed
        })
    }

    fn serve(&self, path: &Path, config: Config) -> Result<(), Failed> {
        let fail = |error: String| {
            self.guise.say(&format!("[emerg] {error}"));
            Failed
        };
        program::remember();
        if config.main.daemon && !daemon::is_child() && !inherit::is_follower() {
            return daemon::start(std::env::args_os().skip(1)).map_err(fail);
        }
        if daemon::is_child() {
            daemon::detach();
        }
        log::init();
        runtime::privileges::use_small_pages();
        let options = self.load_options(Mode::FirstError);
        // The process may go to another directory.
        let path = absolute(path);
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
    fn report(&self, loaded: &Loaded, diagnostics: &[Diagnostic]) {
        let terminal = std::io::stderr().is_terminal();
        for diagnostic in diagnostics {
            if diagnostic.severity > Severity::Notice {
                continue;
            }
            self.guise.say(&if terminal {
                diagnostic.long(&loaded.sources)
            } else {
                diagnostic.line(&loaded.sources)
            });
        }
    }
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

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
