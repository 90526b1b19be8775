//! By what a request is known again.

use std::sync::Arc;

use crate::config::model::PushConf;
use crate::config::template::Template;
use crate::request::log_line::RepeatedLog;
use crate::request::made_again::{self, Differs};
use crate::request::{RequestCtx, vars};
use crate::store::ChannelKey;

use super::super::validators::{Rules, Start};
use super::{Request, is_settled};

/// What requests have in common that lead to the same place.
#[derive(Clone, Debug)]
pub(super) struct Likeness {
    /// Of the head without what each request has of its own; with the arguments, unless one of them names the channel.
    pub(super) digest: u64,
    named_by: Option<NamedBy>,
    /// Whether they lead there whoever makes them.
    pub(super) for_anybody: bool,
    /// Where subscribers begin that do not say where, if that is known.
    pub(super) start: Option<Start>,
    /// How they may say it.
    rules: Rules,
}

/// The argument that names the channel.
#[derive(Clone, Debug)]
struct NamedBy {
    name: Box<[u8]>,
    /// Others were asked for, too, and are not there: requests that have any are not like this one.
    alone: bool,
}

impl Likeness {
    /// Of a request that may be made again, and what is logged of it then. `ids` name its channels, and `differs` is what else
    /// another request may say. `None` where it has to go the whole way each time.
    pub(super) fn of(
        ctx: &RequestCtx,
        request: &Request<'_>,
        ids: &[Template],
        differs: Differs,
    ) -> Option<(Self, Option<RepeatedLog>)> {
        // In the place of a target that hyper refuses the head has another one.
        let is_as_it_came = made_again::target(&ctx.head) == &*ctx.raw_target;
        if !is_as_it_came || !is_settled(ctx) {
            return None;
        }
        let any_channel = || {
            let named_by = NamedBy::of(ctx, request, ids)?;
            Some((request.digest, Some(named_by), RepeatedLog::new(ctx, Differs::Arguments)?))
        };
        let same_channel = || Some((request.whole(), None, RepeatedLog::new(ctx, differs)?));
        let (digest, named_by, log) = any_channel().or_else(same_channel)?;
        let for_anybody = connection_has_no_say(ctx);
        Some((Self { digest, named_by, for_anybody, start: None, rules: Rules::default() }, log))
    }

    /// The same for a subscriber's request, which begins at `start`.
    pub(super) fn of_subscriber(
        ctx: &RequestCtx,
        request: &Request<'_>,
        start: &Start,
        is_poll: bool,
    ) -> Option<(Arc<Self>, Option<RepeatedLog>)> {
        let push = &ctx.conf.push;
        if push.position.compound_etag {
            return None;
        }
        let (likeness, log) = Self::of(ctx, request, &push.ids.subscribe, Differs::Validators)?;
        let start = request.own.validators.are_none().then(|| start.clone());
        Some((Arc::new(Self { start, rules: Rules::of(ctx, is_poll), ..likeness }), log))
    }

    /// Where a subscriber's request begins that is like that; `None` where that has to be found out on the whole way.
    pub(super) fn start_of(&self, request: &Request<'_>, push: &PushConf) -> Option<Start> {
        let validators = &request.own.validators;
        if validators.are_none() { self.start.clone() } else { self.rules.start(push, validators) }
    }

    /// Whether a request is like that, where the last one's channel was `key`.
    pub(super) fn fits(&self, request: &Request<'_>, key: &ChannelKey) -> bool {
        match &self.named_by {
            None => self.digest == request.whole(),
            Some(named_by) => {
                self.digest == request.digest
                    && (named_by.is_all_of(request.arguments, key.id())
                        || named_by.id(request.arguments).is_some())
            }
        }
    }

    /// The channel's id in a request that [fits](Likeness::fits), if it is not that of `key`.
    ///
    /// # Errors
    /// For an id that is no channel's.
    pub(super) fn other_id<'a>(
        &self,
        request: &Request<'a>,
        key: &ChannelKey,
        max_length: usize,
    ) -> Result<Option<&'a [u8]>, NoChannel> {
        let Some(named_by) = &self.named_by else { return Ok(None) };
        if named_by.is_all_of(request.arguments, key.id()) {
            return Ok(None);
        }
        match vars::argument(request.arguments, &named_by.name) {
            Some(id) if id == key.id() => Ok(None),
            Some(id) if !id.is_empty() && id.len() <= max_length => Ok(Some(id)),
            _ => Err(NoChannel),
        }
    }
}

/// See [`Likeness::other_id`].
#[derive(Debug)]
pub(super) struct NoChannel;

impl NamedBy {
    /// Nothing but the channel's id depends on the arguments, and path and arguments are those of the request line, word for word.
    fn of(ctx: &RequestCtx, request: &Request<'_>, ids: &[Template]) -> Option<Self> {
        let [template] = ids else { return None };
        let (_, name) = ctx.argument_in(template).filter(|_| ctx.conf.push.ids.split_delimiter.is_none())?;
        let asked = ctx.values.arguments_asked();
        let is_untouched =
            !ctx.changed && ctx.raw_target.starts_with(b"/") && *ctx.args == *request.arguments;
        let alone = asked.times > 1;
        let named_by = Self { name: name.into(), alone };
        (asked.found == 1 && is_untouched && named_by.id(request.arguments).is_some()).then_some(named_by)
    }

    /// Whether the arguments say that the id is this one, and nothing else.
    fn is_all_of(&self, arguments: &[u8], id: &[u8]) -> bool {
        let value = arguments.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix(b"="));
        value == Some(id)
    }

    /// The id in the arguments of a request; `None` where there is none, where there is more to heed, and for what is not plain text.
    fn id<'a>(&self, arguments: &'a [u8]) -> Option<&'a [u8]> {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#' && !(self.alone && *byte == b'&');
        vars::argument(arguments, &self.name).filter(|_| arguments.iter().all(is_plain))
    }
}

/// Whether the connection has no say in where the request leads.
fn connection_has_no_say(ctx: &RequestCtx) -> bool {
    !ctx.values.is_of_connection()
        && !ctx.remote_replaced
        && ctx.conf.real_ip.from.is_empty()
        && ctx.connection.proxied.is_none()
        && !ctx.is_last()
}
