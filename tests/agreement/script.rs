//! Plays scripts for several connections on one server: streams, WebSockets, and those who publish to them.
//!
//! ```text
//! === name of a case
//! @sub GET /sub?id={{id}}                       a request on the connection `sub`, which is opened at its first use
//! Accept: text/event-stream
//!
//! POST /pub?id={{id}}                           the same on the connection `pub`
//! > hello
//!
//! @ws ~text hello                               a masked frame: `text`, `binary`, `ping`, `pong`, `close`
//!
//! @ws ~close \x03\xe8bye
//!
//! @ws ~c1 payload                               a masked frame with that first byte
//!
//! @sub leaves                                   the client closes
//!
//! wait 1.2                                      seconds
//! ```
//!
//! A step begins when nothing has come for a while. A script begins with a second of the clock: `{{T}}` is that second,
//! `{{T-1}}` the one before, `{{D}}` the same as a date. `{{id}}` is a word of the case's own.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::case::{Case, request, unescape};
use super::check::NGINX_TEMP_PATHS;
use crate::harness::{Backend, Conf, Connection, Ending, Server, date, port};

/// Silence that ends a step.
const QUIET: Duration = Duration::from_millis(60);
/// How far into a second a script may begin.
const BEGINNING: Duration = Duration::from_millis(60);

/// A running server.
pub(super) struct Stage {
    server: Server,
}

/// One play of one case.
struct Play<'a> {
    server: &'a Server,
    id: String,
    /// The second it began with.
    second: u64,
    quiet: Duration,
    /// In the order in which they were opened.
    actors: Vec<Actor>,
}

struct Actor {
    name: String,
    /// `None` once the client closed it.
    connection: Option<Connection>,
    received: Vec<u8>,
}

impl Stage {
    /// Starts a server; `http` goes into the `http` block.
    pub(super) fn start(backend: Backend, http: &str) -> Stage {
        let temp_paths = if backend.is_nginx() { NGINX_TEMP_PATHS } else { "" };
        let text = format!(
            "daemon off; worker_processes 1; pid {{{{dir}}}}/server.pid; error_log stderr emerg;\n\
             events {{}}\nhttp {{ access_log off; server_tokens off; {temp_paths}\n{http}}}\n"
        );
        Stage { server: Server::builder(Conf::whole(text)).backend(backend).start() }
    }

    /// Plays a case: per connection, all that came and how it ended. `take` counts how often it was tried.
    pub(super) fn play(&self, case: &Case, number: usize, take: u32) -> Vec<String> {
        let mut play = Play {
            server: &self.server,
            id: format!("case{number:03}{take:02}"),
            second: wait_for_second(),
            quiet: QUIET * take,
            actors: Vec::new(),
        };
        case.lines.split(String::is_empty).filter(|step| !step.is_empty()).for_each(|step| play.step(step));
        play.listen(play.quiet * 3);
        play.lines()
    }
}

