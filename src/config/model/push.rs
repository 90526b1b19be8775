//! What a location does with channels: `push_*` and `nchan_*` in one struct.

use std::time::Duration;

use super::super::template::Template;
use super::super::value;

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

/// Whose answers a location gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// nginx_http_push_module's: the role was written with a `push_*` name.
    #[default]
    Push,
    /// Nchan's: it was written with an `nchan_*` name.
    Nchan,
}

/// What a location does with channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushHandler {
    /// Nothing: it is no push location.
    #[default]
    None,
    /// Publishing and subscribing, each as far as [`PushConf::publisher`] and [`PushConf::subscriber`] say. Both may be
    /// empty (`nchan_subscriber off`).
    Channel,
    /// `nchan_group_location`.
    Group(GroupMethods),
    /// `nchan_stub_status`.
    StubStatus,
    /// `nchan_subscriber_info`.
    SubscriberInfo,
    /// `nchan_benchmark`.
    Benchmark,
}

/// What `nchan_group_location` lets clients do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupMethods {
    /// GET: what is in the group.
    pub get: bool,
    /// POST: set its limits.
    pub set: bool,
    /// DELETE: delete its channels.
    pub delete: bool,
}

/// Over what a location publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publishers {
    /// POST, PUT, GET and DELETE.
    pub http: bool,
    /// Messages of a WebSocket.
    pub websocket: bool,
}

/// A way to get messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A request waits for the next message.
    LongPoll,
    /// A request is answered at once.
    IntervalPoll,
    /// RFC 6455.
    WebSocket,
    /// `text/event-stream`.
    EventSource,
    /// One HTTP chunk per message.
    Chunked,
    /// `multipart/mixed`, one part per message.
    Multipart,
    /// Messages and separators, nothing else.
    RawStream,
}

/// A set of [`Transport`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transports(u8);

/// The channels of a location.
#[derive(Clone, Debug, Default)]
pub struct ChannelIds {
    /// Those messages go to: `nchan_publisher_channel_id`, else `nchan_channel_id`, else `$push_channel_id`. At most 7.
    pub publish: Vec<Template>,
    /// Those messages come from: `nchan_subscriber_channel_id`, else the same. At most 7.
    pub subscribe: Vec<Template>,
    /// `nchan_channel_id_split_delimiter`: what separates ids in one value; never empty.
    pub split_delimiter: Option<Box<[u8]>>,
}

/// A value written down, or one that each request has anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting<T> {
    /// The value.
    Fixed(T),
    /// Text with variables that comes to the value.
    PerRequest(Template),
}

/// Why the text of a [`Setting::PerRequest`] is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is empty.
    Missing,
    /// It is not understood.
    Invalid,
}

/// How a setting is written.
pub trait Written: Sized {
    /// The value of `text`, `None` if it has none.
    fn read(text: &[u8]) -> Option<Self>;
}

/// Where a subscriber starts, and how it is told where it is.
#[derive(Clone, Debug)]
pub struct PositionConf {
    /// `nchan_subscriber_first_message`: where one without a position starts.
    pub first_message: FirstMessage,
    /// `nchan_subscriber_last_message_id`: the first that is not empty is the position of a request that has none in
    /// `If-Modified-Since` and `If-None-Match`. At most 5.
    pub last_message_ids: Vec<Template>,
    /// `nchan_subscriber_compound_etag_message_id`: the whole position in `Etag`, no `Last-Modified`.
    pub compound_etag: bool,
    /// `nchan_subscriber_message_id_custom_etag_header`: the name of the header in place of `Etag` in answers.
    pub custom_etag_header: Option<Box<str>>,
}

/// `nchan_subscriber_first_message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstMessage {
    /// The nth stored message from the oldest, counted from 1 to 32; 1 is `oldest`.
    Oldest(u8),
    /// The nth stored message from the newest, counted from 1 to 32.
    Newest(u8),
    /// `newest`: none that is stored, the next one.
    Next,
}

/// `nchan_longpoll_multipart_response`: what a long-poll gets when several messages are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongPollMultipart {
    /// The first.
    #[default]
    Off,
    /// All, as `multipart/mixed`.
    On,
    /// All, as in a raw stream.
    Raw,
}

