//! Request targets that hyper does not take.
//!
//! nginx takes almost any byte in a target; hyper refuses `"`, `<`, `>`, and some of what is no UTF-8. Old clients send
//! such bytes, unescaped, in channel ids. When hyper refuses a request for that alone, it is given the same bytes once
//! more with `/` as the target, and the real one travels beside it.

use bytes::Bytes;

/// The target of the request that `bytes` begin with, and the bytes with `/` in its place; `None` when the target is
/// not what hyper minded.
pub fn replace(bytes: &[u8]) -> Option<(Bytes, Bytes)> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let line_end = start + bytes[start..].iter().position(|byte| *byte == b'\n')?;
    let line = bytes[start..line_end].trim_ascii_end();
    let method_end = start + line.iter().position(|byte| *byte == b' ')?;
    let target_end = start + line.iter().rposition(|byte| *byte == b' ')?;
    let target = bytes.get(method_end + 1..target_end)?;
    if !target.starts_with(b"/") || target.iter().any(|byte| *byte <= b' ') || !is_unusual(target) {
        return None;
    }
    let replaced = [&bytes[..=method_end], b"/", &bytes[target_end..]].concat();
    Some((Bytes::copy_from_slice(target), replaced.into()))
}

/// How many of the bytes `next` belong to the head of which `head` has come, if it ends in them.
pub fn head_rest(head: &[u8], next: &[u8]) -> Option<usize> {
    let mut started = head.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
    let line_start = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut empty = head[line_start..].iter().all(|byte| *byte == b'\r');
    for (at, byte) in next.iter().enumerate() {
        match byte {
            b'\n' if empty && started => return Some(at + 1),
            b'\n' => empty = true,
            b'\r' => {}
            _ => (started, empty) = (true, false),
        }
    }
    None
}

/// Whether hyper refuses this target: its parser or its URI type.
fn is_unusual(target: &[u8]) -> bool {
    let refused = |byte: &u8| matches!(byte, b'"' | b'<' | b'>');
    target.iter().any(refused) || http::uri::PathAndQuery::try_from(target).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_that_hyper_refuses_are_replaced() {
        let request =
            |target: &[u8]| Bytes::from([b"GET ", target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
        for target in [&b"/a?id=<x>"[..], b"/\"", b"/caf\xe9<"] {
            let (found, replaced) = replace(&request(target)).unwrap();
            assert_eq!((&found[..], &replaced[..]), (target, &request(b"/")[..]));
        }
        for target in [&b"/plain"[..], b"/\xc3\xa9", b"*", b"a<b", b"/a b<", b"/\x01<"] {
            assert_eq!(replace(&request(target)), None, "{}", String::from_utf8_lossy(target));
        }
        assert_eq!(replace(b"GET /<"), None);
        assert_eq!(replace(b"\r\n"), None);
    }

    #[test]
    fn a_head_ends_with_its_empty_line_however_it_is_cut() {
        for (bytes, length) in [
            (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\nbody"[..], Some(27)),
            (b"GET / HTTP/1.1\nHost: h\n\n", Some(24)),
            (b"\r\nGET / HTTP/1.1\r\n\r\n", Some(20)),
            (b"GET / HTTP/1.1\r\nHost: h\r\n", None),
            (b"", None),
        ] {
            for cut in 0..length.unwrap_or(bytes.len()) {
                let (head, next) = bytes.split_at(cut);
                assert_eq!(head_rest(head, next).map(|rest| cut + rest), length);
            }
        }
    }
}
