//! Byte ranges of files, in nginx's form.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::request::answer::{Answer, Ranges, Responder};
use crate::request::payload::{Part, Payload, Pieces, Source};
use crate::request::{RequestCtx, date};

/// What a `Range` header comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// The whole file.
    All,
    /// These, of which none is empty.
    Some(Vec<Range<u64>>),
    /// Nothing that is there: 416.
    Nothing,
}

/// Number of the last boundary between parts.
static BOUNDARY: AtomicU64 = AtomicU64::new(0);

/// The answer with as much of its body as the request asks for.
pub fn apply(ctx: &RequestCtx, answer: Answer) -> Answer {
    let Payload::Source(source) = &answer.body else { return answer };
    let source = Arc::clone(source);
    if answer.status != 200 || answer.ranges != Ranges::Accepted || ctx.conf.files.max_ranges == 0 {
        return Answer { ranges: Ranges::None, ..answer };
    }
    let responder = Responder::new(ctx);
    let Some(header) = ctx.header("range").filter(|_| applies(ctx, &answer)) else { return answer };
    if responder.compresses(&answer) || responder.changes_length(&answer) {
        return answer;
    }
    match parse(header, source.length(), ctx.conf.files.max_ranges) {
        Wanted::All => answer,
        Wanted::Nothing => {
            let range = format!("bytes */{}", source.length());
            Answer { ranges: Ranges::Content(range.into()), etag: answer.etag, ..Answer::error(416) }
        }
        Wanted::Some(ranges) => match &ranges[..] {
            [range] => single(answer, source, range.clone()),
            _ => several(&responder, answer, source, &ranges),
        },
    }
}

/// Whether `If-Range`, if there is one, holds.
fn applies(ctx: &RequestCtx, answer: &Answer) -> bool {
    let Some(condition) = ctx.header("if-range") else { return true };
    if condition.len() >= 2 && condition.ends_with(b"\"") {
        return answer.etag.as_deref() == Some(condition);
    }
    answer.last_modified.is_some() && date::parse(condition) == answer.last_modified
}

fn single(answer: Answer, source: Arc<dyn Source>, range: Range<u64>) -> Answer {
    let content = content_range(&range, source.length());
    let body = Pieces::composed(source, vec![Part::Range(range)]);
    Answer { status: 206, ranges: Ranges::Content(content.into()), body: Payload::Pieces(body), ..answer }
}

fn several(responder: &Responder, answer: Answer, source: Arc<dyn Source>, ranges: &[Range<u64>]) -> Answer {
    let boundary = format!("{:020}", BOUNDARY.fetch_add(1, Ordering::Relaxed) + 1);
    let kind = answer.content_type.as_deref().unwrap_or_default();
    let mut header = format!("\r\n--{boundary}\r\n").into_bytes();
    if !kind.is_empty() {
        header.extend_from_slice(b"Content-Type: ");
        header.extend_from_slice(kind);
        if let Some(charset) = responder.charset(kind) {
            header.extend_from_slice(b"; charset=");
            header.extend_from_slice(charset);
        }
        header.extend_from_slice(b"\r\n");
    }
    let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
    for range in ranges {
        let content = content_range(range, source.length());
        let content = format!("Content-Range: {content}\r\n\r\n");
        parts.push(Part::Text([&header[..], content.as_bytes()].concat().into()));
        parts.push(Part::Range(range.clone()));
    }
    parts.push(Part::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    Answer {
        status: 206,
        content_type: Some(format!("multipart/byteranges; boundary={boundary}").into_bytes().into()),
        ranges: Ranges::None,
        body: Payload::Pieces(Pieces::composed(source, parts)),
        ..answer
    }
}

fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

/// Reads a `Range` header for a file of that length. What is no byte range asks for all; so do more than `most`
/// ranges, and ranges that are longer than the file together.
fn parse(header: &[u8], length: u64, most: usize) -> Wanted {
    let Some((unit, sets)) = header.split_at_checked(6).filter(|(_, sets)| !sets.is_empty()) else {
        return Wanted::All;
    };
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return Wanted::All;
    }
    let mut ranges = Vec::new();
    let mut total: u64 = 0;
    for set in sets.split(|byte| *byte == b',') {
        let Some(range) = range(set, length) else { return Wanted::Nothing };
        if range.start < range.end {
            if ranges.len() == most {
                return Wanted::All;
            }
            let Some(sum) = total.checked_add(range.end - range.start) else { return Wanted::Nothing };
            total = sum;
            ranges.push(range);
        } else if range.start == 0 {
            return Wanted::All;
        }
    }
    match () {
        () if ranges.is_empty() => Wanted::Nothing,
        () if total > length => Wanted::All,
        () => Wanted::Some(ranges),
    }
}

/// One range, perhaps empty; `None` for what is none.
fn range(set: &[u8], length: u64) -> Option<Range<u64>> {
    let set = trim(set);
    if let Some(suffix) = set.strip_prefix(b"-") {
        let count = number(suffix)?;
        return Some(length.saturating_sub(count)..length);
    }
    let dash = set.iter().position(|byte| *byte == b'-')?;
    let (start, end) = (number(trim(&set[..dash]))?, trim(&set[dash + 1..]));
    if end.is_empty() {
        return Some(start..length);
    }
    let end = number(end)?;
    Some(start..if end >= length { length } else { end + 1 })
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    // What nginx has for the size of a file.
    i64::try_from(number).is_ok().then_some(number)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_nginx_does() {
        let some =
            |pairs: &[(u64, u64)]| Wanted::Some(pairs.iter().map(|(start, end)| *start..*end).collect());
        let cases = [
            ("bytes=0-0", some(&[(0, 1)])),
            ("bytes=2-", some(&[(2, 10)])),
            ("bytes=-3", some(&[(7, 10)])),
            ("bytes=-30", some(&[(0, 10)])),
            ("BYTES= 1 - 2 ", some(&[(1, 3)])),
            ("bytes=5-100", some(&[(5, 10)])),
            ("bytes=0-1,8-9", some(&[(0, 2), (8, 10)])),
            ("bytes=0-8,0-8", Wanted::All),
            ("bytes=20-30", Wanted::Nothing),
            ("bytes=20-30,1-1", some(&[(1, 2)])),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=0-1,", Wanted::Nothing),
            ("bytes=a-b", Wanted::Nothing),
            ("bytes=1", Wanted::Nothing),
            ("bytes=3-2", Wanted::Nothing),
            ("bytes=", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("bytes=99999999999999999999-", Wanted::Nothing),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header.as_bytes(), 10, usize::MAX), expected, "{header}");
        }
        assert_eq!(parse(b"bytes=0-0,2-2", 10, 1), Wanted::All);
        assert_eq!(parse(b"bytes=0-0", 0, 1), Wanted::All);
    }
}
