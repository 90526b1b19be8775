//! The switches: nginx's, and a few of our own.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Parser, Subcommand};

/// A comet (HTTP push) server that reads the nginx configuration you already have.
#[derive(Debug, Parser)]
#[command(
    name = "encke",
    disable_help_flag = true,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    args_override_self = true
)]
pub struct Arguments {
    /// this help
    #[arg(short = 'h', long = "help", short_alias = '?', action = ArgAction::Help)]
    help: Option<bool>,
    /// show version and exit
    #[arg(short = 'v', long = "version")]
    pub version: bool,
    /// show version and how it was built, then exit
    #[arg(short = 'V')]
    pub build: bool,
    /// test configuration and exit
    #[arg(short = 't')]
    pub test: bool,
    /// test configuration, dump it and exit
    #[arg(short = 'T')]
    pub dump: bool,
    /// suppress non-error messages during configuration testing
    #[arg(short = 'q')]
    pub quiet: bool,
    /// send signal to a running server: stop, quit, reopen, reload
    #[arg(short = 's', value_name = "signal", value_parser = ["stop", "quit", "reopen", "reload"])]
    pub signal: Option<String>,
    /// set prefix path: relative paths of the configuration, logs and the pid file are below it (default: the
    /// current directory)
    #[arg(short = 'p', value_name = "prefix")]
    pub prefix: Option<PathBuf>,
    /// set error log file, `stderr` for standard error (default)
    #[arg(short = 'e', value_name = "filename")]
    pub error_log: Option<PathBuf>,
    /// set configuration file (default: /etc/encke/encke.conf)
    #[arg(short = 'c', value_name = "filename")]
    pub config: Option<PathBuf>,
    /// set global directives out of configuration file
    #[arg(short = 'g', value_name = "directives")]
    pub globals: Option<String>,
    /// listen here if the configuration is a fragment without addresses of its own; may be repeated
    #[arg(long = "listen", value_name = "address", action = ArgAction::Append)]
    pub listen: Vec<String>,
    /// What else to do than to serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else than nginx's switches there is.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// tell what a configuration would do here: what is honoured, what has no effect, what is refused
    Check {
        /// the configuration
        file: PathBuf,
        /// as JSON
        #[arg(long)]
        json: bool,
    },
}

/// nginx's words for a command line that cannot be read.
pub fn usage_error(error: &clap::Error) -> String {
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
        "-g" | "-s" => "parameter",
        "--listen" => "an address",
        _ => "file name",
    }
}
