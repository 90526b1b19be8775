//! nginx-push-stream-module, another dialect of what Encke does; known by name, not spoken yet.

use super::{Directive, H, HSL, HSLI, L, Module, NONE, ONE, ONE_OR_TWO, UP_TO_ONE, rows};

const NOT_SPOKEN: &str = "Encke does not speak the push_stream dialect yet: its clients would not get what they \
     wait for (the push_* directives work)";

/// All names of all releases, those that are gone included.
pub(super) const MODULES: &[Module] = &[Module { name: "nginx-push-stream-module", directives: PUSH_STREAM }];

const PUSH_STREAM: &[Directive] = &rows!["push_stream_" =>
    Refused "allow_connections_to_events_channel", HSLI, ONE, "off", NOT_SPOKEN,
        "Lets clients subscribe to the channel of events.";
    Refused "allowed_origins", HSL, ONE, "", NOT_SPOKEN,
        "Value of Access-Control-Allow-Origin.";
    Refused "authorized_channels_only", HSL, ONE, "off", NOT_SPOKEN,
        "Lets clients subscribe only to channels that hold a message.";
    Refused "broadcast_channel_max_qtd", HSL, ONE, "", NOT_SPOKEN,
        "Old name of push_stream_wildcard_channel_max_qtd.";
    Refused "broadcast_channel_prefix", H, ONE, "", NOT_SPOKEN,
        "Old name of push_stream_wildcard_channel_prefix.";
    Refused "channel_deleted_message_text", H, ONE, "Channel deleted", NOT_SPOKEN,
        "What subscribers get when their channel is deleted.";
    Refused "channel_inactivity_time", H, ONE, "30s", NOT_SPOKEN,
        "How long an empty channel without subscribers is kept.";
    Refused "channel_info_on_publish", HSL, ONE, "on", NOT_SPOKEN,
        "Answers publishers with the state of the channel.";
    Refused "channels_path", HSLI, ONE, "", NOT_SPOKEN,
        "The channels of a request.";
    Refused "channels_statistics", L, NONE, "", NOT_SPOKEN,
        "Answers with counters.";
    Refused "content_type", HSL, ONE, "", NOT_SPOKEN,
        "Type of answers, in early releases.";
    Refused "events_channel_id", H, ONE, "", NOT_SPOKEN,
        "Channel that gets events.";
    Refused "eventsource_support", HSL, ONE, "off", NOT_SPOKEN,
        "Speaks EventSource, in early releases.";
    Refused "footer_template", HSL, ONE, "", NOT_SPOKEN,
        "Last bytes of a stream.";
    Refused "header_template", HSL, ONE, "", NOT_SPOKEN,
        "First bytes of a stream.";
    Refused "header_template_file", HSL, ONE, "", NOT_SPOKEN,
        "File with the first bytes of a stream.";
    Refused "keepalive", HSL, ONE, "off", NOT_SPOKEN,
        "Keeps connections open, in early releases.";
    Refused "last_event_id", HSLI, ONE, "", NOT_SPOKEN,
        "The last event a client has seen.";
    Refused "last_received_message_tag", HSLI, ONE, "", NOT_SPOKEN,
        "Tag of the last message a client has seen.";
    Refused "last_received_message_time", HSLI, ONE, "", NOT_SPOKEN,
        "Time of the last message a client has seen.";
    Refused "longpolling_connection_ttl", HSL, ONE, "", NOT_SPOKEN,
        "How long a long-poll request waits.";
    Refused "max_channel_id_length", H, ONE, "", NOT_SPOKEN,
        "Greatest length of a channel's id.";
    Refused "max_messages_stored_per_channel", H, ONE, "", NOT_SPOKEN,
        "How many messages a channel keeps.";
    Refused "max_number_of_broadcast_channels", H, ONE, "", NOT_SPOKEN,
        "Old name of push_stream_max_number_of_wildcard_channels.";
    Refused "max_number_of_channels", H, ONE, "", NOT_SPOKEN,
        "How many channels there may be.";
    Refused "max_number_of_wildcard_channels", H, ONE, "", NOT_SPOKEN,
        "How many wildcard channels there may be.";
    Refused "max_subscribers_per_channel", H, ONE, "", NOT_SPOKEN,
        "How many subscribers a channel may have.";
    Refused "memory_cleanup_timeout", H, ONE, "", NOT_SPOKEN,
        "How long deleted messages stay in memory, in early releases.";
    Refused "message_template", HSL, ONE, "~text~", NOT_SPOKEN,
        "How a message is written.";
    Refused "message_ttl", H, ONE, "30m", NOT_SPOKEN,
        "How long a message is kept.";
    Refused "padding_by_user_agent", HSL, ONE, "", NOT_SPOKEN,
        "Fills short messages with blanks for some browsers.";
    Refused "ping_message_interval", HSL, ONE, "", NOT_SPOKEN,
        "How often a stream gets a sign of life.";
    Refused "ping_message_text", H, ONE, "", NOT_SPOKEN,
        "Text of that sign.";
    Refused "publisher", L, UP_TO_ONE, "normal", NOT_SPOKEN,
        "Publishes messages.";
    Refused "shared_memory_cleanup_objects_ttl", H, ONE, "", NOT_SPOKEN,
        "How long deleted objects stay in memory, in early releases.";
    Refused "shared_memory_size", H, ONE_OR_TWO, "", NOT_SPOKEN,
        "Memory for channels and messages.";
    Refused "store_messages", HSLI, ONE, "off", NOT_SPOKEN,
        "Keeps messages.";
    Refused "subscriber", L, UP_TO_ONE, "streaming", NOT_SPOKEN,
        "Delivers messages.";
    Refused "subscriber_connection_timeout", HSL, ONE, "", NOT_SPOKEN,
        "Old name of push_stream_subscriber_connection_ttl.";
    Refused "subscriber_connection_ttl", HSL, ONE, "", NOT_SPOKEN,
        "How long a stream stays open.";
    Refused "subscriber_disconnect_interval", H, ONE, "", NOT_SPOKEN,
        "How often streams are closed, in early releases.";
    Refused "timeout_with_body", HSL, ONE, "off", NOT_SPOKEN,
        "Answers a long-poll request that has waited in vain with 200 and a text.";
    Refused "user_agent", HSL, ONE, "", NOT_SPOKEN,
        "Which browser is asking.";
    Refused "websocket", L, NONE, "", NOT_SPOKEN,
        "Speaks WebSocket, in early releases.";
    Refused "websocket_allow_publish", HSL, ONE, "off", NOT_SPOKEN,
        "Publishes what comes over a WebSocket.";
    Refused "wildcard_channel_max_qtd", HSL, ONE, "", NOT_SPOKEN,
        "How many wildcard channels a subscriber may have.";
    Refused "wildcard_channel_prefix", H, ONE, "", NOT_SPOKEN,
        "How ids of wildcard channels begin.";
];
