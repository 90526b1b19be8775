//! Where in a channel a subscriber stands: `If-Modified-Since`, `If-None-Match` and their kin.
//!
//! Every message of a channel has a second of its own as its `Last-Modified`, and `Etag` 0. So the second alone is
//! the position, and a client that sends only `If-Modified-Since` gets every message once; a tag can only say
//! what the second says already.

use crate::request::{RequestCtx, date};
use crate::store::Position;

/// The position a request asks for.
pub fn position(ctx: &RequestCtx) -> Position {
    if let Some(since) = ctx.header("if-modified-since") {
        return date::parse(since).map_or(Position::Oldest, Position::After);
    }
    let last_event_id = || ctx.header("last-event-id").map(<[u8]>::to_vec);
    let argument = || ctx.arg(b"last_event_id").map(<[u8]>::to_vec);
    let tag = ctx.header("if-none-match").map(|tag| unquote(tag).to_vec());
    let ids = [tag, last_event_id(), argument()];
    ids.iter().flatten().find_map(|id| time_of(id)).map_or(Position::Oldest, Position::After)
}

/// Whether the client wants to skip what is stored (`push_ignore_queue_on_no_cache`): `Cache-Control`, or
/// `Pragma` without one, is a beginning of `no-cache`.
pub fn no_cache(ctx: &RequestCtx) -> bool {
    let value = ctx.header("cache-control").or_else(|| ctx.header("pragma"));
    value.is_some_and(|value| {
        b"no-cache".get(..value.len()).is_some_and(|start| start.eq_ignore_ascii_case(value))
    })
}

/// The time of a `time:tag`, as Nchan writes positions.
fn time_of(id: &[u8]) -> Option<i64> {
    let (time, tag) = std::str::from_utf8(id).ok()?.trim().split_once(':')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(time) && digits(tag)).then(|| time.parse().ok())?
}

fn unquote(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    tag.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_time_tag_pairs_are_positions() {
        assert_eq!(time_of(b"1700000000:3"), Some(1_700_000_000));
        for id in ["", "1", ":", "1:", ":1", "a:1", "1:b", "-1:0", "1:2:3"] {
            assert_eq!(time_of(id.as_bytes()), None, "{id}");
        }
    }

    #[test]
    fn quotes_and_weakness_are_stripped() {
        assert_eq!(unquote(b" W/\"1:2\" "), b"1:2");
        assert_eq!(unquote(b"\"x"), b"\"x");
    }
}