/// `nchan_eventsource_*`. No text holds a line end.
#[derive(Clone, Debug)]
pub struct EventSourceConf {
    /// The event name: of messages published here, and in place of theirs for those who subscribe here.
    pub event: Option<Box<[u8]>>,
    /// How often a ping is sent.
    pub ping_interval: Option<Duration>,
    /// The comment of a ping; empty for none.
    pub ping_comment: Box<[u8]>,
    /// The data of a ping; empty for none.
    pub ping_data: Box<[u8]>,
    /// The event name of a ping.
    pub ping_event: Box<[u8]>,
}

/// What only WebSockets have.
#[derive(Clone, Debug, Default)]
pub struct WebSocketConf {
    /// `nchan_websocket_ping_interval`: how often a ping is sent; one that was not answered until the next ends the
    /// connection.
    pub ping_interval: Option<Duration>,
    /// `nchan_websocket_client_heartbeat`.
    pub heartbeat: Option<Heartbeat>,
    /// `nchan_deflate_message_for_websocket`: messages published here are compressed, once for all subscribers.
    pub deflate: bool,
}

/// `nchan_websocket_client_heartbeat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// A message that is not published, but answered ...
    pub message: Box<[u8]>,
    /// ... with this.
    pub answer: Box<[u8]>,
}

/// `nchan_permessage_deflate_compression_*`: numbers of zlib.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateConf {
    /// 0 to 9.
    pub level: u8,
    /// Logarithm of the window's size, 9 to 15.
    pub window: u8,
    /// 1 to 9.
    pub memlevel: u8,
}

/// `nchan_access_control_*`: for requests with an `Origin`.
#[derive(Clone, Debug)]
pub struct CorsConf {
    /// Origins that may read answers, separated by blanks; `*` for all.
    pub allow_origin: Template,
    /// Whether they may send credentials.
    pub allow_credentials: bool,
}

/// Locations of requests that are made about a client's request.
#[derive(Clone, Debug, Default)]
pub struct HooksConf {
    /// `nchan_authorize_request`: decides whether the request may go on.
    pub authorize: Option<Template>,
    /// `nchan_subscribe_request`: told of a subscriber that came.
    pub subscribe: Option<Template>,
    /// `nchan_unsubscribe_request`: told of a subscriber that went.
    pub unsubscribe: Option<Template>,
    /// `nchan_publisher_upstream_request`: gets a message and answers with what is published.
    pub publisher_upstream: Option<Template>,
}

/// What is counted and limited per group.
#[derive(Clone, Debug, Default)]
pub struct GroupConf {
    /// `nchan_channel_group_accounting`; no limit works without.
    pub accounting: bool,
    /// `nchan_group_max_channels`; 0 = no limit, `None`: not said here.
    pub max_channels: Option<Setting<u32>>,
    /// `nchan_group_max_subscribers`, likewise.
    pub max_subscribers: Option<Setting<u32>>,
    /// `nchan_group_max_messages`, likewise.
    pub max_messages: Option<Setting<u32>>,
    /// `nchan_group_max_messages_memory`, bytes, likewise.
    pub max_messages_memory: Option<Setting<u64>>,
    /// `nchan_group_max_messages_disk`, bytes, likewise.
    pub max_messages_disk: Option<Setting<u64>>,
}

/// What is told of a channel, and where.
#[derive(Clone, Debug, Default)]
pub struct EventsConf {
    /// `nchan_channel_events_channel_id`: the channel of group `meta` that is told.
    pub channel_id: Option<Template>,
    /// `nchan_channel_event_string`: what it is told.
    pub text: Template,
}

/// `nchan_benchmark_*`: what a benchmark does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchmarkConf {
    /// `nchan_benchmark_time`: how long messages are published.
    pub time: Duration,
    /// `nchan_benchmark_messages_per_channel_per_minute`.
    pub messages_per_minute: u64,
    /// `nchan_benchmark_message_padding_bytes`: how much longer messages are than the shortest.
    pub padding: u64,
    /// `nchan_benchmark_channels`.
    pub channels: u64,
    /// `nchan_benchmark_subscribers_per_channel`.
    pub subscribers_per_channel: u64,
    /// `nchan_benchmark_subscriber_distribution`.
    pub subscribers: Distribution,
    /// `nchan_benchmark_publisher_distribution`.
    pub publishers: Distribution,
}

/// Which worker has a publisher or a subscriber of a benchmark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Any.
    #[default]
    Random,
    /// The same one for all of a channel.
    Optimal,
}

