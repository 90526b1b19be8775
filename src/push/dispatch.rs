//! What a request to a push location asks for: by its method, its headers, and what the location does.

use http::Method;

use crate::config::model::{Dialect, Transport, Transports};
use crate::request::RequestCtx;

use super::websocket::handshake;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Publish, tell of a channel, or delete it.
    Publish,
    /// Give messages.
    Subscribe(Transport),
    /// A WebSocket; it may publish, too.
    Socket,
    /// What the location lets clients do: OPTIONS.
    Options,
    /// 403: not here.
    Forbid,
    /// 405: not a method for this.
    NotAllowed,
}

/// What a request asks for.
pub fn task(ctx: &RequestCtx) -> Task {
    let conf = &ctx.conf.push;
    let (publisher, subscriber) = (conf.publisher, conf.subscriber);
    if handshake::is_asked_for(ctx) && ctx.method == Method::GET {
        if publisher.websocket || subscriber.has(Transport::WebSocket) {
            return Task::Socket;
        }
        if conf.dialect == Dialect::Nchan {
            return Task::Forbid;
        }
    }
    match ctx.method {
        Method::GET => match transport(ctx, subscriber) {
            Some(transport) => Task::Subscribe(transport),
            None if publisher.http => Task::Publish,
            None => Task::Forbid,
        },
        Method::POST | Method::PUT | Method::DELETE if publisher.http => Task::Publish,
        Method::OPTIONS => Task::Options,
        Method::POST | Method::PUT | Method::DELETE if conf.dialect == Dialect::Nchan => Task::Forbid,
        _ => Task::NotAllowed,
    }
}

/// How a GET gets its messages: the first way that there is and the request asks for.
pub fn transport(ctx: &RequestCtx, subscriber: Transports) -> Option<Transport> {
    let asked = |transport| match transport {
        Transport::EventSource => accepts(ctx, b"text/event-stream"),
        Transport::Chunked => takes_chunks(ctx),
        Transport::Multipart => accepts(ctx, b"multipart/mixed"),
        Transport::IntervalPoll | Transport::RawStream | Transport::LongPoll => true,
        Transport::WebSocket => false,
    };
    let order = [
        Transport::EventSource,
        Transport::Chunked,
        Transport::Multipart,
        Transport::IntervalPoll,
        Transport::RawStream,
        Transport::LongPoll,
    ];
    order.into_iter().find(|transport| subscriber.has(*transport) && asked(*transport))
}

fn accepts(ctx: &RequestCtx, kind: &[u8]) -> bool {
    let accept = ctx.header("accept").unwrap_or_default();
    accept.windows(kind.len()).any(|window| window == kind)
}

/// `TE: chunked`, unless with a weight of zero.
fn takes_chunks(ctx: &RequestCtx) -> bool {
    let te = String::from_utf8_lossy(ctx.header("te").unwrap_or_default()).to_ascii_lowercase();
    te.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let chunked = parts.next() == Some("chunked");
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        chunked && weight.is_ok_and(|weight| weight > 0.0)
    })
}
