//! What kills Nchan's workers, hangs them, or lets a client smuggle a request: each is answered here, and the server
//! goes on (`docs/differences.md`).

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Conf, Connection, PATIENCE, Reply, Response, Server};

const INSIDE: &str = "
    nchan_channel_group crashes;
    location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
    location = /short { nchan_publisher; nchan_channel_id $arg_id; nchan_message_timeout 1s; }
    location = /sub { nchan_subscriber; nchan_channel_id $arg_id; }
    location = /poll { nchan_subscriber interval-poll; nchan_channel_id $arg_id; }
    location = /pubsub { nchan_pubsub; nchan_channel_id $arg_id; }
    location = /many { nchan_pubsub; nchan_channel_id $arg_id; nchan_channel_id_split_delimiter ','; }
    location /outer { nchan_message_buffer_length $arg_length; nchan_channel_id $arg_id;
        location /outer/inner { nchan_pubsub; nchan_message_buffer_length 3; } }
    location = /asks { nchan_pubsub; nchan_channel_id $arg_id; nchan_authorize_request $arg_whom; }
    location = /old { set $push_channel_id $arg_id; push_publisher; push_message_timeout 1s; }
    location = /oldsub { set $push_channel_id $arg_id; push_subscriber; }
";

/// A server, and one more waiting subscriber that must not be disturbed.
struct Bench {
    server: Server,
    bystander: Connection,
}

