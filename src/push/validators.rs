//! Where in a channel a subscriber stands: `If-Modified-Since`, `If-None-Match` and their kin.
//!
//! Every message of a channel has a second of its own as its `Last-Modified`, and `Etag` 0. So the second alone is
//! the position, and a client that sends only `If-Modified-Since` gets every message once. A tag other than 0 was
//! never given out; it is read as the old module's: a number among the messages published within that second.

use http::header;

use crate::config::model::{Dialect, PushConf, Transport};
use crate::config::template::Template;
use crate::request::answer::Answer;
use crate::request::{RequestCtx, date, uri};
use crate::store::Position;

use super::cors::Origin;
use super::cursor::Cursor;
use super::subscriber;

/// A header, and its variable.
const EVENT_ID: &str = "last-event-id";
const EVENT_ID_VARIABLE: &[u8] = b"last_event_id";

/// Where a subscriber begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// At the same place in each channel.
    At(Position),
    /// Behind what it has seen of each channel.
    After(Cursor),
}

impl Start {
    /// The position in channel `channel` of the request.
    pub fn position(&self, channel: usize) -> Position {
        match self {
            Self::At(position) => *position,
            Self::After(cursor) => cursor.position(channel),
        }
    }

    /// Nchan's id of the position; `0:0` without one.
    pub fn id(&self) -> String {
        match self {
            Self::At(Position::After(second)) => format!("{second}:0"),
            Self::At(Position::AfterTag { second, tag }) => format!("{second}:{tag}"),
            Self::At(_) => Cursor::start(1).whole(),
            Self::After(cursor) => cursor.whole(),
        }
    }

    /// The position over all channels.
    pub fn cursor(&self, channels: usize) -> Cursor {
        match self {
            Self::At(_) => Cursor::start(channels),
            Self::After(cursor) => cursor.padded(channels),
        }
    }
}

/// The two validators of a request and the id of an event that stands in for them, raw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// `If-Modified-Since`.
    pub since: Option<&'a [u8]>,
    /// `If-None-Match`.
    pub tag: Option<&'a [u8]>,
    /// `Last-Event-ID`.
    pub event_id: Option<&'a [u8]>,
}

impl<'a> Validators<'a> {
    /// Those of a request.
    pub fn of(ctx: &'a RequestCtx) -> Self {
        Self {
            since: ctx.header(header::IF_MODIFIED_SINCE),
            tag: ctx.header(header::IF_NONE_MATCH),
            event_id: ctx.header(EVENT_ID),
        }
    }

    /// Whether there is none of them.
    pub fn are_none(&self) -> bool {
        self.since.is_none() && self.tag.is_none() && self.event_id.is_none()
    }
}

/// Where a poll begins that has `If-Modified-Since`; `None` where something else decides, or for what cannot be read.
pub fn after(push: &PushConf, validators: &Validators<'_>) -> Option<Start> {
    after_second(push, date::parse(validators.since?)?, validators)
}

/// The same, where that is known to say this second.
fn after_second(push: &PushConf, since: i64, validators: &Validators<'_>) -> Option<Start> {
    if push.dialect == Dialect::Push {
        let tag = validators.tag.and_then(|tag| number(unquote(tag))).unwrap_or(0);
        return Some(Start::At(position_after(since, tag)));
    }
    if since <= 0 {
        return None;
    }
    match validators.tag {
        Some(tags) => Cursor::from_parts(since, tags).ok().map(Start::After),
        // A client that goes by the second alone was given seconds of which each is one message's.
        None => Some(Start::At(Position::After(since))),
    }
}

/// How a subscriber's request says where it begins, as far as that can be said of others like it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// By Nchan's rules.
    nchan: bool,
    /// Where there are no validators, `Last-Event-ID` comes first, as by default.
    event_id: bool,
}

impl Rules {
    /// For requests like this one.
    pub fn of(ctx: &RequestCtx, is_poll: bool) -> Self {
        let nchan = !is_poll || ctx.conf.push.dialect == Dialect::Nchan;
        let first = ctx.conf.push.position.last_message_ids.first();
        let event_id = nchan && first.is_some_and(|first| ctx.is_header(first, EVENT_ID_VARIABLE));
        Self { nchan, event_id }
    }

    /// Where a request with such validators begins; `None` where more has to be asked.
    pub fn start(self, push: &PushConf, validators: &Validators<'_>) -> Option<Start> {
        match validators {
            Validators { since: Some(since), .. } => {
                let since = date::parse(since)?;
                let says_nothing = self.nchan && since <= 0;
                if says_nothing { None } else { after_second(push, since, validators) }
            }
            Validators { since: None, tag: None, event_id: Some(id) } if self.event_id => {
                Cursor::read(&uri::unescape(id))?.ok().map(Start::After)
            }
            _ => None,
        }
    }
}

