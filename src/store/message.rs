//! A published message.

use std::num::NonZeroU32;
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
    /// Content type, name of the event, compressed body, body: one allocation for all of them.
    parts: Box<[u8]>,
    content_type: Length,
    event_name: Length,
    deflated: Length,
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
        let [content_type, event_name, deflated] = small_parts(publish);
        let small = [content_type, event_name, deflated].map(Option::unwrap_or_default);
        let mut bytes = Vec::with_capacity(small.map(<[u8]>::len).iter().sum::<usize>() + publish.body.len());
        small.into_iter().for_each(|part| bytes.extend_from_slice(part));
        bytes.extend_from_slice(publish.body);
        Self {
            parts: bytes.into(),
            content_type: Length::of(content_type),
            event_name: Length::of(event_name),
            deflated: Length::of(deflated),
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
        let small: usize = small_parts(publish).into_iter().flatten().map(<[u8]>::len).sum();
        allocation(ARC_HEADER + size_of::<Self>()) + allocation(small + publish.body.len()) + QUEUE_SLOT
    }

    /// Bytes charged for this message.
    pub(super) fn size(&self) -> usize {
        self.claim.bytes()
    }

    /// The bytes that were published.
    pub fn body(&self) -> &[u8] {
        &self.parts[self.deflated_end()..]
    }

    /// `Content-Type` as the publisher sent it.
    pub fn content_type(&self) -> Option<&[u8]> {
        self.part(0, self.content_type)
    }

    /// Name of the event that an EventSource client sees.
    pub fn event_name(&self) -> Option<&[u8]> {
        self.part(self.content_type.bytes(), self.event_name)
    }

    /// The body compressed for WebSocket clients that take it so.
    pub fn deflated(&self) -> Option<&[u8]> {
        self.part(self.content_type.bytes() + self.event_name.bytes(), self.deflated)
    }

    fn part(&self, start: usize, length: Length) -> Option<&[u8]> {
        length.get().map(|length| &self.parts[start..start + length])
    }

    fn deflated_end(&self) -> usize {
        self.content_type.bytes() + self.event_name.bytes() + self.deflated.bytes()
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

/// What comes with a body. What is longer than any header may be does not.
fn small_parts<'p>(publish: &Publish<'p>) -> [Option<&'p [u8]>; 3] {
    let parts = [publish.content_type, publish.event_name, publish.deflated];
    parts.map(|part| part.filter(|part| u32::try_from(part.len()).is_ok_and(|length| length < u32::MAX)))
}

/// The length of a part that need not be there, in four bytes: one more than it is.
#[derive(Clone, Copy, Debug)]
struct Length(Option<NonZeroU32>);

impl Length {
    fn of(part: Option<&[u8]>) -> Self {
        let more = part.and_then(|part| u32::try_from(part.len()).ok()?.checked_add(1));
        Self(more.and_then(NonZeroU32::new))
    }

    fn get(self) -> Option<usize> {
        self.0.map(|more| more.get() as usize - 1)
    }

    fn bytes(self) -> usize {
        self.get().unwrap_or(0)
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
