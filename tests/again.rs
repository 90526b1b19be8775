//! Requests that come again: answered where their connection is parked, or the whole way where that could make a difference.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Conf, Connection, PATIENCE, Reply, Response, Server, eventually};

const LOCATIONS: &str = "
    location = /metrics { encke_metrics; }
    location = /pub { nchan_publisher; nchan_channel_id $arg_id; client_max_body_size 20; }
    location = /sub { nchan_subscriber longpoll; nchan_channel_id $arg_id; }
    location = /publish { push_publisher; set $push_channel_id $arg_id; }
    location = /activity { push_subscriber; set $push_channel_id $arg_id; }
    location = /both { nchan_publisher; nchan_channel_id $arg_id; set $kept $arg_kept; nchan_message_timeout $kept; }
    location = /ask { push_subscriber interval-poll; set $push_channel_id $arg_id; }
    location = /ask-nchan { nchan_subscriber intervalpoll; nchan_channel_id $arg_id; }
    location = /last { push_subscriber; push_subscriber_concurrency last; set $push_channel_id $arg_id; }
    location = /first { push_subscriber; push_subscriber_concurrency first; set $push_channel_id $arg_id; }
    location = /copied { nchan_publisher; set $id $arg_id; set $unused $arg_unused; nchan_channel_id $id; }
    location = /fixed { push_publisher; set $push_channel_id $arg_id; set $push_channel_id fixed; }
    location = /joined { push_publisher; set $push_channel_id $arg_id; set $push_channel_id $push_channel_id-$arg_x; }
    location = /chosen { push_publisher; set $push_channel_id $arg_id; if ($arg_x) { set $push_channel_id chosen; } }
    location = /compared { push_publisher; set $push_channel_id $arg_id; if ($push_channel_id = b) { return 403; } }
    location = /matched { push_publisher; set $push_channel_id $arg_id; if ($arg_id ~ ^(?<push_channel_id>.)) { } }
    location = /grouped { push_publisher; set $push_channel_id $arg_id; set $g $arg_x; push_channel_group $g; }
    location = /args { push_publisher; set $args id=of-args; set $push_channel_id $arg_id; }
    location = /overridden { nchan_publisher; set $arg_id fixed; set $z $arg_x; nchan_message_timeout ${z}s; nchan_channel_id $arg_id; }
    location = /limited { nchan_subscriber longpoll; nchan_channel_id $arg_id; limit_req zone=z burst=100 nodelay; }
    location = /random { nchan_subscriber longpoll; nchan_channel_id $request_id; }
    location = /since { nchan_subscriber longpoll; nchan_channel_id $http_if_none_match; }
    location = /file { nchan_subscriber longpoll; nchan_channel_id $arg_id; if (-f {{dir}}/flag) { return 200 flag; } }
    location = /short { nchan_subscriber longpoll; nchan_channel_id $arg_id; keepalive_requests 4; }
    location = /word { return 200 word; }";

fn conf(locations: &str) -> Conf {
    Conf::whole(format!(
        "daemon off; worker_processes 1; error_log stderr; pid {{{{dir}}}}/pid; events {{}}
         http {{ access_log off; limit_req_zone $arg_id zone=z:1m rate=1r/s; log_format body '$status $body_bytes_sent $pipe $request_time'; charset_map a b {{ 78 79; }}
         server {{ listen 127.0.0.1:{{{{port}}}}; {locations} }} }}"
    ))
}

fn server() -> Server {
    Server::start(conf(LOCATIONS))
}

fn repeated(server: &Server) -> u64 {
    server.metric("encke_requests_repeated_total{worker=\"0\"}").expect("it is counted") as u64
}