/// Where a request begins. Polls of `push_*` locations go by the old module's rules, everything else by Nchan's.
///
/// # Errors
/// 400 for an id that cannot be read, in Nchan's dialect.
pub fn start(ctx: &RequestCtx, transport: Transport) -> Result<Start, Answer> {
    let is_poll = matches!(transport, Transport::LongPoll | Transport::IntervalPoll);
    if ctx.conf.push.dialect == Dialect::Push && is_poll {
        return Ok(Start::At(position(ctx)));
    }
    let since = ctx.header(header::IF_MODIFIED_SINCE).filter(|_| !ctx.conf.push.position.compound_etag);
    if since.and_then(date::parse).is_some_and(|since| since > 0) {
        return after(&ctx.conf.push, &Validators::of(ctx)).ok_or_else(|| invalid(ctx));
    }
    let conf = &ctx.conf.push.position;
    let tag = ctx.header(header::IF_NONE_MATCH).map(|tag| unquote(tag).to_vec());
    let event_id = ctx.header(EVENT_ID).unwrap_or_default();
    // Who makes the request again has it looked up again, too.
    let name = |(number, id): (usize, &Template)| match number {
        0 if ctx.is_header(id, EVENT_ID_VARIABLE) => event_id.to_vec(),
        _ => ctx.render(id),
    };
    let named = conf.last_message_ids.iter().enumerate().map(name).find(|id| !id.is_empty());
    for id in [tag, named.map(|id| uri::unescape(&id))].into_iter().flatten() {
        match Cursor::read(&id) {
            Some(Ok(cursor)) => return Ok(Start::After(cursor)),
            Some(Err(_)) => return Err(invalid(ctx)),
            None => {}
        }
    }
    Ok(Start::At(subscriber::first(conf.first_message)))
}

fn invalid(ctx: &RequestCtx) -> Answer {
    Origin::allow_refusal(ctx, Answer::text(400, *b"text/plain", "Message ID invalid"))
}

/// The position a poll of the old module's dialect asks for.
fn position(ctx: &RequestCtx) -> Position {
    if let Some(since) = ctx.header(header::IF_MODIFIED_SINCE) {
        let tag = ctx.header(header::IF_NONE_MATCH).and_then(|tag| number(unquote(tag))).unwrap_or(0);
        return date::parse(since).map_or(Position::Oldest, |second| position_after(second, tag));
    }
    let last_event_id = || ctx.header(EVENT_ID).map(<[u8]>::to_vec);
    let argument = || {
        let value = ctx.arg(b"last_event_id");
        ctx.values.note_arguments(value.is_some());
        value.map(<[u8]>::to_vec)
    };
    let tag = ctx.header(header::IF_NONE_MATCH).map(|tag| unquote(tag).to_vec());
    let ids = [tag, last_event_id(), argument()];
    let position = ids.iter().flatten().find_map(|id| time_and_tag(id));
    position.map_or(Position::Oldest, |(second, tag)| position_after(second, tag))
}

fn position_after(second: i64, tag: u64) -> Position {
    if tag == 0 { Position::After(second) } else { Position::AfterTag { second, tag } }
}

/// Whether the client wants to skip what is stored (`push_ignore_queue_on_no_cache`): `Cache-Control`, or
/// `Pragma` without one, is a beginning of `no-cache`.
pub fn no_cache(ctx: &RequestCtx) -> bool {
    let value = ctx.header("cache-control").or_else(|| ctx.header("pragma"));
    value.is_some_and(|value| {
        b"no-cache".get(..value.len()).is_some_and(|start| start.eq_ignore_ascii_case(value))
    })
}

/// A `time:tag`, as Nchan writes positions.
fn time_and_tag(id: &[u8]) -> Option<(i64, u64)> {
    let id = id.trim_ascii();
    let colon = id.iter().position(|byte| *byte == b':')?;
    Some((i64::try_from(number(&id[..colon])?).ok()?, number(&id[colon + 1..])?))
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn unquote(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    tag.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_time_tag_pairs_are_positions() {
        assert_eq!(time_and_tag(b"1700000000:3"), Some((1_700_000_000, 3)));
        for id in ["", "1", ":", "1:", ":1", "a:1", "1:b", "-1:0", "1:2:3"] {
            assert_eq!(time_and_tag(id.as_bytes()), None, "{id}");
        }
    }

    #[test]
    fn tags_are_digits_only() {
        assert_eq!(number(b"12"), Some(12));
        for tag in ["", "-1", "+1", "0, 1", "abc", "*", "1x", "99999999999999999999"] {
            assert_eq!(number(tag.as_bytes()), None, "{tag}");
        }
    }

    #[test]
    fn quotes_and_weakness_are_stripped() {
        assert_eq!(unquote(b" W/\"1:2\" "), b"1:2");
        assert_eq!(unquote(b"\"x"), b"\"x");
    }
}
