//! What a location does with channels: `push_*` and `nchan_*` in one struct.
//!
//! Its parts are in one file per topic, named as those of [`modules::nchan`](super::super::modules::nchan).

mod access;
mod benchmark;
mod groups;
mod roles;
mod setting;
mod subscribers;

use std::time::Duration;

use super::super::template::Template;

pub use self::access::*;
pub use self::benchmark::*;
pub use self::groups::*;
pub use self::roles::*;
pub use self::setting::*;
pub use self::subscribers::*;

/// The push settings of one location, whichever dialect it was written in.
#[derive(Clone, Debug)]
pub struct PushConf {
    /// Whose answers clients expect.
    pub dialect: Dialect,
    /// What the location does.
    pub handler: PushHandler,
    /// The handler is written in a block around the location: a content handler of the location's own (`proxy_pass`)
    /// comes before it.
    pub inherited: bool,
    /// Over what it publishes.
    pub publisher: Publishers,
    /// How subscribers get their messages.
    pub subscriber: Transports,
    /// Which channels.
    pub ids: ChannelIds,
    /// `push_channel_group`, `nchan_channel_group`.
    pub channel_group: Template,
    /// `push_store_messages`, `nchan_store_messages`.
    pub store_messages: bool,
    /// `push_min_message_buffer_length`.
    pub min_message_buffer_length: u32,
    /// `push_max_message_buffer_length`, `nchan_message_buffer_length`.
    pub max_message_buffer_length: Setting<u32>,
    /// `push_message_timeout`, `nchan_message_timeout`; `None` = never.
    pub message_timeout: Setting<Option<Duration>>,
    /// `push_delete_oldest_received_message`.
    pub delete_oldest_received_message: bool,
    /// `push_subscriber_concurrency`.
    pub subscriber_concurrency: Concurrency,
    /// `push_subscriber_timeout`, `nchan_subscriber_timeout`; `None` = never.
    pub subscriber_timeout: Option<Duration>,
    /// `push_channel_timeout`, `nchan_channel_timeout`.
    pub channel_timeout: Duration,
    /// `push_authorized_channels_only`, `nchan_subscribe_existing_channels_only`.
    pub authorized_channels_only: bool,
    /// `push_max_channel_id_length`, `nchan_max_channel_id_length`, bytes.
    pub max_channel_id_length: usize,
    /// `push_max_channel_subscribers`, `nchan_max_channel_subscribers`; 0 = no limit.
    pub max_channel_subscribers: u32,
    /// `push_ignore_queue_on_no_cache`.
    pub ignore_queue_on_no_cache: bool,
    /// `encke_subscriber_queue`: bytes that may wait for one slow streaming subscriber.
    pub subscriber_queue: usize,
    /// Where a subscriber starts, and how it is told where it is.
    pub position: PositionConf,
    /// `nchan_longpoll_multipart_response`.
    pub longpoll_multipart: LongPollMultipart,
    /// `nchan_subscriber_http_raw_stream_separator`: what follows each message of a raw stream. Ends in a line feed
    /// or is empty.
    pub raw_stream_separator: Box<[u8]>,
    /// `nchan_eventsource_*`.
    pub eventsource: EventSourceConf,
    /// `nchan_websocket_*`, `nchan_deflate_message_for_websocket`.
    pub websocket: WebSocketConf,
    /// `nchan_access_control_*`.
    pub cors: CorsConf,
    /// Requests that are made about a client's request.
    pub hooks: HooksConf,
    /// `nchan_channel_group_accounting`, `nchan_group_max_*`.
    pub group: GroupConf,
    /// `nchan_channel_event*`.
    pub events: EventsConf,
    /// `nchan_subscriber_info_string`: a subscriber's line.
    pub subscriber_info: Template,
    /// `nchan_benchmark_*`.
    pub benchmark: BenchmarkConf,
}
