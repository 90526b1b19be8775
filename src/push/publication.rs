//! Where and how messages are published: settled once per request, or once for a WebSocket full of messages.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::config::model::{DeflateConf, Dialect, LocationConf, Setting, Unusable, Written};
use crate::metrics;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::{Accounting, ChannelInfo, ChannelKey, Publish, Refusal, Store};

use super::cursor::Cursor;
use super::group;
use super::websocket::deflate;

/// What of a request decides how its messages are published.
#[derive(Clone, Debug)]
pub struct Publication {
    keys: Vec<ChannelKey>,
    conf: Arc<LocationConf>,
    max_messages: u32,
    message_timeout: Option<u64>,
    event_name: Option<Box<[u8]>>,
    deflate: Option<DeflateConf>,
    accounting: Option<Accounting>,
}

/// One for each channel; mostly there is one.
type Infos = SmallVec<[ChannelInfo; 1]>;

/// What a publisher is told of its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of several channels: sums, and the latest request.
    pub info: ChannelInfo,
    /// The position behind the last message, if that can be told.
    pub last: Option<Cursor>,
    /// Somebody was there when the message was published.
    pub heard: bool,
}

impl Publication {
    /// For the messages of this request, in these channels.
    ///
    /// # Errors
    /// The answer for one whose settings come to no value.
    pub fn new(ctx: &RequestCtx, keys: Vec<ChannelKey>) -> Result<Self, Answer> {
        let push = &ctx.conf.push;
        let max_messages = setting(ctx, &push.max_message_buffer_length, "nchan_message_buffer_length")?;
        let message_timeout = setting(ctx, &push.message_timeout, "nchan_message_timeout")?;
        let event = push.eventsource.event.as_deref().or_else(|| ctx.header("x-eventsource-event"));
        Ok(Self {
            keys,
            conf: Arc::clone(&ctx.conf),
            max_messages,
            message_timeout: message_timeout.map(|timeout| timeout.as_secs()),
            event_name: event.map(Into::into),
            deflate: push.websocket.deflate.then_some(ctx.config.deflate),
            accounting: group::accounting(ctx)?,
        })
    }

    /// The channels.
    pub fn keys(&self) -> &[ChannelKey] {
        &self.keys
    }

    /// Whose answers its location gives.
    pub fn dialect(&self) -> Dialect {
        self.conf.push.dialect
    }

    /// Publishes in another channel of the same group from now on, where it is one channel.
    pub fn move_to(&mut self, id: &[u8]) {
        if let [key] = &mut self.keys[..] {
            key.rename(id);
        }
    }

    /// Publishes a message in all of its channels.
    ///
    /// # Errors
    /// The memory limit or one of the group is reached; channels before the one that did not fit have the message.
    pub fn publish(&self, store: &Store, body: &[u8], content_type: Option<&[u8]>) -> Result<Told, Refusal> {
        let push = &self.conf.push;
        let deflated = self.deflate.map(|conf| deflate::deflate(body, conf));
        let mut infos = Infos::new();
        for key in &self.keys {
            infos.push(store.publish(&Publish {
                key,
                body,
                content_type,
                event_name: self.event_name.as_deref(),
                deflated: deflated.as_deref(),
                store: push.store_messages,
                max_messages: self.max_messages,
                min_messages: push.min_message_buffer_length,
                message_timeout: self.message_timeout,
                delete_oldest_received: push.delete_oldest_received_message,
                channel_timeout: push.channel_timeout.as_secs(),
                accounting: self.accounting,
            })?);
        }
        metrics::count(|worker| worker.published.add(1));
        Ok(self.told(&infos, store))
    }

    /// What the publisher of a message is told, by the quirks of the location's dialect.
    fn told(&self, infos: &[ChannelInfo], store: &Store) -> Told {
        let mut told = Told::of(infos);
        if self.conf.push.dialect == Dialect::Push {
            return told;
        }
        if infos.len() > 1 {
            // Nchan has no id for a message in several channels, and tells of the one with the most messages.
            told.last = None;
            told.info.messages = infos.iter().map(|info| info.messages).max().unwrap_or_default();
        }
        if self.max_messages == 0 || !self.conf.push.store_messages {
            // Those who got a message that is not stored, and went with it, do not count.
            let timeout = self.conf.push.channel_timeout.as_secs();
            let left = self.keys.iter().filter_map(|key| store.info(key, timeout));
            told.info.subscribers = left.map(|info| info.subscribers).sum();
        }
        told
    }
}

impl Told {
    /// Of one or several channels.
    pub fn of(infos: &[ChannelInfo]) -> Self {
        if let [info] = infos {
            return Self::of_one(*info);
        }
        let last: Vec<_> = infos.iter().map(|info| info.last_message).collect();
        let info = ChannelInfo {
            messages: infos.iter().map(|info| info.messages).sum(),
            requested: infos.iter().filter_map(|info| info.requested).min(),
            subscribers: infos.iter().map(|info| info.subscribers).sum(),
            last_message: last.iter().flatten().max().copied(),
        };
        Self { info, last: Some(Cursor::of_last(&last)), heard: info.subscribers > 0 }
    }

    fn of_one(info: ChannelInfo) -> Self {
        let last = info.last_message.map_or_else(|| Cursor::start(1), Cursor::of_id);
        Self { info, last: Some(last), heard: info.subscribers > 0 }
    }

    /// Of several channels that are deleted: nothing is left of them.
    pub fn of_deleted(infos: &[ChannelInfo]) -> Self {
        let told = Self::of(infos);
        Self { info: ChannelInfo { messages: 0, ..told.info }, last: None, ..told }
    }

    /// Whether somebody was waiting: 201, or 202.
    pub fn status(&self) -> u16 {
        if self.heard { 201 } else { 202 }
    }

    /// Nchan's `last message id`.
    pub fn last_id(&self) -> String {
        let mut text = String::new();
        self.write_last_id(&mut text);
        text
    }

    /// Writes it.
    pub fn write_last_id(&self, text: &mut String) {
        match &self.last {
            Some(cursor) => cursor.write(text),
            None => text.push('0'),
        }
    }
}

/// Whether the settings for messages come to values, which Nchan asks of subscribers, too.
///
/// # Errors
/// See [`setting`].
pub fn check_settings(ctx: &RequestCtx) -> Result<(), Answer> {
    let push = &ctx.conf.push;
    setting(ctx, &push.max_message_buffer_length, "nchan_message_buffer_length")?;
    setting(ctx, &push.message_timeout, "nchan_message_timeout")?;
    Ok(())
}

/// A setting's value for this request.
///
/// # Errors
/// 403 and Nchan's text when its variables come to no value.
pub fn setting<T: Written + Clone>(ctx: &RequestCtx, setting: &Setting<T>, name: &str) -> Result<T, Answer> {
    setting.resolve(|template| ctx.render(template)).map_err(|unusable| {
        let problem = match unusable {
            Unusable::Missing => "missing",
            Unusable::Invalid => "invalid",
        };
        Answer::text(403, *b"text/plain", format!("{problem} {name} value"))
    })
}
