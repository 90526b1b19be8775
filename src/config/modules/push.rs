//! `push_*`: the directives of nginx_http_push_module, of all its releases.

use std::time::Duration;

use encke_parser::Span;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::diag::{self, Diagnostic};
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{Concurrency, Dialect, PushConf, Setting, Written};
use super::super::roles::Roles;
use super::super::template::Template;
use super::nchan::{NchanDraft, PushDefaults, roles};
use super::{HSL, HSLI, Module, ONE, accept, accepted, done};

draft! {
    /// `push_*` of a block.
    PushDraft {
        store_messages: bool,
        min_message_buffer_length: u32,
        max_message_buffer_length: Setting<u32>,
        message_timeout: Setting<Option<Duration>>,
        delete_oldest_received_message: bool,
        subscriber_concurrency: Concurrency,
        subscriber_timeout: Duration,
        channel_timeout: Duration,
        authorized_channels_only: bool,
        channel_group: Template,
        max_channel_id_length: usize,
        max_channel_subscribers: u32,
        ignore_queue_on_no_cache: bool,
        subscriber_queue: usize,
        length_place: (Span, Dialect),
    }
}

const SL: Contexts = Contexts::SERVER.or(Contexts::LOCATION);
const SLI: Contexts = SL.or(Contexts::LOCATION_IF);

/// Below this, NHPM could not work.
const LEAST_MEMORY: u64 = 32 << 10;
/// `push_max_reserved_memory` when it is not set.
const DEFAULT_MEMORY: u64 = 32 << 20;

/// `push_max_message_buffer_length` where nothing is said.
const DEFAULT_MAX_LENGTH: u32 = 10;
/// `push_message_timeout` where nothing is said.
const HOUR: Duration = Duration::from_secs(3600);

const NO_RECIPIENTS: &str =
    "messages are kept up to push_max_message_buffer_length, however many subscribers received them";

/// The module.
pub const MODULE: Module = Module { name: "nginx_http_push_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "push_publisher",
        SLI,
        Arity::between(0, 2),
        "http",
        "Makes the location a publisher: a POST or PUT sends its body to the channel, GET tells about the channel, \
         DELETE removes it. As in Nchan `http` and `websocket` say how. Nested locations do not inherit it.",
        publisher,
    ),
    done(
        "push_subscriber",
        SLI,
        Arity::between(0, 5),
        "long-poll",
        "Makes the location a subscriber: a GET receives the next message of the channel. `long-poll` waits for it, \
         `interval-poll` answers at once; the words of `nchan_subscriber` are taken, too. Nested locations do not \
         inherit it.",
        subscriber,
    ),
    done(
        "push_subscriber_concurrency",
        HSLI,
        ONE,
        "broadcast",
        "What happens when several requests wait on one channel: all are answered (`broadcast`), or all but the \
         `last` or the `first` get 409.",
        subscriber_concurrency,
    ),
    done(
        "push_store_messages",
        HSLI,
        ONE,
        "on",
        "Whether published messages are kept for subscribers that come later.",
        |b, call| call.fill(&mut b.block().conf.push.store_messages, Call::flag),
    ),
    done(
        "push_max_reserved_memory",
        Contexts::HTTP,
        ONE,
        "32M",
        "Memory for all messages and channels together. Units are k and m; less than 32k is taken as 32k.",
        max_reserved_memory,
    ),
    done(
        "push_min_message_buffer_length",
        HSLI,
        ONE,
        "1",
        "How many messages of a channel `push_delete_oldest_received_message` leaves.",
        |b, call| call.fill(&mut b.block().conf.push.min_message_buffer_length, count),
    ),
    done(
        "push_max_message_buffer_length",
        HSL,
        ONE,
        "10",
        "How many messages a channel keeps; the oldest go first. 0 stores nothing.",
        max_message_buffer_length,
    ),
    done(
        "push_message_buffer_length",
        HSL,
        ONE,
        "",
        "Sets `push_min_message_buffer_length` and `push_max_message_buffer_length` at once.",
        message_buffer_length,
    ),
    Directive {
        default: "0",
        doc: "Of releases before 0.691: how many subscribers had to receive a message before it made room.",
        ..accepted("push_min_message_recipients", HSL, ONE, NO_RECIPIENTS, accept::number)
    },
    done(
        "push_delete_oldest_received_message",
        HSL,
        ONE,
        "off",
        "Deletes a channel's oldest message once it was delivered, as long as more than \
         `push_min_message_buffer_length` are stored.",
        |b, call| call.fill(&mut b.block().conf.push.delete_oldest_received_message, Call::flag),
    ),
    done(
        "push_message_timeout",
        HSL,
        ONE,
        "1h",
        "How long a message is kept, fixed when it is published. 0 keeps it until other messages push it out.",
        |b, call| call.fill(&mut b.block().conf.push.message_timeout, message_timeout),
    ),
    done(
        "push_subscriber_timeout",
        HSLI,
        ONE,
        "0",
        "How long a subscriber waits before it is answered 304. 0 never gives up.",
        |b, call| call.fill(&mut b.block().conf.push.subscriber_timeout, Call::seconds),
    ),
    done(
        "push_channel_timeout",
        HSL,
        ONE,
        "5s",
        "How long a channel without messages and subscribers is kept after its last use.",
        |b, call| call.fill(&mut b.block().conf.push.channel_timeout, Call::seconds),
    ),
    done(
        "push_authorized_channels_only",
        HSL,
        ONE,
        "off",
        "Whether a subscriber gets 403 for a channel that no publisher has made yet.",
        |b, call| call.fill(&mut b.block().conf.push.authorized_channels_only, Call::flag),
    ),
    done(
        "push_channel_group",
        SLI,
        ONE,
        "",
        "Channels of different groups are different channels even when their ids are equal. May hold variables.",
        channel_group,
    ),
    done(
        "push_max_channel_id_length",
        HSL,
        ONE,
        "1024",
        "Bytes of a channel's id that count; the rest is cut off.",
        |b, call| call.fill(&mut b.block().conf.push.max_channel_id_length, size_number),
    ),
    done(
        "push_max_channel_subscribers",
        HSL,
        ONE,
        "0",
        "How many subscribers may wait on a channel; one more gets 403. 0 is no limit.",
        |b, call| call.fill(&mut b.block().conf.push.max_channel_subscribers, count),
    ),
    done(
        "push_ignore_queue_on_no_cache",
        HSL,
        ONE,
        "off",
        "Whether a long-polling request with `Cache-Control: no-cache` (or, without that, `Pragma: no-cache`) skips \
         stored messages and waits for the next one.",
        |b, call| call.fill(&mut b.block().conf.push.ignore_queue_on_no_cache, Call::flag),
    ),
];

