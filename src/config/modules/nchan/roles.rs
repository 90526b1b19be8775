//! What a location does with channels, and which channels.

use super::super::super::builder::{Builder, Outcome};
use super::super::super::call::Call;
use super::super::super::diag::Diagnostic;
use super::super::super::model::{Dialect, GroupMethods, Publishers, PushHandler, Transport, Transports};
use super::super::push::{self, word};
use super::super::{HSL, NONE, ONE, done};
use super::benchmark::both_console_and_group;
use super::{Arity, Directive, L, SL, SLI, bytes, fill, flag, replace, template, templates};

const PUBLISHER: Arity = Arity::between(0, 2);
const SUBSCRIBER: Arity = Arity::between(0, 5);
const PUBSUB: Arity = Arity::between(0, 6);
const IDS: Arity = Arity::between(1, 7);

const PUBLISHER_DOC: &str = "Makes the location a publisher: POST and PUT send their body to the channel, GET tells \
                             about it, DELETE removes it (`http`), and so do the messages of a WebSocket \
                             (`websocket`). Nested locations inherit it.";
const SUBSCRIBER_DOC: &str = "Makes the location a subscriber, of the kinds that are named: `longpoll`, \
                              `intervalpoll`, `websocket`, `eventsource`, `chunked`, `multipart`, \
                              `http-raw-stream`; or `off`. Nested locations inherit them, and add their own.";
const PUBSUB_DOC: &str = "Makes the location a publisher and a subscriber. Words are those of `nchan_subscriber`; \
                          `http` and `websocket` among them, wherever they stand, publish, too.";
const IDS_DOC: &str = "The channel or channels, up to 7, for publishing and subscribing. Comes before \
                       `$push_channel_id`.";
const PUBLISH_IDS_DOC: &str = "The channel or channels that are published to.";
const SUBSCRIBE_IDS_DOC: &str = "The channel or channels that are subscribed to.";

/// The rows.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    done("nchan_publisher", SLI, PUBLISHER, "http websocket", PUBLISHER_DOC, nchan_publisher),
    done("nchan_publisher_location", SLI, PUBLISHER, "http websocket", "`nchan_publisher`.", nchan_publisher),
    done("nchan_subscriber", SLI, SUBSCRIBER, "longpoll websocket eventsource chunked multipart", SUBSCRIBER_DOC, nchan_subscriber),
    done("nchan_subscriber_location", SLI, SUBSCRIBER, "longpoll websocket eventsource chunked multipart", "`nchan_subscriber`.", nchan_subscriber),
    done("nchan_pubsub", SLI, PUBSUB, "http websocket longpoll eventsource chunked multipart", PUBSUB_DOC, pubsub),
    done("nchan_pubsub_location", SLI, PUBSUB, "http websocket longpoll eventsource chunked multipart", "`nchan_pubsub`.", pubsub),
    done("nchan_channel_id", SLI, IDS, "", IDS_DOC, channel_ids),
    done("nchan_pubsub_channel_id", SLI, IDS, "", "`nchan_channel_id`.", channel_ids),
    done("nchan_publisher_channel_id", SLI, IDS, "", PUBLISH_IDS_DOC, publish_ids),
    done("nchan_pub_channel_id", SLI, IDS, "", "`nchan_publisher_channel_id`.", publish_ids),
    done("nchan_subscriber_channel_id", SLI, IDS, "", SUBSCRIBE_IDS_DOC, subscribe_ids),
    done("nchan_sub_channel_id", SLI, IDS, "", "`nchan_subscriber_channel_id`.", subscribe_ids),
    done(
        "nchan_channel_id_split_delimiter", SLI, ONE, "",
        "What separates several ids in one value of `nchan_channel_id`. Up to 255 channels in all.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.split_delimiter, bytes),
    ),
    done(
        "nchan_channel_group", SLI, ONE, "",
        "Channels of different groups are different channels even when their ids are equal. May hold variables.",
        push::channel_group,
    ),
    done(
        "nchan_max_channel_id_length", HSL, ONE, "1024",
        "The longest id of a channel, in bytes, before it is split; a longer one is answered 403.",
        |b, call| call.fill(&mut b.block().conf.push.max_channel_id_length, push::size_number),
    ),
    done(
        "nchan_max_channel_subscribers", HSL, ONE, "0",
        "How many subscribers a channel may have; one more gets 403. 0 is no limit.",
        |b, call| call.fill(&mut b.block().conf.push.max_channel_subscribers, push::count),
    ),
    done(
        "nchan_subscribe_existing_channels_only", HSL, ONE, "off",
        "Whether a subscriber gets 403 for a channel that no publisher has made yet.",
        |b, call| fill(b, call, |conf| &mut conf.push.authorized_channels_only, flag),
    ),
    done(
        "nchan_subscriber_info", L, NONE, "",
        "Answers with a line about each subscriber of the channel.",
        |b, _| { claim(b, Dialect::Nchan, PushHandler::SubscriberInfo); Ok(()) },
    ),
    done(
        "nchan_subscriber_info_string", SL, ONE, super::SUBSCRIBER_INFO,
        "The line of a subscriber who came through this location. May hold variables.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.info_string, template),
    ),
];

