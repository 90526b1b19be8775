//! The Ruby client of the article runs unchanged against the article's configuration.
//!
//! It is an honest judge: it sends back `If-Modified-Since` alone, publishes without a `Content-Type`, and
//! asks again at once, so a server that repeats a message makes it spin.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::harness::{Conf, PATIENCE, Server};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/article/comet-push-consume.rb");
const CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf-examples/nginx-push.conf");

/// What the client prints before each message. The spelling is the article's.
const RECEIVED: &str = "Listener recieved: ";
/// How many subscribers the client opens.
const LISTENERS: usize = 2;
/// How long a message that is repeated may take to be so.
const ENOUGH_FOR_A_REPEAT: Duration = Duration::from_millis(500);

#[test]
fn article_client_gets_each_message_once_at_each_listener() {
    if !client_can_run() {
        return;
    }
    const MESSAGES: usize = 10;
    let server = article_server();
    let client = Client::start(server.port(), 0.3, MESSAGES);
    let output = client.output_until(|lines| {
        received(lines).len() >= LISTENERS * MESSAGES && count(lines, "active subscribers: ") >= MESSAGES
    });

    let published = messages_after(&output, "Published message @ ");
    assert_eq!(published.len(), MESSAGES, "{output:#?}");
    let expected = published.iter().map(|time| format!("Hello @ {time}")).collect::<Vec<_>>();
    assert_eq!(tally(&received(&output), 1), tally(&expected, LISTENERS), "{output:#?}");
    assert_eq!(count(&output, "Response code: 201"), MESSAGES, "{output:#?}");
    assert_eq!(count(&output, "active subscribers: 2"), MESSAGES, "{output:#?}");
    assert!(output.iter().any(|line| line == "Body: \\nqueued messages: 1"), "{output:#?}");
}

#[test]
fn article_client_gets_each_message_of_a_burst_once() {
    if !client_can_run() {
        return;
    }
    let server = article_server();
    // Its own first message would come after the test.
    let client = Client::start(server.port(), 3600.0, 1);
    wait_for_listeners(&server);
    let burst: Vec<String> = (1..=5).map(|number| format!("message {number}")).collect();
    let start = Instant::now();
    for message in &burst {
        server.post("/publish?id=pub", message);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "five messages within a second");

    let output = client.output_until(|lines| received(lines).len() >= LISTENERS * burst.len());
    assert_eq!(tally(&received(&output), 1), tally(&burst, LISTENERS));
}

/// The example configuration has only the `location` blocks that the article shows; `--listen` gives them a
/// server.
fn article_server() -> Server {
    let text = fs::read_to_string(CONF).expect("the example is in the repository");
    Server::builder(Conf::whole(text)).arg("--listen").arg("127.0.0.1:{{port}}").start()
}

fn wait_for_listeners(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while !server.get("/publish?id=pub").text().ends_with("active subscribers: 2") {
        assert!(Instant::now() < deadline, "the client does not subscribe");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether Ruby and em-http-request are there. On CI they must be.
fn client_can_run() -> bool {
    let probe = Command::new("ruby").args(["-e", "require 'em-http'"]).stderr(Stdio::null()).status();
    let can_run = probe.is_ok_and(|status| status.success());
    if !can_run {
        assert!(env::var_os("CI").is_none(), "ruby with em-http-request is not installed");
        eprintln!("skipped: ruby with em-http-request is not installed");
    }
    can_run
}

/// The messages that both listeners received.
fn received(lines: &[String]) -> Vec<String> {
    // The article writes "\\n", which is a backslash and an n.
    messages_after(lines, RECEIVED).iter().map(|text| text.trim_end_matches("\\n").to_owned()).collect()
}

fn messages_after(lines: &[String], prefix: &str) -> Vec<String> {
    lines.iter().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
}

fn count(lines: &[String], prefix: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(prefix)).count()
}

/// How often each text occurs, times `factor`. Messages published within one second have the same text.
fn tally(texts: &[String], factor: usize) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for text in texts {
        *tally.entry(text.as_str()).or_default() += factor;
    }
    tally
}

/// The running client. It never ends by itself.
struct Client {
    process: Child,
    lines: Receiver<String>,
}

impl Client {
    fn start(port: u16, period: f64, count: usize) -> Client {
        let mut process = Command::new("ruby")
            .arg(CLIENT)
            .env("COMET_PORT", port.to_string())
            .env("COMET_PERIOD", period.to_string())
            .env("COMET_COUNT", count.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ruby ran a moment ago");
        let stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Ends with the process, or when nobody listens any more.
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Client { process, lines }
    }

    /// All lines up to the moment at which `complete` holds, and those of a short while after it.
    fn output_until(&self, complete: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut output = Vec::new();
        let mut deadline = Instant::now() + 4 * PATIENCE;
        let mut is_complete = false;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            output.push(line);
            if !is_complete && complete(&output) {
                is_complete = true;
                deadline = Instant::now() + ENOUGH_FOR_A_REPEAT;
            }
        }
        output
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
