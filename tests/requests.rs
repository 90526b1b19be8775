//! Requests as odd clients send them.

use std::time::Instant;

use crate::harness::{Conf, PATIENCE, Server};

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
