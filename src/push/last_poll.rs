//! What the answer to a poll has in common with the last one of its worker.

use std::sync::Arc;

use crate::request::answer::{LastHead, Rendered};
use crate::store::Message;

use super::cursor::Cursor;
use super::reply::Reply;

/// The head of the last message that a poll was answered with. Messages of one second mostly differ in nothing else that
/// their heads tell. Until the next is kept, it holds on to the settings of its location.
#[derive(Debug, Default)]
pub struct LastPoll(Option<Last>);

#[derive(Debug)]
struct Last {
    reply: Reply,
    content_type: Option<Box<[u8]>>,
    stamp: i64,
    id: (i64, u64),
    head: LastHead,
}

impl LastPoll {
    /// The answer to a poll in one channel: this message, and the position behind it.
    pub fn message(&mut self, reply: &Reply, message: &Arc<Message>) -> Rendered {
        let last = self.0.as_ref().filter(|last| last.is_like(reply, message));
        if let Some(rendered) = last.and_then(|last| last.head.with(200, message.body())) {
            return rendered;
        }
        let answer = reply.message(message, &Cursor::of(message));
        let (rendered, head) = reply.responder.render_first(answer);
        self.0 = head.map(|head| Last {
            reply: reply.clone(),
            content_type: message.content_type().map(Into::into),
            stamp: message.stamp(),
            id: message.id(),
            head,
        });
        rendered
    }
}

impl Last {
    fn is_like(&self, reply: &Reply, message: &Message) -> bool {
        (self.id, self.stamp) == (message.id(), message.stamp())
            && self.content_type.as_deref() == message.content_type()
            && self.reply.same_bytes(reply)
    }
}