/// A header that no other request has: one that has it goes the whole way.
fn unlike_any() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("Number: {}\r\n", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Publishes by the whole way.
fn post(server: &Server, uri: &str, body: &str) {
    let (header, length) = (unlike_any(), body.len());
    let told = server.request(format!(
        "POST {uri} HTTP/1.1\r\nHost: h\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ));
    assert!(matches!(told.status(), 201 | 202), "{uri}");
}

/// A client that comes back with the validators it was given.
struct Poller {
    connection: Connection,
    uri: String,
    validators: String,
    header: String,
}

impl Poller {
    fn new(server: &Server, uri: &str) -> Self {
        let (uri, header) = (uri.to_owned(), "X: y\r\n".to_owned());
        Self { connection: server.connect(), uri, validators: String::new(), header }
    }

    /// One that asks for the same by another connection, and goes the whole way.
    fn anew(&self, server: &Server) -> Self {
        let Self { uri, validators, .. } = self;
        let (uri, validators, header) = (uri.clone(), validators.clone(), unlike_any());
        Self { connection: server.connect(), uri, validators, header }
    }

    fn ask(&mut self) {
        let Self { uri, validators, header, .. } = self;
        self.connection.send(format!("GET {uri} HTTP/1.1\r\nHost: h\r\n{validators}{header}\r\n"));
    }

    fn take(&mut self) -> Response {
        let response = self.connection.receive(PATIENCE).into_response();
        let value = |name: &str| response.header(name).unwrap_or_default().to_owned();
        self.validators =
            format!("If-Modified-Since: {}\r\nIf-None-Match: {}\r\n", value("Last-Modified"), value("Etag"));
        response
    }

    fn poll(&mut self) -> String {
        self.ask();
        self.take().text()
    }
}

/// Status line and headers, but for the date.
fn head(response: &Response) -> (String, Vec<(String, String)>) {
    let headers = response.headers.iter().filter(|(name, _)| name != "Date").cloned();
    (response.status_line.clone(), headers.collect())
}

#[test]
fn polls_come_again_for_what_is_stored_and_for_what_is_to_come() {
    for (publish, subscribe) in [("/pub?id=a", "/sub?id=a"), ("/publish?id=b", "/activity?id=b")] {
        let server = server();
        for number in 0..5 {
            post(&server, publish, &number.to_string());
        }
        let mut poller = Poller::new(&server, subscribe);
        for number in 0..5 {
            assert_eq!(poller.poll(), number.to_string());
        }
        assert_eq!(repeated(&server), 4, "{subscribe}");
        for number in 5..10 {
            poller.ask();
            eventually("it waits", || server.get(publish).text().contains("active subscribers: 1"));
            post(&server, publish, &number.to_string());
            assert_eq!(poller.take().text(), number.to_string());
        }
        assert_eq!(repeated(&server), 9, "{subscribe}");
    }
}

#[test]
fn who_asks_again_and_goes_at_once_is_not_waited_for() {
    let server = server();
    post(&server, "/pub?id=a", "0");
    // Request and end come together, most of the time.
    for _ in 0..50 {
        let mut poller = Poller::new(&server, "/sub?id=a");
        poller.poll();
        poller.ask();
    }
    eventually("nobody waits", || server.get("/pub?id=a").text().contains("active subscribers: 0"));
}

#[test]
fn an_answer_is_the_same_on_both_ways() {
    let server = server();
    for number in 0..3 {
        post(&server, "/pub?id=a", &number.to_string());
    }
    let mut again = Poller::new(&server, "/sub?id=a");
    again.poll();
    for _ in 0..2 {
        let mut anew = again.anew(&server);
        anew.ask();
        again.ask();
        let (anew, again) = (anew.take(), again.take());
        assert_eq!((head(&anew), anew.text()), (head(&again), again.text()));
    }
    assert_eq!(repeated(&server), 2);
}

#[test]
fn messages_of_one_second_have_the_head_that_is_theirs() {
    let server = Server::start(conf(
        "location = /metrics { encke_metrics; }
         location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
         location = /plain { nchan_subscriber longpoll; nchan_channel_id $arg_id; add_header A b; }
         location = /zipped { nchan_subscriber longpoll; nchan_channel_id $arg_id;
             gzip on; gzip_vary on; gzip_min_length 30; gzip_types text/plain; }
         location = /mapped { nchan_subscriber longpoll; nchan_channel_id $arg_id; source_charset a; charset b; }
         location = /pushed { push_subscriber; set $push_channel_id $arg_id; push_channel_group x; expires modified 1d; }
         location = /activity { push_subscriber; set $push_channel_id $arg_id; push_channel_group x; }
         location = /publish { push_publisher; set $push_channel_id $arg_id; push_channel_group x; }",
    ));
    let large = "x".repeat(5000);
    let messages = [
        ("text/plain", "a"),
        ("text/plain", "longer than the one before"),
        ("text/plain", &large[..40]),
        ("a/b", "c"),
        ("text/plain", &large),
        ("text/plain", "b"),
        ("a/b", ""),
    ];
    for (publish, subscribe) in [
        ("/pub", "/plain"),
        ("/pub", "/zipped"),
        ("/pub", "/mapped"),
        ("/publish", "/activity"),
        ("/publish", "/pushed"),
    ] {
        let mut pollers: Vec<(String, Poller)> = Vec::new();
        for number in 0..messages.len() {
            let id = format!("?id={}-{number}", &subscribe[1..]);
            post(&server, &format!("{publish}{id}"), "first");
            let mut poller = Poller::new(&server, &format!("{subscribe}{id}"));
            poller.poll();
            pollers.push((format!("{publish}{id}"), poller));
        }
        for round in 0..2 {
            for (number, (publish, again)) in pollers.iter_mut().enumerate() {
                let (content_type, body) = messages[(number + round) % messages.len()];
                let mut anew = again.anew(&server);
                again.ask();
                eventually("it waits", || server.get(publish).text().contains("active subscribers: 1"));
                let length = body.len();
                let told = server.request(format!(
                    "POST {publish} HTTP/1.1\r\nHost: h\r\n{}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}",
                    unlike_any()
                ));
                assert_eq!(told.status(), 201);
                let again = again.take();
                // Who goes the whole way gets the same.
                anew.ask();
                let anew = anew.take();
                assert_eq!((head(&again), again.text()), (head(&anew), anew.text()), "{publish}");
            }
        }
    }
    // Who comes again; and mostly who asks for the first message as another client did before.
    assert!((5 * 2 * 7..=5 * 2 * 7 + 5 * 6).contains(&repeated(&server)));
}

#[test]
fn other_requests_go_the_whole_way() {
    let server = server();
    for number in 0..4 {
        post(&server, "/pub?id=a", &number.to_string());
        post(&server, "/pub?id=b", &format!("b{number}"));
    }
    let mut poller = Poller::new(&server, "/sub?id=a");
    assert_eq!(poller.poll(), "0");
    poller.connection.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(poller.connection.receive(PATIENCE).into_response().text(), "word");
    assert_eq!(poller.poll(), "1");
    poller.uri = "/sub?id=b".into();
    assert_eq!(poller.poll(), "b2");
    // Nothing but the validators may be another, and those must be two at most.
    poller.uri = "/sub?id=a".into();
    assert_eq!(poller.poll(), "3");
    poller.validators += "If-None-Match: 0\r\n";
    poller.ask();
    poller.connection.receive(PATIENCE).into_response();
    // Those of another channel, there and back.
    assert_eq!(repeated(&server), 2);
}

#[test]
fn what_is_counted_or_left_to_chance_goes_the_whole_way() {
    let server = server();
    for uri in ["/limited?id=a", "/file?id=a", "/sub?id=a"] {
        let id = uri.rsplit('=').next().expect("an id");
        server.request(format!("DELETE /pub?id={id} HTTP/1.1\r\nHost: h\r\n\r\n"));
        (0..3).for_each(|number| post(&server, &format!("/pub?id={id}"), &number.to_string()));
        let before = repeated(&server);
        let mut poller = Poller::new(&server, uri);
        (0..3).for_each(|number| assert_eq!(poller.poll(), number.to_string(), "{uri}"));
        assert_eq!(repeated(&server) - before, if uri.starts_with("/sub") { 2 } else { 0 }, "{uri}");
    }
    std::fs::write(server.dir().join("flag"), "").expect("written");
    let mut poller = Poller::new(&server, "/file?id=a");
    assert_eq!(poller.poll(), "flag");
}

#[test]
fn limits_of_connections_hold() {
    let server = server();
    (0..5).for_each(|number| post(&server, "/pub?id=a", &number.to_string()));
    let mut poller = Poller::new(&server, "/short?id=a");
    for number in 0..4 {
        poller.ask();
        let response = poller.take();
        assert_eq!(response.text(), number.to_string());
        let expected = if number == 3 { "close" } else { "keep-alive" };
        assert_eq!(response.header("Connection"), Some(expected), "request {number}");
    }
}

#[test]
fn a_reload_is_heeded() {
    let server = server();
    (0..3).for_each(|number| post(&server, "/pub?id=a", &number.to_string()));
    let mut poller = Poller::new(&server, "/sub?id=a");
    assert_eq!((poller.poll(), poller.poll()), ("0".into(), "1".into()));
    server.rewrite_conf(&conf("location = /sub { return 200 changed; }"));
    server.signal(Signal::SIGHUP);
    eventually("the new one is in force", || server.get("/sub?id=a").text() == "changed");
    assert_eq!(poller.poll(), "changed");
}

#[test]
fn a_server_that_ends_is_not_kept_by_requests_that_come_again() {
    let mut server = Server::start(conf(
        "keepalive_min_timeout 1h; location = /pub { nchan_publisher; nchan_channel_id $arg_id; }",
    ));
    let mut client = server.connect();
    let mut publish = || {
        client.send("POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
        let response = client.receive(PATIENCE).into_response();
        response.header("Connection").unwrap_or_default().to_owned()
    };
    assert_eq!((publish(), publish()), ("keep-alive".into(), "keep-alive".into()));
    server.signal(Signal::SIGQUIT);
    eventually("it accepts nothing more", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    assert_eq!(publish(), "close");
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
}

#[test]
fn other_requests_leave_nothing_behind() {
    let server = Server::start(Conf::whole(
        "daemon off; worker_processes 1; error_log stderr; events { worker_connections 4; }
         http { access_log off; server { listen 127.0.0.1:{{port}}; location = /word { return 200 word; }
         location = /pub { nchan_publisher; nchan_channel_id $arg_id; } } }",
    ));
    let word = |client: &mut Connection| {
        client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
    };
    for _ in 0..8 {
        let mut client = server.connect();
        client.send("POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
        client.receive(PATIENCE).into_response();
        word(&mut client);
    }
    // More than there is room for: an idle one makes room for each.
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = server.connect();
        word(&mut client);
        clients.push(client);
    }
}

#[test]
fn messages_are_published_where_they_belong() {
    let server = server();
    let mut client = server.connect();
    let mut publish = |uri: &str, body: &str| {
        let length = body.len();
        client.send(format!("POST {uri} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}"));
        client.receive(PATIENCE).into_response().status()
    };
    for (uri, body, status) in [
        ("/pub?id=a", "first", 202),
        ("/pub?id=a", "second", 202),
        ("/pub?id=b", "of b", 202),
        ("/pub?id=a", "", 202),
        ("/pub?x=y&id=c", "of c", 202),
    ] {
        assert_eq!(publish(uri, body), status, "{uri} {body}");
    }
    assert_eq!(repeated(&server), 4);
    assert_eq!(publish("/pub?id=a", "longer than it may be"), 413);
    for (id, messages) in [("a", &["first", "second", ""][..]), ("b", &["of b"]), ("c", &["of c"])] {
        let mut poller = Poller::new(&server, &format!("/sub?id={id}"));
        messages.iter().for_each(|message| assert_eq!(poller.poll(), *message));
    }
}

#[test]
fn arguments_that_say_more_than_the_channel_are_heeded() {
    let server = server();
    let mut client = server.connect();
    let mut publish = |uri: &str| {
        client.send(format!("POST {uri} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"));
        client.receive(PATIENCE).into_response().status()
    };
    assert_eq!(publish("/both?id=a&kept=1h"), 202);
    assert_eq!(publish("/both?id=a&kept=1h"), 202);
    assert_eq!(repeated(&server), 1);
    assert_eq!(publish("/both?id=b&kept=1h"), 202, "the whole way");
    assert_eq!(publish("/both?id=b&kept=nonsense"), 403);
    assert_eq!(repeated(&server), 1);
}

/// Publishes with these arguments over one connection. How many requests came again.
fn publish_each(server: &Server, location: &str, arguments: &[&str]) -> u64 {
    let before = repeated(server);
    let mut client = server.connect();
    for arguments in arguments {
        let uri = format!("{location}?{arguments}");
        let length = uri.len();
        client.send(format!("POST {uri} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{uri}"));
        let status = client.receive(PATIENCE).into_response().status();
        assert!([201, 202].contains(&status), "{uri}: {status}");
    }
    repeated(server) - before
}

#[test]
fn a_set_may_stand_between_argument_and_channel() {
    for (location, subscribe) in [("/publish", "/activity"), ("/copied", "/sub")] {
        let server = server();
        let arguments = ["id=a", "id=a", "id=b", "unused=1&ID=c", "id=a&unused=2", "id=b"];
        assert_eq!(publish_each(&server, location, &arguments), 5, "{location}");
        for (id, messages) in [
            ("a", &["id=a", "id=a", "id=a&unused=2"][..]),
            ("b", &["id=b", "id=b"]),
            ("c", &["unused=1&ID=c"]),
        ] {
            let mut poller = Poller::new(&server, &format!("{subscribe}?id={id}"));
            for message in messages {
                assert_eq!(poller.poll(), format!("{location}?{message}"));
            }
        }
        let mut client = server.connect();
        for (id, status) in [("a", 202), ("", 404), ("d", 202)] {
            client.send(format!("POST {location}?id={id} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"));
            assert_eq!(client.receive(PATIENCE).into_response().status(), status, "{location} {id}");
        }
    }
}

#[test]
fn interval_polls_come_again_also_for_nothing() {
    for (publish, ask) in [("/publish?id=a", "/ask?id=a"), ("/pub?id=a", "/ask-nchan?id=a")] {
        let server = server();
        post(&server, publish, "0");
        let mut poller = Poller::new(&server, ask);
        assert_eq!(poller.poll(), "0");
        for number in 1..4 {
            for _ in 0..2 {
                let mut anew = poller.anew(&server);
                let told = [&mut poller, &mut anew].map(|poller| {
                    poller.ask();
                    let Response { status_line, mut headers, body, .. } = poller.take();
                    headers.retain(|(name, _)| name != "Date");
                    (status_line, headers, body)
                });
                assert_eq!(told[0], told[1], "{ask}");
                assert_eq!(told[0].0, "HTTP/1.1 304 Not Modified");
            }
            post(&server, publish, &number.to_string());
            assert_eq!(poller.poll(), number.to_string());
        }
        assert_eq!(repeated(&server), 9, "{ask}");
        let delivered = server.metric("encke_messages_delivered_total{worker=\"0\"}");
        assert_eq!(delivered, Some(4.0), "{ask}");
    }
}

#[test]
fn polls_that_come_again_displace_others_or_give_way() {
    for (subscribe, is_last) in [("/last?id=a", true), ("/first?id=a", false)] {
        let server = server();
        (0..3).for_each(|number| post(&server, "/publish?id=a", &number.to_string()));
        let waits = || {
            eventually("one waits", || server.get("/publish?id=a").text().contains("active subscribers: 1"));
        };
        let mut pollers = [Poller::new(&server, subscribe), Poller::new(&server, subscribe)];
        for poller in &mut pollers {
            (0..3).for_each(|number| assert_eq!(poller.poll(), number.to_string()));
        }
        // All but the very first.
        assert_eq!(repeated(&server), 5, "{subscribe}");
        let [old, new] = &mut pollers;
        let validators = old.validators.clone();
        old.ask();
        waits();
        new.ask();
        let (loser, winner) = if is_last { (old, new) } else { (new, old) };
        assert_eq!(loser.take().status(), 409, "{subscribe}");
        waits();
        post(&server, "/publish?id=a", "3");
        assert_eq!(winner.take().text(), "3");
        assert_eq!(repeated(&server), if is_last { 7 } else { 6 }, "{subscribe}");
        loser.validators = validators;
        assert_eq!(loser.poll(), "3", "{subscribe}");
    }
}

#[test]
fn what_else_is_made_of_arguments_is_heeded() {
    for (location, arguments, again, channels) in [
        // The same bytes come again, others do not.
        ("/fixed", ["id=a", "id=a", "id=b"], 1, ["fixed", "fixed", "fixed"]),
        ("/joined", ["id=a&x=1", "id=a&x=1", "id=a&x=2"], 1, ["a-1", "a-1", "a-2"]),
        ("/chosen", ["id=a", "id=a", "id=b&x=1"], 1, ["a", "a", "chosen"]),
        ("/chosen", ["id=a&x=1", "id=a&x=1", "id=b"], 1, ["chosen", "chosen", "b"]),
        ("/compared", ["id=a", "id=a", "id=c"], 1, ["a", "a", "c"]),
        ("/matched", ["id=a", "id=a", "id=bcd"], 1, ["a", "a", "b"]),
        ("/grouped", ["id=a", "id=a", "id=b"], 1, ["a", "a", "b"]),
        ("/args", ["id=a", "id=a", "id=b"], 1, ["of-args", "of-args", "of-args"]),
        ("/overridden", ["id=a&x=9", "id=a&x=9", "id=b&x=9"], 1, ["fixed", "fixed", "fixed"]),
    ] {
        let server = server();
        assert_eq!(publish_each(&server, location, &arguments), again, "{location}");
        for channel in channels {
            let told = server.get(&format!("/publish?id={channel}")).text();
            let count = channels.iter().filter(|other| **other == channel).count();
            assert!(told.contains(&format!("queued messages: {count}")), "{location} {channel}: {told}");
        }
    }
    let server = server();
    let mut client = server.connect();
    for (id, status) in [("a", 202), ("a", 202), ("b", 403)] {
        client.send(format!("POST /compared?id={id} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.receive(PATIENCE).into_response().status(), status, "{id}");
    }
    // A group that comes from the arguments.
    assert_eq!(publish_each(&server, "/grouped", &["id=g&x=1", "id=g&x=1", "id=g&x=2"]), 1);
}

#[test]
fn a_poll_of_another_channel_finds_it() {
    for (publish, subscribe) in [("/pub", "/sub"), ("/publish", "/activity")] {
        let server = server();
        for id in ["a", "b"] {
            post(&server, &format!("{publish}?id={id}"), &format!("of {id}"));
        }
        let mut poller = Poller::new(&server, &format!("{subscribe}?id=a"));
        assert_eq!(poller.poll(), "of a");
        (poller.uri, poller.validators) = (format!("{subscribe}?id=b"), String::new());
        assert_eq!(poller.poll(), "of b");
        assert_eq!(repeated(&server), 1, "{subscribe}");
        post(&server, &format!("{publish}?id=b"), "more");
        assert_eq!(poller.poll(), "more");
        assert_eq!(repeated(&server), 2, "{subscribe}");
        // An argument that says where to begin.
        (poller.uri, poller.validators) =
            (format!("{subscribe}?id=b&last_event_id=4102444800:0"), String::new());
        poller.ask();
        server.wait_for_subscribers_at(publish, "b", 1);
        post(&server, &format!("{publish}?id=b"), "more yet");
        assert_eq!(poller.take().text(), "more yet");
        assert_eq!(repeated(&server), 2, "{subscribe}");
    }
}

#[test]
fn a_request_may_come_in_pieces() {
    let server = server();
    let mut client = server.connect();
    for pieces in [
        &["POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd"][..],
        &["POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", "efgh"],
        &["POST /pub?id=a HTTP/1.1\r\nHo", "st: h\r\nContent-Length: 4\r\n\r\nij", "kl"],
        &[
            "POST /pub?id=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
            "4\r\nmnop\r\n0\r\n\r\n",
        ],
    ] {
        for piece in pieces {
            client.send(piece);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(client.receive(PATIENCE).into_response().status(), 202);
    }
    // Two at once.
    client.send("POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nqPOST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nr");
    (0..2).for_each(|_| assert_eq!(client.receive(PATIENCE).into_response().status(), 202));
    let mut poller = Poller::new(&server, "/sub?id=a");
    for message in ["abcd", "efgh", "ijkl", "mnop", "q", "r"] {
        assert_eq!(poller.poll(), message);
    }
    assert!(matches!(client.receive(Duration::from_millis(1)), Reply::Pending));
}

#[test]
fn a_body_may_come_behind_its_head() {
    let mut server = Server::start(conf(&format!(
        "{LOCATIONS} access_log {{{{dir}}}}/log body;
         location = /hasty {{ nchan_publisher; nchan_channel_id $arg_id; client_body_timeout 50ms; }}"
    )));
    let head =
        |length: usize| format!("POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
    let mut client = server.connect();
    let publish = |client: &mut Connection, pieces: &[&str]| {
        client.send(head(pieces.concat().len()));
        for piece in pieces {
            // None comes with the one before.
            assert!(matches!(client.receive(Duration::from_millis(10)), Reply::Pending));
            client.send(piece);
        }
        client.receive(PATIENCE).into_response()
    };
    for (number, pieces) in
        [&["first"][..], &["second"], &["th", "ird"], &["fourth"], &["fi", "f", "th"]].iter().enumerate()
    {
        assert_eq!(publish(&mut client, pieces).status(), 202, "{pieces:?}");
        // On a machine with much to do, one may be late.
        assert!((number as u64 / 2..=number as u64).contains(&repeated(&server)), "{pieces:?}");
    }
    // The first request of a connection, too.
    let mut other = server.connect();
    assert_eq!(publish(&mut other, &["sixth"]).status(), 202);
    // One that takes long, one that is too large, which its client need not send.
    client.send(head(7));
    std::thread::sleep(Duration::from_millis(300));
    client.send("seventh");
    assert_eq!(client.receive(PATIENCE).into_response().status(), 202);
    other.send(head(21));
    assert_eq!(other.receive(PATIENCE).into_response().status(), 413);
    // One that breaks off is told of as ever.
    let mut gone = server.connect();
    gone.send(head(5));
    gone.send("gone");
    assert!(matches!(gone.receive(Duration::from_millis(10)), Reply::Pending));
    gone.shut_down_writing();
    assert!(matches!(gone.receive(PATIENCE), Reply::Ended(_)));
    let read = || std::fs::read_to_string(server.dir().join("log")).unwrap_or_default();
    eventually("it is logged", || read().contains("400 0 . "));
    // One that has another behind it: that one came early, it did not.
    let mut both = server.connect();
    both.send(head(6));
    assert!(matches!(both.receive(Duration::from_millis(50)), Reply::Pending));
    let before = read().lines().count();
    both.send(format!("eighth{}ninth", head(5)));
    (0..2).for_each(|_| assert_eq!(both.receive(PATIENCE).into_response().status(), 202));
    eventually("both are logged", || read().lines().count() >= before + 2);
    let pipes: Vec<String> =
        read().lines().skip(before).filter_map(|line| Some(line.split(' ').nth(2)?.to_owned())).collect();
    assert_eq!(pipes, [".", "p"]);
    // One that does not come in time.
    let hasty = |length: usize| head(length).replace("/pub", "/hasty");
    let mut late = server.connect();
    late.send(hasty(1) + "x");
    assert_eq!(late.receive(PATIENCE).into_response().status(), 202);
    late.send(hasty(5) + "late");
    assert!(matches!(late.receive(PATIENCE), Reply::Ended(_)));
    let mut poller = Poller::new(&server, "/sub?id=a");
    for message in ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"] {
        assert_eq!(poller.poll(), message);
    }
    // A server that ends waits for the rest.
    assert_eq!(publish(&mut client, &["tenth"]).status(), 202);
    client.send(head(5));
    assert!(matches!(client.receive(Duration::from_millis(10)), Reply::Pending));
    server.signal(Signal::SIGQUIT);
    eventually("it accepts nothing more", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    client.send("final");
    let answer = client.receive(PATIENCE).into_response();
    assert_eq!((answer.status(), answer.header("Connection")), (202, Some("close")));
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
}

#[test]
fn the_next_request_may_have_begun_before_the_answer() {
    let server = server();
    let post = "POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd";
    // Within its head, and within its body.
    for at in [1, 30, post.len() - 2] {
        let mut client = server.connect();
        let (start, rest) = post.split_at(at);
        client.send(format!("{post}{start}"));
        assert_eq!(client.receive(PATIENCE).into_response().status(), 202, "{at}");
        client.send(rest);
        assert_eq!(client.receive(PATIENCE).into_response().status(), 202, "{at}");
        client.send(post);
        assert_eq!(client.receive(PATIENCE).into_response().status(), 202, "{at}");
    }
}

#[test]
fn who_publishes_again_and_half_closes_gets_an_answer_and_the_end() {
    let server = server();
    let post = "POST /pub?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd";
    let mut client = server.connect();
    client.send(post);
    assert_eq!(client.receive(PATIENCE).into_response().status(), 202);
    client.send(post);
    client.shut_down_writing();
    assert_eq!(client.receive(PATIENCE).into_response().status(), 202);
    assert!(matches!(client.receive(PATIENCE), Reply::Ended(_)));
}

#[test]
fn channels_of_chance_and_of_validators_are_found_anew() {
    let server = server();
    let mut poller = Poller::new(&server, "/since");
    poller.validators = "If-None-Match: a\r\n".into();
    post(&server, "/pub?id=a", "of a");
    poller.ask();
    let first = poller.connection.receive(PATIENCE).into_response();
    assert_eq!(first.status(), 200);
    post(&server, "/pub?id=b", "of b");
    poller.validators = "If-None-Match: b\r\n".into();
    assert_eq!(poller.poll(), "of b");
    assert_eq!(repeated(&server), 0);
}

#[test]
fn heads_with_many_headers_are_read() {
    let server = server();
    let many: String = (0..300).map(|number| format!("X-{number}: y\r\n")).collect();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(format!("GET /word HTTP/1.1\r\nHost: h\r\n{many}\r\n"));
        assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
        client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
    }
}
