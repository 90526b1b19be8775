//! `mirror`: a tower layer that makes requests inside for those that pass it, and looks at no answer.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::push::hooks::{Inside, Subrequest};
use crate::request::answer::Answer;
use crate::request::{RequestCtx, body};

/// Mirrors the client's own requests, and lets all go on.
pub async fn layer(
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(inside): Extension<Arc<dyn Subrequest>>,
    request: Request,
    next: Next,
) -> Response {
    if ctx.depth == 0
        && let Err(answer) = reflect(&ctx, &inside).await
    {
        return answer.into_response();
    }
    // The request is changed in place while nobody else holds it.
    drop(ctx);
    next.run(request).await
}

/// Starts the requests; only the body of the original is waited for.
async fn reflect(ctx: &Arc<RequestCtx>, inside: &Arc<dyn Subrequest>) -> Result<(), Answer> {
    let mirror = &ctx.conf.mirror;
    let body = if mirror.request_body { Some(body::read(ctx).await?) } else { None };
    for uri in mirror.uris.iter() {
        let request = Inside {
            method: ctx.method.clone(),
            path: uri.clone(),
            args: ctx.args.clone(),
            body: body.clone().filter(|body| !body.is_empty()),
            most_body: 0,
        };
        let (ctx, inside) = (Arc::clone(ctx), Arc::clone(inside));
        tokio::spawn(async move {
            inside.request(&ctx, request).await;
        });
    }
    Ok(())
}
