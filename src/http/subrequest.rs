//! Requests made inside the server: through its rewrite directives, its locations (past their access rules), handlers and
//! error pages, answered to the caller. They never wait, and leave no lines in access logs unless `log_subrequest`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http_body_util::BodyExt as _;
use tokio::task::JoinSet;

use crate::config::model::Severity;
use crate::push::hooks::{Inside, InsideAnswer, Subrequest};
use crate::push::waiting::ParkSlot;
use crate::request::answer::{Answer, Sent};
use crate::request::evaluation::AnswerSoFar;
use crate::request::log_line::PendingLog;
use crate::request::payload::{Payload, Pieces};
use crate::request::{RequestCtx, pages};

use super::gate::ClientWatch;
use super::service::{self, Exchange};

/// How deep requests may be made inside of one another, as in nginx.
const DEEPEST: u8 = 50;

impl Subrequest for Exchange {
    fn request<'a>(
        &'a self,
        parent: &'a RequestCtx,
        inside: Inside,
    ) -> Pin<Box<dyn Future<Output = InsideAnswer> + Send + 'a>> {
        let most_body = inside.most_body;
        let ctx = context(parent, inside);
        Box::pin(async move {
            let failed =
                |ctx| InsideAnswer { answer: Answer::error(500), body: Bytes::new(), ctx: Arc::new(ctx) };
            if ctx.depth > DEEPEST {
                let path = String::from_utf8_lossy(&ctx.uri);
                parent.log(Severity::Error, &format!("subrequests cycle while processing \"{path}\""));
                return failed(ctx);
            }
            // In a task of its own: fifty of them inside of one another would not fit on the stack. It ends with the set.
            let mut task = JoinSet::new();
            task.spawn(make(self.clone(), ctx.clone(), most_body));
            match task.join_next().await {
                Some(Ok(answer)) => answer,
                _ => failed(ctx),
            }
        })
    }

    fn detached(&self) -> Arc<dyn Subrequest> {
        let slot = Arc::new(ParkSlot::new(self.slot.worker()));
        Arc::new(Self { slot, client: ClientWatch::default(), ..self.clone() })
    }
}

async fn make(exchange: Exchange, ctx: RequestCtx, most_body: usize) -> InsideAnswer {
    let (ctx, mut answer) = service::answer_inside(&exchange, ctx).await;
    if answer.special {
        answer = pages::complete(answer, &ctx);
    }
    let body = match std::mem::take(&mut answer.body) {
        Payload::Whole(bytes) if bytes.len() <= most_body => Some(bytes),
        Payload::Whole(_) => None,
        Payload::Pieces(pieces) => read(pieces.take(), most_body).await,
        Payload::Source(source) => read(Pieces::all(source).take(), most_body).await,
    };
    if body.is_none() && most_body > 0 {
        ctx.log(Severity::Error, "too big subrequest response");
        answer = Answer::error(500);
    }
    if ctx.conf.auth_request.log_subrequest
        && let Some(log) = PendingLog::new(&ctx)
    {
        let sent = Sent { status: answer.status, complete: true, ..Sent::default() };
        log.write(&AnswerSoFar { sent, ..AnswerSoFar::default() });
    }
    InsideAnswer { answer, body: body.unwrap_or_default(), ctx: Arc::new(ctx) }
}

/// The request as its location will see it.
fn context(parent: &RequestCtx, inside: Inside) -> RequestCtx {
    let mut ctx = parent.clone();
    ctx.client_method.get_or_insert_with(|| parent.method.clone());
    ctx.depth = ctx.depth.saturating_add(1);
    (ctx.method, ctx.uri, ctx.args) = (inside.method, inside.path, inside.args);
    (ctx.internal, ctx.changed) = (true, true);
    (ctx.error_status, ctx.limit_rate) = (0, None);
    ctx.uri_changes = service::MOST_REDIRECTS + 1;
    ctx.values.set_captures(Vec::new());
    ctx.carried.clear();
    ctx.upstream = Default::default();
    ctx.body = ctx.body.given_up();
    if let Some(body) = inside.body {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        ctx.headers.remove("transfer-encoding");
        ctx.headers.insert("content-length", HeaderValue::from(length));
        ctx.body = ctx.body.replaced(body);
    }
    ctx
}

/// Reads a body; `None` when it breaks off or is too long.
async fn read(mut body: Body, most: usize) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while most > 0
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame.ok()?.into_data() {
            if bytes.len() + data.len() > most {
                return None;
            }
            bytes.extend_from_slice(&data);
        }
    }
    Some(bytes.freeze())
}