fn channel_ids(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    replace(b, call, |conf| &mut conf.nchan.channel_ids, templates)
}

fn publish_ids(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    replace(b, call, |conf| &mut conf.nchan.publish_ids, templates)
}

fn subscribe_ids(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    replace(b, call, |conf| &mut conf.nchan.subscribe_ids, templates)
}

// === roles ===

/// What a word of a role means: over what it publishes, and how it subscribes.
type Meaning = (Publishers, Transports);

const fn subscribes(transport: Transport) -> Meaning {
    (Publishers::NONE, Transports::of(&[transport]))
}

/// Words of publishers.
const PUBLISHER_WORDS: [(&str, Publishers); 4] = [
    ("http", Publishers::HTTP),
    ("websocket", Publishers::WEBSOCKET),
    ("websockets", Publishers::WEBSOCKET),
    ("ws", Publishers::WEBSOCKET),
];

/// Words of subscribers, and of both together: Nchan reads the words of `nchan_pubsub` as those of subscribers, where
/// `http` is the interval-poll, and some of them once more as those of publishers.
const WORDS: [(&str, Meaning); 23] = [
    ("long-poll", subscribes(Transport::LongPoll)),
    ("longpoll", subscribes(Transport::LongPoll)),
    ("interval-poll", subscribes(Transport::IntervalPoll)),
    ("intervalpoll", subscribes(Transport::IntervalPoll)),
    ("poll", subscribes(Transport::IntervalPoll)),
    ("http", (Publishers::HTTP, Transports::of(&[Transport::IntervalPoll]))),
    ("websocket", (Publishers::WEBSOCKET, Transports::of(&[Transport::WebSocket]))),
    ("websockets", (Publishers::WEBSOCKET, Transports::of(&[Transport::WebSocket]))),
    ("ws", (Publishers::WEBSOCKET, Transports::of(&[Transport::WebSocket]))),
    ("eventsource", subscribes(Transport::EventSource)),
    ("event-source", subscribes(Transport::EventSource)),
    ("es", subscribes(Transport::EventSource)),
    ("sse", subscribes(Transport::EventSource)),
    ("chunked", subscribes(Transport::Chunked)),
    ("http-chunked", subscribes(Transport::Chunked)),
    ("multipart", subscribes(Transport::Multipart)),
    ("multipart/mixed", subscribes(Transport::Multipart)),
    ("multipart-mixed", subscribes(Transport::Multipart)),
    ("http-multipart", subscribes(Transport::Multipart)),
    ("http-raw-stream", subscribes(Transport::RawStream)),
    ("off", (Publishers::NONE, Transports::NONE)),
    ("none", (Publishers::NONE, Transports::NONE)),
    ("disabled", (Publishers::NONE, Transports::NONE)),
];

/// Notes a role of the block.
pub(super) fn claim(b: &mut Builder<'_>, dialect: Dialect, handler: PushHandler) {
    b.block().conf.roles.claim(dialect, handler);
    b.http.speaks_nchan |= dialect == Dialect::Nchan;
}

