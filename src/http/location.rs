//! Which location: by the path, in nginx's order.

use std::sync::Arc;

use crate::config::model::{Location, Locations, Matcher};
use crate::request::answer::Answer;
use crate::request::{RequestCtx, uri};

/// What a level of locations says of a path.
enum Found {
    /// An exact location or a regex: nothing further out is asked.
    Settled(Arc<Location>),
    /// A prefix, unless a regex further out matches.
    Prefix(Arc<Location>),
    Nothing,
}

/// The location for the request's path, `None` for the server itself. Groups of a regex that matched become the
/// request's.
pub fn find(locations: &Locations, ctx: &mut RequestCtx) -> Option<Arc<Location>> {
    let path = ctx.uri.clone();
    match search(locations, ctx, &path) {
        Found::Settled(location) | Found::Prefix(location) => Some(location),
        Found::Nothing => None,
    }
}

/// Sends a client that left out the slash behind a directory, or behind the name of a location, there.
pub fn slash_redirect(ctx: &RequestCtx) -> Answer {
    let mut target = Vec::with_capacity(ctx.uri.len() + 1);
    uri::escape_path(&ctx.uri, &mut target);
    target.push(b'/');
    if !ctx.args.is_empty() {
        target.push(b'?');
        target.extend_from_slice(&ctx.args);
    }
    Answer::redirect(301, target)
}

/// Exact; else the longest prefix, and whatever is nested in it; else the regexes of this level in file order,
/// unless that prefix was `^~`; else that prefix.
fn search(level: &Locations, ctx: &mut RequestCtx, path: &[u8]) -> Found {
    if let Some(exact) = level.exact.get(path) {
        return Found::Settled(Arc::clone(exact));
    }
    let mut found = Found::Nothing;
    let mut regexes = &level.regex[..];
    if let Some(longest) = longest_prefix(level, path) {
        if matches!(longest.matcher, Matcher::Prefix { no_regex: true, .. }) {
            regexes = &[];
        }
        found = match search(&longest.nested, ctx, path) {
            Found::Settled(inner) => return Found::Settled(inner),
            Found::Nothing => Found::Prefix(Arc::clone(longest)),
            inner @ Found::Prefix(_) => inner,
        };
    }
    // nginx looks no further than that.
    if let Some(location) = level.prefix.iter().find(|location| location.lacks_slash(path)) {
        return Found::Settled(Arc::clone(location));
    }
    for location in regexes {
        if let Matcher::Regex(regex) = &location.matcher
            && ctx.match_regex(regex, path)
        {
            return match search(&location.nested, ctx, path) {
                Found::Settled(inner) | Found::Prefix(inner) => Found::Settled(inner),
                Found::Nothing => Found::Settled(Arc::clone(location)),
            };
        }
    }
    found
}

fn longest_prefix<'a>(level: &'a Locations, path: &[u8]) -> Option<&'a Arc<Location>> {
    let length = |location: &Location| match &location.matcher {
        Matcher::Prefix { path: prefix, .. } if path.starts_with(prefix) => Some(prefix.len()),
        _ => None,
    };
    let fitting = level.prefix.iter().filter_map(|location| Some((length(location)?, location)));
    fitting.max_by_key(|(length, _)| *length).map(|(_, location)| location)
}
