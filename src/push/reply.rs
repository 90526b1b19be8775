//! Answers to one subscriber's polls, in its location's dialect.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::model::{Dialect, LocationConf, PushConf};
use crate::request::RequestCtx;
use crate::request::answer::{Answer, FrozenResponder, Responder};
use crate::request::date;
use crate::request::pages::Phrases;
use crate::store::{Message, MessageBody};

use super::cors::Origin;
use super::cursor::Cursor;
use super::validators::{Start, Validators};

const VARY: &str = "If-None-Match, If-Modified-Since";

/// What of a request decides how its answers look.
#[derive(Clone, Debug)]
pub struct Reply {
    /// How they are written.
    pub responder: Responder,
    /// The origin they are for, in Nchan's dialect.
    pub origin: Option<Box<Origin>>,
    /// The client goes by `If-Modified-Since` alone: the second must say all.
    by_second: bool,
    /// The tag of the request's position: a wait that ends without a message gives it back.
    tag: Option<Box<[u8]>>,
}

/// A [`Reply`] on its way to another process, which has to know the location.
#[derive(Debug, Serialize, Deserialize)]
pub struct FrozenReply {
    responder: FrozenResponder,
    origin: Option<Origin>,
    by_second: bool,
    #[serde(with = "serde_bytes")]
    tag: Option<Vec<u8>>,
}

impl Reply {
    /// For the answers to this request.
    pub fn new(ctx: &RequestCtx, origin: Option<Origin>) -> Self {
        let mut reply = Self {
            responder: Responder::new(ctx),
            origin: origin.map(Box::new),
            by_second: false,
            tag: None,
        };
        reply.renew(&Validators::of(ctx));
        reply
    }

    /// For the same request with other validators.
    pub fn renew(&mut self, validators: &Validators<'_>) {
        self.by_second = validators.since.is_some() && validators.tag.is_none();
        let tag = validators.tag.filter(|_| self.responder.conf.push.dialect == Dialect::Nchan);
        match (&mut self.tag, tag) {
            (Some(last), Some(tag)) if last.len() == tag.len() => last.copy_from_slice(tag),
            (last, tag) => *last = tag.map(Into::into),
        }
    }

    /// What of it is not the location's.
    pub fn freeze(&self) -> FrozenReply {
        FrozenReply {
            responder: self.responder.freeze(),
            origin: self.origin.as_deref().cloned(),
            by_second: self.by_second,
            tag: self.tag.as_deref().map(<[u8]>::to_vec),
        }
    }

    /// Goes on with it in the location's settings.
    pub fn thaw(frozen: FrozenReply, conf: Arc<LocationConf>) -> Self {
        let FrozenReply { responder, origin, by_second, tag } = frozen;
        let responder = Responder::thaw(responder, conf);
        Self { responder, origin: origin.map(Box::new), by_second, tag: tag.map(Into::into) }
    }

    /// Whether an answer has the same bytes for the other request.
    pub fn same_bytes(&self, other: &Self) -> bool {
        self.by_second == other.by_second
            && self.origin == other.origin
            && self.responder.same_bytes(&other.responder)
    }

    /// A message; `cursor` is the position after it.
    pub fn message(&self, message: &Arc<Message>, cursor: &Cursor) -> Answer {
        let body = Bytes::from_owner(MessageBody(Arc::clone(message))).into();
        let content_type = message.content_type().map(Into::into);
        self.positioned(
            Answer { status: 200, content_type, body, ..Answer::default() },
            Some(message),
            cursor,
        )
    }

    /// Any answer that takes its client to a position; `last` is the message there.
    pub fn positioned(&self, mut answer: Answer, last: Option<&Message>, cursor: &Cursor) -> Answer {
        let conf = &self.responder.conf.push;
        if let (true, Some(last)) = (conf.dialect == Dialect::Push || self.by_second, last) {
            answer.last_modified = Some(last.stamp());
            answer = answer.with_header("Etag", "0");
        } else if conf.position.compound_etag {
            answer = answer.with_header(etag_name(conf), cursor.whole());
        } else {
            answer.last_modified = Some(cursor.time());
            answer = answer.with_header(etag_name(conf), cursor.tags());
        }
        self.varying(answer)
    }

    /// Nothing new for an interval-poll: the position comes back.
    pub fn not_modified(&self, validators: &Validators<'_>, start: &Start, channels: usize) -> Answer {
        let conf = &self.responder.conf.push;
        let mut answer = Answer::empty(304);
        if let (Dialect::Nchan, Start::After(cursor)) = (conf.dialect, start) {
            let cursor = cursor.padded(channels);
            if conf.position.compound_etag {
                return self.varying(answer.with_header(etag_name(conf), cursor.whole()));
            }
            answer.last_modified = Some(cursor.time());
            return self.varying(answer.with_header(etag_name(conf), cursor.tags()));
        }
        answer.last_modified = validators.since.and_then(date::parse);
        if let Some(tag) = validators.tag {
            answer = answer.with_header("Etag", tag);
        }
        self.varying(answer)
    }

    /// For a subscriber that another one displaced, or that came second.
    pub fn conflict(&self) -> Answer {
        Answer::empty(409)
    }

    /// For a subscriber whose channel was deleted.
    pub fn gone(&self) -> Answer {
        self.ended(Answer::empty(410))
    }

    /// For a subscriber that a limit keeps out.
    pub fn refused(&self) -> Answer {
        match self.responder.conf.push.dialect {
            Dialect::Push => Answer::empty(403),
            Dialect::Nchan => self.varying(Answer::empty(403)),
        }
    }

    /// For a subscriber that waited longer than it may.
    pub fn timed_out(&self) -> Answer {
        match self.responder.conf.push.dialect {
            Dialect::Push => Answer::empty(304),
            Dialect::Nchan => self.ended(Answer { phrases: Phrases::Nchan, ..Answer::empty(408) }),
        }
    }

    /// The end of a wait, without a message.
    fn ended(&self, answer: Answer) -> Answer {
        let conf = &self.responder.conf.push;
        match (conf.dialect, &self.tag) {
            (Dialect::Push, _) => answer,
            (Dialect::Nchan, Some(tag)) => self.varying(answer.with_header(etag_name(conf), &**tag)),
            (Dialect::Nchan, None) => self.varying(answer),
        }
    }

    /// An answer that depends on the position of the request.
    pub fn varying(&self, answer: Answer) -> Answer {
        let conf = &self.responder.conf.push;
        let Some(origin) = &self.origin else { return answer.with_header("Vary", VARY) };
        let expose = format!("Last-Modified, {}, Content-Type", etag_name(conf));
        origin.allow(
            conf,
            answer.with_header("Access-Control-Expose-Headers", expose).with_header("Vary", VARY),
        )
    }
}

/// The header for the tag: `nchan_subscriber_message_id_custom_etag_header`, or `Etag`, as Nchan spells it.
fn etag_name(conf: &PushConf) -> Cow<'static, str> {
    match &conf.position.custom_etag_header {
        Some(name) => Cow::Owned(name.to_string()),
        None => Cow::Borrowed("Etag"),
    }
}
