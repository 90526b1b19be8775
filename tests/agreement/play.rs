//! Plays cases on one server, and writes down what comes back so that it can be compared.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::case::{Case, unescape};
use super::check::NGINX_TEMP_PATHS;
use crate::harness::backend::{self, Backends};
use crate::harness::{Backend, Conf, Connection, PATIENCE, Reply, Response, Server, date, port};

/// How long a server is given to answer, where it is not sure to do so.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a connection is watched after the last answer.
/// How long a request on a connection of its own is given to arrive before the next one is sent.
const ASIDE: Duration = Duration::from_millis(100);
const AFTERWARDS: Duration = Duration::from_millis(300);

/// A running server.
pub(super) struct Player {
    server: Server,
    /// Servers to pass requests on to, if the configuration speaks of them.
    backends: Option<Backends>,
}

impl Player {
    /// Starts a server; `http` goes into the `http` block.
    pub(super) fn start(backend: Backend, http: &str) -> Player {
        let (scripts, http) = backend::scripts(http, unescape);
        let backends = backend::is_wanted(&http).then(|| Backends::start(scripts));
        let http = backends.as_ref().map_or_else(|| http.clone(), |backends| backends.fill_in(&http));
        let temp_paths = if backend.is_nginx() { NGINX_TEMP_PATHS } else { "" };
        let text = format!(
            "daemon off; pid {{{{dir}}}}/server.pid; error_log stderr emerg; events {{}}\n\
             http {{ access_log off; {temp_paths}\n{http}}}\n"
        );
        let server = Server::builder(Conf::whole(text)).backend(backend).arg("-p").arg("{{dir}}");
        Player { server: server.start(), backends }
    }

    /// Plays a case on a connection of its own: the lines of all that was received. Silence is waited for `patience`
    /// times as long as usual.
    pub(super) fn play(&self, case: &Case, patience: u32) -> Vec<String> {
        let ip: IpAddr = case.address().parse().expect("the case names an address");
        let address = (ip, self.server.port()).into();
        let mut connection = Connection::open_patiently(address).expect("the server listens");
        let mut lines = Vec::new();
        let mut asides = Vec::new();
        for message in case.messages(self.server.port()) {
            if message.aside {
                let mut aside = Connection::open_patiently(address).expect("the server listens");
                aside.send(&message.bytes);
                std::thread::sleep(ASIDE * patience);
                asides.push((aside, message.head));
                continue;
            }
            connection.send(&message.bytes);
            let reply = receive(&mut connection, message.head, ANSWER * patience);
            lines.extend(self.render(&reply));
        }
        for (mut aside, head) in asides {
            lines.push("aside:".to_owned());
            lines.extend(self.render(&receive(&mut aside, head, ANSWER * 2 * patience)));
        }
        // Answers to pipelined requests, and the connection's end.
        loop {
            match receive(&mut connection, false, AFTERWARDS * patience) {
                Reply::Pending => break lines.push("(open)".to_owned()),
                Reply::Ended(ending) => break lines.push(format!("({ending:?})").to_lowercase()),
                reply @ Reply::Partial(..) => break lines.extend(self.render(&reply)),
                reply @ Reply::Response(_) => lines.extend(self.render(&reply)),
            }
        }
        lines
    }