/// Notes that the block publishes or subscribes: `role` in Nchan's words.
fn claim_channel(b: &mut Builder<'_>, dialect: Dialect, role: &str) -> Outcome {
    if matches!(b.block().conf.roles.handler, PushHandler::Group(_)) {
        return Err(both_channel_and_group(role));
    }
    claim(b, dialect, PushHandler::Channel);
    Ok(())
}

/// Nchan's message about a location that is both.
fn both_channel_and_group(role: &str) -> Diagnostic {
    Diagnostic::emerg(format!(
        "Can't have a {role} location and also be a group access location (nchan_group + nchan_{role})"
    ))
}

fn nchan_publisher(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    publisher(b, call, Dialect::Nchan)
}

fn nchan_subscriber(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    subscriber(b, call, Dialect::Nchan)
}

/// `nchan_publisher`, `push_publisher`: words add up.
pub fn publisher(b: &mut Builder<'_>, call: &Call<'_>, dialect: Dialect) -> Outcome {
    let mut publisher = match (call.count(), dialect) {
        (0, Dialect::Push) => Publishers::HTTP,
        (0, Dialect::Nchan) => Publishers::BOTH,
        _ => Publishers::NONE,
    };
    for given in call.args() {
        publisher = publisher.or(word(b, call, given, &PUBLISHER_WORDS)?);
    }
    claim_channel(b, dialect, "publisher")?;
    let roles = &mut b.block().conf.roles;
    roles.publisher = roles.publisher.or(publisher);
    Ok(())
}

/// `nchan_subscriber`, `push_subscriber`: words add up, and `off` takes back those before it.
pub fn subscriber(b: &mut Builder<'_>, call: &Call<'_>, dialect: Dialect) -> Outcome {
    let meanings = meanings(b, call)?;
    claim_channel(b, dialect, "subscriber")?;
    match dialect {
        _ if call.count() > 0 => subscribe(b, &meanings),
        Dialect::Push => subscribe(b, &[subscribes(Transport::LongPoll)]),
        Dialect::Nchan => subscribe(b, &[(Publishers::NONE, Transports::USUAL)]),
    }
    Ok(())
}

fn pubsub(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let meanings = match call.count() {
        0 => vec![(Publishers::BOTH, Transports::USUAL)],
        _ => meanings(b, call)?,
    };
    claim_channel(b, Dialect::Nchan, "publisher")?;
    let roles = &mut b.block().conf.roles;
    roles.publisher = meanings.iter().fold(roles.publisher, |set, (publisher, _)| set.or(*publisher));
    subscribe(b, &meanings);
    Ok(())
}

fn meanings(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Vec<Meaning>> {
    call.args().map(|given| word(b, call, given, &WORDS)).collect()
}

fn subscribe(b: &mut Builder<'_>, meanings: &[Meaning]) {
    let roles = &mut b.block().conf.roles;
    for (_, transports) in meanings {
        roles.off |= !transports.any();
        let before = if transports.any() { roles.subscriber } else { Transports::NONE };
        roles.subscriber = before.or(*transports);
    }
}

// === groups ===

/// `off` takes back the words before it, as in Nchan.
const METHODS: [(&str, Option<GroupMethods>); 4] = [
    ("get", Some(GroupMethods { get: true, set: false, delete: false })),
    ("set", Some(GroupMethods { get: false, set: true, delete: false })),
    ("delete", Some(GroupMethods { get: false, set: false, delete: true })),
    ("off", None),
];

/// `nchan_group_location`.
pub(super) fn group_location(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let mut methods = if call.count() == 0 { GroupMethods::ALL } else { GroupMethods::default() };
    for given in call.args() {
        let method = word(b, call, given, &METHODS)?;
        methods = method.map_or(GroupMethods::default(), |method| methods.or(method));
    }
    let roles = b.block().conf.roles;
    if roles.handler == PushHandler::Channel {
        return Err(both_channel_and_group(if roles.publisher.any() { "publisher" } else { "subscriber" }));
    }
    if roles.handler == PushHandler::Benchmark {
        return Err(both_console_and_group());
    }
    claim(b, Dialect::Nchan, PushHandler::Group(methods));
    Ok(())
}