impl Play<'_> {
    fn step(&mut self, lines: &[String]) {
        let lines: Vec<String> = lines.iter().map(|line| self.fill_in(line)).collect();
        if let Some(seconds) = lines[0].strip_prefix("wait ") {
            let seconds = seconds.parse().expect("a number of seconds");
            return self.listen_for(Duration::from_secs_f64(seconds));
        }
        let (name, first) = match lines[0].strip_prefix('@') {
            Some(rest) => rest.split_once(' ').expect("something is done on a connection"),
            None => ("pub", &*lines[0]),
        };
        if first == "leaves" {
            let actor = self.actor(name);
            self.actors[actor].connection = None;
        } else {
            let mut step: Vec<&str> = lines.iter().map(String::as_str).collect();
            step[0] = first;
            let bytes = match first.strip_prefix('~') {
                Some(frame) => write_frame(frame),
                None if first.starts_with("| ") => {
                    unescape(&step.iter().map(|line| line.trim_start_matches("| ")).collect::<String>())
                }
                None => unescape(&request(&step)),
            };
            let actor = self.actor(name);
            if let Some(connection) = &mut self.actors[actor].connection {
                connection.send(bytes);
            }
        }
        self.listen(self.quiet);
    }

    /// `{{id}}`, `{{T}}`, `{{D}}` and their neighbours.
    fn fill_in(&self, line: &str) -> String {
        let mut line = line.replace("{{id}}", &self.id);
        for (sign, by) in [("", 0), ("-1", -1), ("+1", 1), ("+9", 9), ("-9", -9)] {
            let second = self.second.saturating_add_signed(by);
            line = line.replace(&format!("{{{{T{sign}}}}}"), &second.to_string());
            line = line.replace(&format!("{{{{D{sign}}}}}"), &date::rfc1123(second));
        }
        line
    }

    fn actor(&mut self, name: &str) -> usize {
        if let Some(at) = self.actors.iter().position(|actor| actor.name == name) {
            return at;
        }
        let connection = Some(self.server.connect());
        self.actors.push(Actor { name: name.to_owned(), connection, received: Vec::new() });
        self.actors.len() - 1
    }

    /// Takes what comes, until nothing does for so long.
    fn listen(&mut self, quiet: Duration) {
        let mut silent_since = Instant::now();
        while silent_since.elapsed() < quiet {
            if self.receive() {
                silent_since = Instant::now();
            }
        }
    }

    fn listen_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.receive();
        }
    }

    /// Whether something came.
    fn receive(&mut self) -> bool {
        let mut came = false;
        for actor in &mut self.actors {
            let Some(connection) = &mut actor.connection else { continue };
            let bytes = connection.receive_now();
            came |= !bytes.is_empty();
            actor.received.extend(bytes);
        }
        if !came {
            std::thread::sleep(Duration::from_millis(2));
        }
        came
    }

    fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for actor in std::mem::take(&mut self.actors) {
            lines.push(format!("@{}", actor.name));
            let text = self.mask(&actor.received);
            lines.extend(text.split_inclusive('\n').map(|line| format!("{line:?}")));
            lines.push(match actor.connection.as_ref().map(Connection::ending) {
                None => "(left)".to_owned(),
                Some(None) => "(open)".to_owned(),
                Some(Some(Ending::Closed)) => "(closed)".to_owned(),
                Some(Some(Ending::Reset)) => "(reset)".to_owned(),
            });
        }
        lines
    }

    // === what cannot be the same twice ===

    fn mask(&self, bytes: &[u8]) -> String {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let text = port::mask(&text.replace(&self.id, "{{id}}"), self.server.port(), "{{port}}");
        // A 101 has no body, and may not tell its length (`docs/differences.md`).
        let text = match text.strip_prefix("HTTP/1.1 101 ") {
            Some(rest) => format!("HTTP/1.1 101 {}", rest.replacen("Content-Length: 0\r\n", "", 1)),
            None => text,
        };
        let text = text.replace("Server: nginx\r\n", "Server: SERVER\r\n");
        let text = text.replace("Server: encke\r\n", "Server: SERVER\r\n");
        let text = text.replace("<center>nginx</center>", "<center>SERVER</center>");
        let text = text.replace("<center>encke</center>", "<center>SERVER</center>");
        self.mask_times(&mask_latencies(&mask_memory(&mask_boundaries(text))))
    }

    /// Seconds and dates, by how far they are from the start.
    fn mask_times(&self, text: &str) -> String {
        const SECOND: usize = 10;
        const DATE: usize = 29;
        let near = |second: u64| Some(second.wrapping_sub(self.second)).filter(|since| *since < 100);
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let piece = |length| rest.get(..length).filter(|_| !out.ends_with(|c: char| c.is_ascii_digit()));
            let second = piece(SECOND).and_then(|text| near(text.parse().ok()?));
            let moment = piece(DATE).and_then(|text| near(date::parse_rfc1123(text)?));
            match (second, moment) {
                (Some(since), _) => out.push_str(&format!("T+{since}")),
                (_, Some(_)) if out.ends_with("\r\nDate: ") => out.push_str("now"),
                (_, Some(since)) => out.push_str(&format!("D+{since}")),
                _ => out.push(first),
            }
            let length = if second.is_some() { SECOND } else { DATE };
            let length = if second.or(moment).is_some() { length } else { first.len_utf8() };
            rest = &rest[length..];
        }
        out
    }
}

/// Bytes that a group's messages take: each server has its own way to keep them.
fn mask_memory(text: &str) -> String {
    const START: &str = "shared memory used by messages: ";
    let mut pieces = text.split(START);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let number = if &piece[..digits] == "0" { "0" } else { "SOME" };
        out.extend([START, number, &piece[digits..]]);
    }
    out
}

/// What a benchmark measured.
fn mask_latencies(text: &str) -> String {
    let mask = |line: &str| match line.split_once(": ") {
        Some((name, rest)) if rest.contains("ms\"") => format!("{name}: SOME ms,\n"),
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(mask).collect()
}

fn mask_boundaries(mut text: String) -> String {
    const START: &str = "; boundary=";
    const LENGTH: usize = 32;
    while let Some(at) = text.find(START) {
        let Some(boundary) = text[at + START.len()..].get(..LENGTH).map(str::to_owned) else { break };
        text = text
            .replace(&format!("{START}{boundary}"), "; boundary: BOUNDARY")
            .replace(&boundary, "BOUNDARY");
    }
    text
}

/// The beginning of a second.
fn wait_for_second() -> u64 {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
        let into = Duration::from_nanos(u64::from(now.subsec_nanos()));
        if (Duration::from_millis(5)..BEGINNING).contains(&into) {
            return now.as_secs();
        }
        std::thread::sleep(
            Duration::from_millis(5) + (Duration::from_secs(1) - into).min(Duration::from_millis(50)),
        );
    }
}

/// `text hello`: a client's frame.
fn write_frame(text: &str) -> Vec<u8> {
    let (kind, payload) = text.split_once(' ').unwrap_or((text, ""));
    let kinds =
        HashMap::from([("text", 0x81), ("binary", 0x82), ("close", 0x88), ("ping", 0x89), ("pong", 0x8a)]);
    let first = kinds.get(kind).copied();
    let first =
        first.unwrap_or_else(|| u8::from_str_radix(kind, 16).expect("a kind of frame, or its first byte"));
    frame(first, &unescape(payload))
}

/// A masked frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length @ ..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
