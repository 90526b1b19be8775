//! Where subscribers start, and how messages reach them.

use super::super::super::builder::{Builder, Outcome};
use super::super::super::call::Call;
use super::super::super::diag::Diagnostic;
use super::super::super::model::{FirstMessage, Heartbeat, LongPollMultipart};
use super::super::push::word;
use super::super::{HSLI, ONE, done};
use super::{Arity, Directive, SLI, bytes, fill, flag, line, replace, seconds, templates};

/// The rows.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    done(
        "nchan_subscriber_first_message", SLI, ONE, "oldest",
        "Where a subscriber without a position starts: `oldest`, `newest` (with the next message), n for the nth stored \
         message, -n for the nth from the end. At most 32.",
        |b, call| replace(b, call, |conf| &mut conf.nchan.first_message, first_message),
    ),
    done(
        "nchan_subscriber_timeout", HSLI, ONE, "0",
        "How long a subscriber may stay. 0 is for ever.",
        |b, call| fill(b, call, |conf| &mut conf.push.subscriber_timeout, seconds),
    ),
    done(
        "nchan_subscriber_last_message_id", SLI, Arity::between(1, 5), "$http_last_event_id $arg_last_event_id",
        "Where the id of a subscriber's last message is looked for when `If-Modified-Since` and `If-None-Match` say \
         nothing: the first value that is not empty.",
        |b, call| replace(b, call, |conf| &mut conf.nchan.last_message_ids, templates),
    ),
    done(
        "nchan_subscriber_compound_etag_message_id", SLI, ONE, "off",
        "Whether the whole id of a message is in `Etag`, and no `Last-Modified` is sent.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.compound_etag, flag),
    ),
    done(
        "nchan_subscriber_message_id_custom_etag_header", SLI, ONE, "",
        "The name of the header that takes the place of `Etag` in answers.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.custom_etag_header, header_name),
    ),
    done(
        "nchan_subscriber_http_raw_stream_separator", SLI, ONE, "\\n",
        "What follows each message of a raw stream. A line feed is added unless it ends in one or is empty.",
        |b, call| replace(b, call, |conf| &mut conf.nchan.raw_stream_separator, separator),
    ),
    done(
        "nchan_longpoll_multipart_response", SLI, ONE, "off",
        "Whether a long-poll gets all messages that are there: `on` as multipart/mixed, `raw` as they are with the \
         separator of raw streams.",
        |b, call| replace(b, call, |conf| &mut conf.nchan.longpoll_multipart, multipart),
    ),
    done(
        "nchan_eventsource_event", SLI, ONE, "",
        "The event name of messages: of those published here, and in place of theirs for those who subscribe here.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.eventsource_event, line),
    ),
    done(
        "nchan_eventsource_ping_interval", SLI, ONE, "0",
        "How often an EventSource gets a ping. 0 is never.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.eventsource_ping_interval, seconds),
    ),
    done(
        "nchan_eventsource_ping_comment", SLI, ONE, "",
        "The comment of a ping.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.eventsource_ping_comment, line),
    ),
    done(
        "nchan_eventsource_ping_data", SLI, ONE, "",
        "The data of a ping.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.eventsource_ping_data, line),
    ),
    done(
        "nchan_eventsource_ping_event", SLI, ONE, "ping",
        "The event name of a ping that has data.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.eventsource_ping_event, line),
    ),
    done(
        "nchan_websocket_ping_interval", SLI, ONE, "0",
        "How often a WebSocket gets a ping. Without an answer until the next one it is closed. 0 is never.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.websocket_ping_interval, seconds),
    ),
    done(
        "nchan_websocket_client_heartbeat", SLI, Arity::exactly(2), "",
        "A message of a WebSocket that is not published, but answered, and the answer.",
        |b, call| replace(b, call, |conf| &mut conf.nchan.websocket_heartbeat, heartbeat),
    ),
];

/// The furthest that `nchan_subscriber_first_message` counts.
const FURTHEST: u64 = 32;

fn first_message(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<FirstMessage> {
    let given = call.arg(0);
    let (backwards, digits) = match given.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, given),
    };
    if !digits.first().is_some_and(u8::is_ascii_digit) {
        let words = [("oldest", FirstMessage::Oldest(1)), ("newest", FirstMessage::Next)];
        return word(b, call, given, &words).map_err(|_| no_first_message(call, ""));
    }
    let number = super::super::super::value::number(digits).ok_or_else(|| no_first_message(call, ""))?;
    if number > FURTHEST {
        return Err(no_first_message(call, " between -32 and 32"));
    }
    Ok(match (u8::try_from(number).unwrap_or(0), backwards) {
        (0, _) => FirstMessage::Next,
        (n, false) => FirstMessage::Oldest(n),
        (n, true) => FirstMessage::Newest(n),
    })
}

fn no_first_message(call: &Call<'_>, range: &str) -> Diagnostic {
    let (name, given) = (call.row.name, call.text(0));
    Diagnostic::emerg(format!(
        "invalid {name} value: {given}, must be 'oldest', 'newest', or a number{range}"
    ))
}

/// A name that can stand in a header; Nchan takes any, and then breaks its answers.
fn header_name(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Box<str>> {
    let name = call.text(0);
    let is_token =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if is_token { Ok(name.into()) } else { Err(call.invalid_value()) }
}

fn separator(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Box<[u8]>> {
    let given = bytes(b, call)?;
    Ok(match &*given {
        [] | [.., b'\n'] => given,
        text => [text, b"\n"].concat().into(),
    })
}

fn multipart(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<LongPollMultipart> {
    let words =
        [("off", LongPollMultipart::Off), ("on", LongPollMultipart::On), ("raw", LongPollMultipart::Raw)];
    word(b, call, call.arg(0), &words).map_err(|_| {
        let (name, given) = (call.row.name, call.text(0));
        Diagnostic::emerg(format!("invalid value for {name}: {given};'. Must be 'on', 'off', or 'raw'"))
    })
}

fn heartbeat(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Heartbeat> {
    Ok(Heartbeat { message: call.arg(0).into(), answer: call.arg(1).into() })
}
