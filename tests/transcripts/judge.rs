//! Says where an answer differs from the one expected.
//!
//! Compared are the status line, the headers that mean something to a client, the body and the state of
//! the connection afterwards. Not compared: `Server`, `Date`, the order of headers, the text of error pages
//! but for their title, and the literal values of cursors (see [`cursor_differences`]).

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::info::{Dialect, Info};
use super::record::{Answer, Answered, Body};
use crate::harness::date;

/// Compared value by value, so that a header sent twice is noticed. `Access-Control-*` are added to these.
const COMPARED: [&str; 8] = [
    "Content-Type",
    "Allow",
    "Vary",
    "Cache-Control",
    "WWW-Authenticate",
    "Content-Encoding",
    "Transfer-Encoding",
    "Location",
];

/// Only to be there, and to be well-formed: their values are times.
const CURSOR: [&str; 2] = ["Last-Modified", "Etag"];

/// An answer may come this much too early or too late (seconds): the machine is busy.
const EARLY: f64 = 0.5;
const LATE: f64 = 3.0;

/// The differences in words; none if `actual` is as good as `expected`. Headers in `permitted` may be there
/// although they are not expected.
pub(super) fn differences(
    expected: &Answer,
    actual: &Answer,
    dialect: Dialect,
    permitted: &[&str],
) -> Vec<String> {
    match (expected, actual) {
        (Answer::Response(expected), Answer::Response(actual)) => {
            Comparison { expected, actual, dialect, permitted, found: Vec::new() }.run()
        }
        (Answer::Pending, Answer::Pending) | (Answer::NoResponse, Answer::NoResponse) => Vec::new(),
        (Answer::State(expected), Answer::State(actual)) if expected == actual => Vec::new(),
        (Answer::Garbage(expected), Answer::Garbage(actual)) if expected == actual => Vec::new(),
        (Answer::Runs(_), Answer::Runs(actual)) => runs_differences(actual),
        (Answer::Log(expected), Answer::Log(actual)) => log_differences(expected, actual),
        _ => vec!["an answer of another kind".to_owned()],
    }
}

struct Comparison<'a> {
    expected: &'a Answered,
    actual: &'a Answered,
    dialect: Dialect,
    permitted: &'a [&'a str],
    found: Vec<String>,
}

impl Comparison<'_> {
    fn run(mut self) -> Vec<String> {
        self.equal("status line", &self.expected.status_line, &self.actual.status_line);
        self.equal("connection", &self.expected.connection, &self.actual.connection);
        self.headers();
        self.cursor();
        self.body();
        self.time();
        self.found
    }

    fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(&mut self, what: &str, expected: &T, actual: &T) {
        if expected != actual {
            self.found.push(format!("{what}: expected {expected:?}, got {actual:?}"));
        }
    }

    fn headers(&mut self) {
        let both = self.expected.headers.iter().chain(&self.actual.headers);
        let access_control = both.map(|(name, _)| name.as_str()).filter(|name| is_access_control(name));
        let names: BTreeSet<&str> = access_control.chain(COMPARED).collect();
        for name in names {
            self.header(name);
        }
    }

    fn header(&mut self, name: &str) {
        let (expected, actual) = (self.expected.values(name), self.actual.values(name));
        if !self.is_permitted(name, &expected, &actual) {
            self.equal(name, &expected, &actual);
        }
    }

    fn is_permitted(&self, name: &str, expected: &[&str], actual: &[&str]) -> bool {
        expected.is_empty() && actual.len() == 1 && self.permitted.contains(&name)
    }

    fn cursor(&mut self) {
        for name in CURSOR {
            let (expected, actual) = (self.expected.values(name), self.actual.values(name));
            let literal = expected.iter().any(|value| name == "Last-Modified" && !value.starts_with("{{"));
            if self.is_permitted(name, &expected, &actual) {
                continue;
            } else if expected.len() != actual.len() || literal {
                self.equal(name, &expected, &actual);
            }
        }
        let is_delivery = self.expected.header("Last-Modified").is_some_and(|value| value.starts_with("{{"));
        if is_delivery && Cursor::of(self.actual).is_none() {
            self.found.push("Last-Modified and Etag are not a date and a number".to_owned());
        }
    }

    fn body(&mut self) {
        let (expected, actual) = (self.expected.text(), self.actual.text());
        if let Some(info) = Info::parse(&expected) {
            self.info(&info, &actual);
        } else if let Some(expected) = title(&expected) {
            self.equal("<title>", expected, title(&actual).unwrap_or_default());
        } else if self.expected.header("Content-Encoding") == Some("gzip") {
            self.equal("unpacked body", &unpacked(self.expected), &unpacked(self.actual));
        } else {
            self.length();
            if !same_body(&self.expected.body, &self.actual.body) {
                self.found
                    .push(format!("body: expected {:?}, got {:?}", self.expected.body, self.actual.body));
            }
        }
    }

    fn length(&mut self) {
        // The length of an error page that was not sent, in answer to HEAD, is no promise.
        let is_page =
            self.expected.header("Content-Type").is_some_and(|value| value.starts_with("text/html"));
        let (expected, actual) =
            (self.expected.values("Content-Length"), self.actual.values("Content-Length"));
        let is_left_out = self.expected.status() == "304" && actual.is_empty();
        if !is_page && !is_left_out {
            self.equal("Content-Length", &expected, &actual);
        }
    }

    fn info(&mut self, expected: &Info, actual: &str) {
        let Some(info) = Info::parse(actual) else {
            self.found.push(format!("body: not a known form of channel information: {actual:?}"));
            return;
        };
        self.equal("form", &expected.form, &info.form);
        let dialect = self.dialect;
        self.equal("dialect", &dialect, &info.dialect);
        self.equal("messages", &expected.messages, &info.messages);
        self.equal("subscribers", &expected.subscribers, &info.subscribers);
        if !same_age(expected.requested, info.requested) {
            self.equal("requested", &expected.requested, &info.requested);
        }
    }

    fn time(&mut self) {
        let Some(expected) = self.expected.after else { return };
        let actual = self.actual.after.unwrap_or(0.0);
        if actual < expected - EARLY || actual > expected + LATE {
            self.found.push(format!("expected after {expected} s, came after {actual:.2} s"));
        }
    }
}

