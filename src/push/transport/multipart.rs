//! `multipart/mixed`: the boundary line closes each part, so that the client always has what ends a message.

use bytes::Bytes;

use crate::request::date;

/// What opens a stream.
pub fn opening(boundary: &str) -> Bytes {
    format!("--{boundary}").into()
}

/// The position after a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// `Last-Modified`; `None` where the tag says all.
    pub time: Option<i64>,
    /// `Etag`.
    pub tag: String,
}

/// One message of a stream, with its position.
pub fn part(boundary: &str, position: &Position, content_type: Option<&[u8]>, body: &[u8]) -> Bytes {
    let time = position.time.map(|time| format!("Last-Modified: {}\r\n", date::format(time)));
    let head = format!("\r\n{}Etag: {}\r\n", time.unwrap_or_default(), position.tag);
    let content_type =
        content_type.map(|kind| [b"Content-Type: ", kind, b"\r\n"].concat()).unwrap_or_default();
    [head.as_bytes(), &content_type, b"\r\n", body, b"\r\n--", boundary.as_bytes()].concat().into()
}

/// The end of a stream.
pub const END: &[u8] = b"--\r\n";

/// Several messages as one body (`nchan_longpoll_multipart_response on`): their types, without positions.
pub fn body<'a>(boundary: &str, messages: impl Iterator<Item = (Option<&'a [u8]>, &'a [u8])>) -> Bytes {
    let mut out = Vec::new();
    for (content_type, body) in messages {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(kind) = content_type {
            out.extend_from_slice(&[b"Content-Type: ", kind, b"\r\n"].concat());
        }
        out.extend_from_slice(&[b"\r\n", body, b"\r\n"].concat());
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out.into()
}

/// A new boundary: 32 random letters, digits, dots and slashes.
pub fn boundary() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./";
    let mut random = [0; 32];
    // Without a source of randomness a boundary is only less of a surprise.
    let _ = getrandom::fill(&mut random);
    random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
}
