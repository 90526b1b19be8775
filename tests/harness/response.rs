//! An HTTP response as it was on the wire.

use std::fmt;
use std::io::Read;

use flate2::read::GzDecoder;

/// Status line, headers in their order and spelling, and the body without its framing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status_line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    pub(crate) body: Vec<u8>,
}

/// How the end of the body was marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There can be no body: `HEAD`, 1xx, 204, 304.
    None,
    ContentLength,
    Chunked,
    Close,
}

/// What can be made of the bytes so far.
pub(super) enum Parsed {
    Whole { response: Response, length: usize },
    Incomplete,
}

impl Response {
    /// The number in the status line; 0 if there is none.
    pub(crate) fn status(&self) -> u16 {
        self.status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The value of the first header of that name, in any case of letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The values of all headers of that name; several mean that the server sent it more than once.
    pub(crate) fn header_values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, unpacked if it was compressed.
    pub(crate) fn decoded_body(&self) -> Vec<u8> {
        let mut unpacked = Vec::new();
        match self.header("Content-Encoding") {
            Some("gzip") if GzDecoder::new(&self.body[..]).read_to_end(&mut unpacked).is_ok() => unpacked,
            _ => self.body.clone(),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status_line)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{:?}", self.text())
    }
}

/// Reads one response from the start of `bytes`. `ended`: nothing follows them.
pub(super) fn parse(bytes: &[u8], head: bool, ended: bool) -> Parsed {
    if !bytes.starts_with(b"HTTP/") {
        return Parsed::Incomplete;
    }
    let Some(head_length) = find(bytes, b"\r\n\r\n").map(|at| at + 4) else {
        return Parsed::Incomplete;
    };
    let mut response = parse_head(&bytes[..head_length - 4]);
    let rest = &bytes[head_length..];
    response.framing = framing(&response, head);
    let Some((body, body_length)) = take_body(rest, &response, ended) else {
        return Parsed::Incomplete;
    };
    response.body = body;
    Parsed::Whole { response, length: head_length + body_length }
}

fn parse_head(bytes: &[u8]) -> Response {
    let text = latin1(bytes);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .map(|line| line.split_once(':').unwrap_or((line, "")))
        .map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        .collect();
    Response { status_line, headers, framing: Framing::None, body: Vec::new() }
}

fn framing(response: &Response, head: bool) -> Framing {
    let chunked = response.header("Transfer-Encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    match response.status() {
        _ if head => Framing::None,
        100..=199 | 204 | 304 => Framing::None,
        _ if chunked => Framing::Chunked,
        _ if response.header("Content-Length").is_some() => Framing::ContentLength,
        _ => Framing::Close,
    }
}

/// The body and how many bytes it took; `None` if more must come.
fn take_body(rest: &[u8], response: &Response, ended: bool) -> Option<(Vec<u8>, usize)> {
    match response.framing {
        Framing::None => Some((Vec::new(), 0)),
        Framing::Chunked => take_chunks(rest),
        Framing::ContentLength => {
            let length = response.header("Content-Length")?.parse().ok()?;
            rest.get(..length).map(|body| (body.to_vec(), length))
        }
        Framing::Close => ended.then(|| (rest.to_vec(), rest.len())),
    }
}

fn take_chunks(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let line_end = at + find(&rest[at..], b"\r\n")?;
        let line = latin1(&rest[at..line_end]);
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        let start = line_end + 2;
        let end = start.checked_add(size)?;
        let chunk = rest.get(start..end)?;
        rest.get(end..end + 2)?;
        body.extend_from_slice(chunk);
        at = end + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

/// Each byte one character, so that no byte of a header is lost.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8], ended: bool) -> Option<(Response, usize)> {
        match parse(bytes, false, ended) {
            Parsed::Whole { response, length } => Some((response, length)),
            Parsed::Incomplete => None,
        }
    }

    #[test]
    fn response_ends_where_its_framing_says() {
        let (response, length) = whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP", false).unwrap();
        assert_eq!((response.text().as_str(), length), ("ab", 40));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(whole(chunked, false).unwrap().0.text(), "abc");
        let until_close = b"HTTP/1.1 200 OK\r\n\r\nabc";
        assert!(whole(until_close, false).is_none());
        assert_eq!(whole(until_close, true).unwrap().0.text(), "abc");
    }

    #[test]
    fn incomplete_response_is_not_taken() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        for length in 0..bytes.len() {
            assert!(whole(&bytes[..length], false).is_none(), "{length} bytes");
        }
    }
}
