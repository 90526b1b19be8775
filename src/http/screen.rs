//! What nginx checks of a request before it looks at anything else.

use http::{HeaderMap, Method, Version};

use crate::config::model::Server;
use crate::request::uri;

/// Why a request is refused before it has a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The line for the error log.
    pub message: &'static str,
}

/// Headers of which nginx 1.22 accepts only one.
const UNIQUE: [&str; 9] = [
    "authorization",
    "content-length",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-match",
    "if-range",
    "if-unmodified-since",
];

const fn refuse(status: u16, message: &'static str) -> Result<(), Refusal> {
    Err(Refusal { status, message })
}

/// Checks the request line: method, length, version.
pub fn request_line(method: &Method, raw_target: &[u8], server: &Server) -> Result<(), Refusal> {
    let letters = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
    if !method.as_str().bytes().all(letters) {
        return refuse(400, "client sent invalid method while reading client request line");
    }
    if raw_target.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return refuse(400, "client sent invalid request while reading client request line");
    }
    let (_, size) = server.large_client_header_buffers;
    if method.as_str().len() + raw_target.len() + " HTTP/1.1 \r\n".len() > size {
        return refuse(414, "client sent too long URI while reading client request line");
    }
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        return refuse(405, "client sent a method that is not allowed while reading client request headers");
    }
    Ok(())
}

/// Checks the headers: lengths, those that may come once, `Host`, and how the body is framed.
pub fn headers(version: Version, headers: &HeaderMap, server: &Server) -> Result<(), Refusal> {
    let (count, size) = server.large_client_header_buffers;
    let lengths = || headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    if lengths().any(|length| length > size) || lengths().sum::<usize>() > count * size {
        return refuse(494, "client sent too large request header while reading client request headers");
    }
    if UNIQUE.iter().any(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        return refuse(400, "client sent duplicate header line while reading client request headers");
    }
    let host = headers.get("host").map(http::HeaderValue::as_bytes);
    if host.is_some_and(|host| uri::validate_host(host).is_none()) {
        return refuse(400, "client sent invalid host header while reading client request headers");
    }
    if host.is_none() && version != Version::HTTP_10 {
        return refuse(
            400,
            "client sent HTTP/1.1 request without \"Host\" header while reading client request headers",
        );
    }
    if let Some(coding) = headers.get("transfer-encoding") {
        if headers.contains_key("content-length") || version == Version::HTTP_10 {
            return refuse(400, "client sent \"Transfer-Encoding\" header that does not fit the request");
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return refuse(501, "client sent unknown \"Transfer-Encoding\"");
        }
    }
    Ok(())
}

/// Checks the lines of a head as it came: hyper mends or drops some that nginx refuses, and a server that reads a
/// request otherwise than the proxy in front of it lets requests be smuggled in.
pub fn raw_head(head: &[u8], server: &Server) -> Result<(), Refusal> {
    let mut framings = Framings::default();
    for line in head_lines(head) {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let broken = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
        if name.is_empty() || name.iter().any(broken) {
            return refuse(400, INVALID_LINE);
        }
        if !server.ignore_invalid_headers && !name.iter().all(|byte| is_name_byte(*byte, server)) {
            return refuse(400, INVALID_LINE);
        }
        if !framings.count(name, &line[name.len()..]) {
            return refuse(400, INVALID_LINE);
        }
    }
    match framings {
        Framings { lengths: 0, codings: 0 | 1 } | Framings { lengths: 1, codings: 0 } => Ok(()),
        _ => refuse(400, "client sent more than one header that says where its body ends"),
    }
}

const INVALID_LINE: &str = "client sent invalid header line while reading client request headers";

/// How many headers say where the body ends.
#[derive(Default)]
struct Framings {
    lengths: usize,
    codings: usize,
}