impl Bench {
    fn start() -> Self {
        let server = Server::start(Conf::server(INSIDE));
        let mut bystander = server.connect();
        bystander.send("GET /sub?id=bystander HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(bystander.receive(Duration::from_millis(100)), Reply::Pending);
        Self { server, bystander }
    }

    /// The server still serves, and nobody was lost.
    fn expect_well(mut self) {
        assert_eq!(self.server.post("/pub?id=bystander", "well").status(), 201);
        let response = self.bystander.receive(PATIENCE).into_response();
        assert_eq!((response.status(), response.text().as_str()), (200, "well"));
    }

    fn ask(&self, request: &str) -> (Connection, Response) {
        let mut connection = self.server.connect();
        connection.send(request);
        let response = connection.receive(PATIENCE).into_response();
        (connection, response)
    }
}

fn position(response: &Response) -> String {
    let header = |name| response.header(name).expect("a message has a position").to_owned();
    format!("If-Modified-Since: {}\r\nIf-None-Match: {}\r\n", header("Last-Modified"), header("Etag"))
}

/// Waits until the channel's messages are gone.
fn wait_until_expired(server: &Server, target: &str) {
    let deadline = Instant::now() + PATIENCE;
    while server.get(target).text().starts_with("queued messages: 1") {
        assert!(Instant::now() < deadline, "the message does not expire");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn subscribers_return_with_the_id_of_an_expired_message() {
    let bench = Bench::start();
    for (publish, subscribe, info) in [("/short", "/sub", "/pub"), ("/old", "/oldsub", "/old")] {
        bench.server.post(&format!("{publish}?id=e{info}"), "one");
        let position = position(&bench.server.get(&format!("{subscribe}?id=e{info}")));
        wait_until_expired(&bench.server, &format!("{info}?id=e{info}"));
        let mut waiting = bench.server.connect();
        waiting.send(format!("GET {subscribe}?id=e{info} HTTP/1.1\r\nHost: a\r\n{position}\r\n"));
        assert_eq!(waiting.receive(Duration::from_millis(200)), Reply::Pending, "{subscribe}");
        assert_eq!(bench.server.post(&format!("{publish}?id=e{info}"), "two").status(), 201);
        assert_eq!(waiting.receive(PATIENCE).into_response().text(), "two");
    }
    bench.expect_well();
}

#[test]
fn streams_resume_behind_an_expired_message() {
    let bench = Bench::start();
    bench.server.post("/short?id=s", "one");
    let head = bench.server.get("/sub?id=s");
    let second = httpdate::parse_http_date(head.header("Last-Modified").expect("a date")).expect("a date");
    let second = second.duration_since(std::time::UNIX_EPOCH).expect("later").as_secs();
    wait_until_expired(&bench.server, "/pub?id=s");
    let mut stream = bench.server.connect();
    stream.send(format!(
        "GET /sub?id=s HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nLast-Event-ID: {second}:0\r\n\r\n"
    ));
    let mut got = String::from_utf8_lossy(&stream.receive_bytes(PATIENCE)).into_owned();
    bench.server.post("/short?id=s", "two");
    while !got.contains("data: two\n\n") {
        let bytes = stream.receive_bytes(PATIENCE);
        assert!(!bytes.is_empty(), "{got}");
        got.push_str(&String::from_utf8_lossy(&bytes));
    }
    bench.expect_well();
}

#[test]
fn conditions_that_mean_nothing_here_are_ignored() {
    let bench = Bench::start();
    bench.server.post("/pub?id=c", "one");
    let date = "Mon, 23 Nov 2020 05:44:00 GMT";
    let conditions =
        ["If-Match: \"a\"", "If-Match: *", &format!("If-Unmodified-Since: {date}"), "If-Range: \"a\""];
    for condition in conditions {
        for target in ["/sub?id=c", "/poll?id=c"] {
            let (_, response) =
                bench.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{condition}\r\n\r\n"));
            assert_eq!(
                (response.status(), response.text().as_str()),
                (200, "one"),
                "{condition} on {target}"
            );
        }
        let stream = "Accept: text/event-stream";
        let mut connection = bench.server.connect();
        connection.send(format!("GET /sub?id=c HTTP/1.1\r\nHost: a\r\n{condition}\r\n{stream}\r\n\r\n"));
        let got = String::from_utf8_lossy(&connection.receive_bytes(PATIENCE)).into_owned();
        assert!(got.starts_with("HTTP/1.1 200 "), "{condition}: {got}");
        let (_, response) = bench.ask(&format!("GET /pub?id=c HTTP/1.1\r\nHost: a\r\n{condition}\r\n\r\n"));
        assert_eq!(response.status(), 200, "{condition} on /pub");
    }
    bench.expect_well();
}

#[test]
fn methods_that_nobody_knows_are_answered() {
    let bench = Bench::start();
    for method in ["HEAD", "PATCH", "PROPFIND", "MKCOL", "FOO"] {
        for target in ["/pub?id=m", "/sub?id=m", "/pubsub?id=m", "/poll?id=m"] {
            let mut connection = bench.server.connect();
            connection.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
            let reply = match method {
                "HEAD" => connection.receive_head(PATIENCE),
                _ => connection.receive(PATIENCE),
            };
            assert_eq!(reply.into_response().status(), 405, "{method} {target}");
        }
    }
    bench.expect_well();
}

#[test]
fn bodies_of_refused_requests_are_not_taken_for_requests() {
    let bench = Bench::start();
    let hidden = "POST /pub?id=hidden HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let length = hidden.len();
    let refused = [
        ("POST", "/sub?id=r", 403),
        ("PUT", "/sub?id=r", 403),
        ("DELETE", "/poll?id=r", 403),
        ("PATCH", "/pub?id=r", 405),
        ("POST", "/pub", 404),
    ];
    for (method, target, status) in refused {
        let (mut connection, response) = bench.ask(&format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{hidden}"
        ));
        assert_eq!(response.status(), status, "{method} {target}");
        // Kept or closed; but no second answer unless to a second request.
        connection.send("GET /pub?id=hidden HTTP/1.1\r\nHost: a\r\n\r\n");
        match connection.receive(PATIENCE) {
            Reply::Response(next) => assert_eq!(next.status(), 404, "{method} {target}"),
            Reply::Ended(_) => {}
            other => panic!("{method} {target}: {other:?}"),
        }
    }
    bench.expect_well();
}

#[test]
fn a_length_that_is_a_variable_outside_and_a_value_inside_is_the_value() {
    let bench = Bench::start();
    for number in 0..5 {
        assert_eq!(bench.server.post("/outer/inner?id=v", &number.to_string()).status(), 202);
    }
    assert_eq!(bench.server.get("/outer/inner?id=v").text(), "2");
    bench.expect_well();
}

#[test]
fn ids_of_many_channels_are_long_and_nothing_breaks() {
    let bench = Bench::start();
    let ids = (0..255).map(|number| format!("{number}-{}", "x".repeat(2))).collect::<Vec<_>>().join(",");
    // The location takes ids of 1,024 bytes.
    let ids = &ids[..1024];
    let (_, told) =
        bench.ask(&format!("POST /many?id={ids} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"));
    assert_eq!(told.status(), 202);
    let (mut connection, response) = bench.ask(&format!("GET /many?id={ids} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(response.status(), 200);
    let position = position(&response);
    connection.send(format!("GET /many?id={ids} HTTP/1.1\r\nHost: a\r\n{position}\r\n"));
    assert_eq!(connection.receive(PATIENCE).into_response().text(), "x", "the next channel's");
    bench.expect_well();
}

#[test]
fn requests_behind_one_that_waits_are_answered_after_it() {
    let bench = Bench::start();
    let mut connection = bench.server.connect();
    connection.send("GET /sub?id=p HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.receive(Duration::from_millis(100)), Reply::Pending);
    connection.send("GET /pub?id=p HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.receive(Duration::from_millis(100)), Reply::Pending);
    assert_eq!(bench.server.post("/pub?id=p", "x").status(), 201);
    assert_eq!(connection.receive(PATIENCE).into_response().text(), "x");
    assert_eq!(connection.receive(PATIENCE).into_response().status(), 200);
    bench.expect_well();
}

#[test]
fn messages_of_no_bytes_reach_everybody() {
    let bench = Bench::start();
    let mut waiting = bench.server.connect();
    waiting.send("GET /sub?id=n HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(waiting.receive(Duration::from_millis(100)), Reply::Pending);
    assert_eq!(bench.server.post("/pub?id=n", "").status(), 201);
    assert_eq!(waiting.receive(PATIENCE).into_response().header("Content-Length"), Some("0"));
    bench.expect_well();
}

/// `nchan_authorize_request` with a variable that is empty.
#[test]
fn nothing_to_ask_lets_nobody_in() {
    let bench = Bench::start();
    assert_eq!(bench.server.post("/asks?id=a", "x").status(), 403);
    assert_eq!(bench.server.get("/asks?id=a").status(), 403);
    bench.expect_well();
}
