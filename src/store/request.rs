//! What is asked of the store, and what it answers.

use std::fmt;
use std::sync::Arc;

use super::{ChannelKey, Message, Subscription, WorkerId};

/// One message to publish, with the settings of the location it was published through.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// The channel; created when it does not exist.
    pub key: &'a ChannelKey,
    /// The message; may be empty.
    pub body: &'a [u8],
    /// `Content-Type` as the publisher sent it.
    pub content_type: Option<&'a [u8]>,
    /// False: only for those who wait now, and what the channel holds goes, as with `max_messages` 0.
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
    /// Wait for the next message when none is stored (long-poll, streams), or not (interval-poll).
    pub wait: bool,
    /// What happens when somebody else waits.
    pub concurrency: Concurrency,
    /// Waiters from which on every further request is refused; 0: no limit.
    pub max_subscribers: u32,
    /// Refuse to create the channel.
    pub must_exist: bool,
    /// Seconds that the channel outlives this request when it is empty and nobody waits.
    pub channel_timeout: u64,
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
    /// Nothing yet, and the request does not wait.
    NothingNew,
    /// Somebody waits already ([`Concurrency::First`]).
    Conflict,
    /// `max_subscribers` wait already.
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
