//! Bodies of requests in files: `client_body_in_file_only`, `client_body_temp_path`.

use std::sync::Arc;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::diag::{self, Diagnostic};
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{BodiesConf, BodyFiles, TempPath};
use super::super::value;
use super::{HSL, Module, ONE, done};

draft! {
    /// Where a block's bodies of requests go.
    BodiesDraft {
        in_file_only: BodyFiles,
        temp_path: Arc<TempPath>,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_core_module: bodies", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "client_body_in_file_only",
        HSL,
        ONE,
        "off",
        "Whether every body that is read is written to a file, which `$request_body_file` names: `on`, or `clean` to \
         remove it when the request ends.",
        |b, call| {
            use BodyFiles::{Clean, Keep, Off};
            let words = &[("off", Off), ("on", Keep), ("clean", Clean)];
            call.fill(&mut b.block().conf.bodies.in_file_only, |call| call.one_of(words))
        },
    ),
    done(
        "client_body_temp_path",
        HSL,
        Arity::between(1, 4),
        "client_body_temp",
        "The directory of those files, and how many digits from the end of a file's number name the directories on the \
         way to it: up to three levels.",
        temp_path,
    ),
];

/// Digits of a file's number: levels take no more.
const DIGITS: usize = 10;

fn temp_path(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.bodies.temp_path.is_some() {
        return Err(call.duplicate());
    }
    let levels: Outcome<Vec<usize>> = call.args().skip(1).map(|level| self::level(call, level)).collect();
    let levels = levels?;
    if levels.iter().sum::<usize>() > DIGITS {
        return Err(call.invalid_value());
    }
    let path = TempPath { directory: b.path(call.arg(0)), levels };
    let name = path.directory.display();
    match b.temp_paths.iter().find(|(earlier, _)| earlier.directory == path.directory) {
        Some((earlier, span)) if earlier.levels != path.levels => {
            let place = diag::place(b.sources, *span);
            let text = format!("the same path name \"{name}\" in {place} has the different levels than");
            return Err(Diagnostic::emerg(text));
        }
        Some(_) => {}
        None => b.temp_paths.push((path.clone(), call.span())),
    }
    b.block().conf.bodies.temp_path = Some(Arc::new(path));
    Ok(())
}

fn level(call: &Call<'_>, text: &[u8]) -> Outcome<usize> {
    let level = value::number(text).and_then(|level| usize::try_from(level).ok());
    level.filter(|level| (1..=DIGITS).contains(level)).ok_or_else(|| call.invalid_value())
}

impl BodiesDraft {
    /// The settings in force; `default` is the path without `client_body_temp_path`.
    pub fn finish(&self, default: &Arc<TempPath>) -> BodiesConf {
        BodiesConf {
            files: self.in_file_only.unwrap_or_default(),
            temp_path: Arc::clone(self.temp_path.as_ref().unwrap_or(default)),
        }
    }
}

/// The path without `client_body_temp_path`.
pub fn default_temp_path(b: &Builder<'_>) -> Arc<TempPath> {
    Arc::new(TempPath { directory: b.path(b"client_body_temp"), levels: Vec::new() })
}
