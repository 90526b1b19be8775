//! What those who wait are told.

use std::sync::Arc;

use super::Message;

/// A worker thread: index of its mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerId(pub u16);

/// One life of a channel: a channel that was deleted and made again has another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(super) u64);

/// A place in the order of waits and events of a channel. Never comes twice in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// Ends the wait of all waiters of `channel` whose ticket is smaller than `before`, and concerns nobody else.
#[derive(Debug, Clone)]
pub enum Event {
    /// The message they waited for.
    Message { channel: ChannelId, before: Ticket, message: Arc<Message> },
    /// A newer subscriber took their place ([`Concurrency::Last`](super::Concurrency::Last)).
    Displaced { channel: ChannelId, before: Ticket },
    /// The channel was deleted.
    Deleted { channel: ChannelId, before: Ticket },
}

impl Event {
    /// The channel whose waiters are concerned.
    pub fn channel(&self) -> ChannelId {
        match *self {
            Self::Message { channel, .. }
            | Self::Displaced { channel, .. }
            | Self::Deleted { channel, .. } => channel,
        }
    }

    /// Waiters with a smaller ticket are concerned.
    pub fn before(&self) -> Ticket {
        match *self {
            Self::Message { before, .. } | Self::Displaced { before, .. } | Self::Deleted { before, .. } => {
                before
            }
        }
    }
}

/// Takes the events for one worker thread.
///
/// Called with a lock of the store held, because the events of a channel must arrive in ticket order: it must
/// only push to a queue, never wait, never call the store and never drop a
/// [`Subscription`](super::Subscription).
pub type Mailbox = Box<dyn Fn(Event) + Send + Sync>;
