//! Groups of channels, what happens to channels, and who is in them: what no comparison with Nchan shows, since it is another
//! there, or since it is a matter of many at once.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Conf, Connection, PATIENCE, Server, eventually};

const LOCATIONS: &str = r#"
    nchan_channel_group_accounting on;
    location ~ ^/pub/(\w+)/(\w+)$ { nchan_publisher; nchan_channel_group $1; nchan_channel_id $2; }
    location ~ ^/sub/(\w+)/(\w+)$ { nchan_subscriber; nchan_channel_group $1; nchan_channel_id $2; }
    location ~ ^/two/(\w+)$ { nchan_publisher; nchan_channel_group $1; nchan_channel_id a b; }
    location ~ ^/group/(\w+)$ {
        nchan_group_location;
        nchan_channel_group $1;
        nchan_group_max_channels $arg_channels;
        nchan_group_max_subscribers $arg_subscribers;
        nchan_group_max_messages $arg_messages;
    }
    location = /told/pub { nchan_publisher; nchan_channel_id $arg_id; nchan_channel_events_channel_id all; }
    location = /told/sub { nchan_subscriber; nchan_channel_id $arg_id; nchan_channel_events_channel_id all; }
    location = /told/ws { nchan_publisher websocket; nchan_channel_id $arg_id; nchan_channel_events_channel_id all; }
    location = /meta { nchan_subscriber; nchan_channel_group meta; nchan_channel_id all; }
    location = /status { nchan_stub_status; }
    location = /status/variables {
        return 200 "$nchan_stub_status_channels $nchan_stub_status_subscribers $nchan_stub_status_stored_messages $nchan_stub_status_total_published_messages";
    }
    location = /who { nchan_subscriber_info; nchan_channel_id $arg_id; }
"#;

fn server() -> Server {
    Server::start(Conf::server(LOCATIONS).workers(2))
}

/// The first numbers of a group's info: channels, subscribers, messages.
fn counts(server: &Server, group: &str) -> [u64; 3] {
    numbers(&server.get(&format!("/group/{group}")).text())
}

fn numbers(info: &str) -> [u64; 3] {
    let mut numbers = info.lines().filter_map(|line| line.split_once(": ")?.1.parse().ok());
    [(); 3].map(|()| numbers.next().expect("three numbers"))
}

fn event_stream(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect();
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"));
    read_until(&mut connection, ": hi\n\n");
    connection
}

/// Reads until the text is there.
fn read_until(connection: &mut Connection, end: &str) -> String {
    let mut text = String::new();
    let deadline = Instant::now() + PATIENCE;
    while !text.contains(end) {
        assert!(Instant::now() < deadline, "no {end:?} in {text:?}");
        text += &String::from_utf8_lossy(&connection.receive_bytes(Duration::from_millis(100)));
    }
    text
}