pub(super) fn publisher(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    roles::publisher(b, call, Dialect::Push)
}

pub(super) fn subscriber(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    // Once, whichever of its names is used.
    if !b.block().seen.insert("push_subscriber") {
        return Err(call.duplicate());
    }
    roles::subscriber(b, call, Dialect::Push)
}

pub(super) fn subscriber_concurrency(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.push.subscriber_concurrency.is_some() {
        return Err(call.duplicate());
    }
    let words =
        [("first", Concurrency::First), ("last", Concurrency::Last), ("broadcast", Concurrency::Broadcast)];
    b.block().conf.push.subscriber_concurrency = Some(word(b, call, call.arg(0), &words)?);
    Ok(())
}

/// An argument as one of `words`, in any case. NHPM and Nchan took any beginning of a word, even none at all; so do
/// we, but for the empty one, and say so.
pub(super) fn word<T: Copy>(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    given: &[u8],
    words: &[(&str, T)],
) -> Outcome<T> {
    let begins = |word: &str| {
        word.as_bytes().get(..given.len()).is_some_and(|start| start.eq_ignore_ascii_case(given))
    };
    let whole = words.iter().find(|(word, _)| word.len() == given.len() && begins(word));
    let begun = || words.iter().find(|(word, _)| !given.is_empty() && begins(word));
    let Some((word, value)) = whole.or_else(begun) else {
        return Err(no_such_word(call, given, words.iter().map(|(word, _)| *word)));
    };
    if word.len() > given.len() {
        let (given, name) = (String::from_utf8_lossy(given), call.row.name);
        b.warn(call, format!("\"{given}\" is taken as \"{word}\" in \"{name}\" directive"));
    }
    Ok(*value)
}

fn no_such_word<'w>(call: &Call<'_>, given: &[u8], words: impl Iterator<Item = &'w str>) -> Diagnostic {
    let (name, given) = (call.row.name, String::from_utf8_lossy(given));
    let known: Vec<&str> = words.collect();
    let error = Diagnostic::emerg(format!("invalid {name} value: {given}"));
    match diag::nearest(&given, known.iter().copied()) {
        Some(near) => error.with_help(format!("did you mean \"{near}\"?")),
        None => error.with_help(format!("it is one of: {}", known.join(", "))),
    }
}

pub(super) fn max_reserved_memory(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.http.max_reserved_memory, Call::size)
}

/// The budget, in bytes. As in nginx, that it is too small is said of the end of `http`.
pub fn reserved_memory(b: &mut Builder<'_>) -> u64 {
    let default = if b.http.speaks_nchan { super::nchan::DEFAULT_MEMORY } else { DEFAULT_MEMORY };
    let memory = b.http.max_reserved_memory.unwrap_or(default);
    if memory < LEAST_MEMORY {
        let text = "The push_max_reserved_memory value must be at least 32KiB";
        b.diagnostics.push(Diagnostic { span: b.http.span, ..Diagnostic::warn(text) });
    }
    memory.max(LEAST_MEMORY)
}

fn max_message_buffer_length(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let push = &mut b.block().conf.push;
    call.fill(&mut push.max_message_buffer_length, |call| count(call).map(Setting::Fixed))?;
    push.length_place = Some((call.span(), Dialect::Push));
    Ok(())
}

