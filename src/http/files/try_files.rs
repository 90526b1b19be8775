//! `try_files`: between access rules and the handler of a location.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::config::model::{Alias, FallbackTarget, TryFiles};
use crate::config::template::Template;
use crate::request::answer::Answer;
use crate::request::content::InternalRedirect;
use crate::request::open;
use crate::request::{RequestCtx, uri};

/// Where the files led.
enum Found {
    /// To this URI, in the same location.
    Uri(Box<[u8]>),
    /// To a file behind the alias of a regular expression.
    BehindAlias(Box<[u8]>),
    /// To a directory of such an alias: all stays as it is.
    Same,
    /// Nowhere.
    Elsewhere(Response),
}

/// Looks for files before a handler.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let Some(mut ctx) = request.extensions().get::<Arc<RequestCtx>>().map(Arc::clone) else {
        return Answer::error(500).into_response();
    };
    let Some(tried) = ctx.conf.try_files.clone() else { return next.run(request).await };
    match find(&ctx, &tried) {
        Found::Same => return next.run(request).await,
        Found::Elsewhere(response) => return response,
        Found::Uri(uri) => Arc::make_mut(&mut ctx).uri = uri,
        Found::BehindAlias(uri) => {
            let ctx = Arc::make_mut(&mut ctx);
            (ctx.uri, ctx.uri_behind_alias) = (uri, true);
        }
    }
    request.extensions_mut().insert(Arc::clone(&ctx));
    let mut response = next.run(request).await;
    response.extensions_mut().get_or_insert(ctx);
    response
}

fn find(ctx: &RequestCtx, tried: &TryFiles) -> Found {
    let Some(base) = ctx.file_path() else { return Found::Elsewhere(Answer::error(500).into_response()) };
    for file in &tried.files {
        let name = name(ctx, &file.name);
        let path = base.with_name(&name);
        match open::metadata(ctx, path.as_path()) {
            Ok(metadata) if metadata.is_dir() == file.directory => {
                return taken(ctx, name, file.directory);
            }
            Ok(_) => {}
            Err(error) => open::complain(ctx, path.as_path(), &error),
        }
    }
    Found::Elsewhere(match &tried.fallback {
        FallbackTarget::Code(code) => Answer::error(*code).into_response(),
        FallbackTarget::Uri(target) => {
            let target = name(ctx, target);
            match target.strip_prefix(b"@") {
                Some(name) => InternalRedirect::Named(name.into()),
                None => {
                    let (path, args) = uri::split_args(&target);
                    InternalRedirect::Uri { path: path.into(), args: args.into() }
                }
            }
            .into_response()
        }
    })
}

/// A name behind the root. Of one with variables, what an alias stands for is taken away.
fn name(ctx: &RequestCtx, template: &Template) -> Vec<u8> {
    let mut name = ctx.render(template);
    if template.as_literal().is_none()
        && let Some(Alias::Prefix(length)) = ctx.conf.files.root.alias
        && ctx.uri.get(..length).is_some_and(|prefix| name.starts_with(prefix))
    {
        name.drain(..length);
    }
    name
}

fn taken(ctx: &RequestCtx, name: Vec<u8>, directory: bool) -> Found {
    match ctx.conf.files.root.alias {
        None => Found::Uri(name.into()),
        Some(Alias::Whole) if directory => Found::Same,
        Some(Alias::Whole) => Found::BehindAlias(name.into()),
        Some(Alias::Prefix(length)) => {
            let prefix = ctx.uri.get(..length).unwrap_or_default();
            Found::Uri([prefix, &name].concat().into())
        }
    }
}
