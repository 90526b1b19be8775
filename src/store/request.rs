//! What is asked of the store, and what it answers.

use std::fmt;
use std::sync::Arc;

use super::{Accounting, ChannelKey, GroupLimit, Message, Subscription, WorkerId};

/// One message to publish, with the settings of the location it was published through.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// The channel; created when it does not exist.
    pub key: &'a ChannelKey,
    /// The message; may be empty.
    pub body: &'a [u8],
    /// `Content-Type` as the publisher sent it.
    pub content_type: Option<&'a [u8]>,
    /// Name of the event that an EventSource client sees.
    pub event_name: Option<&'a [u8]>,
    /// The body compressed for WebSocket clients that take it so.
    pub deflated: Option<&'a [u8]>,
    /// False: only for those who wait now.
    pub store: bool,
    /// Messages the channel may hold after this one; 0 stores nothing.
    pub max_messages: u32,
    /// Messages the channel may keep when memory is short, and despite `delete_oldest_received`.
    pub min_messages: u32,
    /// Seconds until the message expires; `None`: never.
    pub message_timeout: Option<u64>,
    /// Delete the message once it was delivered while being the oldest of more than `min_messages`.
    pub delete_oldest_received: bool,
    /// Seconds that the channel outlives this request when it is empty and nobody waits.
    pub channel_timeout: u64,
    /// How it counts for the group of the channel; `None`: not at all.
    pub accounting: Option<Accounting>,
}

impl Publish<'_> {
    /// Whether the message enters the history.
    pub(super) fn is_stored(&self) -> bool {
        self.store && self.max_messages > 0
    }

    /// Messages that must survive a lack of memory.
    pub(super) fn keep(&self) -> u32 {
        self.min_messages.min(self.max_messages)
    }
}

/// One subscriber request, with the settings of its location.
#[derive(Debug, Clone, Copy)]
pub struct Subscribe<'a> {
    /// The channel; created when it does not exist, unless `must_exist`.
    pub key: &'a ChannelKey,
    /// What the subscriber has already seen.
    pub position: Position,
    /// The thread that will deliver.
    pub worker: WorkerId,
    /// How many messages it wants, and whether it waits for them.
    pub mode: Mode,
    /// What happens when somebody else waits.
    pub concurrency: Concurrency,
    /// Waiters from which on every further request is refused; 0: no limit.
    pub max_subscribers: u32,
    /// Refuse to create the channel.
    pub must_exist: bool,
    /// Seconds that the channel outlives this request when it is empty and nobody waits.
    pub channel_timeout: u64,
    /// It counts as the last request that publishers are told of.
    pub is_request: bool,
    /// How it counts for the group of the channel; `None`: not at all.
    pub accounting: Option<Accounting>,
}

/// How many messages a subscriber wants, and whether it waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One that is stored, or none.
    Poll,
    /// One: a stored one, or the next.
    Once,
    /// All: those stored are read with [`Subscription::read`], those to come are told by events.
    Stream,
}

/// What a subscriber has already seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Nothing: begin with the oldest stored message.
    Oldest,
    /// Everything up to the message with this [stamp](Message::stamp): begin with the first one later than
    /// that.
    After(i64),
    /// Everything up to the message that the old module would have named so: the second of publication, and a number
    /// within that second that counts from 0.
    AfterTag {
        /// The second.
        second: i64,
        /// The number; from 1, for with 0 nothing but the second is said.
        tag: u64,
    },
    /// Everything up to the message with this id of Nchan's: second of publication and number within it; without a number
    /// nothing of that second.
    AfterId {
        /// The second.
        second: i64,
        /// The number.
        tag: Option<u64>,
    },
    /// Nothing: begin with the nth stored message, from the oldest (1 ...) or from the newest (-1 ...); 0 is as
    /// [`Position::Newest`].
    Nth(i32),
    /// Everything stored: begin with the next message published.
    Newest,
}

/// What a newcomer does when somebody waits in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// It is refused.
    First,
    /// It displaces those who wait, even when it need not wait itself; a request that never waits displaces
    /// nobody.
    Last,
    /// It waits with them.
    Broadcast,
}

/// The answer to a subscriber.
#[derive(Debug)]
pub enum Subscribed {
    /// A stored message.
    Message(Arc<Message>),
    /// Nothing yet: an [`Event`](super::Event) will come, unless the subscription is dropped first.
    Wait(Subscription),
    /// A stream, and the offset of its first message: read what is stored from there on.
    Stream(Subscription, u64),
    /// Nothing yet, and the request does not wait.
    NothingNew,
    /// Somebody waits already ([`Concurrency::First`]).
    Conflict,
    /// As many wait already as may: `max_subscribers` in the channel, or those of its group; or the channel does not exist
    /// and its group may have no more of them.
    Full,
    /// There is no such channel (`must_exist`).
    NoSuchChannel,
    /// The channel cannot be created within the memory limit.
    OutOfMemory,
}

/// What a publisher is told of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Messages stored.
    pub messages: u64,
    /// Whole seconds since the last subscriber request; `None`: never.
    pub requested: Option<u64>,
    /// Subscribers waiting; in the answer to a publish: before the message was delivered.
    pub subscribers: u64,
    /// Nchan's id of the newest message: second of publication and number within it; `None`: never any.
    pub last_message: Option<(i64, u64)>,
}

/// Stored messages that a stream reads.
#[derive(Debug)]
pub struct Batch {
    /// The messages, in order.
    pub messages: Vec<Arc<Message>>,
    /// Offset to read on from.
    pub next: u64,
    /// There are more stored messages behind them.
    pub more: bool,
    /// Some that were to come before, between or behind them are not stored, or no longer.
    pub missed: bool,
}

/// The memory limit is reached and nothing can be freed. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory reserved for channels and messages")
    }
}

impl std::error::Error for OutOfMemory {}

/// Why a message was not published. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no memory for it.
    OutOfMemory,
    /// The group of its channel holds as much as it may.
    Group(GroupLimit),
}

impl From<OutOfMemory> for Refusal {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => OutOfMemory.fmt(f),
            Self::Group(limit) => write!(f, "limit of the group: {limit:?}"),
        }
    }
}

impl std::error::Error for Refusal {}
