//! Requests as odd clients send them.

use std::time::Instant;

use crate::harness::{Conf, Ending, PATIENCE, Server};

const PUSH: &str = "
    location /publish { set $push_channel_id $arg_id; push_publisher; }
    location /activity { set $push_channel_id $arg_id; push_subscriber; }
    location /echo { return 200 \"$request_uri|$uri|$args\"; }";

#[test]
fn bytes_that_belong_escaped_are_taken_as_they_are_in_a_target() {
    let server = Server::start(Conf::server(PUSH));
    for id in ["<tea>", "\"quoted\"", "`tick`", "{brace}|^", "\\back"] {
        let mut client = server.connect();
        client.send(format!("POST /publish?id={id} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nm"));
        assert_eq!(client.receive(PATIENCE).into_response().status(), 202, "{id}");
        client.send(format!("GET /activity?id={id} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(client.receive(PATIENCE).into_response().text(), "m", "{id}: on the same connection");
        client.send(format!("GET /echo?{id} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(client.receive(PATIENCE).into_response().text(), format!("/echo?{id}|/echo|{id}"));
    }
}

#[test]
fn a_target_need_not_be_utf8() {
    let server = Server::start(Conf::server(PUSH));
    let mut client = server.connect();
    client.send(b"POST /publish?id=caf\xe9 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nnoir");
    assert_eq!(client.receive(PATIENCE).into_response().status(), 202);
    client.send(b"GET /activity?id=caf\xe9 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "noir");
    assert_eq!(server.get("/publish?id=caf").status(), 404);
}

#[test]
fn an_odd_target_behind_a_waiting_request_is_answered_after_it() {
    let server = Server::start(Conf::server(PUSH));
    let mut client = server.connect();
    client.send("GET /activity?id=<a> HTTP/1.1\r\nHost: h\r\n\r\nGET /echo?<b> HTTP/1.1\r\nHost: h\r\n\r\n");
    let deadline = Instant::now() + PATIENCE;
    while !server.get("/publish?id=<a>").text().ends_with("subscribers: 1") {
        assert!(Instant::now() < deadline, "it never waits");
    }
    server.post("/publish?id=<a>", "m");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "/echo?<b>|/echo|<b>");
}

#[test]
fn an_unknown_transfer_coding_is_not_implemented() {
    let server = Server::start(Conf::server(PUSH));
    let request = "POST /publish?id=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nxx";
    assert_eq!(server.request(request).status(), 501);
}

/// What a proxy in front might read otherwise: each of these carries a second request in what may be its body.
#[test]
fn a_body_whose_length_is_said_in_doubt_is_never_read_as_a_request() {
    let server = Server::start(Conf::server(PUSH));
    let hidden = "DELETE /publish?id=victim HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = hidden.len();
    let framings = [
        format!("Content-Length: {length}\x01"),
        format!("Content-Length: \x0b{length}"),
        format!("Content-Length : {length}"),
        "Transfer-Encoding: \x0bchunked".to_owned(),
        "Transfer-Encoding: chunked\x01".to_owned(),
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
        format!("Content-Length: {length}\r\nContent-Length: 0"),
        format!(" Content-Length: {length}"),
    ];
    let chunked =
        "POST /publish?id=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    for before in ["", "GET /publish?id=victim HTTP/1.1\r\nHost: h\r\n\r\n", chunked] {
        for framing in &framings {
            server.post("/publish?id=victim", "stays");
            let mut client = server.connect();
            let bad = format!("POST /publish?id=a HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{hidden}");
            client.send(format!("{before}{bad}"));
            if !before.is_empty() {
                client.receive(PATIENCE).into_response();
            }
            let status = client.receive(PATIENCE).into_response().status();
            assert!(matches!(status, 400 | 501), "{framing:?} behind {before:?}: {status}");
            assert_eq!(client.watch(PATIENCE), Some(Ending::Closed), "{framing:?}");
            assert_eq!(server.get("/publish?id=victim").status(), 200, "{framing:?} behind {before:?}");
        }
    }
}

#[test]
fn odd_targets_in_a_pipeline_are_all_answered() {
    const REQUESTS: usize = 60;
    let server = Server::start(Conf::server(PUSH));
    let mut client = server.connect();
    let padding = "p".repeat(400);
    let requests: String = (0..REQUESTS)
        .map(|number| format!("GET /echo?<{number}> HTTP/1.1\r\nHost: h\r\nX-Padding: {padding}\r\n\r\n"))
        .collect();
    client.send(format!("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n{requests}"));
    let deadline = Instant::now() + PATIENCE;
    while !server.get("/publish?id=a").text().ends_with("subscribers: 1") {
        assert!(Instant::now() < deadline, "it never waits");
    }
    server.post("/publish?id=a", "m");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
    for number in 0..REQUESTS {
        let expected = format!("/echo?<{number}>|/echo|<{number}>");
        assert_eq!(client.receive(PATIENCE).into_response().text(), expected);
    }
}

#[test]
fn control_bytes_in_a_target_are_refused() {
    let server = Server::start(Conf::server(PUSH));
    for target in ["/echo?\x7f", "/echo?\x01"] {
        let answer = server.request(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(answer.status(), 400, "{target:?}");
    }
}

#[test]
fn the_error_log_says_why_a_request_names_no_channel() {
    let server = Server::start(Conf::server(format!("{PUSH} location /forgotten {{ push_subscriber; }}")));
    assert_eq!(server.get("/activity?id=").status(), 404);
    let required = "the $push_channel_id variable is required but is not set";
    let uninitialized = "using uninitialized \"push_channel_id\" variable";
    let empty = server.stderr();
    assert!(empty.contains(required) && !empty.contains(uninitialized), "set, but empty: {empty}");
    assert_eq!(server.get("/forgotten").status(), 404);
    assert!(server.stderr().contains(uninitialized), "set in other locations only: {}", server.stderr());
}

#[test]
fn a_tag_beyond_the_last_message_of_its_second_gets_nothing() {
    let server = Server::start(Conf::server(format!(
        "{PUSH} location /poll {{ set $push_channel_id $arg_id; push_subscriber interval-poll; }}"
    )));
    let mut channels = 0..;
    let (id, second) = loop {
        let id = channels.next().expect("one channel more");
        let path = format!("/publish?id={id}");
        let [first, last] = ["A", "B"].map(|body| server.post(&path, body));
        let second = first.header("Date").map(str::to_owned);
        if second.as_deref() == last.header("Date")
            && second.as_deref() == server.get(&format!("/poll?id={id}")).header("Last-Modified")
        {
            break (id, second.unwrap_or_default());
        }
    };
    let poll = |tag: &str| {
        let headers = format!("Host: h\r\nIf-Modified-Since: {second}\r\nIf-None-Match: {tag}");
        let answer = server.request(format!("GET /poll?id={id} HTTP/1.1\r\n{headers}\r\n\r\n"));
        format!("{} {}", answer.status(), answer.text())
    };
    for (tag, expected) in [
        ("0", "200 B"),
        ("junk", "200 B"),
        ("1", "304 "),
        ("W/\"1\"", "304 "),
        ("7", "304 "),
        ("0, 1", "200 B"),
    ] {
        assert_eq!(poll(tag), expected, "{tag}");
    }
}

#[test]
fn an_error_page_for_413_may_be_a_push_location() {
    let server = Server::start(Conf::server(
        "client_max_body_size 5;
        error_page 413 /told?id=a;
        location /publish { set $push_channel_id $arg_id; push_publisher; }
        location /told { set $push_channel_id $arg_id; push_publisher; }",
    ));
    assert_eq!(server.post("/publish?id=a", "12345").status(), 202);
    let refused = server.post("/publish?id=a", "123456");
    assert_eq!((refused.status(), refused.text().starts_with("queued messages: 1")), (413, true));
}
