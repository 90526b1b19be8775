//! Messages in the body of a request, published in one channel.

use std::sync::Arc;

use crate::config::model::{BodyFiles, Dialect, LocationConf};
use crate::request::RequestCtx;
use crate::request::answer::{LastHead, Rendered, Responder};
use crate::request::log_line::RepeatedLog;
use crate::request::made_again::Differs;
use crate::request::vars;
use crate::store::Store;

use super::super::cors::Origin;
use super::super::info::Form;
use super::super::publication::Publication;
use super::{Repeat, Request, heads, is_settled};

/// A publisher's request that was answered, and may be made again: with another message, and perhaps in another channel.
#[derive(Debug)]
pub struct Publish {
    /// Of the head without length, validators and arguments.
    digest: u64,
    arguments: Vec<u8>,
    /// The argument that names the channel, where arguments say nothing else.
    named_by: Option<Box<[u8]>>,
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
        if !is_simple || !is_settled(ctx) {
            return None;
        }
        let responder = Responder::new(ctx);
        let request =
            Request::read(&ctx.head).filter(|request| request.length.is_some() && responder.is_plain())?;
        let any_channel = || {
            let name = naming_argument(ctx).filter(|_| is_untouched(ctx, &request))?;
            Some((Some(name), RepeatedLog::new(ctx, Differs::Arguments)?))
        };
        let same_channel = || Some((None, RepeatedLog::new(ctx, Differs::Body)?));
        let (named_by, log) = any_channel().or_else(same_channel)?;
        Some(Repeat::Publish(Box::new(Self {
            digest: request.digest,
            arguments: request.arguments.to_vec(),
            named_by,
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

    /// See [`Repeat::make`].
    pub(super) fn make(&mut self, request: &[u8], store: &Store) -> Option<Rendered> {
        let request = heads::read(request).filter(|request| request.length == Some(request.body.len()))?;
        let largest = self.conf().core.client_max_body_size.unwrap_or(u64::MAX);
        let fits = u64::try_from(request.body.len()).is_ok_and(|length| length <= largest);
        if request.digest != self.digest || !fits {
            return None;
        }
        if request.arguments != self.arguments {
            let is_plain = request.arguments.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
            let id = vars::argument(request.arguments, self.named_by.as_deref().filter(|_| is_plain)?)?;
            if id.is_empty() || id.len() > self.conf().push.max_channel_id_length {
                return None;
            }
            self.publication.move_to(id);
            self.arguments.clear();
            self.arguments.extend_from_slice(request.arguments);
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

/// The argument that is the channel's id, if nothing but that depends on the arguments.
fn naming_argument(ctx: &RequestCtx) -> Option<Box<[u8]>> {
    let ids = &ctx.conf.push.ids;
    let [template] = &ids.publish[..] else { return None };
    let (_, name) = ctx.argument_in(template)?;
    // Asked for once, for the id.
    (ids.split_delimiter.is_none() && ctx.values.arguments_asked() == 1).then(|| name.into())
}

/// Whether path and arguments are those of the request line, word for word.
fn is_untouched(ctx: &RequestCtx, request: &Request<'_>) -> bool {
    !ctx.changed && ctx.raw_target.starts_with(b"/") && *ctx.args == *request.arguments
}
