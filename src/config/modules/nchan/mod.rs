//! `nchan_*`: all names of Nchan 1.3, one file per topic.
//!
//! What `push_*` names set too is in the draft of [`super::push`]; the rest is in [`NchanDraft`].

mod access;
mod benchmark;
mod groups;
mod messages;
mod redis;
pub mod roles;
mod subscribers;

use std::time::Duration;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::{ConfDraft, draft};
use super::super::model::{
    BenchmarkConf, ChannelIds, CorsConf, DeflateConf, Distribution, EventSourceConf, EventsConf,
    FirstMessage, GroupConf, Heartbeat, HooksConf, LongPollMultipart, PositionConf, Setting, WebSocketConf,
};
use super::super::roles::Roles;
use super::super::template::Template;
use super::super::variable::Variables;
use super::Module;

pub use self::messages::DEFAULT_MEMORY;

/// Roles and ids.
pub const ROLES: Module =
    Module { name: "ngx_nchan_module: locations and channels", directives: roles::DIRECTIVES };
/// Messages and their store.
pub const MESSAGES: Module = Module { name: "ngx_nchan_module: messages", directives: messages::DIRECTIVES };
/// How subscribers are served.
pub const SUBSCRIBERS: Module =
    Module { name: "ngx_nchan_module: subscribers", directives: subscribers::DIRECTIVES };
/// Who may what, and who is told.
pub const ACCESS: Module =
    Module { name: "ngx_nchan_module: access, hooks, events", directives: access::DIRECTIVES };
/// Groups and status pages.
pub const GROUPS: Module =
    Module { name: "ngx_nchan_module: groups and status", directives: groups::DIRECTIVES };
/// The benchmark.
pub const BENCHMARK: Module =
    Module { name: "ngx_nchan_module: benchmark", directives: benchmark::DIRECTIVES };
/// Redis.
pub const REDIS: Module = Module { name: "ngx_nchan_module: Redis", directives: redis::DIRECTIVES };

const H: Contexts = Contexts::HTTP;
const L: Contexts = Contexts::LOCATION;
const SL: Contexts = Contexts::SERVER.or(L);
const SLI: Contexts = SL.or(Contexts::LOCATION_IF);

draft! {
    /// What only `nchan_*` names set in a block.
    NchanDraft {
        channel_ids: Vec<Template>,
        publish_ids: Vec<Template>,
        subscribe_ids: Vec<Template>,
        split_delimiter: Box<[u8]>,
        first_message: FirstMessage,
        last_message_ids: Vec<Template>,
        compound_etag: bool,
        custom_etag_header: Box<str>,
        longpoll_multipart: LongPollMultipart,
        raw_stream_separator: Box<[u8]>,
        eventsource_event: Box<[u8]>,
        eventsource_ping_interval: Duration,
        eventsource_ping_comment: Box<[u8]>,
        eventsource_ping_data: Box<[u8]>,
        eventsource_ping_event: Box<[u8]>,
        websocket_ping_interval: Duration,
        websocket_heartbeat: Heartbeat,
        deflate: bool,
        allow_origin: Template,
        allow_credentials: bool,
        authorize: Template,
        subscribe_hook: Template,
        unsubscribe_hook: Template,
        publisher_upstream: Template,
        group_accounting: bool,
        group_max_channels: Setting<u32>,
        group_max_subscribers: Setting<u32>,
        group_max_messages: Setting<u32>,
        group_max_messages_memory: Setting<u64>,
        group_max_messages_disk: Setting<u64>,
        events_channel_id: Template,
        event_text: Template,
        info_string: Template,
        benchmark_time: Duration,
        benchmark_messages_per_minute: u64,
        benchmark_padding: u64,
        benchmark_channels: u64,
        benchmark_subscribers_per_channel: u64,
        benchmark_subscribers: Distribution,
        benchmark_publishers: Distribution,
    }
}

draft! {
    /// `nchan_permessage_deflate_*` of the `http` block.
    DeflateDraft {
        level: u8,
        window: u8,
        memlevel: u8,
    }
}

/// Defaults that hold variables.
#[derive(Clone, Debug, Default)]
pub struct PushDefaults {
    /// `$push_channel_id`.
    pub channel_id: Template,
    /// Of `nchan_subscriber_last_message_id`.
    pub last_message_ids: Vec<Template>,
    /// Of `nchan_access_control_allow_origin`.
    pub allow_origin: Template,
    /// Of `nchan_channel_event_string`.
    pub event_text: Template,
    /// Of `nchan_subscriber_info_string`.
    pub subscriber_info: Template,
}

