//! What the move of a connection out of hyper and back must not break.

use std::time::{Duration, Instant};

use crate::harness::{Conf, Connection, Ending, PATIENCE, Reply, Server};

const SILENCE: Duration = Duration::from_millis(150);

fn server() -> Server {
    Server::start(Conf::server(LOCATIONS))
}

const LOCATIONS: &str = "
    client_max_body_size 8m;
    keepalive_requests 100000;
    location /publish { set $push_channel_id $arg_id; push_publisher; }
    location /activity { set $push_channel_id $arg_id; push_subscriber; }
    location /brief { set $push_channel_id $arg_id; push_subscriber; push_subscriber_timeout 1s; }
    location /word { return 200 word; }";

#[test]
fn an_answer_still_on_its_way_is_not_lost_when_the_next_request_waits() {
    let server = server();
    let large = "x".repeat(6 << 20);
    server.post("/publish?id=large", &large);
    let mut client = server.connect();
    // Both at once, and nothing is read: the large answer fills the socket while the second request waits.
    client.send("GET /activity?id=large HTTP/1.1\r\nHost: h\r\n\r\nGET /activity?id=small HTTP/1.1\r\nHost: h\r\n\r\n");
    std::thread::sleep(SILENCE);
    assert_eq!(client.receive(PATIENCE).into_response().body, large.as_bytes());
    server.wait_for_subscribers("small", 1);
    assert_eq!(server.post("/publish?id=small", "late").status(), 201);
    assert_eq!(client.receive(PATIENCE).into_response().text(), "late");
}

#[test]
fn a_body_that_comes_late_is_read_before_its_request_waits() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345");
    assert!(matches!(client.receive(SILENCE), Reply::Pending), "half of the body is missing");
    client.send("67890");
    server.wait_for_subscribers("a", 1);
    server.post("/publish?id=a", "m");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
    client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        client.receive(PATIENCE).into_response().text(),
        "word",
        "the body was not taken for a request"
    );
}

#[test]
fn a_chunked_body_is_read_before_its_request_waits() {
    let server = server();
    let mut client = server.connect();
    client.send(
        "GET /activity?id=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    server.wait_for_subscribers("a", 1);
    server.post("/publish?id=a", "m");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
}

#[test]
fn requests_that_come_while_one_waits_are_answered_after_it_in_order() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\nGET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    client.send("GET /publish?id=a HTTP/1.1\r\nHost: h\r\n\r\nGET /wo");
    assert!(matches!(client.receive(SILENCE), Reply::Pending));
    server.post("/publish?id=a", "m");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
    assert!(client.receive(PATIENCE).into_response().text().starts_with("queued messages: 1"));
    client.send("rd HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "word", "a request split by the parking");
}

#[test]
fn a_flood_of_requests_behind_a_waiting_one_is_bounded_and_none_is_lost() {
    const REQUESTS: usize = 4000;
    let server = server();
    let mut client = server.connect();
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    let one = "GET /word HTTP/1.1\r\nHost: h\r\nX-Padding: 0123456789012345678901234567890123456789\r\n\r\n";
    let flood = one.repeat(REQUESTS);
    std::thread::scope(|scope| {
        let mut writer = client.stream().try_clone().expect("a second handle");
        scope.spawn(move || std::io::Write::write_all(&mut writer, flood.as_bytes()));
        std::thread::sleep(SILENCE);
        server.post("/publish?id=a", "m");
        assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
        for _ in 0..REQUESTS {
            assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
        }
    });
}

#[test]
fn a_client_that_takes_its_message_slowly_gets_all_of_it() {
    let server = server();
    let mut client = server.connect();
    socket2::SockRef::from(client.stream()).set_recv_buffer_size(65536).expect("a small buffer");
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    let large = "0123456789".repeat(300_000);
    assert_eq!(server.post("/publish?id=a", &large).status(), 201);
    std::thread::sleep(SILENCE);
    assert_eq!(client.receive(PATIENCE).into_response().body, large.as_bytes());
    client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
}

/// A client that waited, and was sent more than its socket takes. It gets so long for each part of it.
fn overwhelmed(send_timeout: &str, message: &str) -> (Server, Connection) {
    let server = Server::start(Conf::server(format!("send_timeout {send_timeout}; {LOCATIONS}")));
    let mut client = server.connect();
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    server.post("/publish?id=a", message);
    (server, client)
}

#[test]
fn a_client_that_takes_nothing_is_let_go_after_send_timeout() {
    let (_server, mut client) = overwhelmed("1s", &"x".repeat(7 << 20));
    std::thread::sleep(Duration::from_millis(1500));
    match client.receive(PATIENCE) {
        Reply::Response(_) => panic!("the whole message came after the connection should have been closed"),
        Reply::Pending => panic!("neither the rest of the message nor the end came"),
        _ => {}
    }
}

#[test]
fn a_client_that_talks_and_takes_nothing_is_let_go_too() {
    let (_server, mut client) = overwhelmed("1s", &"x".repeat(7 << 20));
    client.send("G");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!matches!(client.receive(PATIENCE), Reply::Response(_) | Reply::Pending));
}

