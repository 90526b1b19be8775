//! A published message.

use std::sync::Arc;

use super::Publish;
use super::budget::{Claim, allocation};

/// A slot in the queue of a channel: a pointer, twice because the queue doubles when it grows.
const QUEUE_SLOT: usize = 2 * size_of::<Arc<Message>>();

/// Two reference counts in front of whatever is in an `Arc`.
pub(super) const ARC_HEADER: usize = 2 * size_of::<usize>();

/// A published message, shared by the history of its channel and by all who read it.
///
/// Its memory counts against the limit of the store until the last of them lets go, so clients that do not
/// read cannot hold more than that.
#[derive(Debug)]
pub struct Message {
    body: Box<[u8]>,
    content_type: Option<Box<[u8]>>,
    event_name: Option<Box<[u8]>>,
    deflated: Option<Box<[u8]>>,
    pub(super) stamp: i64,
    pub(super) offset: u64,
    /// The second of publication, and the number within it.
    pub(super) published: (i64, u64),
    /// Age among the messages of all channels.
    pub(super) sequence: u64,
    /// Monotonic millisecond from which on it is expired.
    pub(super) deadline: u64,
    /// `delete_oldest_received`: the messages that must stay.
    pub(super) delete_beyond: Option<u32>,
    claim: Claim,
}

impl Message {
    /// Copies a message into allocations of exactly its size. Place and time are filled in when it is
    /// published.
    pub(super) fn new(publish: &Publish<'_>, claim: Claim) -> Self {
        Self {
            body: publish.body.into(),
            content_type: publish.content_type.map(Box::from),
            event_name: publish.event_name.map(Box::from),
            deflated: publish.deflated.map(Box::from),
            stamp: 0,
            offset: 0,
            published: (0, 0),
            sequence: 0,
            deadline: u64::MAX,
            delete_beyond: publish.delete_oldest_received.then_some(publish.min_messages),
            claim,
        }
    }

    /// Bytes that the published message will take.
    pub(super) fn size_of(publish: &Publish<'_>) -> usize {
        allocation(ARC_HEADER + size_of::<Self>())
            + allocation(publish.body.len())
            + allocation(publish.content_type.map_or(0, <[u8]>::len))
            + allocation(publish.event_name.map_or(0, <[u8]>::len))
            + allocation(publish.deflated.map_or(0, <[u8]>::len))
            + QUEUE_SLOT
    }

    /// Bytes charged for this message.
    pub(super) fn size(&self) -> usize {
        self.claim.bytes()
    }

    /// The bytes that were published.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// `Content-Type` as the publisher sent it.
    pub fn content_type(&self) -> Option<&[u8]> {
        self.content_type.as_deref()
    }

    /// Name of the event that an EventSource client sees.
    pub fn event_name(&self) -> Option<&[u8]> {
        self.event_name.as_deref()
    }

    /// The body compressed for WebSocket clients that take it so.
    pub fn deflated(&self) -> Option<&[u8]> {
        self.deflated.as_deref()
    }

    /// Nchan's id: the second of publication and the number within that second. It grows with the offset, even when the
    /// clock steps back.
    pub fn id(&self) -> (i64, u64) {
        self.published
    }

    /// The time a client sees, in seconds since 1970: the second of publication, or the stamp of the message
    /// before plus one if that is later. So it is unique within the channel and grows even when the clock
    /// steps back.
    pub fn stamp(&self) -> i64 {
        self.stamp
    }

    /// Age among the messages of all channels of the process: later ones have larger numbers.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Number of the message in its channel; the first one is 0.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// The body of a message as an owner of bytes: `Bytes::from_owner(MessageBody(message))` copies nothing.
#[derive(Debug, Clone)]
pub struct MessageBody(pub Arc<Message>);

impl AsRef<[u8]> for MessageBody {
    fn as_ref(&self) -> &[u8] {
        self.0.body()
    }
}