const LAST_MESSAGE_IDS: [&str; 2] = ["$http_last_event_id", "$arg_last_event_id"];
const EVENT_TEXT: &str = "$nchan_channel_event $nchan_channel_id";
const SUBSCRIBER_INFO: &str =
    "$nchan_subscriber_type $remote_addr:$remote_port $http_user_agent $server_name $request_uri $pid";

// === impl PushDefaults ===

impl PushDefaults {
    /// Those of a configuration; the texts that only Nchan has are left out where nobody `speaks_nchan`.
    pub fn new(channel_id: Template, speaks_nchan: bool, variables: &mut Variables) -> Self {
        // The texts are constants of this file, with variables that are well-formed.
        let mut text = |text: &str| Template::compile(text.as_bytes(), variables).unwrap_or_default();
        let last_message_ids = LAST_MESSAGE_IDS.iter().map(|id| text(id)).collect();
        let allow_origin = text("$http_origin");
        let mut of_nchan = |of_nchan: &str| if speaks_nchan { text(of_nchan) } else { Template::default() };
        let (event_text, subscriber_info) = (of_nchan(EVENT_TEXT), of_nchan(SUBSCRIBER_INFO));
        Self { channel_id, last_message_ids, allow_origin, event_text, subscriber_info }
    }
}

// === impl NchanDraft ===

impl NchanDraft {
    /// Whether a location with these roles has to look at `$push_channel_id`, `outer` being the draft around it.
    pub fn lacks_ids(&self, outer: &Self, roles: &Roles) -> bool {
        let has = |ids: fn(&Self) -> &Option<Vec<Template>>| ids(self).is_some() || ids(outer).is_some();
        let both = has(|draft| &draft.channel_ids);
        let lacks_publish = roles.publisher.any() && !has(|draft| &draft.publish_ids);
        let lacks_subscribe = roles.subscriber.any() && !has(|draft| &draft.subscribe_ids);
        !both && (lacks_publish || lacks_subscribe)
    }

    /// The channels of a location with these roles.
    pub fn ids(&self, roles: &Roles, defaults: &PushDefaults) -> ChannelIds {
        if roles.is_none() {
            return ChannelIds::default();
        }
        let ids = |own: &Option<Vec<Template>>| {
            let written = own.as_ref().or(self.channel_ids.as_ref());
            written.cloned().unwrap_or_else(|| vec![defaults.channel_id.clone()])
        };
        ChannelIds {
            publish: ids(&self.publish_ids),
            subscribe: ids(&self.subscribe_ids),
            split_delimiter: self.split_delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        }
    }

    /// Where a subscriber starts, and how it is told where it is.
    pub fn position(&self, defaults: &PushDefaults) -> PositionConf {
        let ids = &self.last_message_ids;
        PositionConf {
            first_message: self.first_message.unwrap_or(FirstMessage::Oldest(1)),
            last_message_ids: ids.clone().unwrap_or_else(|| defaults.last_message_ids.clone()),
            compound_etag: self.compound_etag.unwrap_or(false),
            custom_etag_header: self.custom_etag_header.clone().filter(|name| !name.is_empty()),
        }
    }

    /// `nchan_eventsource_*`.
    pub fn eventsource(&self) -> EventSourceConf {
        EventSourceConf {
            event: self.eventsource_event.clone().filter(|event| !event.is_empty()),
            ping_interval: self.eventsource_ping_interval.filter(|interval| !interval.is_zero()),
            ping_comment: self.eventsource_ping_comment.clone().unwrap_or_default(),
            ping_data: self.eventsource_ping_data.clone().unwrap_or_default(),
            ping_event: self.eventsource_ping_event.clone().unwrap_or_else(|| (*b"ping").into()),
        }
    }

    /// What only WebSockets have.
    pub fn websocket(&self) -> WebSocketConf {
        WebSocketConf {
            ping_interval: self.websocket_ping_interval.filter(|interval| !interval.is_zero()),
            heartbeat: self.websocket_heartbeat.clone(),
            deflate: self.deflate.unwrap_or(false),
        }
    }

    /// `nchan_access_control_*`.
    pub fn cors(&self, defaults: &PushDefaults) -> CorsConf {
        CorsConf {
            allow_origin: self.allow_origin.clone().unwrap_or_else(|| defaults.allow_origin.clone()),
            allow_credentials: self.allow_credentials.unwrap_or(true),
        }
    }

