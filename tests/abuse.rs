//! Clients that mean harm, and machines that run out of things. What happens then is in `docs/operating.md`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Conf, Connection, Ending, PATIENCE, Reply, Server, eventually};

const SILENCE: Duration = Duration::from_millis(150);

const PUSH: &str = "
    location /publish { set $push_channel_id $arg_id; push_publisher; }
    location /activity { set $push_channel_id $arg_id; push_subscriber; }
    location /word { return 200 word; }
    location /metrics { encke_metrics; }";

fn still_serves(server: &Server) {
    assert_eq!(server.get("/word").text(), "word");
}

fn conf(events: &str, http: &str, inside: &str) -> Conf {
    Conf::whole(format!(
        "daemon off; pid {{{{dir}}}}/server.pid; error_log stderr warn; events {{ {events} }}
         http {{ {http} server {{ listen 127.0.0.1:{{{{port}}}}; {inside} }} }}"
    ))
}

// === Slow clients ===

#[test]
fn a_head_that_drips_is_cut_off() {
    let server = Server::start(Conf::server(format!("client_header_timeout 400ms; {PUSH}")));
    let mut slow: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    let begun = Instant::now();
    // Each byte comes in time; the head as a whole does not.
    for byte in "GET /word HTTP/1.1\r\nHost: h".bytes() {
        slow.iter_mut().for_each(|client| client.send([byte]));
        std::thread::sleep(Duration::from_millis(20));
    }
    for client in &mut slow {
        assert!(client.watch(PATIENCE).is_some(), "cut off");
    }
    assert!(begun.elapsed() < PATIENCE);
    still_serves(&server);
}

#[test]
fn a_body_that_stops_is_cut_off() {
    let server = Server::start(Conf::server(format!("client_body_timeout 200ms; {PUSH}")));
    let mut slow = server.connect();
    slow.send("POST /publish?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345");
    assert_eq!(slow.watch(PATIENCE), Some(Ending::Closed));
    still_serves(&server);
}

#[test]
fn a_client_that_never_reads_is_let_go_and_its_message_freed() {
    let inside = format!("client_max_body_size 8m; send_timeout 300ms; push_store_messages off; {PUSH}");
    let server = Server::start(conf("", "push_max_reserved_memory 16m;", &inside));
    let mut deaf: Vec<Connection> = (0..5).map(|_| server.connect()).collect();
    for client in &mut deaf {
        client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    eventually("they wait", || server.metric("encke_subscribers_parked{worker=\"0\"}") == Some(5.0));
    assert_eq!(server.post("/publish?id=a", &"x".repeat(6 << 20)).status(), 201);
    eventually("they are slow", || server.metric("encke_subscribers_slow_total{worker=\"0\"}") == Some(5.0));
    eventually("they are let go", || server.metric("encke_connections_writing{worker=\"0\"}") == Some(1.0));
    eventually("the memory is free", || server.metric("encke_memory_bytes") < Some(65536.0));
}

// === Floods ===

#[test]
fn idle_connections_make_room_for_new_ones() {
    let server = Server::start(conf("worker_connections 32;", "", PUSH));
    let mut idle: Vec<Connection> = (0..40).map(|_| server.connect()).collect();
    for client in &mut idle {
        client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
        match client.receive(PATIENCE) {
            Reply::Response(response) => assert_eq!(response.text(), "word"),
            // Closed to make room, before its request came.
            Reply::Ended(_) => {}
            other => panic!("{other:?}"),
        }
    }
    still_serves(&server);
    let stderr = server.stderr();
    assert!(stderr.contains("[warn]"), "{stderr}");
    assert!(stderr.contains("32 worker_connections are not enough, reusing connections"), "{stderr}");
    let closed = idle.iter_mut().filter_map(|client| client.watch(Duration::from_millis(1))).count();
    assert!((8..40).contains(&closed), "{closed} of 40");
}

#[test]
fn parked_connections_that_are_idle_make_room_too() {
    let server = Server::start(conf("worker_connections 32;", "", PUSH));
    let mut clients: Vec<Connection> = (0..28).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    eventually("they wait", || server.metric("encke_subscribers_parked{worker=\"0\"}") == Some(28.0));
    // Those who wait are not idle: they stay, whoever else comes.
    let others: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    std::thread::sleep(SILENCE);
    drop(others);
    eventually("the message is accepted", || {
        server.try_connect().is_ok_and(|mut client| {
            client.send("POST /publish?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nm");
            matches!(client.receive(PATIENCE), Reply::Response(response) if response.status() == 201)
        })
    });
    for client in &mut clients {
        assert_eq!(client.receive(PATIENCE).into_response().text(), "m");
    }
    // Answered, they are idle in the parking.
    let mut more: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    for client in &mut more {
        client.send("GET /word HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
    }
}

#[test]
fn where_everybody_waits_newcomers_are_turned_away() {
    let server = Server::start(conf("worker_connections 16;", "", PUSH));
    let mut waiting: Vec<Connection> = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while waiting.len() < 16 && Instant::now() < deadline {
        let mut client = server.connect();
        client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
        // One that is idle for long enough to be closed for the next does not count.
        if client.watch(Duration::from_millis(50)).is_none() {
            waiting.push(client);
        }
    }
    let mut newcomer = server.connect();
    assert!(newcomer.watch(PATIENCE).is_some(), "no place for it");
    assert!(server.stderr().contains("16 worker_connections are not enough"), "{}", server.stderr());
    assert!(waiting.iter_mut().all(|client| client.watch(Duration::from_millis(1)).is_none()));
    drop(waiting);
    eventually("there are places again", || {
        server.try_connect().is_ok_and(|mut client| {
            client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
            matches!(client.receive(PATIENCE), Reply::Response(_))
        })
    });
}

#[test]
fn a_flood_of_headers_is_refused_before_it_ends() {
    let server = Server::start(Conf::server(PUSH));
    let mut many = server.connect();
    many.send("GET /word HTTP/1.1\r\nHost: h\r\n");
    let line = format!("X: {}\r\n", "y".repeat(1000));
    for _ in 0..60 {
        many.send(&line);
    }
    assert_eq!(many.receive(PATIENCE).into_response().status(), 400);
    let mut short = server.connect();
    let lines = "a: b\r\n".repeat(1500);
    short.send(format!("GET /word HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
    assert_eq!(short.receive(PATIENCE).into_response().status(), 400);
    still_serves(&server);
}

#[test]
fn pipelined_requests_are_answered_as_fast_as_the_answers_are_read() {
    let server = Server::start(Conf::server(format!("keepalive_requests 100000; {PUSH}")));
    let mut client = server.connect();
    let stream = client.stream().try_clone().expect("a second handle");
    // Written by another thread: the server stops reading when nobody reads its answers.
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        let requests = "GET /word HTTP/1.1\r\nHost: h\r\n\r\n".repeat(100);
        (0..300).try_for_each(|_| (&stream).write_all(requests.as_bytes()))
    });
    std::thread::sleep(SILENCE);
    still_serves(&server);
    for _ in 0..30_000 {
        assert_eq!(client.receive(PATIENCE).into_response().status(), 200);
    }
    writer.join().expect("no panic").expect("written");
}

#[test]
fn a_flood_of_channels_stays_within_the_budget() {
    let server = Server::start(conf("", "push_max_reserved_memory 64k;", PUSH));
    let mut client = server.connect();
    let mut refused = 0;
    for number in 0..500 {
        client.send(format!("POST /publish?id={number} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nm"));
        refused += usize::from(client.receive(PATIENCE).into_response().status() == 507);
    }
    assert!(server.metric("encke_memory_bytes") <= Some(65536.0));
    let evicted = server.metric("encke_messages_evicted_total").unwrap_or_default();
    assert!(refused > 0 || evicted > 0.0, "there is no room for all of them");
    still_serves(&server);
}

#[test]
fn an_expression_that_backtracks_gives_up() {
    let server =
        Server::start(Conf::server(format!(r"location ~ ^/evil/(a+)+$ {{ return 200 match; }} {PUSH}")));
    let begun = Instant::now();
    let target = format!("/evil/{}b", "a".repeat(2000));
    assert_eq!(server.get(&target).status(), 404);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(server.get("/evil/aaaa").text(), "match");
    still_serves(&server);
}

// === A machine that runs out ===

#[test]
fn accepting_goes_on_once_there_are_descriptors_again() {
    let server = Server::start(conf("worker_connections 4000;", "", PUSH));
    let limit = "--nofile=40:40";
    let limited = Command::new("prlimit").args(["--pid", &server.pid().to_string(), limit]).status();
    if !limited.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no prlimit");
        return;
    }
    let mut clients: Vec<Connection> = (0..60).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    eventually("there are no descriptors left", || {
        server.stderr().contains("accept4() failed (24: Too many open files)")
    });
    drop(clients);
    let mut client = server.connect();
    client.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "word");
}

