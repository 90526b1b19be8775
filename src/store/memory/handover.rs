//! A store that goes to another process: everything out, and in again there.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use super::super::channel::{ChannelImage, NEVER};
use super::super::{ChannelId, ChannelKey, Message, OutOfMemory, Publish, Subscription, WorkerId};
use super::{Channel, Store};

/// A message on its way to another process.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageImage<'m> {
    #[serde(borrow, with = "serde_bytes")]
    body: Cow<'m, [u8]>,
    #[serde(borrow, with = "serde_bytes")]
    content_type: Option<Cow<'m, [u8]>>,
    #[serde(borrow, with = "serde_bytes")]
    event_name: Option<Cow<'m, [u8]>>,
    #[serde(borrow, with = "serde_bytes")]
    deflated: Option<Cow<'m, [u8]>>,
    stamp: i64,
    offset: u64,
    published: (i64, u64),
    sequence: u64,
    /// Milliseconds until it expires.
    expires_in: Option<u64>,
    delete_beyond: Option<u32>,
}

/// A piece of a store: a channel, or a message of the channel before it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Piece<'m> {
    /// A channel; its messages follow.
    Channel(ChannelImage),
    /// A message.
    #[serde(borrow)]
    Message(MessageImage<'m>),
}

impl Store {
    /// Shows all there is, channel by channel. It is one moment's state only if nobody else uses the store meanwhile.
    ///
    /// # Errors
    /// The first of `visit`.
    pub fn export<E>(&self, visit: &mut dyn FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        let now = self.clock.monotonic_millis();
        for shard in &self.shards {
            let ids: Vec<ChannelId> = shard.lock().channels.keys().copied().collect();
            for id in ids {
                let image = shard.lock().channels.get_mut(&id).map(|channel| channel.image(now));
                let Some((channel, messages)) = image else { continue };
                visit(Piece::Channel(channel))?;
                for message in &messages {
                    visit(Piece::Message(image_of(message, now)))?;
                }
            }
        }
        Ok(())
    }

    /// Takes a channel. Returns the name for those of its messages that follow.
    ///
    /// # Errors
    /// When it does not fit into the memory there is.
    pub fn import_channel(&self, image: &ChannelImage) -> Result<ChannelKey, OutOfMemory> {
        let key = image.key();
        let claim = self.budget.claim(Channel::size_of(&key)).ok_or(OutOfMemory)?;
        let now = self.clock.monotonic_millis();
        let id = ChannelId(self.last_channel.fetch_add(1, Relaxed) + 1);
        let mut state = self.seek(&key).lock();
        state.create(&key, id, claim);
        if let Some(channel) = state.channels.get_mut(&id) {
            channel.restore(image, now);
        }
        state.settle(id);
        drop(state);
        Ok(key)
    }

    /// Takes the next message of a channel.
    ///
    /// # Errors
    /// When it does not fit into the memory there is.
    pub fn import_message(&self, key: &ChannelKey, image: &MessageImage<'_>) -> Result<(), OutOfMemory> {
        let publish = Publish {
            key,
            body: &image.body,
            content_type: image.content_type.as_deref(),
            event_name: image.event_name.as_deref(),
            deflated: image.deflated.as_deref(),
            store: true,
            max_messages: u32::MAX,
            min_messages: image.delete_beyond.unwrap_or(0),
            message_timeout: None,
            delete_oldest_received: image.delete_beyond.is_some(),
            channel_timeout: 0,
            accounting: None,
        };
        let claim = self.budget.claim(Message::size_of(&publish)).ok_or(OutOfMemory)?;
        let mut message = Message::new(&publish, claim);
        let now = self.clock.monotonic_millis();
        message.stamp = image.stamp;
        message.offset = image.offset;
        message.published = image.published;
        message.sequence = image.sequence;
        message.deadline = image.expires_in.map_or(NEVER, |millis| now.saturating_add(millis));
        self.last_message.fetch_max(image.sequence, Relaxed);
        self.at_channel(key, |channel, _| channel.restore_message(Arc::new(message)));
        Ok(())
    }

    /// Lets a subscriber wait again that waited in another process. `None` if the channel is not there.
    pub fn import_waiter(&self, key: &ChannelKey, worker: WorkerId) -> Option<Subscription> {
        let now = self.clock.monotonic_millis();
        let shard = self.seek(key);
        let mut guard = shard.lock();
        let state = &mut *guard;
        let id = state.find(key, now)?;
        state.channels.get_mut(&id)?.wait(worker);
        let ticket = state.tickets.next();
        state.settle(id);
        Some(Subscription::new(Arc::clone(shard), id, ticket, false, None))
    }
}

fn image_of(message: &Message, now: u64) -> MessageImage<'_> {
    MessageImage {
        body: message.body().into(),
        content_type: message.content_type().map(Cow::Borrowed),
        event_name: message.event_name().map(Cow::Borrowed),
        deflated: message.deflated().map(Cow::Borrowed),
        stamp: message.stamp,
        offset: message.offset,
        published: message.published,
        sequence: message.sequence,
        expires_in: (message.deadline != NEVER).then(|| message.deadline.saturating_sub(now)),
        delete_beyond: message.delete_beyond,
    }
}