impl Framings {
    /// Counts a header; false if it is one of them and says it in bytes that hyper would not see.
    fn count(&mut self, name: &[u8], rest: &[u8]) -> bool {
        let length = name.eq_ignore_ascii_case(b"content-length");
        let coding = name.eq_ignore_ascii_case(b"transfer-encoding");
        self.lengths += usize::from(length);
        self.codings += usize::from(coding);
        let plain = |byte: &u8| matches!(byte, b' '..=b'~');
        !(length || coding) || (rest.starts_with(b":") && rest.iter().all(plain))
    }
}

/// The request line of a head, without its end.
pub fn first_line(head: &[u8]) -> &[u8] {
    lines(head).next().unwrap_or_default()
}

/// Names and values of a head as they were spelled, in order.
pub fn headers_of(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head_lines(head).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii()))
    })
}

/// The first header line of an answer's head that has no name, up to the byte that no name has.
pub fn invalid_name(head: &[u8]) -> Option<(&[u8], u8)> {
    head_lines(head).find_map(|line| {
        let broken = |byte: &u8| *byte <= b' ' || matches!(*byte, 0x7f | b':');
        let at = line.iter().position(broken);
        match at.map(|at| (at, line[at])) {
            Some((1.., b':')) => None,
            Some((at, byte)) => Some((&line[..at], byte)),
            None => Some((line, b'\r')),
        }
    })
}

/// The header lines of a head, without their ends.
fn head_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(head).skip(1).take_while(|line| !line.is_empty())
}

/// The lines of a head, without their ends; empty ones before the first do not count.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
    head[start..].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Bytes that names of headers may have without being invalid.
fn is_name_byte(byte: u8, server: &Server) -> bool {
    match byte {
        b'_' => server.underscores_in_headers,
        byte => byte.is_ascii_alphanumeric() || byte == b'-',
    }
}

/// Drops headers whose names `underscores_in_headers` and `ignore_invalid_headers` do not let through.
pub fn drop_invalid(headers: &mut HeaderMap, server: &Server) {
    if !server.ignore_invalid_headers {
        return;
    }
    let valid = |byte| is_name_byte(byte, server);
    let invalid: Vec<_> = headers.keys().filter(|name| !name.as_str().bytes().all(valid)).cloned().collect();
    for name in invalid {
        headers.remove(name);
    }
}

/// What nginx answers to bytes that are no request at all; `None` to close without a word, as for HTTP/0.9.
pub fn unparsable(bytes: &[u8], too_large: bool, server: &Server) -> Option<Refusal> {
    let refusal = |status, message| Some(Refusal { status, message });
    let bytes = bytes.trim_ascii_start();
    let line_end = bytes.iter().position(|byte| *byte == b'\n');
    let line = &bytes[..line_end.unwrap_or(bytes.len())];
    let (_, size) = server.large_client_header_buffers;
    if line.len() > size || (too_large && line_end.is_none()) {
        return refusal(414, "client sent too long URI while reading client request line");
    }
    if too_large {
        return refusal(494, "client sent too large request header while reading client request headers");
    }
    if header(bytes, b"transfer-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case(b"chunked")) {
        return refusal(501, "client sent unknown \"Transfer-Encoding\"");
    }
    let words = line.trim_ascii_end().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let words: Vec<&[u8]> = words.collect();
    if let [b"GET", target] = words[..]
        && target.starts_with(b"/")
    {
        return None;
    }
    if let Some(version) = words.last().and_then(|word| word.strip_prefix(b"HTTP/"))
        && words.len() == 3
        && words[1].starts_with(b"/")
        && matches!(version, [b'2'..=b'9', b'.', ..])
    {
        return refusal(505, "client sent invalid version while reading client request line");
    }
    refusal(400, "client sent invalid request while reading client request line")
}

/// The value of a header in a head that hyper refused.
fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head_lines(head).filter_map(|line| line.split_at_checked(name.len())).find_map(|(start, rest)| {
        let value = rest.strip_prefix(b":")?;
        start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}