#[test]
fn many_publishers_get_as_many_places_as_there_are() {
    let server = server();
    server.post("/group/g?messages=40&channels=7", "");
    let accepted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (server, accepted) = (&server, &accepted);
            scope.spawn(move || {
                let mut connection = server.connect();
                for n in 0..30 {
                    let channel = (thread * 30 + n) % 20;
                    connection.send(format!(
                        "POST /pub/g/c{channel} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
                    ));
                    let status = connection.receive(PATIENCE).into_response().status();
                    assert!(matches!(status, 202 | 403), "{status}");
                    accepted.fetch_add(usize::from(status == 202), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((accepted.into_inner(), counts(&server, "g")), (40, [7, 0, 40]));
}

#[test]
fn a_long_poll_that_comes_back_finds_its_place_free() {
    let server = server();
    server.post("/group/g?subscribers=1", "");
    let mut connection = server.connect();
    let mut position = String::new();
    for n in 0..20 {
        connection.send(format!("GET /sub/g/a HTTP/1.1\r\nHost: a\r\n{position}\r\n"));
        eventually("it waits", || counts(&server, "g")[1] == 1);
        assert_eq!(server.get("/sub/g/b").status(), 403);
        server.post("/pub/g/a", &n.to_string());
        let answer = connection.receive(PATIENCE).into_response();
        assert_eq!((answer.status(), answer.text()), (200, n.to_string()));
        let header = |name| answer.header(name).expect("a position").to_owned();
        position = format!(
            "If-Modified-Since: {}\r\nIf-None-Match: {}\r\n",
            header("Last-Modified"),
            header("Etag")
        );
    }
}

#[test]
fn a_deleted_group_is_empty_and_its_subscribers_are_told() {
    let server = server();
    for id in ["a", "b", "c"] {
        server.post(&format!("/pub/g/{id}"), "x");
    }
    server.post("/pub/other/a", "x");
    let mut stream = event_stream(&server, "/sub/g/a");
    let before = server.request("DELETE /group/g HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((before.status(), numbers(&before.text())), (200, [3, 1, 3]));
    read_until(&mut stream, ":410: 410 Gone\n\n");
    eventually("the group is empty", || counts(&server, "g") == [0, 0, 0]);
    assert_eq!(server.get("/pub/g/a").status(), 404);
    assert_eq!(counts(&server, "other"), [1, 0, 1]);
}

#[test]
fn limits_hold_for_several_channels_too_and_survive_a_reload() {
    let server = server();
    // The body of the request is no request.
    let mut connection = server.connect();
    connection.send("POST /group/g?messages=2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
    assert_eq!(connection.receive(PATIENCE).into_response().status(), 200);
    connection.send("GET /group/g HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(connection.receive(PATIENCE).into_response().text().contains("max messages: 2\r\n"));
    assert_eq!(server.post("/two/g", "x").status(), 202);
    let stream = event_stream(&server, "/sub/g/a");
    server
        .rewrite_conf(&Conf::server(format!("{LOCATIONS} location = /new {{ return 200 new; }}")).workers(2));
    server.signal(Signal::SIGHUP);
    eventually("it reloaded", || server.get("/new").status() == 200);
    assert_eq!(server.post("/two/g", "x").status(), 403);
    assert_eq!(counts(&server, "g"), [2, 1, 2]);
    drop(stream);
    eventually("the subscriber is gone", || counts(&server, "g")[1] == 0);
}

#[test]
fn other_methods_of_a_group_are_answered() {
    let server = server();
    for method in ["PUT", "PATCH"] {
        let answer = server.request(format!("{method} /group/g HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((answer.status(), answer.header("Allow")), (405, Some("GET, POST, DELETE")), "{method}");
    }
}

#[test]
fn events_tell_of_subscribers_however_they_go() {
    let server = server();
    let mut meta = event_stream(&server, "/meta");
    let stream = event_stream(&server, "/told/sub?id=a");
    read_until(&mut meta, "data: subscriber_enqueue a\n\n");
    drop(stream);
    read_until(&mut meta, "data: subscriber_dequeue a\n\n");
    let mut poll = server.connect();
    poll.send("GET /told/sub?id=b HTTP/1.1\r\nHost: a\r\n\r\n");
    read_until(&mut meta, "data: subscriber_enqueue b\n\n");
    assert_eq!(server.post("/told/pub?id=b", "x").status(), 201);
    // They happen in two workers, perhaps: either may be told first.
    let events = read_until(&mut meta, "subscriber_dequeue b\n\n");
    if !events.contains("data: channel_publish b\n\n") {
        read_until(&mut meta, "data: channel_publish b\n\n");
    }
    let _stream = event_stream(&server, "/told/sub?id=c");
    server.request("DELETE /told/pub?id=c HTTP/1.1\r\nHost: a\r\n\r\n");
    let events = read_until(&mut meta, "subscriber_dequeue c\n\n");
    if !events.contains("data: channel_delete c\n\n") {
        read_until(&mut meta, "data: channel_delete c\n\n");
    }
}

#[test]
fn a_socket_that_only_publishes_is_no_subscriber() {
    let server = server();
    let mut meta = event_stream(&server, "/meta");
    let mut socket = server.connect();
    socket.send(
        "GET /told/ws?id=a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    read_until(&mut socket, "\r\n\r\n");
    socket.send(crate::agreement::script::frame(0x81, b"hello"));
    let events = read_until(&mut meta, "data: channel_publish a\n\n");
    assert!(!events.contains("subscriber"), "{events}");
}

#[test]
fn the_status_page_and_its_variables_count() {
    let server = server();
    server.post("/pub/g/a", "x");
    server.post("/pub/g/a", "x");
    let _stream = event_stream(&server, "/sub/g/a");
    let status = server.get("/status");
    assert_eq!(status.header("Content-Type"), Some("text/plain"));
    let text = status.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 16);
    for line in ["total published messages: 2", "stored messages: 2", "channels: 1", "subscribers: 1"] {
        assert!(lines.contains(&line), "{lines:?}");
    }
    assert_eq!(server.get("/status/variables").text(), "1 1 2 2");
}

#[test]
fn those_who_left_are_not_named() {
    let server = server();
    let stay = event_stream(&server, "/told/sub?id=a");
    let leave = event_stream(&server, "/told/sub?id=a");
    let port = |connection: &Connection| connection.stream().local_addr().expect("an address").port();
    let (stays, leaves) = (port(&stay), port(&leave));
    drop(leave);
    eventually("one is named", || {
        let mut asking = server.connect();
        asking.send("GET /who?id=a HTTP/1.1\r\nHost: a\r\n\r\n");
        let text = read_until(&mut asking, "/told/sub?id=a");
        text.contains(&format!(":{stays} ")) && !text.contains(&format!(":{leaves} "))
    });
}

#[test]
fn access_logs_tell_which_message_a_poll_was_answered_with() {
    let conf = Conf::server(
        "location = /pub { nchan_publisher; nchan_channel_id a; }\n\
         location = /sub { nchan_subscriber; nchan_channel_id a; access_log {{dir}}/a.log message; }",
    );
    let server = Server::start(conf.http(
        "log_format message '$nchan_subscriber_type $nchan_prev_message_id $nchan_message_id $status';",
    ));
    let mut waits = server.connect();
    waits.send("GET /sub HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it waits", || server.get("/pub").text().contains("active subscribers: 1"));
    let told = server.post("/pub", "x").text();
    let id = told.rsplit_once(": ").expect("an id").1;
    assert_eq!(waits.receive(PATIENCE).into_response().status(), 200);
    assert_eq!(server.get("/sub").status(), 200);
    let line = format!("longpoll 0:0 {id} 200\n");
    let log = || fs::read_to_string(server.dir().join("a.log")).unwrap_or_default();
    eventually("two lines", || log().lines().count() == 2);
    assert_eq!(log(), [&*line, &*line].concat());
}
