//! Request targets: splitting, decoding and normalizing, by nginx's rules.

/// A request target taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Host of an absolute target (`GET http://host/...`).
    pub host: Option<Box<[u8]>>,
    /// Path and arguments as they came.
    pub unparsed: Box<[u8]>,
    /// Decoded, normalized path.
    pub path: Box<[u8]>,
    /// Arguments, raw, without the `?`.
    pub args: Box<[u8]>,
}

/// Takes a request target apart; `None` where nginx answers 400.
pub fn parse_target(target: &[u8], merge_slashes: bool) -> Option<Target> {
    let (host, unparsed) = match target {
        [b'/', ..] => (None, target),
        _ => split_absolute(target)?,
    };
    let end = unparsed.iter().position(|byte| *byte == b'#').unwrap_or(unparsed.len());
    let (raw_path, args) = split_args(&unparsed[..end]);
    let path = normalize(raw_path, merge_slashes)?;
    Some(Target { host: host.map(Into::into), unparsed: unparsed.into(), path, args: args.into() })
}

/// Splits at the first `?`.
pub fn split_args(target: &[u8]) -> (&[u8], &[u8]) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, b""),
    }
}

fn split_absolute(target: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let colon = target.windows(3).position(|window| window == b"://")?;
    if colon == 0 || !target[..colon].iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = &target[colon + 3..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    if !is_authority(&rest[..end]) {
        return None;
    }
    let path = if rest[end..].is_empty() { b"/" } else { &rest[end..] };
    path.starts_with(b"/").then_some((Some(&rest[..end]), path))
}

/// Letters, digits, dots and hyphens, or a literal address in brackets; then a port.
fn is_authority(bytes: &[u8]) -> bool {
    let (host, port) = match bytes.iter().position(|byte| *byte == b']') {
        Some(end) if bytes.starts_with(b"[") => bytes.split_at(end + 1),
        _ => bytes.split_at(bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len())),
    };
    let literal = host.starts_with(b"[");
    let fits = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b".-".contains(byte) || (literal && b"[:]".contains(byte))
    };
    host.iter().all(fits) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// Decodes `%XX`, merges slashes, resolves `.` and `..`; `None` for a bad escape, a NUL, or a way above the root.
fn normalize(raw: &[u8], merge_slashes: bool) -> Option<Box<[u8]>> {
    let mut path = Vec::with_capacity(raw.len());
    let decoded = decode(raw)?;
    let mut rest = &decoded[..];
    while let Some(after) = rest.strip_prefix(b"/") {
        let end = after.iter().position(|byte| *byte == b'/').unwrap_or(after.len());
        let (segment, next) = after.split_at(end);
        match segment {
            b"." if next.is_empty() => path.push(b'/'),
            b"." => {}
            b".." => {
                path.truncate(path.iter().rposition(|byte| *byte == b'/')?);
                if next.is_empty() {
                    path.push(b'/');
                }
            }
            b"" if merge_slashes && !next.is_empty() => {}
            _ => {
                path.push(b'/');
                path.extend_from_slice(segment);
            }
        }
        rest = next;
    }
    Some(path.into())
}

/// Decodes every `%XX`; `None` for a bad escape or a NUL.
fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?,
            other => *other,
        };
        if byte == 0 {
            return None;
        }
        decoded.push(byte);
    }
    Some(decoded)
}

/// Decodes every `%XX` that is one, and keeps what is none.
pub fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, after @ ..] = rest {
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (*byte, rest)
            && let Some((high, low)) = hex(*high).zip(hex(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(*byte);
        }
    }
    decoded
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Escapes a capture that lands in the path of a redirect: what nginx leaves escaped there.
pub fn escape(path: &[u8], out: &mut Vec<u8>) {
    escape_where(path, out, |byte| matches!(byte, b' ' | b'"' | b'#' | b'%') || byte <= 0x1f || byte >= 0x7f);
}

/// Escapes a capture that lands in the arguments of a rewritten URI.
pub fn escape_args(value: &[u8], out: &mut Vec<u8>) {
    let special =
        |byte| matches!(byte, b' ' | b'#' | b'%' | b'&' | b'+' | b'?') || byte <= 0x1f || byte >= 0x7f;
    escape_where(value, out, special);
}

/// Escapes the path of a redirect that the server makes up itself, or of a request that is passed on.
pub fn escape_path(path: &[u8], out: &mut Vec<u8>) {
    let special = |byte| {
        matches!(
            byte,
            b' ' | b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        ) || byte <= 0x1f
            || byte >= 0x7f
    };
    escape_where(path, out, special);
}

/// Escapes a name that is one component of a path.
pub fn escape_component(name: &[u8], out: &mut Vec<u8>) {
    escape_where(name, out, |byte| !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
}

fn escape_where(bytes: &[u8], out: &mut Vec<u8>, special: impl Fn(u8) -> bool) {
    for &byte in bytes {
        if special(byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
}

/// Host from a `Host` header or an absolute target, as nginx accepts it: lower case, without port and trailing
/// dot. `None` where nginx answers 400.
pub fn validate_host(host: &[u8]) -> Option<String> {
    let mut name = host;
    if host.first() == Some(&b'[') {
        let end = host.iter().position(|byte| *byte == b']').map_or(host.len(), |end| end + 1);
        name = &host[..end];
    } else if let Some(colon) = host.iter().position(|byte| *byte == b':') {
        name = &host[..colon];
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    let bad = |byte: &u8| matches!(byte, b'/' | 0x7f) || *byte <= b' ';
    if name.is_empty() || host.iter().any(bad) || name.windows(2).any(|pair| pair == b"..") {
        return None;
    }
    String::from_utf8(name.to_ascii_lowercase()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> Option<String> {
        let target = parse_target(raw.as_bytes(), true)?;
        Some(String::from_utf8_lossy(&target.path).into_owned())
    }

    #[test]
    fn paths_are_decoded_merged_and_resolved() {
        let cases = [
            ("/", "/"),
            ("/a%20b", "/a b"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a//", "/a/"),
            ("/%2e%2e/../x", ""),
            ("/room%2F1", "/room/1"),
            ("/a?b=%zz", "/a"),
            ("http://h:1/p?q", "/p"),
            ("http://h", "/"),
        ];
        for (raw, expected) in cases {
            assert_eq!(path(raw).unwrap_or_default(), expected, "{raw}");
        }
    }

    #[test]
    fn bad_targets_are_refused() {
        for raw in ["/%", "/%2", "/%zz", "/%00", "/..", "/a/../../b", "*", "a", "://x/"] {
            assert_eq!(path(raw), None, "{raw}");
        }
    }

    #[test]
    fn hosts_lose_port_case_and_trailing_dot() {
        assert_eq!(validate_host(b"Example.COM.:8080").as_deref(), Some("example.com"));
        assert_eq!(validate_host(b"[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(validate_host(b"a b"), None);
        assert_eq!(validate_host(b"a..b"), None);
        assert_eq!(validate_host(b"a/b"), None);
    }
}
