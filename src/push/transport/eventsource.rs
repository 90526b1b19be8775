//! `text/event-stream`: what a browser's `EventSource` reads.

use bytes::Bytes;

/// What follows the head of a stream, so that the client sees that it is open.
pub const OPENING: &[u8] = b": hi\n\n";

/// One message. Only LF separates its lines.
pub fn event(name: Option<&[u8]>, id: &str, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 64);
    if let Some(name) = name {
        line(&mut out, b"event: ", name);
    }
    line(&mut out, b"id: ", id.as_bytes());
    body.split(|byte| *byte == b'\n').for_each(|part| line(&mut out, b"data: ", part));
    out.push(b'\n');
    out.into()
}

/// What keeps a silent stream alive; parts that are empty are left out.
pub fn ping(comment: &[u8], event: &[u8], data: &[u8]) -> Bytes {
    let mut out = Vec::new();
    if !comment.is_empty() || (event.is_empty() && data.is_empty()) {
        line(&mut out, b":", comment);
    }
    if !event.is_empty() {
        line(&mut out, b"event: ", event);
    }
    if !data.is_empty() {
        line(&mut out, b"data: ", data);
    }
    out.push(b'\n');
    out.into()
}

/// The last words of a stream: a status and its phrase, as a comment.
pub fn end(status: u16, phrase: &str) -> Bytes {
    format!(":{status}: {status} {phrase}\n\n").into()
}

fn line(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    out.extend_from_slice(field);
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_into_lines_at_line_feeds_only() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"line1\nline2", b"id: 1:0\ndata: line1\ndata: line2\n\n"),
            (b"crlf\r\nx\n", b"id: 1:0\ndata: crlf\r\ndata: x\ndata: \n\n"),
            (b"", b"id: 1:0\ndata: \n\n"),
            (b"\n", b"id: 1:0\ndata: \ndata: \n\n"),
        ];
        for (body, expected) in cases {
            assert_eq!(event(None, "1:0", body), expected);
        }
        assert_eq!(event(Some(b"myev"), "1:0", b"a"), &b"event: myev\nid: 1:0\ndata: a\n\n"[..]);
    }

    #[test]
    fn pings_leave_out_what_is_empty() {
        assert_eq!(ping(b"hello", b"ping", b"pingdata"), &b":hello\nevent: ping\ndata: pingdata\n\n"[..]);
        assert_eq!(ping(b"", b"ping", b""), &b"event: ping\n\n"[..]);
        assert_eq!(ping(b"", b"", b""), &b":\n\n"[..]);
    }
}
