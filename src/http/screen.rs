//! What nginx checks of a request before it looks at anything else.

use std::borrow::Cow;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Version};

use crate::config::model::Server;
use crate::request::uri;

use super::head_room::{HeadRoom, TooLarge};

/// Why a request is refused before it has a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The line for the error log.
    pub message: Cow<'static, str>,
}

/// Headers of which nginx 1.22 accepts only one.
const UNIQUE: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
];

fn refuse(status: u16, message: impl Into<Cow<'static, str>>) -> Result<(), Refusal> {
    Err(Refusal { status, message: message.into() })
}

/// What nginx says of a request whose headers are at fault.
fn refuse_headers(status: u16, what: &str) -> Result<(), Refusal> {
    refuse(status, format!("client sent {what} while reading client request headers"))
}

/// Checks the request line: method and target.
pub fn request_line(method: &Method, raw_target: &[u8]) -> Result<(), Refusal> {
    if !method.as_str().bytes().all(is_method_byte) {
        return refuse(400, "client sent invalid method while reading client request line");
    }
    if raw_target.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return refuse(400, "client sent invalid request while reading client request line");
    }
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        return refuse_headers(405, &format!("{method} method"));
    }
    Ok(())
}

fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-')
}

/// Checks the headers: those that may come once, `Host`, and how the body is framed.
/// `head` is the head as it came, to be quoted.
pub fn headers(version: Version, headers: &HeaderMap, head: &[u8]) -> Result<(), Refusal> {
    let is_repeated = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    if headers.len() > headers.keys_len()
        && let Some(name) = UNIQUE.iter().find(is_repeated)
    {
        return refuse_headers(400, &duplicate(name.as_str(), head));
    }
    let host = headers.get(header::HOST).map(http::HeaderValue::as_bytes);
    if host.is_some_and(|host| uri::validate_host(host).is_none()) {
        return refuse_headers(400, "invalid host header");
    }
    if host.is_none() && version != Version::HTTP_10 {
        return refuse_headers(400, "HTTP/1.1 request without \"Host\" header");
    }
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        if version == Version::HTTP_10 {
            return refuse_headers(400, OLD_CODING);
        }
        if headers.contains_key(header::CONTENT_LENGTH) {
            return refuse_headers(400, TWO_FRAMINGS);
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return refuse_headers(501, &unknown_coding(coding.as_bytes()));
        }
    }
    Ok(())
}

/// Checks whether a head fits into its buffers.
pub fn sizes(head: &[u8], server: &Server) -> Result<(), Refusal> {
    HeadRoom::new(server).feed(head).map_err(Refusal::from)
}

impl From<TooLarge> for Refusal {
    fn from(what: TooLarge) -> Self {
        let (status, message) = match what {
            TooLarge::Line => (414, "client sent too long URI while reading client request line"),
            TooLarge::Headers => {
                (494, "client sent too large request header while reading client request headers")
            }
        };
        Self { status, message: message.into() }
    }
}

/// Checks the lines of a head as it came: hyper mends or drops some that nginx refuses, and a server that reads a
/// request otherwise than the proxy in front of it lets requests be smuggled in.
pub fn raw_head(head: &[u8], server: &Server) -> Result<(), Refusal> {
    let mut framings = Framings::default();
    let mut count = 0;
    for line in head_lines(head) {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let broken = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
        if name.is_empty() || name.iter().any(broken) {
            let end = name.iter().position(broken).unwrap_or(name.len());
            return refuse_headers(400, &invalid_line(line, end));
        }
        count += usize::from(
            !server.ignore_invalid_headers || name.iter().all(|byte| is_name_byte(*byte, server)),
        );
        if count > server.max_headers {
            return refuse(494, "client sent too many header lines while reading client request headers");
        }
        if !framings.count(name, &line[name.len()..]) {
            return refuse_headers(400, "invalid header line");
        }
    }
    match framings {
        Framings { lengths: 0, codings: 0 | 1 } | Framings { lengths: 1, codings: 0 } => Ok(()),
        Framings { codings: 1.., lengths: 1.. } => refuse_headers(400, TWO_FRAMINGS),
        Framings { codings: 0, .. } => refuse_headers(400, &duplicate("content-length", head)),
        Framings { .. } => refuse_headers(400, &duplicate("transfer-encoding", head)),
    }
}