fn is_access_control(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("access-control-")
}

/// Never is never; otherwise a second more or less depends on when the script ran.
fn same_age(expected: i64, actual: i64) -> bool {
    (expected == -1) == (actual == -1) && (expected - actual).abs() <= 1
}

fn same_body(expected: &Body, actual: &Body) -> bool {
    match (expected, actual) {
        (Body::Digest { length, sha256 }, Body::Bytes(bytes)) => {
            *length == bytes.len() && *sha256 == format!("{:x}", Sha256::digest(bytes))
        }
        _ => expected == actual,
    }
}

fn title(page: &str) -> Option<&str> {
    Some(page.split_once("<title>")?.1.split_once("</title>")?.0)
}

fn unpacked(answered: &Answered) -> Vec<u8> {
    use std::io::Read;

    let mut bytes = Vec::new();
    if let Body::Bytes(packed) = &answered.body {
        // What cannot be unpacked compares as empty, and so as different.
        let _ = flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes);
    }
    bytes
}

/// How many messages fit is every server's own business: only that it fills up in good order is checked.
fn runs_differences(actual: &[(String, usize)]) -> Vec<String> {
    let class = |line: &str| line.strip_prefix("HTTP/1.1 ").map(|rest| rest.as_bytes()[0]);
    let starts_well = actual.first().is_some_and(|(line, _)| class(line) == Some(b'2'));
    let goes_on = actual.iter().all(|(line, _)| matches!(class(line), Some(b'2' | b'5')));
    if starts_well && goes_on {
        Vec::new()
    } else {
        vec![format!("answers 2xx, then 2xx or 5xx: got {actual:?}")]
    }
}

/// Two requests that end at the same moment may be logged in either order.
fn log_differences(expected: &[String], actual: &[String]) -> Vec<String> {
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    if sorted(expected) == sorted(actual) {
        Vec::new()
    } else {
        vec![format!("access log: expected {expected:#?}, got {actual:#?}")]
    }
}

/// A position in a channel: the second, and the number within the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor(i64, i64);

impl Cursor {
    /// Reads the cursor of a response; recorded seconds count from the recording's `{{t0}}`.
    pub(super) fn of(answered: &Answered) -> Option<Cursor> {
        let time = answered.header("Last-Modified")?;
        let second = match time.strip_prefix("{{t0").and_then(|rest| rest.strip_suffix("}}")) {
            Some("") => 0,
            Some(shift) => shift.parse().ok()?,
            None => i64::try_from(date::parse_rfc1123(time)?).ok()?,
        };
        let tag = answered.header("Etag")?;
        let is_number = !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| tag.parse().ok().map(|tag| Cursor(second, tag)))?
    }
}

/// A response that carried a cursor, as expected and as it was.
pub(super) struct Delivery<'a> {
    pub(super) step: &'a str,
    /// Equal for deliveries that come from one channel.
    pub(super) channel: &'a str,
    pub(super) expected: &'a Answered,
    pub(super) actual: &'a Answered,
}

/// Checks that cursors are ordered as the recorded ones are: a later message has the greater cursor, the same
/// message always the same. Which second and number a message gets is the server's choice.
pub(super) fn cursor_differences(deliveries: &[Delivery<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, first) in deliveries.iter().enumerate() {
        for second in deliveries[at + 1..].iter().filter(|second| second.channel == first.channel) {
            found.extend(order_difference(first, second));
        }
    }
    found
}