/// `push_subscriber_concurrency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Concurrency {
    Last,
    First,
    Broadcast,
}

// === impl Publishers ===

impl Publishers {
    /// Nothing.
    pub const NONE: Self = Self { http: false, websocket: false };
    /// POST and its kin.
    pub const HTTP: Self = Self { http: true, websocket: false };
    /// WebSocket.
    pub const WEBSOCKET: Self = Self { http: false, websocket: true };
    /// Both.
    pub const BOTH: Self = Self { http: true, websocket: true };

    /// Whether there is any.
    pub const fn any(self) -> bool {
        self.http || self.websocket
    }

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self { http: self.http || other.http, websocket: self.websocket || other.websocket }
    }
}

// === impl GroupMethods ===

impl GroupMethods {
    /// All of them.
    pub const ALL: Self = Self { get: true, set: true, delete: true };

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self { get: self.get || other.get, set: self.set || other.set, delete: self.delete || other.delete }
    }
}

// === impl Transports ===

impl Transports {
    /// None.
    pub const NONE: Self = Self(0);
    /// What `nchan_subscriber` means without words.
    pub const USUAL: Self = Self::of(&[
        Transport::LongPoll,
        Transport::WebSocket,
        Transport::EventSource,
        Transport::Chunked,
        Transport::Multipart,
    ]);

    /// These.
    pub const fn of(transports: &[Transport]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < transports.len() {
            set |= 1 << transports[at] as u8;
            at += 1;
        }
        Self(set)
    }

    /// Whether `transport` is among them.
    pub const fn has(self, transport: Transport) -> bool {
        self.0 & (1 << transport as u8) != 0
    }

    /// Whether there is any.
    pub const fn any(self) -> bool {
        self.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

// === impl Setting ===

impl<T: Written + Clone> Setting<T> {
    /// The value for a request whose variables `render` knows.
    ///
    /// # Errors
    /// The variables come to nothing, or to something else.
    pub fn resolve(&self, render: impl FnOnce(&Template) -> Vec<u8>) -> Result<T, Unusable> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::PerRequest(template) => match render(template) {
                text if text.is_empty() => Err(Unusable::Missing),
                text => T::read(&text).ok_or(Unusable::Invalid),
            },
        }
    }
}

/// A number of things.
impl Written for u32 {
    fn read(text: &[u8]) -> Option<Self> {
        value::number(text).map(|number| Self::try_from(number).unwrap_or(Self::MAX))
    }
}

/// A size in bytes.
impl Written for u64 {
    fn read(text: &[u8]) -> Option<Self> {
        value::decimal_size(text)
    }
}

/// A time in seconds; 0 is never.
impl Written for Option<Duration> {
    fn read(text: &[u8]) -> Option<Self> {
        value::seconds(text).map(|seconds| (seconds > 0).then(|| Duration::from_secs(seconds)))
    }
}

// === impl DeflateConf ===

impl Default for DeflateConf {
    /// Nchan's numbers.
    fn default() -> Self {
        Self { level: 6, window: 10, memlevel: 8 }
    }
}

// === impl BenchmarkConf ===

impl Default for BenchmarkConf {
    /// Nchan's numbers.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            messages_per_minute: 120,
            padding: 0,
            channels: 1000,
            subscribers_per_channel: 100,
            subscribers: Distribution::Random,
            publishers: Distribution::Random,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_with_variables_is_read_for_each_request() {
        let fixed: Setting<u32> = Setting::Fixed(3);
        assert_eq!(fixed.resolve(|_| Vec::new()), Ok(3));
        let varies: Setting<Option<Duration>> = Setting::PerRequest(Template::default());
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(varies.resolve(|_| b"1h".to_vec()), Ok(hour));
        assert_eq!(varies.resolve(|_| b"0".to_vec()), Ok(None));
        assert_eq!(varies.resolve(|_| Vec::new()), Err(Unusable::Missing));
        assert_eq!(varies.resolve(|_| b"soon".to_vec()), Err(Unusable::Invalid));
    }

    #[test]
    fn transports_are_a_set() {
        let set = Transports::of(&[Transport::WebSocket]).or(Transports::of(&[Transport::RawStream]));
        assert!(set.has(Transport::WebSocket) && set.has(Transport::RawStream) && set.any());
        assert!(!set.has(Transport::LongPoll) && !Transports::NONE.any());
        assert!(!Transports::USUAL.has(Transport::IntervalPoll));
    }
}
