//! Channels and their messages.
//!
//! The store knows bytes, ids and time. It knows nothing of HTTP, of the configuration, or of how a message
//! is written to a client: those who wait are told by an [`Event`] in the mailbox of their worker thread.
//!
//! # Contract
//!
//! [`Store`] keeps everything in memory. A store on disk or on the network has to keep the same promises:
//!
//! * **A position is (epoch, offset).** The epoch is the [`ChannelId`], new for every life of a channel; the
//!   offset grows by one per message. On the wire a position is the message's [stamp](Message::stamp), a
//!   second that is unique within this life of the channel and grows with the offset, so a client that
//!   returns only this time still gets every message once.
//! * **Publish and history are one step.** Under one lock a message gets its offset, enters the history and
//!   is handed to those who wait. A subscriber either finds it or is woken by it, never both or neither.
//! * **A stream misses nothing.** It reads what is stored from an offset on, and is told of every message
//!   published since it began; offsets say where the two meet.
//! * **A waiter gets exactly one message.** Every wait and every event takes a [`Ticket`] from one sequence;
//!   an event concerns the waiters with a smaller ticket than its own, and releases them at once.
//! * **A gap is visible.** Messages that left the history leave a hole in the offsets; nothing is renumbered.
//! * **Limits of groups are real.** Where they are accounted, no two requests get the same last place.
//! * **The memory limit is real.** Channels, stored messages, and messages a client is still reading are all
//!   charged to one budget. What is freed when it is used up, and in which order, is described at [`Store`].
//!
//! Nothing here panics, waits or does IO.

mod budget;
mod channel;
mod clock;
mod event;
mod group;
mod key;
mod memory;
mod message;
mod request;
mod shard;
#[cfg(test)]
mod tests;

pub use channel::ChannelImage;
pub use clock::{Clock, ManualClock, SystemClock};
pub use event::{ChannelId, Event, Mailbox, Ticket, WorkerId};
pub use group::{Accounting, GroupInfo, GroupLimit, GroupLimits};
pub use key::ChannelKey;
pub use memory::{MessageImage, Piece, Store, Usage};
pub use message::{Message, MessageBody};
pub use request::{
    Batch, ChannelInfo, Concurrency, Mode, OutOfMemory, Position, Publish, Refusal, Subscribe, Subscribed,
};
pub use shard::Subscription;