fn order_difference(first: &Delivery<'_>, second: &Delivery<'_>) -> Option<String> {
    let expected = Cursor::of(first.expected)?.cmp(&Cursor::of(second.expected)?);
    let actual = Cursor::of(first.actual)?.cmp(&Cursor::of(second.actual)?);
    // Where nothing is stored the old module numbers nothing: two messages of one second look the same.
    let comparable = expected.is_ne() || first.expected.body == second.expected.body;
    (comparable && expected != actual).then(|| {
        let (first, second) =
            ((first.step, Cursor::of(first.actual)), (second.step, Cursor::of(second.actual)));
        format!("the cursors of {first:?} and {second:?} should compare as {expected:?}, but are {actual:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(etag: &str, body: &str) -> Answered {
        let headers = [
            ("Content-Type", "text/plain"),
            ("Content-Length", &body.len().to_string()),
            ("Last-Modified", "Mon, 23 Nov 2026 05:57:38 GMT"),
            ("Etag", etag),
            ("Vary", "If-None-Match, If-Modified-Since"),
        ];
        Answered {
            status_line: "HTTP/1.1 200 OK".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Body::Bytes(body.as_bytes().to_vec()),
            connection: "open".to_owned(),
            after: None,
        }
    }

    fn recorded(etag: &str, body: &str) -> Answered {
        let mut answered = message(etag, body);
        set(&mut answered, "Last-Modified", Some("{{t0}}"));
        answered
    }

    fn set(answered: &mut Answered, name: &str, value: Option<&str>) {
        answered.headers.retain(|(other, _)| other != name);
        answered.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// The differences to a recorded message when the answer is changed in one way.
    fn found(change: impl FnOnce(&mut Answered)) -> String {
        let mut actual = message("0", "hello");
        change(&mut actual);
        let (expected, actual) = (Answer::Response(recorded("0", "hello")), Answer::Response(actual));
        differences(&expected, &actual, Dialect::Push, &[]).join("; ")
    }

    #[test]
    fn same_answer_has_no_differences() {
        assert_eq!(found(|_| {}), "");
        assert_eq!(found(|actual| set(actual, "Server", Some("another"))), "");
        assert_eq!(found(|actual| actual.headers.reverse()), "");
    }

    #[test]
    fn wrong_status_is_detected() {
        assert!(
            found(|actual| actual.status_line = "HTTP/1.1 202 Accepted".to_owned()).contains("status line")
        );
    }

    #[test]
    fn wrong_body_is_detected() {
        assert!(found(|actual| actual.body = Body::Bytes(b"hellO".to_vec())).contains("body"));
    }

    #[test]
    fn missing_changed_and_repeated_headers_are_detected() {
        assert!(found(|actual| set(actual, "Vary", None)).contains("Vary"));
        assert!(found(|actual| set(actual, "Content-Type", Some("text/html"))).contains("Content-Type"));
        assert!(found(|actual| set(actual, "Etag", None)).contains("Etag"));
        assert!(found(|actual| set(actual, "Etag", Some("\"0\""))).contains("not a date and a number"));
        assert!(
            found(|actual| set(actual, "Access-Control-Allow-Origin", Some("*"))).contains("Access-Control")
        );
        let twice = found(|actual| actual.headers.push(("Vary".to_owned(), "Origin".to_owned())));
        assert!(twice.contains("Vary"));
    }

    #[test]
    fn closed_connection_is_detected() {
        assert!(found(|actual| actual.connection = "closed".to_owned()).contains("connection"));
    }

    #[test]
    fn silence_is_no_answer() {
        let expected = Answer::Response(recorded("0", "hello"));
        assert!(!differences(&expected, &Answer::Pending, Dialect::Push, &[]).is_empty());
        assert!(!differences(&Answer::Pending, &Answer::NoResponse, Dialect::Push, &[]).is_empty());
    }

    #[test]
    fn wrong_numbers_in_channel_information_are_detected() {
        let text = |requested: &str, subscribers: &str| {
            let mut answered = message("0", "");
            let body = format!(
                "queued messages: 1\r\nlast requested: {requested} sec. ago (-1=never)\r\n\
                 active subscribers: {subscribers}"
            );
            answered.body = Body::Bytes(body.into_bytes());
            Answer::Response(answered)
        };
        let count = |actual: &Answer| differences(&text("3", "1"), actual, Dialect::Push, &[]).len();
        assert_eq!(count(&text("4", "1")), 0, "a second more or less");
        assert_eq!(count(&text("5", "1")), 1);
        assert_eq!(count(&text("3", "0")), 1);
        assert_eq!(differences(&text("-1", "1"), &text("0", "1"), Dialect::Push, &[]).len(), 1);
    }

    #[test]
    fn repeated_cursor_is_detected() {
        let expected = [recorded("0", "a"), recorded("1", "b")];
        let order = |etags: [&str; 2]| {
            let actual = [message(etags[0], "a"), message(etags[1], "b")];
            let deliveries: Vec<_> = std::iter::zip(&expected, &actual)
                .map(|(expected, actual)| Delivery { step: "step", channel: "a", expected, actual })
                .collect();
            cursor_differences(&deliveries).len()
        };
        assert_eq!(order(["0", "1"]), 0);
        assert_eq!(order(["3", "7"]), 0);
        assert_eq!(order(["0", "0"]), 1);
        assert_eq!(order(["1", "0"]), 1);
    }
}
