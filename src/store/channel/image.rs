//! A channel on its way to another process: what has to be known to go on with it there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{ChannelKey, Message};
use super::{Channel, NEVER};

/// Milliseconds that a channel stays for those who wait in it to come over.
const FOR_WAITERS: u64 = 60_000;

/// A channel without its messages. Times are relative, since the two processes' clocks begin at different moments.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChannelImage {
    #[serde(with = "serde_bytes")]
    pub(in crate::store) group: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub(in crate::store) id: Vec<u8>,
    keep: u32,
    last_stamp: i64,
    last_published: (i64, u64),
    next_offset: u64,
    /// Milliseconds until the clock reaches the last stamp.
    ahead_for: u64,
    goes_by_stamps: bool,
    /// Milliseconds since the last subscriber request.
    requested_ago: Option<u64>,
    /// Milliseconds until the channel is gone, if it is idle.
    idle_in: u64,
}

impl Channel {
    /// The channel as it is at this monotonic millisecond, and its messages.
    pub(in crate::store) fn image(&mut self, now: u64) -> (ChannelImage, Vec<Arc<Message>>) {
        self.drop_expired(now);
        let image = ChannelImage {
            group: self.key.group().to_vec(),
            id: self.key.id().to_vec(),
            keep: self.keep,
            last_stamp: self.last_stamp,
            last_published: self.last_published,
            next_offset: self.next_offset,
            ahead_for: self.ahead_until.saturating_sub(now),
            goes_by_stamps: self.goes_by_stamps,
            requested_ago: self.requested.map(|then| now.saturating_sub(then)),
            idle_in: self.idle_at.saturating_sub(now).max(if self.waiting > 0 { FOR_WAITERS } else { 0 }),
        };
        (image, self.messages.iter().cloned().collect())
    }

    /// Goes on where the channel of the image was.
    pub(in crate::store) fn restore(&mut self, image: &ChannelImage, now: u64) {
        let later = |millis: u64| now.saturating_add(millis).min(NEVER - 1);
        self.keep = image.keep;
        self.last_stamp = image.last_stamp;
        self.last_published = image.last_published;
        self.next_offset = image.next_offset;
        self.ahead_until = later(image.ahead_for);
        self.goes_by_stamps = image.goes_by_stamps;
        // Before this process's clock began, for most: then as long ago as it can say.
        self.requested = image.requested_ago.map(|ago| now.saturating_sub(ago));
        self.idle_at = later(image.idle_in);
    }

    /// Adds a message behind those there are.
    pub(in crate::store) fn restore_message(&mut self, message: Arc<Message>) {
        let keep = self.keep;
        self.push(message, u32::MAX, keep);
    }
}

impl ChannelImage {
    /// The channel's name.
    pub fn key(&self) -> ChannelKey {
        ChannelKey::new(&self.group, &self.id)
    }
}
