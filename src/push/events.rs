//! What happens to channels is published, too: `nchan_channel_events_channel_id`.

use std::sync::Arc;

use crate::request::RequestCtx;
use crate::store::{ChannelKey, Publish, Store};

/// The group of the channels that are told.
const GROUP: &[u8] = b"meta";
/// Events that are kept, as in Nchan ...
const KEPT: u32 = 100;
/// ... and for how many seconds.
const KEPT_FOR: u64 = 10;

/// What happens to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A message was published.
    Publish,
    /// It was deleted.
    Delete,
    /// A subscriber came.
    Enqueue,
    /// A subscriber went.
    Dequeue,
}

/// An event that is ready to be published.
#[derive(Clone, Debug)]
pub struct Announcement {
    key: ChannelKey,
    text: Box<[u8]>,
}

/// Publishes an event when it is dropped: when a subscriber goes, however that comes about.
#[derive(Debug)]
pub struct Farewell {
    store: Arc<Store>,
    announcement: Announcement,
}

// === impl Happening ===

impl Happening {
    /// `$nchan_channel_event`.
    fn name(self) -> &'static str {
        match self {
            Self::Publish => "channel_publish",
            Self::Delete => "channel_delete",
            Self::Enqueue => "subscriber_enqueue",
            Self::Dequeue => "subscriber_dequeue",
        }
    }
}

// === impl Announcement ===

impl Announcement {
    /// Of what happens through this request; `None` if its location tells nobody.
    pub fn of(ctx: &RequestCtx, happening: Happening) -> Option<Self> {
        let conf = &ctx.conf.push.events;
        let id = ctx.render(conf.channel_id.as_ref()?);
        if id.is_empty() {
            return None;
        }
        ctx.facts.note(|facts| facts.event = Some(happening.name()));
        let id = &id[..id.len().min(ctx.conf.push.max_channel_id_length)];
        Some(Self { key: ChannelKey::new(GROUP, id), text: ctx.render(&conf.text).into() })
    }

    /// Publishes it. Where there is no memory for it, nobody is told.
    pub fn publish(&self, store: &Store) {
        let _ = store.publish(&Publish {
            key: &self.key,
            body: &self.text,
            content_type: None,
            event_name: None,
            deflated: None,
            store: true,
            max_messages: KEPT,
            min_messages: 0,
            message_timeout: Some(KEPT_FOR),
            delete_oldest_received: false,
            channel_timeout: KEPT_FOR,
            accounting: None,
        });
    }

    /// Keeps it for later.
    pub fn when_dropped(self, store: &Arc<Store>) -> Farewell {
        Farewell { store: Arc::clone(store), announcement: self }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.announcement.publish(&self.store);
    }
}
