//! What a server may send: a row of whole HTTP responses.

use std::collections::BTreeSet;

/// Whether `bytes` are responses without anything between or behind them.
///
/// Whether a response with `Content-Length` has a body depends on the request (`HEAD`), which is not known here:
/// both are tried.
pub fn are_whole(bytes: &[u8]) -> bool {
    let mut starts = BTreeSet::from([0]);
    while let Some(start) = starts.pop_first() {
        if start == bytes.len() {
            return true;
        }
        starts.extend(ends(&bytes[start..]).into_iter().map(|length| start + length));
    }
    false
}

/// Where the response at the start of `bytes` may end.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = response.parse(bytes) else { return Vec::new() };
    let header = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let has_body = !matches!(response.code, Some(100..200 | 204 | 304));
    let body = match header("content-length") {
        _ if !has_body => None,
        Some(length) => length.parse().ok(),
        None if header("transfer-encoding") == Some("chunked") => chunks(&bytes[head..]),
        None => Some(bytes.len() - head),
    };
    let with_body = body.and_then(|body| head.checked_add(body)).filter(|end| *end <= bytes.len());
    [Some(head), with_body].into_iter().flatten().collect()
}

/// The length of a chunked body.
fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
            return None;
        };
        let end = line.checked_add(usize::try_from(size).ok()?)?;
        if rest.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        at += end + 2;
        if size == 0 {
            return Some(at);
        }
    }
}
