//! Reading a request's body.

use std::sync::atomic::Ordering;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::config::model::Severity;
use crate::request::RequestCtx;
use crate::request::answer::Answer;

/// Most bytes reserved for a body before any of it has come.
const MOST_RESERVED: usize = 64 * 1024;

/// Reads the whole body; a body in one piece is not copied.
///
/// # Errors
/// The answer to give: 413 when it is longer than `client_max_body_size`, none at all when the client is too slow
/// (`client_body_timeout`) or went away.
pub async fn read(ctx: &RequestCtx, mut body: Body) -> Result<Bytes, Answer> {
    let limit = ctx.conf.core.client_max_body_size.unwrap_or(u64::MAX);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(data) = next(ctx, &mut body).await? {
        let length = first.len() + rest.len() + data.len();
        if u64::try_from(length).is_ok_and(|length| length > limit) {
            return Err(too_large(ctx, length.to_string()));
        }
        ctx.body_length.fetch_add(length_of(&data), Ordering::Relaxed);
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(announced(ctx).saturating_sub(first.len()).min(MOST_RESERVED));
            }
            rest.extend_from_slice(&data);
        }
    }
    let whole = if rest.is_empty() { first } else { [&first[..], &rest[..]].concat().into() };
    ctx.keep_body(&whole);
    Ok(whole)
}

/// Reads a body that nobody wants, within the limits of one that is wanted.
///
/// # Errors
/// As [`read`].
pub async fn discard(ctx: &RequestCtx, mut body: Body) -> Result<(), Answer> {
    let limit = ctx.conf.core.client_max_body_size.unwrap_or(u64::MAX);
    let mut length = 0;
    while let Some(data) = next(ctx, &mut body).await? {
        length += length_of(&data);
        if length > limit {
            return Err(too_large(ctx, length.to_string()));
        }
    }
    Ok(())
}

/// 413 for a body that is announced longer than `client_max_body_size`: before anything of it is read.
pub fn refuse_announced(ctx: &RequestCtx) -> Option<Answer> {
    let length: u64 = std::str::from_utf8(ctx.header("content-length")?).ok()?.trim().parse().ok()?;
    let limit = ctx.conf.core.client_max_body_size?;
    (length > limit).then(|| too_large(ctx, length.to_string()))
}

async fn next(ctx: &RequestCtx, body: &mut Body) -> Result<Option<Bytes>, Answer> {
    let timeout = ctx.conf.core.client_body_timeout;
    loop {
        let Ok(frame) = tokio::time::timeout(timeout, body.frame()).await else {
            return Err(Answer { silent: true, ..Answer::empty(408) });
        };
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
            // Not a chunk where one was due, or the end of the connection before the end of the body.
            Some(Err(_)) => return Err(Answer { close: true, ..Answer::error(400) }),
        }
    }
}

fn length_of(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

fn announced(ctx: &RequestCtx) -> usize {
    let header = ctx.header("content-length").and_then(|value| std::str::from_utf8(value).ok());
    header.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn too_large(ctx: &RequestCtx, length: String) -> Answer {
    ctx.log(Severity::Error, &format!("client intended to send too large body: {length} bytes"));
    Answer::error(413)
}
