//! What is known of the channels a request is about: `$nchan_*`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::builtin::Builtin;

use super::evaluation::AnswerSoFar;
use super::late;

/// What handlers of channels found out about a request. They share the request, so it is behind a lock, which nobody holds
/// while something is evaluated.
#[derive(Debug, Default)]
pub struct ChannelFacts(Mutex<Option<Box<Facts>>>);

/// The values.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The channels, in the order of the request.
    pub channels: Vec<Box<[u8]>>,
    /// How it subscribes.
    pub subscriber: Option<&'static str>,
    /// Over what it publishes.
    pub publisher: Option<&'static str>,
    /// Where the subscriber stood.
    pub previous_id: Option<String>,
    /// The message that was published.
    pub message_id: Option<String>,
    /// What happened last.
    pub event: Option<&'static str>,
    /// When a subscriber was last there, seconds since 1970; 0: never.
    pub last_seen: i64,
    /// Subscribers of the channel, as far as a publisher was told of them.
    pub subscribers: u64,
    /// Messages of the channel, likewise.
    pub messages: u64,
}

impl ChannelFacts {
    /// Adds to what is known.
    pub fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(self.lock().get_or_insert_default());
    }

    /// The value of a variable; nothing where the request is not about channels. The id of a message that a poll was
    /// answered with is in that answer.
    pub(super) fn value(&self, builtin: Builtin, answer: &AnswerSoFar<'_>) -> Option<Vec<u8>> {
        use Builtin as B;
        let facts = self.lock();
        let facts = facts.as_ref()?;
        // A request of fewer channels has empty ones.
        let channel =
            |number: usize| Some(facts.channels.get(number).map_or_else(Vec::new, |id| id.to_vec()));
        let word = |word: Option<&str>| word.map(|word| word.as_bytes().to_vec());
        let number = |number: String| Some(number.into_bytes());
        match builtin {
            B::NchanChannelId | B::NchanChannelId1 => channel(0),
            B::NchanChannelId2 => channel(1),
            B::NchanChannelId3 => channel(2),
            B::NchanChannelId4 => channel(3),
            B::NchanSubscriberType => word(facts.subscriber),
            B::NchanPublisherType => word(facts.publisher),
            B::NchanPrevMessageId => word(facts.previous_id.as_deref()),
            B::NchanMessageId => word(facts.message_id.as_deref()).or_else(|| {
                let is_message = facts.subscriber.is_some() && answer.sent.status == 200;
                is_message.then(|| id_in_head(answer)).flatten()
            }),
            B::NchanChannelEvent => word(facts.event),
            B::NchanChannelSubscriberLastSeen => number(facts.last_seen.to_string()),
            B::NchanChannelSubscriberCount => number(facts.subscribers.to_string()),
            B::NchanChannelMessageCount => number(facts.messages.to_string()),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Facts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for ChannelFacts {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }
}

/// `TIME:TAG`, of `Last-Modified` and `Etag`; or a compound `Etag`.
fn id_in_head(answer: &AnswerSoFar<'_>) -> Option<Vec<u8>> {
    let tag = late::sent_header(answer, b"etag")?;
    if tag.contains(&b':') {
        return Some(tag.into_owned());
    }
    let time = late::sent_header(answer, b"last_modified")?;
    let time = super::date::parse(&time)?.to_string();
    Some([time.as_bytes(), b":", &tag].concat())
}