#[test]
fn what_a_slow_client_sends_during_its_answer_is_heeded_after_it() {
    let large = "x".repeat(7 << 20);
    let (_server, mut client) = overwhelmed("60s", &large);
    client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    std::thread::sleep(SILENCE);
    assert_eq!(client.receive(PATIENCE).into_response().body, large.as_bytes());
    assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
}

#[test]
fn the_connection_of_a_delivered_message_is_kept_for_keepalive_timeout() {
    let server = Server::start(Conf::server(format!("keepalive_timeout 1s; {LOCATIONS}")));
    let mut client = server.connect();
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    server.post("/publish?id=a", "m");
    let start = Instant::now();
    assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
    assert_eq!(client.watch(PATIENCE), Some(Ending::Closed));
    assert!(start.elapsed() >= Duration::from_millis(900), "closed early: {:?}", start.elapsed());
}

#[test]
fn a_client_that_leaves_is_no_longer_counted() {
    let server = server();
    let mut leaving = server.connect();
    leaving.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    drop(leaving);
    server.wait_for_subscribers("a", 0);
    assert_eq!(server.post("/publish?id=a", "m").status(), 202);
}

#[test]
fn a_timed_out_subscriber_waits_again_on_the_same_connection() {
    let server = server();
    let mut client = server.connect();
    for _ in 0..2 {
        let start = Instant::now();
        client.send("GET /brief?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.receive(PATIENCE).into_response().status(), 304);
        let waited = start.elapsed();
        assert!((900..1900).contains(&waited.as_millis()), "{waited:?}");
    }
}

#[test]
fn many_subscribers_on_several_workers_get_every_message_once_and_in_order() {
    const SUBSCRIBERS: usize = 60;
    const MESSAGES: usize = 50;
    let server = Server::start(
        Conf::server(
            LOCATIONS.replace("push_publisher;", "push_publisher; push_max_message_buffer_length 100;"),
        )
        .workers(3),
    );
    std::thread::scope(|scope| {
        for subscriber in 0..SUBSCRIBERS {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                let mut since = String::new();
                for message in 0..MESSAGES {
                    let channel = subscriber % 4;
                    client.send(format!("GET /activity?id={channel} HTTP/1.1\r\nHost: h\r\n{since}\r\n"));
                    let answer = client.receive(Duration::from_secs(20)).into_response();
                    assert_eq!(answer.text(), format!("{channel}:{message}"), "subscriber {subscriber}");
                    let modified = answer.header("Last-Modified").expect("a position");
                    since = format!("If-Modified-Since: {modified}\r\n");
                }
            });
        }
        for channel in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for message in 0..MESSAGES {
                    let status = server
                        .post(&format!("/publish?id={channel}"), &format!("{channel}:{message}"))
                        .status();
                    assert!(matches!(status, 201 | 202));
                }
            });
        }
    });
}

#[test]
fn a_client_that_leaves_after_sending_more_than_is_read_ahead_is_no_longer_counted() {
    let server = server();
    let mut leaving = server.connect();
    leaving.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    leaving.send("\r\n".repeat(50_000));
    drop(leaving);
    server.wait_for_subscribers("a", 0);
}

#[test]
fn send_timeout_is_for_the_next_part_and_not_for_the_whole_message() {
    let server = Server::start(Conf::server(format!("send_timeout 1s; {LOCATIONS}")));
    let mut client = server.connect();
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    let large = "x".repeat(7 << 20);
    server.post("/publish?id=a", &large);
    let mut got = 0;
    let mut stream = client.stream();
    let mut part = vec![0; 1 << 20];
    while got < large.len() {
        std::thread::sleep(Duration::from_millis(200));
        let length = std::io::Read::read(&mut stream, &mut part).expect("the connection stays");
        assert!(length > 0, "cut off after {got} bytes");
        got += length;
    }
}

#[test]
fn a_channel_that_is_ahead_of_the_clock_is_not_forgotten_before_the_clock_caught_up() {
    let conf = LOCATIONS
        .replace("push_publisher;", "push_publisher; push_store_messages off; push_channel_timeout 1s;");
    let server = Server::start(Conf::server(conf));
    let mut client = server.connect();
    client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    server.wait_for_subscribers("a", 1);
    for _ in 0..6 {
        server.post("/publish?id=a", "m");
    }
    std::thread::sleep(Duration::from_millis(2500));
    server.get("/publish?id=other");
    assert_eq!(server.get("/publish?id=a").status(), 200, "its last message is some seconds ahead");
}
