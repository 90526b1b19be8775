//! Files with cases.
//!
//! ```text
//! server { listen 127.0.0.1:{{port}}; ... }     the preamble: what goes into the `http` block
//!
//! === name of a case
//! GET /a?x=1                                    a request: `HTTP/1.1` and `Host: localhost` are added
//! Cookie: a=b                                   its headers
//! > body                                        its body: `Content-Length` is added
//!
//! GET /b HTTP/1.0                               the next request on the same connection
//!
//! | GET /c HTTP/1.1\r\nHost: a\n\n              bytes as they are
//!
//! === another case
//! to 127.0.0.2                                  the address to connect to, if not 127.0.0.1
//! GET /
//! ```
//!
//! A request below a line `aside` is sent on a connection of its own; what comes back is looked at in the end.
//!
//! A request is sent when the one before it was answered; adjoining lines with `|` are sent at once.
//! Everywhere `\r \n \t \0 \\ \xFF` are bytes, `{{port}}` is the port, `{{a*9000}}` is 9,000 times `a`.
//! In preambles `{{dir}}` is the server's folder, `{{tests}}` the folder of the cases, `{{files}}` that of the files to serve.
//!
//! Where the preamble speaks of `127.0.0.1:{{backend}}` (or `{{backend2}}`, `{{backend3}}`, `{{dead}}`, `unix:{{socket}}`),
//! servers to pass requests on to are there; lines `#< NAME BYTES` say what they answer (`harness/backend.rs`).
//!
//! In files of `config_errors/` the preamble is a whole configuration with a line `{{case}}` for the case's text.

use std::fs;
use std::path::Path;

use super::fixtures;

/// A file with cases that share their preamble.
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) preamble: String,
    pub(super) cases: Vec<Case>,
}

/// A name and the lines below it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) lines: Vec<String>,
}

/// The bytes of one or of several pipelined requests.
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    /// A `HEAD` request, whose answer has no body.
    pub(super) head: bool,
    /// It has a connection of its own, on which nothing is waited for until the end.
    pub(super) aside: bool,
}

impl Topic {
    pub(super) fn read(path: &Path) -> Topic {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut parts = text.split("\n=== ").map(|part| part.strip_prefix("=== ").unwrap_or(part));
        let tests = path.ancestors().find(|folder| folder.ends_with("agreement")).unwrap_or(path);
        let preamble = parts.next().unwrap_or_default().replace("{{tests}}", &tests.to_string_lossy());
        let preamble = match preamble.contains("{{files}}") {
            true => preamble.replace("{{files}}", &fixtures::folder().to_string_lossy()),
            false => preamble,
        };
        let cases = parts.map(|part| {
            let mut lines = part.lines().map(str::to_owned);
            Case { name: lines.next().unwrap_or_default(), lines: lines.collect() }
        });
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Topic { name, preamble: preamble + "\n", cases: cases.collect() }
    }
}

impl Case {
    /// The lines as they are.
    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> &str {
        self.lines.iter().find_map(|line| line.strip_prefix("to ")).unwrap_or("127.0.0.1")
    }

    /// What to send.
    pub(super) fn messages(&self, port: u16) -> Vec<Message> {
        let lines: Vec<&str> =
            self.lines.iter().map(String::as_str).filter(|line| !line.starts_with("to ")).collect();
        let paragraphs = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
        paragraphs.map(|lines| message(lines, port)).collect()
    }
}

fn message(lines: &[&str], port: u16) -> Message {
    let (aside, lines) = match lines {
        ["aside", lines @ ..] => (true, lines),
        lines => (false, lines),
    };
    let text = match raw(lines) {
        Some(text) => text,
        None => request(lines),
    };
    let bytes = unescape(&text.replace("{{port}}", &port.to_string()));
    Message { head: bytes.starts_with(b"HEAD "), aside, bytes }
}

/// The text of lines with `|`.
fn raw(lines: &[&str]) -> Option<String> {
    let raw =
        |line: &&str| line.strip_prefix('|').map(|rest| rest.strip_prefix(' ').unwrap_or(rest).to_owned());
    lines.iter().map(raw).collect()
}

/// Completes a request that is written in short.
pub(super) fn request(lines: &[&str]) -> String {
    let (body, head): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.starts_with('>'));
    let (line, headers) = head.split_first().expect("a request line comes first");
    let has = |name: &str| headers.iter().any(|header| header.to_ascii_lowercase().starts_with(name));
    let version = if line.contains(" HTTP/") { "" } else { " HTTP/1.1" };
    let mut text = format!("{line}{version}\\r\\n");
    if !has("host:") && !line.ends_with(" HTTP/1.0") {
        text.push_str("Host: localhost\\r\\n");
    }
    headers.iter().for_each(|header| text.extend([*header, "\\r\\n"]));
    let body: String = body.iter().filter_map(|line| raw(&[&line.replacen('>', "|", 1)])).collect();
    if !body.is_empty() && !has("content-length:") && !has("transfer-encoding:") {
        text.push_str(&format!("Content-Length: {}\\r\\n", unescape(&body).len()));
    }
    text + "\\r\\n" + &body
}

/// Resolves escapes and repetitions.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some((repeated, after)) = repetition(rest) {
            bytes.extend(repeated);
            rest = after;
            continue;
        }
        let length = if character == '\\' { 2 } else { character.len_utf8() };
        let (piece, after) = rest.split_at(length);
        rest = after;
        match piece {
            "\\r" => bytes.push(b'\r'),
            "\\n" => bytes.push(b'\n'),
            "\\t" => bytes.push(b'\t'),
            "\\0" => bytes.push(0),
            "\\\\" => bytes.push(b'\\'),
            "\\x" => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two hexadecimal digits follow \\x"));
                rest = &rest[2..];
            }
            other => bytes.extend_from_slice(other.as_bytes()),
        }
    }
    bytes
}

/// `{{text*count}}`
fn repetition(text: &str) -> Option<(Vec<u8>, &str)> {
    let (inside, after) = text.strip_prefix("{{")?.split_once("}}")?;
    let (unit, count) = inside.rsplit_once('*')?;
    Some((unescape(&unit.repeat(count.parse().ok()?)), after))
}
