//! `index` and `random_index`: the file that answers for a directory.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;

use crate::config::model::Severity;
use crate::log;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::content::{Content, InternalRedirect};
use crate::request::open;
use crate::request::path::{FilePath, as_path};

/// Sends the request to the first index file that is there. `None` if there is a directory, but no such file.
pub fn find(ctx: &RequestCtx) -> Option<Content> {
    let mut tested = false;
    for name in ctx.conf.files.index.iter() {
        let name = ctx.render(name);
        if name.starts_with(b"/") {
            return Some(redirect(ctx, name));
        }
        let Some(directory) = ctx.file_path() else { return Some(Content::Answer(Answer::error(500))) };
        let length = directory.path.len();
        let mut path = directory;
        path.path.extend_from_slice(&name);
        let Err(error) = open::metadata(ctx, path.as_path()) else {
            return Some(redirect(ctx, [&ctx.uri, &name[..]].concat()));
        };
        let errno = error.raw_os_error().map(Errno::from_raw);
        if matches!(errno, Some(Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::EACCES | Errno::ELOOP)) {
            return Some(Content::Answer(missing(ctx, &path, &error)));
        }
        if !tested {
            if let Some(answer) = test_directory(ctx, &path, length) {
                return Some(Content::Answer(answer));
            }
            tested = true;
        }
        if errno != Some(Errno::ENOENT) {
            let text = format!(
                "{} \"{}\" failed ({})",
                open::call(ctx, "stat()"),
                path.text(),
                log::os_error(&error)
            );
            ctx.log(Severity::Crit, &text);
            return Some(Content::Answer(Answer::error(500)));
        }
    }
    None
}

fn redirect(ctx: &RequestCtx, path: Vec<u8>) -> Content {
    Content::Redirect(InternalRedirect::Uri { path: path.into(), args: ctx.args.clone() })
}

/// The answer where the directory of an index file (the first `length` bytes of its path) is none.
fn test_directory(ctx: &RequestCtx, path: &FilePath, length: usize) -> Option<Answer> {
    let directory = &path.path[..length];
    let directory = directory.strip_suffix(b"/").filter(|shorter| !shorter.is_empty()).unwrap_or(directory);
    let error = match open::metadata(ctx, as_path(directory)) {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => {
            let directory = String::from_utf8_lossy(directory);
            ctx.log(Severity::Alert, &format!("\"{directory}\" is not a directory"));
            return Some(Answer::error(500));
        }
        Err(error) => error,
    };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => Some(missing(ctx, path, &error)),
        Some(Errno::EACCES | Errno::ELOOP) => None,
        _ => {
            let (call, directory) = (open::call(ctx, "stat()"), String::from_utf8_lossy(directory));
            let text = format!("{call} \"{directory}\" failed ({})", log::os_error(&error));
            ctx.log(Severity::Crit, &text);
            Some(Answer::error(500))
        }
    }
}

fn missing(ctx: &RequestCtx, path: &FilePath, error: &io::Error) -> Answer {
    let (path, text) = (path.text(), log::os_error(error));
    let errno = error.raw_os_error().map(Errno::from_raw);
    if errno == Some(Errno::ELOOP) {
        return Answer::error(403);
    }
    if errno == Some(Errno::EACCES) {
        ctx.log(Severity::Error, &format!("\"{path}\" is forbidden ({text})"));
        return Answer::error(403);
    }
    if ctx.conf.files.log_not_found {
        ctx.log(Severity::Error, &format!("\"{path}\" is not found ({text})"));
    }
    Answer::error(404)
}

/// Sends the request to any file of the directory. `None` if it has none.
pub fn random(ctx: &RequestCtx) -> Option<Content> {
    let Some(path) = ctx.file_path() else { return Some(Content::Answer(Answer::error(500))) };
    let names = match files(path.as_path()) {
        Ok(names) => names,
        Err(error) => return Some(Content::Answer(super::listing::cannot_open(ctx, &path, &error))),
    };
    let mut random = [0; 8];
    // Without a source of randomness it is always the first.
    let _ = getrandom::fill(&mut random);
    let count = u64::try_from(names.len()).ok().filter(|count| *count > 0)?;
    let chosen = usize::try_from(u64::from_ne_bytes(random) % count).unwrap_or(0);
    Some(redirect(ctx, [&ctx.uri, &names[chosen][..]].concat()))
}

/// Names of the regular files of a directory that are not hidden.
fn files(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().as_bytes().to_vec();
        if !name.starts_with(b".") && fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
            names.push(name);
        }
    }
    Ok(names)
}