    /// The lines of the log files, in alphabetical order, once `enough` is true of them.
    pub(super) fn log_lines(&self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut lines = self.read_logs();
            if enough(&lines) || Instant::now() >= deadline {
                lines.sort();
                return lines;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn read_logs(&self) -> Vec<String> {
        let files = fs::read_dir(self.server.dir()).expect("the server's folder is there");
        let paths = files.map(|entry| entry.expect("the folder can be read").path());
        let logs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        let texts = logs.map(|path| fs::read(path).expect("the log can be read"));
        let lines = |text: Vec<u8>| self.mask(&text).lines().filter_map(log_line).collect::<Vec<_>>();
        texts.flat_map(lines).collect()
    }

    fn render(&self, reply: &Reply) -> Vec<String> {
        match reply {
            Reply::Response(response) => self.render_response(response),
            Reply::Partial(bytes, ending) => vec![format!("{:?} {ending:?}", self.mask(bytes))],
            other => vec![format!("{other:?}").to_lowercase()],
        }
    }

    fn render_response(&self, response: &Response) -> Vec<String> {
        let mut lines = vec![response.status_line.clone()];
        let sent = response.header("Date").and_then(date::parse_rfc1123);
        for (name, value) in &response.headers {
            let value = match (name.as_str(), date::parse_rfc1123(value).zip(sent)) {
                ("Date", Some(_)) => "now".to_owned(),
                ("Expires", Some((expires, sent))) if expires.abs_diff(sent) < 86_400 * 400 => {
                    format!("now {:+}", i128::from(expires) - i128::from(sent))
                }
                ("Content-Length", _) if response.text().starts_with(STUB_STATUS) => "N".to_owned(),
                ("Content-Length", _) => self.mask_length(response, value),
                ("Server", _) if matches!(&**value, "nginx" | "encke") => "SERVER".to_owned(),
                ("Set-Cookie", _) => mask_cookie(value, sent),
                _ => self.mask(value.as_bytes()),
            };
            lines.push(format!("{name}: {value}"));
        }
        lines.push(format!("{:?}", response.framing));
        lines.extend(self.mask(&response.decoded_body()).split('\n').map(|line| format!("{line:?}")));
        lines
    }

    /// Pages of the servers' own end with their name, whose lengths differ.
    fn mask_length(&self, response: &Response, length: &str) -> String {
        let page = response.status() >= 300
            && response.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html"));
        let name = response.header("Server").unwrap_or_default();
        let holds_name = response.body.is_empty() || response.text().contains(name);
        match length.parse::<usize>() {
            Ok(length) if page && holds_name && length >= name.len() => {
                format!("{} + SERVER", length - name.len())
            }
            _ => length.to_owned(),
        }
    }

    /// Replaces what cannot be the same in both programs.
    fn mask(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let text = self.backends.as_ref().map_or(text.to_string(), |backends| backends.mask(&text));
        let text = port::mask(&text, self.server.port(), "{{port}}");
        let text = text.replace(&*self.server.dir().to_string_lossy(), "{{dir}}");
        let text = if text.starts_with(STUB_STATUS) { without_numbers(&text) } else { text };
        let text = mask_boundaries(text);
        let text = text.replace("nginx/1.22.1", "SERVER/VERSION");
        let text = text.replace(concat!("encke/", env!("CARGO_PKG_VERSION")), "SERVER/VERSION");
        text.replace("<center>nginx</center>", "<center>SERVER</center>")
            .replace("<center>encke</center>", "<center>SERVER</center>")
    }
}

/// A line of a log; without time, process and connection if it is of an error log. nginx also tells when a connection
/// ends that does nothing. Long lines are cut sooner or later, as the numbers in them are long or short.
fn log_line(line: &str) -> Option<String> {
    const SURE: usize = 1900;
    let error = line.split_once(" [").filter(|(stamp, _)| stamp.len() == "2026/01/31 12:00:00".len());
    let Some((level, (_, message))) = error
        .and_then(|(_, rest)| rest.split_once("] "))
        .map(|(level, rest)| (level, rest.split_once(": ").unwrap_or_default()))
    else {
        return Some(line.to_owned());
    };
    let message = match message.strip_prefix('*').and_then(|rest| rest.split_once(' ')) {
        Some((serial, rest)) if serial.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => message,
    };
    let idle = ["closed keepalive connection", "client closed connection while waiting for request"];
    (!idle.iter().any(|end| message.contains(end))).then(|| {
        let message = without_excess(&message[..message.floor_char_boundary(SURE)]);
        format!("[{level}] {message}")
    })
}

/// Of a `userid` cookie, what cannot be the same twice: time and number within the value, the end of its lifetime.
fn mask_cookie(cookie: &str, sent: Option<u64>) -> String {
    let masked = cookie.split("; ").enumerate().map(|(at, part)| match (at, part.split_once('=')) {
        (0, Some((name, value))) if value.len() == 24 => format!("{name}={}...{}", &value[..5], &value[22..]),
        (_, Some(("expires", date))) => {
            let date = date.replacen('-', " ", 1).replacen('-', " 20", 1);
            let expires = date::parse_rfc1123(&date).zip(sent).map(|(expires, sent)| expires - sent);
            expires
                .filter(|seconds| *seconds < 86_400 * 400)
                .map_or(date, |seconds| format!("expires=now +{seconds}"))
        }
        _ => part.to_owned(),
    });
    masked.collect::<Vec<_>>().join("; ")
}

/// A message without how much a rate was exceeded.
fn without_excess(message: &str) -> String {
    let Some((before, behind)) = message.split_once("excess: ") else { return message.to_owned() };
    let number = |letter: char| letter.is_ascii_digit() || letter == '.';
    format!("{before}excess: N{}", behind.trim_start_matches(number))
}

/// How a page of `stub_status` begins.
const STUB_STATUS: &str = "Active connections: ";

/// A text with `N` in the place of each number.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            other => out.push(other),
        }
    }
    out
}

/// Numbers of boundaries between parts count up in each server.
fn mask_boundaries(text: String) -> String {
    const DIGITS: usize = 20;
    let Some(at) = text
        .find("boundary=")
        .map(|at| at + "boundary=".len())
        .or_else(|| text.find("--0000000000").map(|at| at + 2))
    else {
        return text;
    };
    match text.get(at..at + DIGITS) {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => text.replace(number, "BOUNDARY"),
        _ => text,
    }
}

fn receive(connection: &mut Connection, head: bool, limit: Duration) -> Reply {
    if head { connection.receive_head(limit) } else { connection.receive(limit) }
}
