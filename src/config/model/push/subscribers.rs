//! Where subscribers start, how many there may be, and how messages reach them.

use std::time::Duration;

use super::super::super::template::Template;

/// `push_subscriber_concurrency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Concurrency {
    Last,
    First,
    Broadcast,
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

impl Default for DeflateConf {
    /// Nchan's numbers.
    fn default() -> Self {
        Self { level: 6, window: 10, memlevel: 8 }
    }
}
