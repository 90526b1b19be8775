//! `nchan_publisher_upstream_request`: another location is shown a message before it is published.

use bytes::Bytes;
use http::Method;

use crate::config::model::Severity;
use crate::request::RequestCtx;

use super::hooks::{Inside, Subrequest};

/// What the other location says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message is published as it was.
    AsItWas,
    /// This is published in its place.
    Instead {
        /// The message.
        body: Bytes,
        /// Its type.
        content_type: Option<Box<[u8]>>,
    },
    /// Nothing is published, and that is well.
    Nothing,
    /// The publisher may not.
    Refused,
}

/// Asks about a message, with the arguments of the request. `None` where nobody is to be asked.
pub async fn ask(ctx: &RequestCtx, inside: &dyn Subrequest, message: &Bytes) -> Option<Verdict> {
    let location = ctx.conf.push.hooks.publisher_upstream.as_ref()?;
    let path = ctx.render(location);
    if path.is_empty() {
        // Nobody can be asked, so nobody may pass.
        ctx.log(Severity::Error, "nchan_publisher_upstream_request names no location");
        return Some(Verdict::Refused);
    }
    let request = Inside {
        method: Method::POST,
        path: path.into(),
        args: ctx.args.clone(),
        body: Some(message.clone()),
        most_body: longest(ctx),
    };
    let told = inside.request(ctx, request).await;
    Some(match told.answer.status {
        200..=202 => Verdict::Instead { body: told.body, content_type: told.answer.content_type },
        204 => Verdict::Nothing,
        304 => Verdict::AsItWas,
        _ => Verdict::Refused,
    })
}

/// Longest message that is taken, from clients and from other locations: `client_max_body_size`.
pub fn longest(ctx: &RequestCtx) -> usize {
    let limit = ctx.conf.core.client_max_body_size.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(usize::MAX)
}
