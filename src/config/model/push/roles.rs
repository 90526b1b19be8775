//! What a location does with channels, over what, and with which ones.

use super::super::super::template::Template;
use super::groups::GroupMethods;

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
    /// Publishing and subscribing, each as far as [`super::PushConf::publisher`] and [`super::PushConf::subscriber`]
    /// say. Both may be empty (`nchan_subscriber off`).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_a_set() {
        let set = Transports::of(&[Transport::WebSocket]).or(Transports::of(&[Transport::RawStream]));
        assert!(set.has(Transport::WebSocket) && set.has(Transport::RawStream) && set.any());
        assert!(!set.has(Transport::LongPoll) && !Transports::NONE.any());
        assert!(!Transports::USUAL.has(Transport::IntervalPoll));
    }
}
