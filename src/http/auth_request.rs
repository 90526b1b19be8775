//! `auth_request`: another location is asked for leave.

use std::sync::Arc;

use http::Method;

use crate::config::model::{AuthVariable, Severity};
use crate::push::hooks::{Inside, Subrequest};
use crate::request::answer::Answer;
use crate::request::{RequestCtx, uri};

/// Asks; returns the request with what `auth_request_set` set, and the answer for one that may not pass.
pub async fn ask(
    ctx: &Arc<RequestCtx>,
    inside: &dyn Subrequest,
    target: &[u8],
) -> (Arc<RequestCtx>, Result<(), Answer>) {
    let (path, args) = uri::split_args(target);
    let request =
        Inside { method: Method::GET, path: path.into(), args: args.into(), body: None, most_body: 0 };
    let told = inside.request(ctx, request).await;
    let verdict = match told.answer.status {
        200..=299 => Ok(()),
        401 => {
            let answer = Answer::error(401);
            Err(match told.header("WWW-Authenticate") {
                Some(value) => answer.with_header("WWW-Authenticate", value.to_vec()),
                None => answer,
            })
        }
        403 => Err(Answer::error(403)),
        499 => Err(Answer { silent: true, ..Answer::empty(499) }),
        status => {
            ctx.log(
                Severity::Error,
                &format!("auth request unexpected status: {status} while sending to client"),
            );
            Err(Answer::error(500))
        }
    };
    let set = &ctx.conf.auth_request.set;
    if set.is_empty() {
        return (Arc::clone(ctx), verdict);
    }
    let mut changed = RequestCtx::clone(ctx);
    for (variable, value) in set.iter() {
        let value = told.ctx.render(value);
        match variable {
            AuthVariable::Named(index) => changed.values.set(*index, Some(value.into())),
            AuthVariable::LimitRate => changed.set_limit_rate(&value),
            AuthVariable::Args => (changed.args, changed.changed) = (value.into(), true),
        }
    }
    (Arc::new(changed), verdict)
}