const OLD_CODING: &str = "HTTP/1.0 request with \"Transfer-Encoding\" header";
const TWO_FRAMINGS: &str = "\"Content-Length\" and \"Transfer-Encoding\" headers at the same time";

fn unknown_coding(coding: &[u8]) -> String {
    format!("unknown \"Transfer-Encoding\": \"{}\"", String::from_utf8_lossy(coding))
}

/// A header that may come once came again.
fn duplicate(name: &str, head: &[u8]) -> String {
    let named = |line: &&[u8]| {
        line.split_at_checked(name.len()).is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(name.as_bytes()) && rest.starts_with(b":")
        })
    };
    let mut lines = head_lines(head).filter(named).map(String::from_utf8_lossy);
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let kind = if name == "host" { "host header" } else { "header line" };
    format!("duplicate {kind}: \"{second}\", previous value: \"{first}\"")
}

/// A line with a byte at `end` that must not be there.
fn invalid_line(line: &[u8], end: usize) -> String {
    let byte = line.get(end).copied().unwrap_or(b'\r');
    format!("invalid header line: \"{}\\x{byte:02x}...\"", String::from_utf8_lossy(&line[..end]))
}

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

/// Whether the end of the request line is there.
pub fn has_first_line(head: &[u8]) -> bool {
    lines(head).nth(1).is_some()
}

/// The header lines of a head, without their ends.
pub fn head_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
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

/// The header lines of a head whose names `underscores_in_headers` and `ignore_invalid_headers` do not let through.
pub fn invalid_lines<'a>(head: &'a [u8], server: &Server) -> impl Iterator<Item = &'a [u8]> {
    head_lines(head).filter(|line| {
        let mut name = line.split(|byte| *byte == b':').next().unwrap_or_default().iter();
        name.any(|byte| !is_name_byte(*byte, server))
    })
}

/// What the error log says of such a line.
pub fn invalid_header_line(line: &[u8]) -> Vec<u8> {
    [b"client sent invalid header line: \"", line, b"\" while reading client request headers"].concat()
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
    let refusal = |status, message: &'static str| Some(Refusal { status, message: message.into() });
    let bytes = bytes.trim_ascii_start();
    let line_end = bytes.iter().position(|byte| *byte == b'\n');
    let line = &bytes[..line_end.unwrap_or(bytes.len())];
    if let Err(refused) = sizes(bytes, server) {
        return Some(refused);
    }
    if too_large {
        return refusal(494, "client sent too large request header while reading client request headers");
    }
    if let Some(coding) =
        header(bytes, b"transfer-encoding").filter(|coding| !coding.eq_ignore_ascii_case(b"chunked"))
    {
        return refuse_headers(501, &unknown_coding(coding)).err();
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
    if let [method, ..] = words[..]
        && !method.iter().all(|byte| is_method_byte(*byte))
    {
        return refusal(400, "client sent invalid method while reading client request line");
    }
    if let [_, b"http://", _] = words[..] {
        return refusal(400, "client sent invalid host in request line while reading client request line");
    }
    if let [_, target, version] = words[..]
        && target.starts_with(b"/")
        && version.starts_with(b"HTTP/1.")
        && let Some(what) = unparsable_headers(bytes, version)
    {
        return refuse_headers(400, &what).err();
    }
    refusal(400, "client sent invalid request while reading client request line")
}

/// What is wrong with the headers behind a good request line, as far as can be told.
fn unparsable_headers(bytes: &[u8], version: &[u8]) -> Option<String> {
    let broken_value = |line: &&[u8]| line.contains(&b'\0');
    if let Some(line) = head_lines(bytes).find(broken_value) {
        return Some(invalid_line(line, line.iter().position(|byte| *byte == b'\0')?));
    }
    if header(bytes, b"content-length").is_some_and(|length| !length.iter().all(u8::is_ascii_digit)) {
        return Some("invalid \"Content-Length\" header".to_owned());
    }
    let old_coding = version == b"HTTP/1.0" && header(bytes, b"transfer-encoding").is_some();
    old_coding.then(|| OLD_CODING.to_owned())
}

/// The value of a header in a head that hyper refused.
pub fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head_lines(head).filter_map(|line| line.split_at_checked(name.len())).find_map(|(start, rest)| {
        let value = rest.strip_prefix(b":")?;
        start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}