fn message_buffer_length(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.push.min_message_buffer_length.is_some() {
        return Err(call.duplicate());
    }
    max_message_buffer_length(b, call)?;
    b.block().conf.push.min_message_buffer_length = Some(count(call)?);
    Ok(())
}

fn message_timeout(call: &Call<'_>) -> Outcome<Setting<Option<Duration>>> {
    Written::read(call.arg(0)).map(Setting::Fixed).ok_or_else(|| call.invalid_value())
}

pub(super) fn channel_group(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.push.channel_group.is_some() {
        return Err(call.duplicate());
    }
    let group = b.template(call, 0)?;
    b.block().conf.push.channel_group = Some(group);
    Ok(())
}

/// A number of messages or subscribers.
pub(super) fn count(call: &Call<'_>) -> Outcome<u32> {
    call.number().map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

pub(super) fn size_number(call: &Call<'_>) -> Outcome<usize> {
    call.number().map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

// === impl PushDraft ===

impl PushDraft {
    /// Settles how `push_store_messages` and a buffer length of the same block go together, before the block takes
    /// the rest from `parent`. Returns what has to be said about it, and where.
    pub fn reconcile(&mut self, parent: &Self) -> Option<(Span, &'static str)> {
        let (span, dialect) = self.length_place?;
        let [useless, on_again] = match dialect {
            Dialect::Push => [
                "the buffer length has no effect: push_store_messages is off",
                "the buffer length switches push_store_messages on again",
            ],
            Dialect::Nchan => [
                "the buffer length has no effect here: nchan_store_messages is off",
                "the buffer length switches nchan_store_messages on again",
            ],
        };
        match (self.store_messages, parent.store_messages) {
            (Some(false), _) => Some((span, useless)),
            (None, Some(false)) => {
                self.store_messages = Some(true);
                Some((span, on_again))
            }
            _ => None,
        }
    }

    /// Whether a minimum was written that is above the maximum, written or not. A maximum below the default minimum is
    /// none: 0 means to store nothing.
    pub fn contradicts(&self) -> bool {
        let max = match &self.max_message_buffer_length {
            None => DEFAULT_MAX_LENGTH,
            Some(Setting::Fixed(max)) => *max,
            Some(Setting::PerRequest(_)) => u32::MAX,
        };
        self.min_message_buffer_length.is_some_and(|min| max < min) && self.store_messages != Some(false)
    }

    /// The settings in force.
    pub fn finish(&self, nchan: &NchanDraft, roles: &Roles, defaults: &PushDefaults) -> PushConf {
        let max = self.max_message_buffer_length.clone().unwrap_or(Setting::Fixed(DEFAULT_MAX_LENGTH));
        let most = if let Setting::Fixed(max) = max { max } else { u32::MAX };
        PushConf {
            dialect: roles.dialect,
            handler: roles.handler,
            inherited: roles.inherited,
            publisher: roles.publisher,
            subscriber: roles.subscriber,
            ids: nchan.ids(roles, defaults),
            channel_group: self.channel_group.clone().unwrap_or_default(),
            store_messages: self.store_messages.unwrap_or(true),
            min_message_buffer_length: self.min_message_buffer_length.unwrap_or(1).min(most),
            max_message_buffer_length: max,
            message_timeout: self.message_timeout.clone().unwrap_or(Setting::Fixed(Some(HOUR))),
            delete_oldest_received_message: self.delete_oldest_received_message.unwrap_or(false),
            subscriber_concurrency: self.subscriber_concurrency.unwrap_or(Concurrency::Broadcast),
            subscriber_timeout: self.subscriber_timeout.filter(|time| !time.is_zero()),
            channel_timeout: self.channel_timeout.unwrap_or(Duration::from_secs(5)),
            authorized_channels_only: self.authorized_channels_only.unwrap_or(false),
            max_channel_id_length: self.max_channel_id_length.unwrap_or(1024),
            max_channel_subscribers: self.max_channel_subscribers.unwrap_or(0),
            ignore_queue_on_no_cache: self.ignore_queue_on_no_cache.unwrap_or(false),
            subscriber_queue: self.subscriber_queue.unwrap_or(super::encke::DEFAULT_QUEUE),
            position: nchan.position(defaults),
            longpoll_multipart: nchan.longpoll_multipart.unwrap_or_default(),
            raw_stream_separator: nchan.raw_stream_separator.clone().unwrap_or_else(|| (*b"\n").into()),
            eventsource: nchan.eventsource(),
            websocket: nchan.websocket(),
            cors: nchan.cors(defaults),
            hooks: nchan.hooks(),
            group: nchan.group(),
            events: nchan.events(defaults),
            subscriber_info: nchan.info_string.clone().unwrap_or_else(|| defaults.subscriber_info.clone()),
            benchmark: nchan.benchmark(),
        }
    }
}
