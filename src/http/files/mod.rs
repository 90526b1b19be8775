//! Files: what nginx's static, index, autoindex and gzip_static modules do with a request that has no other handler.

pub mod conditions;
mod index;
mod listing;
pub mod ranges;
pub mod try_files;

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse as _, Response};
use http::Method;

use crate::config::model::{GzipStatic, Severity};
use crate::log;
use crate::request::RequestCtx;
use crate::request::answer::{Answer, Ranges};
use crate::request::content::Content;
use crate::request::gzip::{self, Acceptance, ProxiedAnswer};
use crate::request::open;
use crate::request::open_files::{Found, OpenFile};
use crate::request::path::FilePath;
use crate::request::payload::Payload;

use super::location;

/// A transparent image of one dot.
const GIF: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x01\x00,\
    \x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02L\x01\x00;";

/// `Last-Modified` of that image: nginx's author was born there.
const GIF_TIME: i64 = 23_349_600;

/// Answers with the file, the index or the listing that the URI is for.
pub async fn serve(Extension(ctx): Extension<Arc<RequestCtx>>) -> Response {
    match content(&ctx).await {
        Content::Answer(answer) => answer.into_response(),
        Content::Redirect(redirect) => redirect.into_response(),
    }
}

/// `empty_gif`.
pub async fn empty_gif(Extension(ctx): Extension<Arc<RequestCtx>>) -> Response {
    if !matches!(ctx.method, Method::GET | Method::HEAD) {
        return Answer::error(405).into_response();
    }
    let image = Answer::text(200, *b"image/gif", GIF);
    Answer { last_modified: Some(GIF_TIME), conditional: true, ..image }.into_response()
}

async fn content(ctx: &RequestCtx) -> Content {
    if !ctx.uri.ends_with(b"/") {
        return Content::Answer(file(ctx));
    }
    let readable = matches!(ctx.method, Method::GET | Method::HEAD | Method::POST);
    if readable
        && ctx.conf.files.random_index
        && let Some(content) = index::random(ctx)
    {
        return content;
    }
    if readable && let Some(content) = index::find(ctx) {
        return content;
    }
    if ctx.conf.files.listing.enabled && matches!(ctx.method, Method::GET | Method::HEAD) {
        return Content::Answer(listing::answer(ctx).await);
    }
    if !readable {
        return Content::Answer(Answer::error(405));
    }
    if let Some(path) = ctx.file_path() {
        ctx.log(Severity::Error, &format!("directory index of \"{}\" is forbidden", path.text()));
    }
    Content::Answer(Answer::error(403))
}

fn file(ctx: &RequestCtx) -> Answer {
    let mut vary = false;
    if matches!(ctx.method, Method::GET | Method::HEAD) && ctx.conf.files.gzip_static != GzipStatic::Off {
        match compressed(ctx) {
            Compressed::Answer(answer) => return *answer,
            Compressed::NotTaken => vary = true,
            Compressed::None => {}
        }
    }
    Answer { vary, ..plain(ctx) }
}

fn plain(ctx: &RequestCtx) -> Answer {
    if !matches!(ctx.method, Method::GET | Method::HEAD | Method::POST) {
        return Answer::error(405);
    }
    let Some(path) = ctx.file_path() else { return Answer::error(500) };
    match open::open(ctx, path.as_path()) {
        Ok(Found::Directory(_)) => location::slash_redirect(ctx),
        Ok(Found::File(file)) if !file.is_regular() => {
            ctx.log(Severity::Crit, &format!("\"{}\" is not a regular file", path.text()));
            Answer::error(404)
        }
        Ok(Found::File(_)) if ctx.method == Method::POST => Answer::error(405),
        Ok(Found::File(file)) => send(ctx, file),
        Err(error) => refuse(ctx, &path, &error),
    }
}

/// The answer with an open file.
fn send(ctx: &RequestCtx, file: OpenFile) -> Answer {
    let (modified, length) = (file.modified(), file.length());
    Answer {
        status: 200,
        content_type: Some(ctx.content_type_of_uri()),
        last_modified: Some(modified),
        etag: ctx.conf.files.etag.then(|| format!("\"{modified:x}-{length:x}\"").into_bytes()),
        ranges: Ranges::Accepted,
        body: Payload::Source(file.into_source(ctx)),
        conditional: true,
        ..Answer::default()
    }
}

/// What `gzip_static` comes to.
enum Compressed {
    Answer(Box<Answer>),
    /// There is a compressed file that this client does not take.
    NotTaken,
    None,
}

/// Looks for `FILE.gz`.
fn compressed(ctx: &RequestCtx) -> Compressed {
    let always = ctx.conf.files.gzip_static == GzipStatic::Always;
    let taken = always
        || match gzip::acceptance(ctx) {
            Acceptance::Always => true,
            Acceptance::Proxied => gzip::proxied(&ctx.conf.gzip.proxied, &ProxiedAnswer::default()),
            Acceptance::Never => false,
        };
    if !taken && !ctx.conf.gzip.vary {
        return Compressed::None;
    }
    let Some(mut path) = ctx.file_path() else { return Compressed::Answer(Box::new(Answer::error(500))) };
    path.path.extend_from_slice(b".gz");
    let found = match open::open(ctx, path.as_path()) {
        Ok(found) => found,
        Err(error) => {
            let severity = match open::status(&error) {
                404 => return Compressed::None,
                403 => Severity::Error,
                _ => Severity::Crit,
            };
            failed(ctx, severity, &path, &error);
            return Compressed::None;
        }
    };
    match found {
        _ if !taken => Compressed::NotTaken,
        Found::Directory(_) => Compressed::None,
        Found::File(file) if !file.is_regular() => {
            ctx.log(Severity::Crit, &format!("\"{}\" is not a regular file", path.text()));
            Compressed::Answer(Box::new(Answer::error(404)))
        }
        Found::File(file) => {
            let answer = send(ctx, file).with_header("Content-Encoding", "gzip");
            Compressed::Answer(Box::new(Answer { vary: !always, ranges: Ranges::None, ..answer }))
        }
    }
}

/// The answer for a file that the system does not give.
fn refuse(ctx: &RequestCtx, path: &FilePath, error: &std::io::Error) -> Answer {
    let status = open::status(error);
    let severity = if status == 500 { Severity::Crit } else { Severity::Error };
    if status != 404 || ctx.conf.files.log_not_found {
        failed(ctx, severity, path, error);
    }
    Answer::error(status)
}

fn failed(ctx: &RequestCtx, severity: Severity, path: &FilePath, error: &std::io::Error) {
    let call = open::call(ctx, "open()");
    ctx.log(severity, &format!("{call} \"{}\" failed ({})", path.text(), log::os_error(error)));
}
