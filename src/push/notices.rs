//! `nchan_subscribe_request` and `nchan_unsubscribe_request`: other locations are told of subscribers that come and go.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use crate::config::model::Severity;
use crate::config::template::Template;
use crate::request::RequestCtx;

use super::PushState;
use super::errands::{Done, Errands};
use super::hooks::{self, Inside, Subrequest};

/// Tells of a subscriber, however it came about that it goes, when it is dropped.
#[derive(Debug)]
pub struct Departure {
    herald: Herald,
    /// The word of its coming: nobody shall hear of its going first.
    arrival: Option<Done>,
}

/// What it takes to tell of a subscriber.
#[derive(Debug)]
struct Herald {
    ctx: Arc<RequestCtx>,
    inside: Arc<dyn Subrequest>,
    errands: Arc<Errands>,
}

/// Tells of a subscriber that came; `None` if nobody wants to know when it goes. Nothing waits for an answer.
pub fn arrive(state: &PushState, ctx: &RequestCtx, inside: &dyn Subrequest) -> Option<Departure> {
    let hooks = &ctx.conf.push.hooks;
    if hooks.subscribe.is_none() && hooks.unsubscribe.is_none() {
        return None;
    }
    let herald = Herald {
        ctx: Arc::new(hooks::keepsake(ctx)),
        inside: inside.detached(),
        errands: Arc::clone(&state.errands),
    };
    let arrival = hooks.subscribe.as_ref().and_then(|location| herald.tell(location, None));
    hooks.unsubscribe.is_some().then_some(Departure { herald, arrival })
}

impl Herald {
    /// Makes the request, after another one.
    fn tell(&self, location: &Template, after: Option<Done>) -> Option<Done> {
        let path = self.ctx.render(location);
        if path.is_empty() {
            return after;
        }
        let request = Inside {
            method: Method::GET,
            path: path.into(),
            args: self.ctx.args.clone(),
            body: Some(Bytes::new()),
            most_body: 0,
        };
        let (ctx, inside) = (Arc::clone(&self.ctx), Arc::clone(&self.inside));
        let done = self.errands.run(after, async move {
            inside.request(&ctx, request).await;
        });
        if done.is_none() {
            self.ctx.log(Severity::Error, "nobody is told of a subscriber: too many such requests wait");
        }
        done
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let ctx = Arc::clone(&self.herald.ctx);
        if let Some(location) = &ctx.conf.push.hooks.unsubscribe {
            self.herald.tell(location, self.arrival.take());
        }
    }
}