#[test]
fn a_full_disk_loses_log_lines_and_nothing_else() {
    let inside = format!("access_log /dev/full; error_log /dev/full info; {PUSH}");
    let server = Server::start(conf("", "", &inside));
    for _ in 0..20 {
        assert_eq!(server.get("/nothing").status(), 404);
    }
    assert_eq!(server.post("/publish?id=a", "m").status(), 202);
    still_serves(&server);
}

#[test]
fn a_clock_that_steps_back_and_forth_loses_no_message() {
    let library = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ]
    .into_iter()
    .find(|path| std::path::Path::new(path).exists());
    let Some(library) = library else {
        assert!(std::env::var_os("CI").is_none(), "libfaketime is not installed");
        eprintln!("skipped: libfaketime is not installed");
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let clock = dir.path().join("clock");
    let set = |offset: &str| std::fs::write(&clock, offset).expect("written");
    set("+0");
    let server = Server::builder(Conf::server(PUSH))
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    let mut kept = server.connect();
    let mut waiting = server.connect();
    waiting.send("GET /activity?id=w HTTP/1.1\r\nHost: h\r\n\r\n");
    let date = |server: &Server| server.get("/word").header("Date").unwrap_or_default().to_owned();
    let first = date(&server);
    for (number, offset) in ["+0", "-1h", "+2h", "-2d", "+0"].into_iter().enumerate() {
        set(offset);
        assert_eq!(server.post("/publish?id=a", &format!("m{number}")).status(), 202, "{offset}");
        kept.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(kept.receive(PATIENCE).into_response().text(), "word", "{offset}");
    }
    set("-1h");
    assert_ne!(date(&server)[..22], first[..22], "the clock did step");
    let mut since = String::new();
    for number in 0..5 {
        let mut client = server.connect();
        client.send(format!("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n{since}\r\n"));
        let response = client.receive(PATIENCE).into_response();
        assert_eq!(response.text(), format!("m{number}"));
        let stamp = response.header("Last-Modified").unwrap_or_default().to_owned();
        since = format!("If-Modified-Since: {stamp}\r\nIf-None-Match: 0\r\n");
    }
    assert!(matches!(waiting.receive(Duration::from_millis(1)), Reply::Pending), "nobody's wait ended");
    assert_eq!(server.post("/publish?id=w", "at last").status(), 201);
    assert_eq!(waiting.receive(PATIENCE).into_response().text(), "at last");
}