    /// Locations of hooks.
    pub fn hooks(&self) -> HooksConf {
        HooksConf {
            authorize: self.authorize.clone(),
            subscribe: self.subscribe_hook.clone(),
            unsubscribe: self.unsubscribe_hook.clone(),
            publisher_upstream: self.publisher_upstream.clone(),
        }
    }

    /// What is counted and limited per group.
    pub fn group(&self) -> GroupConf {
        GroupConf {
            accounting: self.group_accounting.unwrap_or(false),
            max_channels: self.group_max_channels.clone(),
            max_subscribers: self.group_max_subscribers.clone(),
            max_messages: self.group_max_messages.clone(),
            max_messages_memory: self.group_max_messages_memory.clone(),
            max_messages_disk: self.group_max_messages_disk.clone(),
        }
    }

    /// What is told of a channel, and where.
    pub fn events(&self, defaults: &PushDefaults) -> EventsConf {
        EventsConf {
            channel_id: self.events_channel_id.clone(),
            text: self.event_text.clone().unwrap_or_else(|| defaults.event_text.clone()),
        }
    }

    /// `nchan_benchmark_*`.
    pub fn benchmark(&self) -> BenchmarkConf {
        let default = BenchmarkConf::default();
        let per_channel = self.benchmark_subscribers_per_channel;
        BenchmarkConf {
            time: self.benchmark_time.unwrap_or(default.time),
            messages_per_minute: self.benchmark_messages_per_minute.unwrap_or(default.messages_per_minute),
            padding: self.benchmark_padding.unwrap_or(default.padding),
            channels: self.benchmark_channels.unwrap_or(default.channels),
            subscribers_per_channel: per_channel.unwrap_or(default.subscribers_per_channel),
            subscribers: self.benchmark_subscribers.unwrap_or(default.subscribers),
            publishers: self.benchmark_publishers.unwrap_or(default.publishers),
        }
    }
}

// === impl DeflateDraft ===

impl DeflateDraft {
    /// The numbers in force.
    pub fn finish(&self) -> DeflateConf {
        let default = DeflateConf::default();
        DeflateConf {
            level: self.level.unwrap_or(default.level),
            window: self.window.unwrap_or(default.window),
            memlevel: self.memlevel.unwrap_or(default.memlevel),
        }
    }
}

// === what setters share ===

/// A field of a draft.
type Field<T> = fn(&mut ConfDraft) -> &mut Option<T>;

/// Reads an argument into a field that must be empty. The argument is read while the block is not borrowed: a template
/// adds variables.
fn fill<T>(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    field: Field<T>,
    read: impl FnOnce(&mut Builder<'_>, &Call<'_>) -> Outcome<T>,
) -> Outcome {
    if field(&mut b.block().conf).is_some() {
        return Err(call.duplicate());
    }
    let value = read(b, call)?;
    *field(&mut b.block().conf) = Some(value);
    Ok(())
}

/// Reads an argument into a field in which Nchan lets the last one of a block win.
fn replace<T>(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    field: Field<T>,
    read: impl FnOnce(&mut Builder<'_>, &Call<'_>) -> Outcome<T>,
) -> Outcome {
    let value = read(b, call)?;
    if field(&mut b.block().conf).replace(value).is_some() {
        warn_replaced(b, call);
    }
    Ok(())
}

fn warn_replaced(b: &mut Builder<'_>, call: &Call<'_>) {
    let name = call.row.name;
    b.warn(call, format!("an earlier \"{name}\" has no effect here: this one replaces it"));
}

/// The first argument as text with variables.
fn template(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Template> {
    b.template(call, 0)
}

/// All arguments, likewise.
fn templates(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Vec<Template>> {
    (0..call.count()).map(|n| b.template(call, n)).collect()
}

/// The first argument as it is.
fn bytes(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Box<[u8]>> {
    Ok(call.arg(0).into())
}

/// The first argument as text that becomes one line of a stream.
fn line(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Box<[u8]>> {
    if call.arg(0).iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        let name = call.row.name;
        let error = format!("\"{name}\" directive can't contain any newline characters");
        return Err(Diagnostic::emerg(error));
    }
    Ok(call.arg(0).into())
}

/// The first argument as `on` or `off`.
fn flag(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<bool> {
    call.flag()
}

/// The first argument as a time in seconds.
fn seconds(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Duration> {
    call.seconds()
}
