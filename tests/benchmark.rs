//! `nchan_benchmark`: what no comparison with Nchan shows, since it is about many workers, or about what is left behind.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::agreement::script::frame;
use crate::harness::{Conf, Connection, PATIENCE, Response, Server, eventually};
use crate::upgrade::Successors;

const LOCATIONS: &str = "
    location = /console {
        nchan_benchmark;
        nchan_benchmark_time 1s;
        nchan_benchmark_channels 8;
        nchan_benchmark_subscribers_per_channel 5;
        nchan_benchmark_messages_per_channel_per_minute 600;
        nchan_benchmark_message_padding_bytes 11;
    }
    location = /optimal {
        nchan_benchmark;
        nchan_benchmark_time 1s;
        nchan_benchmark_channels 8;
        nchan_benchmark_subscribers_per_channel 5;
        nchan_benchmark_messages_per_channel_per_minute 600;
        nchan_benchmark_subscriber_distribution optimal;
        nchan_benchmark_publisher_distribution optimal;
    }
    location = /long { nchan_benchmark; nchan_benchmark_time 1h; nchan_benchmark_channels 20; }
    location = /crowd {
        nchan_benchmark;
        nchan_benchmark_time 1s;
        nchan_benchmark_channels 2;
        nchan_benchmark_subscribers_per_channel 20000;
        nchan_benchmark_messages_per_channel_per_minute 600000;
    }
    location = /silent { nchan_benchmark; nchan_benchmark_time 1h; nchan_benchmark_messages_per_channel_per_minute 0; }
    location = /huge { nchan_benchmark; nchan_benchmark_channels 100000000; }
    location = /asked { nchan_benchmark; nchan_authorize_request /no; }
    location = /no { return 403; }
    location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
    location = /sub { nchan_subscriber; nchan_channel_id $arg_id; }
    location = /status { nchan_stub_status; }
    location = /metrics { encke_metrics; }
";

fn conf() -> Conf {
    Conf::server(LOCATIONS).workers(3)
}

/// Somebody at a console.
struct Console {
    connection: Connection,
    received: Vec<u8>,
}

impl Console {
    fn try_open(server: &Server, path: &str) -> (Connection, Option<Response>) {
        let mut connection = server.connect();
        connection.send(format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ));
        let reply = connection.receive_head(PATIENCE);
        let response = reply.response().cloned();
        (connection, response)
    }

    fn open(server: &Server, path: &str) -> Self {
        let (connection, response) = Self::try_open(server, path);
        assert_eq!(response.map(|response| response.status()), Some(101));
        Self { connection, received: Vec::new() }
    }

    fn say(&mut self, word: &str) {
        self.connection.send(frame(0x81, word.as_bytes()));
    }

    /// The next frame.
    fn hear(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((text, length)) = parse(&self.received) {
                self.received.drain(..length);
                return text;
            }
            self.received.extend(self.connection.receive_now());
            assert!(Instant::now() < deadline, "nothing is said");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn asks(&mut self, word: &str) -> String {
        self.say(word);
        self.hear()
    }

    fn init(&mut self) {
        assert_eq!(self.asks("init"), "INITIALIZING");
        let ready = self.hear();
        assert!(ready.starts_with("READY\n{"), "{ready}");
    }

    /// What a run came to.
    fn results(&mut self) -> serde_json::Value {
        let text = self.hear();
        let json = text.strip_prefix("RESULTS\n").unwrap_or_else(|| panic!("no results: {text}"));
        serde_json::from_str(json).expect("results are JSON")
    }
}

/// A frame's payload, and the length of the frame.
fn parse(bytes: &[u8]) -> Option<(String, usize)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(start..start + length)?;
    Some((String::from_utf8_lossy(payload).into_owned(), start + length))
}

/// Lines of the status page.
fn count(server: &Server, name: &str) -> u64 {
    let page = server.get("/status").text();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name} in {page}"))
}

/// Channels, subscribers, stored messages.
fn counts(server: &Server) -> [u64; 3] {
    ["channels", "subscribers", "stored messages"].map(|name| count(server, name))
}

fn wait_until_nothing_is_left(server: &Server) {
    eventually("nothing is left", || counts(server) == [0, 0, 0]);
}

/// Plays a benchmark to its end, and sees whether its numbers add up.
fn add_up(path: &str, length: u64) {
    let server = Server::start(conf());
    let mut console = Console::open(&server, path);
    console.init();
    // The console is a subscriber, too, and has one message.
    assert_eq!(counts(&server), [9, 41, 1]);
    assert_eq!(console.asks("run"), "RUNNING");
    let results = console.results();
    assert!(console.hear().ends_with("410 Channel Deleted"));

    assert_eq!(results["run_time_sec"], 1);
    assert_eq!((&results["channels"], &results["subscribers"]), (&8.into(), &40.into()));
    assert_eq!(results["message_length"], length);
    let messages = &results["messages"];
    let number = |name: &str| messages[name].as_u64().expect("a number");
    // On a busy machine some are late and left out.
    assert!((1..=80).contains(&number("sent")), "{results}");
    assert_eq!(number("send_confirmed"), number("sent"));
    assert_eq!((number("send_failed"), number("send_unconfirmed")), (0, 0));
    assert_eq!((number("received"), number("unreceived")), (5 * number("sent"), 0));
    assert_eq!(results["message_publishing_latency"]["samples"], number("sent"));
    assert_eq!(results["message_delivery_latency"]["samples"], number("received"));

    wait_until_nothing_is_left(&server);
    assert_eq!(server.metric("encke_channels"), Some(0.0));
    assert_eq!(server.metric("encke_messages_stored"), Some(0.0));
}

