//! Runs the steps of one scenario against a server.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;

use super::placeholder::{self, Seen};
use super::record::{Answer, Answered, Body, Step};
use crate::harness::{Connection, Ending, PATIENCE, Reply, Response, Server};

/// After each `send`, so that requests on different connections arrive in the order of the script.
const AFTER_SEND: Duration = Duration::from_millis(40);
/// How long a connection is watched for its end after a response.
const AFTER_RESPONSE: Duration = Duration::from_millis(120);
/// Answers that came later than this have their time noted.
const NOTICEABLE: Duration = Duration::from_millis(350);

/// What one step showed.
pub(super) struct Outcome {
    pub(super) step: String,
    /// The last request on the connection, without its validators: two with the same text ask for the
    /// same channel.
    pub(super) request: String,
    pub(super) answer: Answer,
}

pub(super) struct Replay<'a> {
    server: &'a Server,
    connections: HashMap<String, Connection>,
    requests: HashMap<String, String>,
    seen: Seen,
    outcomes: Vec<Outcome>,
    /// The steps at which silence is expected: only there the recorded time limit is kept.
    silent: &'a dyn Fn(&str) -> bool,
}

impl<'a> Replay<'a> {
    /// `silent` tells the steps at which no answer is expected.
    pub(super) fn new(server: &'a Server, silent: &'a dyn Fn(&str) -> bool) -> Self {
        Replay {
            server,
            connections: HashMap::new(),
            requests: HashMap::new(),
            seen: Seen::new(),
            outcomes: Vec::new(),
            silent,
        }
    }

    pub(super) fn run(mut self, steps: &[Step]) -> Vec<Outcome> {
        for step in steps {
            self.step(step);
        }
        self.outcomes
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send { conn, raw, raw_base64, repeat_body } => {
                let bytes = self.request_bytes(conn, raw, raw_base64.as_deref(), repeat_body.as_ref());
                self.open_connection(conn).send(bytes);
                thread::sleep(AFTER_SEND);
            }
            Step::Recv { conn, within, name, head } => self.receive(conn, *within, name, *head),
            Step::State { conn, name } => {
                let state = state_after(self.connection(conn));
                self.note(name, conn, Answer::State(state));
            }
            Step::Close { conn } => drop(self.connections.remove(conn)),
            Step::Sleep { seconds } => thread::sleep(Duration::from_secs_f64(*seconds)),
            Step::Align => sleep_until_next_second(),
            Step::Signal { signal } => self.server.signal(signal_named(signal)),
            Step::LoopPost { path, n, size, prefix, name } => {
                let runs = loop_post(self.server, path, *n, *size, prefix);
                self.note(name, "", Answer::Runs(runs));
            }
            Step::AccessLog { name } => {
                let log = std::fs::read_to_string(self.server.dir().join("access.log")).unwrap_or_default();
                self.note(name, "", Answer::Log(log.lines().map(str::to_owned).collect()));
            }
        }
    }

    fn request_bytes(
        &mut self,
        conn: &str,
        raw: &str,
        base64: Option<&str>,
        repeat_body: Option<&(String, usize)>,
    ) -> Vec<u8> {
        if let Some(base64) = base64 {
            return STANDARD.decode(base64).expect("the recordings are well-formed");
        }
        // Sent as it is when nothing fits; the judge then sees what comes back.
        let text = placeholder::fill_in(raw, &self.seen).unwrap_or_else(|| raw.to_owned());
        self.requests.insert(conn.to_owned(), without_validators(&text));
        // In the recordings each character stands for one byte.
        let mut bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).expect("one byte")).collect();
        if let Some((part, count)) = repeat_body {
            bytes.extend_from_slice(part.repeat(*count).as_bytes());
        }
        bytes
    }

    fn receive(&mut self, conn: &str, within: f64, name: &str, head: bool) {
        let within = Duration::from_secs_f64(within);
        let limit = if (self.silent)(name) { within } else { within.max(PATIENCE) };
        let connection = self.connection(conn);
        let start = Instant::now();
        let reply = if head { connection.receive_head(limit) } else { connection.receive(limit) };
        let after = start.elapsed();
        let answer = match reply {
            Reply::Response(response) => {
                let connection = state_after(connection);
                let after = (after > NOTICEABLE).then_some(after.as_secs_f64());
                let answered = answered(response, connection, after);
                self.seen.insert(name.to_owned(), answered.clone());
                Answer::Response(answered)
            }
            Reply::Pending => Answer::Pending,
            Reply::Ended(_) => Answer::NoResponse,
            Reply::Partial(bytes, _) => Answer::Garbage(String::from_utf8_lossy(&bytes).into_owned()),
        };
        self.note(name, conn, answer);
    }

    /// The connection of that name.
    fn connection(&mut self, conn: &str) -> &mut Connection {
        self.connections.entry(conn.to_owned()).or_insert_with(|| self.server.connect())
    }

    /// The same, opened again if the server has ended it and all is read.
    fn open_connection(&mut self, conn: &str) -> &mut Connection {
        let connection = self.connection(conn);
        if connection.watch(Duration::ZERO).is_some() && connection.unread().is_empty() {
            self.connections.remove(conn);
        }
        self.connection(conn)
    }

    fn note(&mut self, step: &str, conn: &str, answer: Answer) {
        let request = self.requests.get(conn).cloned().unwrap_or_default();
        self.outcomes.push(Outcome { step: step.to_owned(), request, answer });
    }
}

fn answered(response: Response, connection: String, after: Option<f64>) -> Answered {
    let body = Body::Bytes(response.body);
    Answered { status_line: response.status_line, headers: response.headers, body, connection, after }
}

/// As long as there is something to read, the recordings call a connection open.
fn state_after(connection: &mut Connection) -> String {
    let state = match connection.watch(AFTER_RESPONSE) {
        Some(Ending::Closed) if connection.unread().is_empty() => "closed",
        Some(Ending::Reset) if connection.unread().is_empty() => "reset",
        _ => "open",
    };
    state.to_owned()
}

fn without_validators(request: &str) -> String {
    request.split("\r\n").filter(|line| !line.starts_with("If-")).collect::<Vec<_>>().join("\r\n")
}

fn sleep_until_next_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A little after it, for servers that read the clock in steps of some milliseconds.
    thread::sleep(Duration::from_millis(1020) - Duration::from_nanos(now.subsec_nanos().into()));
}

fn signal_named(name: &str) -> Signal {
    match name {
        "HUP" => Signal::SIGHUP,
        "QUIT" => Signal::SIGQUIT,
        "TERM" => Signal::SIGTERM,
        other => panic!("no step sends {other}"),
    }
}

/// Publishes `count` messages one after the other; the run lengths of the status lines.
fn loop_post(server: &Server, path: &str, count: usize, size: usize, prefix: &str) -> Vec<(String, usize)> {
    let mut runs: Vec<(String, usize)> = Vec::new();
    let mut connection = server.connect();
    for number in 0..count {
        let path = path.replace("%i", &number.to_string());
        let body = format!("{:x<size$}", format!("{prefix}{number}"));
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: text/plain\r\nContent-Length: {size}\r\n\r\n{body}"
        ));
        let outcome = match connection.receive(PATIENCE) {
            Reply::Response(response) => {
                if response.header("Connection") == Some("close") {
                    connection = server.connect();
                }
                response.status_line
            }
            other => format!("{other:?}"),
        };
        match runs.last_mut() {
            Some((last, length)) if *last == outcome => *length += 1,
            _ => runs.push((outcome, 1)),
        }
    }
    runs
}
