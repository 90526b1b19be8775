//! Messages in the body of a request, published in one channel.

use std::sync::Arc;

use crate::config::model::{BodyFiles, Dialect, LocationConf};
use crate::request::RequestCtx;
use crate::request::answer::{LastHead, Rendered, Responder};
use crate::request::log_line::RepeatedLog;
use crate::request::made_again::Differs;
use crate::store::Store;

use super::super::cors::Origin;
use super::super::info::Form;
use super::super::publication::Publication;
use super::likeness::Likeness;
use super::{Repeat, Request};

/// A publisher's request that was answered, and may be made again: with another message, and perhaps in another channel.
#[derive(Clone, Debug)]
pub struct Publish {
    likeness: Arc<Likeness>,
    publication: Publication,
    content_type: Option<Box<[u8]>>,
    form: Form,
    origin: Option<Origin>,
    responder: Responder,
    /// All else of its answers comes from the location and from what the requests have in common.
    last_head: Option<LastHead>,
    pub(super) log: Option<RepeatedLog>,
}

impl Publish {
    /// For a message that was published so; `None` where the request has to go the whole way each time.
    pub fn of(
        ctx: &RequestCtx,
        publication: Publication,
        form: Form,
        origin: Option<&Origin>,
    ) -> Option<Repeat> {
        let conf = &*ctx.conf;
        let push = &conf.push;
        let is_simple = push.events.channel_id.is_none()
            && push.hooks.publisher_upstream.is_none()
            && conf.bodies.files == BodyFiles::default()
            && publication.keys().len() == 1
            && (ctx.method == http::Method::POST || push.dialect == Dialect::Nchan);
        let responder = Responder::new(ctx);
        if !is_simple || !responder.is_plain() {
            return None;
        }
        let request = Request::read(&ctx.head).filter(|request| request.length.is_some())?;
        let (likeness, log) = Likeness::of(ctx, &request, &push.ids.publish, Differs::Body)?;
        Some(Repeat::Publish(Box::new(Self {
            likeness: Arc::new(likeness),
            publication,
            content_type: ctx.header("content-type").map(Into::into),
            form,
            origin: origin.cloned(),
            responder,
            last_head: None,
            log,
        })))
    }

    /// Settings of the location.
    pub fn conf(&self) -> &Arc<LocationConf> {
        &self.responder.conf
    }

    /// See [`Repeat::likeness`].
    pub(super) fn likeness(&self) -> &Arc<Likeness> {
        &self.likeness
    }

    /// See [`Repeat::fits`].
    pub(super) fn fits(&self, request: &Request<'_>) -> bool {
        let largest = self.conf().core.client_max_body_size.unwrap_or(u64::MAX);
        let is_small = |length| u64::try_from(length).is_ok_and(|length| length <= largest);
        request.length.is_some_and(is_small)
            && self.publication.keys().first().is_some_and(|key| self.likeness.fits(request, key))
    }

    /// See [`Repeat::make`].
    pub(super) fn make(&mut self, request: &Request<'_>, store: &Store) -> Option<Rendered> {
        let key = self.publication.keys().first()?;
        let longest = self.conf().push.max_channel_id_length;
        if let Some(id) = self.likeness.other_id(request, key, longest).ok()? {
            self.publication.move_to(id);
        }
        let told = self.publication.publish(store, request.body, self.content_type.as_deref()).ok()?;
        Some(self.answer(told.status(), self.form.text(&told)))
    }

    fn answer(&mut self, status: u16, text: String) -> Rendered {
        let last = self.last_head.as_ref();
        if let Some(rendered) = last.and_then(|last| last.with(status, text.as_bytes())) {
            return rendered;
        }
        let answer = self.form.answer(status, text);
        let answer = match &self.origin {
            Some(origin) => origin.allow(&self.conf().push, answer),
            None => answer,
        };
        let (rendered, head) = self.responder.render_first(answer);
        self.last_head = head;
        rendered
    }
}
