//! Conditions of requests: `If-Modified-Since`, `If-None-Match`, `If-Unmodified-Since`, `If-Match`, as nginx reads them.

use axum::body::Body;

use crate::config::model::IfModifiedSince;
use crate::request::answer::{Answer, Ranges};
use crate::request::payload::{Payload, Pieces};
use crate::request::{RequestCtx, date};

/// The answer as the request's conditions want it: itself, 304, or 412.
pub fn apply(ctx: &RequestCtx, answer: Answer) -> Answer {
    if answer.status != 200 || !answer.conditional {
        return answer;
    }
    if changed_since(ctx, &answer)
        || ctx.header("if-match").is_some_and(|list| !matches(list, &answer, false))
    {
        return Answer::error(412);
    }
    let (since, none) = (ctx.header("if-modified-since"), ctx.header("if-none-match"));
    let modified = since.is_some_and(|since| is_modified(ctx, &answer, since));
    let matches_none = none.is_some_and(|list| !matches(list, &answer, true));
    if (since.is_none() && none.is_none()) || modified || matches_none {
        return answer;
    }
    let headers = answer.headers.into_iter().filter(|(name, _)| *name != "Content-Encoding").collect();
    Answer {
        status: 304,
        content_type: None,
        // There is none, and none is announced.
        body: Payload::Pieces(Pieces::new(Body::empty(), None)),
        ranges: Ranges::None,
        headers,
        ..answer
    }
}

/// `If-Unmodified-Since`, and it was.
fn changed_since(ctx: &RequestCtx, answer: &Answer) -> bool {
    let Some(since) = ctx.header("if-unmodified-since") else { return false };
    let times = date::parse(since).zip(answer.last_modified);
    times.is_none_or(|(since, modified)| since < modified)
}

fn is_modified(ctx: &RequestCtx, answer: &Answer, since: &[u8]) -> bool {
    let Some((since, modified)) = date::parse(since).zip(answer.last_modified) else { return true };
    match ctx.conf.files.if_modified_since {
        IfModifiedSince::Off => true,
        IfModifiedSince::Exact => since != modified,
        IfModifiedSince::Before => since < modified,
    }
}

/// Whether a list of entity tags, or `*`, names the answer's. `weak`: a `W/` makes no difference.
fn matches(list: &[u8], answer: &Answer, weak: bool) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(etag) = answer.etag.as_deref() else { return false };
    let mut rest = list;
    while !rest.is_empty() {
        if weak {
            rest = rest.strip_prefix(b"W/").unwrap_or(rest);
        }
        if let Some(behind) = rest.strip_prefix(etag) {
            let behind = trim_blanks(behind);
            if behind.is_empty() || behind.starts_with(b",") {
                return true;
            }
        }
        let comma = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        rest = &rest[comma..];
        while let [b' ' | b'\t' | b',', behind @ ..] = rest {
            rest = behind;
        }
    }
    false
}

fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_lists() {
        let answer = Answer { etag: Some(b"\"a\"".to_vec()), ..Answer::default() };
        let found = |list: &str, weak| matches(list.as_bytes(), &answer, weak);
        for list in ["*", "\"a\"", "\"b\", \"a\"", "\"a\" , \"b\"", "\"a\",", "x,,\"a\"\t"] {
            assert!(found(list, true) && found(list, false), "{list}");
        }
        for list in ["", "a", "\"b\"", "\"a\"x", "\"a", "* ", "\"a\"\"b\""] {
            assert!(!found(list, true) && !found(list, false), "{list}");
        }
        assert!(found("W/\"a\"", true) && !found("W/\"a\"", false));
        assert!(found("\"b\", W/\"a\"", true));
    }
}
