//! `mirror`: a tower layer that makes requests inside for those that pass it, and looks at no answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tower::{Layer, Service};

use crate::config::model::LocationConf;
use crate::push::hooks::{Inside, Subrequest};
use crate::request::answer::Answer;
use crate::request::{RequestCtx, body};

/// Puts `mirror` around a location's handler.
#[derive(Clone, Debug)]
pub struct MirrorLayer;

impl MirrorLayer {
    /// `None` for a location without mirrors.
    pub fn of(conf: &LocationConf) -> Option<Self> {
        (!conf.mirror.uris.is_empty()).then_some(Self)
    }
}

impl<S> Layer<S> for MirrorLayer {
    type Service = Mirror<S>;

    fn layer(&self, inner: S) -> Mirror<S> {
        Mirror { inner }
    }
}

/// A handler whose requests are mirrored.
#[derive(Clone, Debug)]
pub struct Mirror<S> {
    inner: S,
}

impl<S> Service<Request> for Mirror<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let ctx = request.extensions().get::<Arc<RequestCtx>>().map(Arc::clone);
        let inside = request.extensions().get::<Arc<dyn Subrequest>>().map(Arc::clone);
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            if let Some((ctx, inside)) = ctx.zip(inside).filter(|(ctx, _)| ctx.depth == 0)
                && let Err(answer) = reflect(&ctx, &inside).await
            {
                return Ok(answer.into_response());
            }
            inner.call(request).await
        })
    }
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