#[test]
fn the_numbers_of_a_benchmark_add_up_and_nothing_is_left() {
    add_up("/console", 16);
}

#[test]
fn so_do_those_of_one_where_each_channel_is_one_worker_s() {
    add_up("/optimal", 5);
}

#[test]
fn a_benchmark_that_is_finished_early_has_results() {
    let server = Server::start(conf());
    let mut console = Console::open(&server, "/long");
    console.init();
    console.say("finish");
    assert_eq!(console.asks("run"), "RUNNING");
    eventually("messages are published", || count(&server, "stored messages") > 3);
    console.say("finish");
    let results = console.results();
    let messages = &results["messages"];
    assert!(messages["sent"].as_u64() > Some(0), "{results}");
    assert_eq!(messages["unreceived"], 0, "{results}");
    wait_until_nothing_is_left(&server);
}

#[test]
fn a_benchmark_that_is_aborted_leaves_nothing_and_another_may_follow() {
    let server = Server::start(conf());
    let mut console = Console::open(&server, "/silent");
    for word in ["init", "run"] {
        console.init();
        if word == "run" {
            assert_eq!(console.asks(word), "RUNNING");
        }
        console.say("abort");
        assert_eq!(console.asks("run"), "ERROR: not ready");
        // But for the console's own channel and what it was told there.
        eventually("only the console is left", || counts(&server)[..2] == [1, 1]);
    }
    // At once, while the one before is cleaned up.
    console.connection.send([frame(0x81, b"init"), frame(0x81, b"abort")].concat());
    assert_eq!(console.hear(), "INITIALIZING");
    console.init();
}

#[test]
fn a_benchmark_whose_console_goes_leaves_nothing() {
    let server = Server::start(conf());
    for word in ["", "init", "run"] {
        let mut console = Console::open(&server, "/long");
        if !word.is_empty() {
            console.init();
        }
        if word == "run" {
            assert_eq!(console.asks(word), "RUNNING");
        }
        drop(console);
        wait_until_nothing_is_left(&server);
    }
    // In the middle of it.
    let mut console = Console::open(&server, "/silent");
    assert_eq!(console.asks("init"), "INITIALIZING");
    drop(console);
    wait_until_nothing_is_left(&server);
}

#[test]
fn a_reload_ends_a_benchmark_and_leaves_nothing() {
    let server = Server::start(conf());
    let mut console = Console::open(&server, "/long");
    console.init();
    assert_eq!(console.asks("run"), "RUNNING");
    server.signal(Signal::SIGHUP);
    assert!(console.hear().ends_with("410 Channel Deleted"));
    wait_until_nothing_is_left(&server);
    Console::open(&server, "/long").init();
}

#[test]
fn an_upgrade_ends_a_benchmark_and_hands_nothing_of_it_over() {
    let server = Server::start(conf());
    let successors = Successors::of(&server);
    eventually("the pid file is written", || successors.pid().is_some());
    server.post("/pub?id=a", "mine");
    let mut console = Console::open(&server, "/long");
    console.init();
    assert_eq!(console.asks("run"), "RUNNING");
    successors.upgrade();
    assert!(console.hear().ends_with("410 Channel Deleted"));
    assert_eq!(counts(&server), [1, 0, 1]);
    Console::open(&server, "/long").init();
}

#[test]
fn only_one_of_many_gets_the_console() {
    let server = Server::start(conf());
    let (server, opened) = (&server, std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| opened.lock().expect("nobody panics").push(Console::try_open(server, "/console")));
        }
    });
    let opened = opened.into_inner().expect("nobody panics");
    let statuses: Vec<u16> =
        opened.iter().filter_map(|(_, response)| Some(response.as_ref()?.status())).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 101).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 15, "{statuses:?}");
}

#[test]
fn a_benchmark_that_does_not_fit_displaces_nobody_s_messages() {
    let server = Server::start(conf());
    server.post("/pub?id=a", "mine");
    let mut console = Console::open(&server, "/huge");
    assert_eq!(console.asks("init"), "ERROR: not enough memory");
    assert_eq!(console.asks("run"), "ERROR: not ready");
    assert_eq!(server.get("/sub?id=a").text(), "mine");
}

#[test]
fn no_more_is_published_than_subscribers_can_take() {
    let server = Server::start(conf());
    let mut console = Console::open(&server, "/crowd");
    console.init();
    assert_eq!(console.asks("run"), "RUNNING");
    let results = console.results();
    let number = |name: &str| results["messages"][name].as_u64().expect("a number");
    assert!((1..20_000).contains(&number("sent")), "{results}");
    assert_eq!((number("received"), number("unreceived")), (20_000 * number("sent"), 0));
    wait_until_nothing_is_left(&server);
}

#[test]
fn who_is_not_authorized_gets_no_console() {
    let server = Server::start(conf());
    let (_, refused) = Console::try_open(&server, "/asked");
    assert_eq!(refused.map(|response| response.status()), Some(403));
    Console::open(&server, "/console");
}

#[test]
fn others_are_served_while_a_benchmark_runs() {
    let server = Server::start(conf());
    let mut console = Console::open(&server, "/long");
    console.init();
    assert_eq!(console.asks("run"), "RUNNING");
    for number in 0..50 {
        let id = format!("other{number}");
        assert_eq!(server.post(&format!("/pub?id={id}"), &id).status(), 202);
        assert_eq!(server.get(&format!("/sub?id={id}")).text(), id);
    }
}
