//! Requests that are known from other connections: answered at once, or the whole way where it matters who asks.

use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Conf, Connection, Ending, PATIENCE, Reply, Response, Server, eventually};

const LOCATIONS: &str = "
    location = /metrics { encke_metrics; }
    location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
    location = /sub { nchan_subscriber longpoll; nchan_channel_id $arg_id; }
    location = /publish { push_publisher; set $push_channel_id $arg_id; }
    location = /activity { push_subscriber; set $push_channel_id $arg_id; }
    location ~ ^/in-path/(.*)$ { nchan_publisher; nchan_channel_id $1; }
    location = /allowed { nchan_publisher; nchan_channel_id $arg_id; allow 127.0.0.1; deny all; }
    location = /judged { nchan_publisher; nchan_channel_id $arg_id; if ($remote_addr = 127.0.0.2) { return 402; } }
    location = /address { nchan_publisher; nchan_channel_id $remote_addr; }
    location = /port { nchan_publisher; nchan_channel_id $remote_port-x; }
    location = /mapped { nchan_publisher; nchan_channel_id $mapped; }
    location = /located { nchan_publisher; nchan_channel_id $located; }
    location = /split { nchan_publisher; nchan_channel_id $split; }
    location = /headed { nchan_publisher; nchan_channel_id $arg_id; add_header From $remote_addr always; }
    location = /forwarded { nchan_publisher; nchan_channel_id $proxy_add_x_forwarded_for; }
    location = /trusted { nchan_publisher; nchan_channel_id $arg_id; set_real_ip_from 127.0.0.1; real_ip_header Real;
        allow 9.9.9.9; deny all; }
    location = /streams { nchan_subscriber eventsource http-chunked multipart-mixed http-raw-stream websocket;
        nchan_channel_id $arg_id; add_header A b; }
    location = /both { nchan_pubsub; nchan_channel_id $arg_id; }
    location = /by-other-id { nchan_subscriber eventsource; nchan_channel_id $arg_id;
        nchan_subscriber_last_message_id $arg_from $http_last_event_id; }
    location = /once { nchan_publisher; nchan_channel_id $arg_id; keepalive_requests 1; }
    location = /few { nchan_publisher; nchan_channel_id $arg_id; keepalive_requests 2; }";

/// One worker. `{{port}}` is served in two ways, by the name that is asked for; `also` is more of the same.
fn conf(locations: &str, also: &str) -> Conf {
    Conf::whole(format!(
        "daemon off; worker_processes 1; error_log stderr; pid {{{{dir}}}}/pid; events {{}}
         http {{ access_log off; map $remote_addr $mapped {{ 127.0.0.1 one; default other; }}
         geo $located {{ 127.0.0.1/32 one; default other; }}
         split_clients $remote_addr $split {{ * all; }}
         log_format who '$remote_addr $remote_port $connection_requests $arg_id $status';
         server {{ listen 127.0.0.1:{{{{port}}}}; server_name one; {locations} {also} }}
         server {{ listen 127.0.0.1:{{{{port}}}}; server_name two;
             location = /sub {{ nchan_subscriber longpoll; nchan_channel_id two/$arg_id; }}
             location = /pub {{ nchan_publisher; nchan_channel_id two/$arg_id; }} }} }}"
    ))
}

fn server() -> Server {
    Server::start(conf(LOCATIONS, ""))
}

fn repeated(server: &Server) -> u64 {
    server.metric("encke_requests_repeated_total{worker=\"0\"}").expect("it is counted") as u64
}

/// A client at 127.0.0.`host`.
fn from(server: &Server, host: u8) -> Connection {
    Connection::open_from(Ipv4Addr::new(127, 0, 0, host), (Ipv4Addr::LOCALHOST, server.port()).into())
        .expect("a connection")
}

fn ask(client: &mut Connection, request: &str) -> Response {
    client.send(request);
    client.receive(PATIENCE).into_response()
}

fn post(uri: &str) -> String {
    format!("POST {uri} HTTP/1.1\r\nHost: one\r\nContent-Length: 1\r\n\r\nx")
}

fn poll(uri: &str) -> String {
    format!("GET {uri} HTTP/1.1\r\nHost: one\r\n\r\n")
}

#[test]
fn the_first_request_of_a_connection_may_be_known() {
    for (publish, subscribe, created) in [("/pub", "/sub", 202), ("/publish", "/activity", 202)] {
        let server = server();
        for (id, known) in [("a", 0), ("a", 1), ("b", 2)] {
            let answer = ask(&mut server.connect(), &post(&format!("{publish}?id={id}")));
            assert_eq!((answer.status(), answer.header("Connection")), (created, Some("keep-alive")));
            assert_eq!(repeated(&server), known, "{publish}");
        }
        let mut clients = [("a", 2), ("a", 3), ("b", 4), ("c", 5), ("c", 6)].map(|(id, known)| {
            let mut client = server.connect();
            client.send(poll(&format!("{subscribe}?id={id}")));
            if id == "c" {
                eventually("it waits", || repeated(&server) == known);
                return client;
            }
            assert_eq!(client.receive(PATIENCE).into_response().text(), "x");
            assert_eq!(repeated(&server), known, "{subscribe}");
            client
        });
        server.wait_for_subscribers_at(publish, "c", 2);
        assert_eq!(ask(&mut server.connect(), &post(&format!("{publish}?id=c"))).status(), 201);
        clients[3..]
            .iter_mut()
            .for_each(|client| assert_eq!(client.receive(PATIENCE).into_response().text(), "x"));
    }
}

#[test]
fn polls_that_only_wait_are_known_to_others() {
    let server = server();
    let mut clients: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(poll("/sub?id=a"));
    }
    server.wait_for_subscribers_at("/pub", "a", 20);
    // They were accepted before any of them was known, or after.
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(poll("/sub?id=a"));
        clients.push(client);
    }
    server.wait_for_subscribers_at("/pub", "a", 40);
    assert!(repeated(&server) >= 20);
    assert_eq!(ask(&mut server.connect(), &post("/pub?id=a")).status(), 201);
    clients.iter_mut().for_each(|client| assert_eq!(client.receive(PATIENCE).into_response().text(), "x"));
}

/// The head of a stream but for its date, and whether so much came of it.
fn begin(server: &Server, headers: &str, uri: &str, awaited: &str) -> (Connection, String) {
    let mut client = server.connect();
    client.send(format!("GET {uri} HTTP/1.1\r\nHost: one\r\n{headers}\r\n"));
    let mut all = Vec::new();
    eventually("all has come", || {
        all.extend(client.receive_bytes(Duration::from_millis(5)));
        let text = String::from_utf8_lossy(&all);
        text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.contains(awaited))
    });
    let all = String::from_utf8_lossy(&all).into_owned();
    let head = all.split_once("\r\n\r\n").expect("a head").0;
    (client, head.lines().filter(|line| !line.starts_with("Date:")).collect::<Vec<_>>().join("\n"))
}

#[test]
fn streams_are_known_too() {
    const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    let server = server();
    for id in ["a", "b"] {
        assert_eq!(ask(&mut server.connect(), &post(&format!("/pub?id={id}"))).status(), 202);
    }
    for (headers, text) in [
        ("Accept: text/event-stream\r\n", "data: x\n\n"),
        ("Accept: text/event-stream\r\nOrigin: http://h\r\n", "data: x\n\n"),
        ("TE: chunked\r\n", "1\r\nx\r\n"),
        ("Accept: multipart/mixed\r\n", "\r\n\r\nx\r\n--"),
        ("", "x\n"),
    ] {
        let before = repeated(&server);
        let (_first, head) = begin(&server, headers, "/streams?id=a", text);
        for (id, known) in [("a", 1), ("b", 2)] {
            let (_other, same) = begin(&server, headers, &format!("/streams?id={id}"), text);
            assert_eq!(same, head, "{headers}");
            assert_eq!(repeated(&server) - before, known, "{headers}");
        }
    }
    for more in
        ["", "Sec-WebSocket-Protocol: ws+meta.nchan\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"]
    {
        let before = repeated(&server);
        let mut heads = Vec::new();
        for (key, accept, known) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 0),
            ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=", 1),
        ] {
            let headers = format!("{HANDSHAKE}{more}Sec-WebSocket-Key: {key}\r\n");
            let message = if more.contains("deflate") { "" } else { "x" };
            let (mut client, head) = begin(&server, &headers, "/streams?id=a", message);
            assert!(head.contains(&format!("\nSec-WebSocket-Accept: {accept}\n")), "{head}");
            heads.push(head.replace(accept, "ACCEPT"));
            assert_eq!(repeated(&server) - before, known, "{more}");
            // Who only listens is told so.
            client.send([0x81, 0x81, 0, 0, 0, 0, b'y']);
            let mut told = Vec::new();
            eventually("it is refused", || {
                told.extend(client.receive_bytes(Duration::from_millis(5)));
                String::from_utf8_lossy(&told).contains("Publishing not allowed")
            });
        }
        assert_eq!(heads[0], heads[1]);
        // Without a key it is no handshake.
        let broken = ask(
            &mut server.connect(),
            &format!("GET /streams?id=a HTTP/1.1\r\nHost: one\r\n{HANDSHAKE}{more}\r\n"),
        );
        assert_eq!(broken.status(), 400);
    }
    // Who publishes, too, goes the whole way.
    let before = repeated(&server);
    for _ in 0..2 {
        let headers = format!("{HANDSHAKE}Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n");
        let (mut client, head) = begin(&server, &headers, "/both?id=c", "");
        assert!(head.contains("HSmrc0sMlYUkAGmm5OPpG2HaGWk="), "{head}");
        client.send([0x81, 0x81, 0, 0, 0, 0, b'y']);
        let mut told = Vec::new();
        eventually("it is published", || {
            told.extend(client.receive_bytes(Duration::from_millis(5)));
            told.ends_with(b"y")
        });
    }
    assert_eq!(repeated(&server), before);
}

#[test]
fn streams_go_on_where_they_were() {
    let server = server();
    let publish = |body: &str| {
        let post = post("/pub?id=a").replace("Length: 1", &format!("Length: {}", body.len()));
        ask(&mut server.connect(), &[post.strip_suffix('x').expect("a body"), body].concat())
    };
    let mut ids: Vec<String> = Vec::new();
    for body in ["first", "second", "third"] {
        publish(body);
        let told =
            ask(&mut server.connect(), "GET /pub?id=a HTTP/1.1\r\nHost: one\r\nAccept: text/json\r\n\r\n")
                .text();
        let (_, id) = told.split_once("\"last_message_id\": \"").expect("an id");
        ids.push(id.split('"').next().expect("its end").to_owned());
    }
    let accept = "Accept: text/event-stream\r\n";
    // Learned with a position, and without.
    for (uri, known) in [("/streams?id=a", 5), ("/by-other-id?id=a", 0)] {
        let before = repeated(&server);
        for (id, next) in [(&ids[0], "second"), (&ids[1], "third"), (&ids[0], "second")] {
            let (_client, _) = begin(
                &server,
                &format!("{accept}Last-Event-ID: {id}\r\n"),
                uri,
                &format!("data: {next}\n\n"),
            );
        }
        for _ in 0..2 {
            let (_client, _) = begin(&server, accept, uri, "data: first\n\n");
        }
        for (id, next) in [(&ids[0], "second"), (&ids[1], "third")] {
            let (_client, head) = begin(
                &server,
                &format!("{accept}Last-Event-ID: {id}\r\n"),
                uri,
                &format!("data: {next}\n\n"),
            );
            assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        }
        // Of seven: all but the first one, and the first one without a position.
        assert_eq!(repeated(&server) - before, known, "{uri}");
    }
    // An argument that says where to begin, and is heeded first.
    let (_client, _) =
        begin(&server, accept, &format!("/by-other-id?id=a&from={}", ids[1]), "data: third\n\n");
}

#[test]
fn it_matters_who_asks_where_the_configuration_says_so() {
    for (uri, by_first, by_other) in [
        ("/allowed?id=a", 202, 403),
        ("/judged?id=a", 202, 402),
        ("/address", 202, 202),
        ("/mapped", 202, 202),
        ("/located", 202, 202),
        ("/split", 202, 202),
        ("/port", 202, 202),
        ("/forwarded", 202, 202),
        ("/headed?id=a", 202, 202),
    ] {
        let server = server();
        for (host, status) in [(1, by_first), (2, by_other), (1, by_first), (2, by_other)] {
            let answer = ask(&mut from(&server, host), &post(uri));
            assert_eq!(answer.status(), status, "{uri} from {host}");
            if uri.starts_with("/headed") {
                assert_eq!(answer.header("From"), Some(&*format!("127.0.0.{host}")));
            }
        }
        // The rules of access are asked again, everything else goes the whole way.
        assert_eq!(repeated(&server), if uri.starts_with("/allowed") { 1 } else { 0 }, "{uri}");
        for (uri_there, channel, count) in [
            ("/address", "127.0.0.1", 2),
            ("/address", "127.0.0.2", 2),
            ("/mapped", "one", 2),
            ("/mapped", "other", 2),
            ("/located", "one", 2),
            ("/located", "other", 2),
            ("/split", "all", 4),
            ("/forwarded", "127.0.0.2", 2),
        ] {
            if uri_there == uri {
                let told = server.get(&format!("/pub?id={channel}")).text();
                assert!(told.contains(&format!("queued messages: {count}")), "{uri} {channel}: {told}");
            }
        }
    }
    // Whom a trusted proxy names.
    let server = server();
    let named =
        |address: &str| post("/trusted?id=a").replace("Content", &format!("Real: {address}\r\nContent"));
    for (host, address, status) in
        [(1, "9.9.9.9", 202), (2, "9.9.9.9", 403), (1, "9.9.9.9", 202), (1, "9.9.9.8", 403)]
    {
        assert_eq!(ask(&mut from(&server, host), &named(address)).status(), status, "{host} {address}");
    }
    assert_eq!(repeated(&server), 0);
}

#[test]
fn servers_are_told_apart() {
    let server = server();
    for _ in 0..2 {
        for host in ["one", "two"] {
            let body = ask(&mut server.connect(), &post("/pub?id=a").replace("one", host)).text();
            assert!(body.contains("queued messages"), "{body}");
        }
    }
    assert_eq!(repeated(&server), 2);
    for (channel, count) in [("a", 2), ("two/a", 2)] {
        let told = ask(&mut server.connect(), &poll(&format!("/pub?id={channel}"))).text();
        assert!(told.contains(&format!("queued messages: {count}")), "{channel}: {told}");
    }
    // The same port, at an address that has another server.
    let server = Server::start(Conf::whole(
        "daemon off; worker_processes 1; error_log stderr; events {}
         http { access_log off;
         server { listen {{port}}; location = /metrics { encke_metrics; }
             location = /pub { nchan_publisher; nchan_channel_id of-all; } }
         server { listen 127.0.0.3:{{port}}; location = /pub { nchan_publisher; nchan_channel_id of-third; }
             location = /see { nchan_publisher; nchan_channel_id $arg_id; } } }",
    ));
    let at = |host: u8| {
        let address = (Ipv4Addr::new(127, 0, 0, host), server.port()).into();
        Connection::open(address).expect("a connection")
    };
    for host in [1, 3, 1, 3, 2, 2] {
        assert!([201, 202].contains(&ask(&mut at(host), &post("/pub")).status()));
    }
    assert_eq!(repeated(&server), 3);
    for (channel, count) in [("of-all", 4), ("of-third", 2)] {
        let told = ask(&mut at(3), &poll(&format!("/see?id={channel}"))).text();
        assert!(told.contains(&format!("queued messages: {count}")), "{channel}: {told}");
    }
}

/// What a client is told that sends `request` after another one has made `first`, and how many requests were known.
fn after(server: &Server, first: &str, request: &[u8]) -> (Option<String>, u64) {
    assert!(ask(&mut server.connect(), first).status() < 300, "{first}");
    let before = repeated(server);
    let mut client = server.connect();
    client.send(request);
    client.shut_down_writing();
    let answer = match client.receive(PATIENCE) {
        Reply::Response(answer) => Some(answer.status_line.clone()),
        _ => None,
    };
    (answer, repeated(server) - before)
}

#[test]
fn what_only_looks_like_a_known_request_goes_the_whole_way() {
    let server = Server::start(conf(
        LOCATIONS,
        "location = / { return 404; } large_client_header_buffers 2 1k; max_headers 4;",
    ));
    let publish = post("/pub?id=a");
    let long = "y".repeat(1500);
    let cases: [(String, &str, u64); 17] = [
        (publish.clone(), "202 Accepted", 1),
        (publish.replace(" HTTP/1.1\r\n", " HTTP/1.1\n\r"), "400 Bad Request", 0),
        (publish.replace("HTTP/1.1\r\nHost", "HTTP/1.1\rHo\nst"), "400 Bad Request", 0),
        (publish.replace("Length: 1", "Length: 1\x0c"), "400 Bad Request", 0),
        (publish.replace("Length: 1", "Length:\t1"), "400 Bad Request", 0),
        (publish.replace("Length: 1\r\n", "Length: 1\n"), "202 Accepted", 0),
        (publish.replace("Host: one\r\n", "Host: one\n"), "202 Accepted", 0),
        (publish.replace("Content", "If-None-Match: a\x0c\r\nContent"), "202 Accepted", 0),
        (publish.replace("Content", "Sec-WebSocket-Key: a\0\r\nContent"), "400 Bad Request", 0),
        (publish.replace("Content", "Last-Event-ID: a\0\r\nContent"), "400 Bad Request", 0),
        (publish.replace("id=a", &format!("id={long}")), "414 Request-URI Too Large", 0),
        (publish.replace("Content", &format!("If-None-Match: {long}\r\nContent")), "400 Bad Request", 0),
        (publish.replace("Content", "If-None-Match: a\r\nContent"), "202 Accepted", 1),
        (
            publish.replace(
                "Content",
                "If-None-Match: a\r\nLast-Event-ID: b\r\nSec-WebSocket-Key: c\r\nContent",
            ),
            "400 Bad Request",
            0,
        ),
        (publish.replace("id=a", ""), "404 Not Found", 0),
        (publish.replace("id=a", "id="), "404 Not Found", 0),
        (publish.replace("/pub?id=a", "/"), "404 Not Found", 0),
    ];
    for (request, status, known) in cases {
        let answer = after(&server, &publish, request.as_bytes());
        assert_eq!(answer, (Some(format!("HTTP/1.1 {status}")), known), "{request:?}");
    }
    // Targets that hyper is not given are not what it is given instead.
    for target in ["/pub?id=<a>", "/in-path/a<b>", "/pub?id=\"a\""] {
        let answer = after(&server, &post(target), post("/").as_bytes());
        assert_eq!(answer, (Some("HTTP/1.1 404 Not Found".into()), 0), "{target}");
    }
}

#[test]
fn a_date_that_is_no_position_is_none_to_those_who_know() {
    let server = Server::start(conf(
        LOCATIONS,
        "location = /newest { push_subscriber eventsource; nchan_channel_id $arg_id; nchan_subscriber_first_message newest; }",
    ));
    (0..3).for_each(|_| assert_eq!(ask(&mut server.connect(), &post("/pub?id=a")).status(), 202));
    // Learned with one that is a position.
    for (year, seen) in [(2015, 3), (1970, 0), (1970, 0), (2015, 3)] {
        let mut client = server.connect();
        client.send(format!(
            "GET /newest?id=a HTTP/1.1\r\nHost: one\r\nAccept: text/event-stream\r\n\
             If-Modified-Since: Thu, 01 Jan {year} 00:00:00 GMT\r\n\r\n"
        ));
        let mut all = Vec::new();
        let mut count = || {
            all.extend(client.receive_bytes(Duration::from_millis(50)));
            String::from_utf8_lossy(&all).matches("data: x\n").count()
        };
        eventually("it is served", || count() == seen);
        assert_eq!(count(), seen, "{year}");
    }
}

#[test]
fn lines_of_the_error_log_are_written_each_time() {
    let server = Server::start(conf("rewrite_log on; location = /metrics { encke_metrics; }
        location = /told { nchan_publisher; nchan_channel_id $arg_id; if ($http_x ~ foo) { return 402; } error_log {{dir}}/told notice; }
        location = /unset { nchan_publisher; nchan_channel_id $arg_id$nix; if ($arg_never) { set $nix a; } error_log {{dir}}/unset warn; }", ""));
    for uri in ["/told?id=a", "/unset?id=a"] {
        (0..3).for_each(|_| assert_eq!(ask(&mut server.connect(), &post(uri)).status(), 202, "{uri}"));
        let mut client = server.connect();
        (0..3).for_each(|_| assert_eq!(ask(&mut client, &post(uri)).status(), 202, "{uri}"));
    }
    for name in ["told", "unset"] {
        let lines = std::fs::read_to_string(server.dir().join(name)).unwrap_or_default();
        assert_eq!(lines.lines().count(), 6, "{name}: {lines}");
    }
}

#[test]
fn a_request_of_just_so_many_bytes_hides_none_behind_it() {
    let server = Server::start(conf(LOCATIONS, "client_max_body_size 1m;"));
    let publish = |length: usize| {
        let head = post("/pub?id=a").replace("Length: 1", &format!("Length: {length}"));
        let head = head.strip_suffix('x').expect("a body").to_owned();
        [head.as_bytes(), &vec![b'y'; length]].concat()
    };
    let head = publish(10_000).len() - 10_000;
    for size in [16_383, 16_384, 16_385] {
        for mut client in [
            server.connect(),
            Connection::open((Ipv4Addr::LOCALHOST, server.port()).into()).expect("a connection"),
        ] {
            let whole = publish(size - head);
            assert_eq!(whole.len(), size);
            client.send([&whole, poll("/pub?id=a").as_bytes()].concat());
            for _ in 0..2 {
                assert!([200, 202].contains(&client.receive(PATIENCE).into_response().status()), "{size}");
            }
        }
    }
}

#[test]
fn channels_in_paths_are_not_mixed_up() {
    let server = server();
    for id in ["a", "b", "a", "b", "c"] {
        assert_eq!(ask(&mut server.connect(), &post(&format!("/in-path/{id}"))).status(), 202);
    }
    assert_eq!(repeated(&server), 2);
    for (id, count) in [("a", 2), ("b", 2), ("c", 1)] {
        let told = server.get(&format!("/pub?id={id}")).text();
        assert!(told.contains(&format!("queued messages: {count}")), "{id}: {told}");
    }
    // More than are kept, and back: whoever is not known any more goes the whole way.
    for _ in 0..2 {
        for number in 0..3000 {
            let mut client = server.connect();
            client.send(post(&format!("/in-path/many-{number}")));
            assert_eq!(client.receive(PATIENCE).into_response().status(), 202);
        }
    }
    for number in [0, 1500, 2999] {
        let told = server.get(&format!("/pub?id=many-{number}")).text();
        assert!(told.contains("queued messages: 2"), "{number}: {told}");
    }
}

#[test]
fn connections_that_are_to_close_do() {
    let server = server();
    let closing = post("/pub?id=a").replace("Content", "Connection: close\r\nContent");
    let old = closing.replace("HTTP/1.1", "HTTP/1.0");
    for (request, known) in [(&closing, 2), (&old, 2), (&post("/once?id=a"), 0)] {
        let before = repeated(&server);
        for _ in 0..3 {
            let mut client = server.connect();
            let answer = ask(&mut client, request);
            assert_eq!((answer.status(), answer.header("Connection")), (202, Some("close")), "{request}");
            assert_eq!(client.watch(PATIENCE), Some(Ending::Closed), "{request}");
        }
        assert_eq!(repeated(&server) - before, known, "{request}");
    }
    // The last request of one connection may be the first of the next.
    for _ in 0..3 {
        let mut client = server.connect();
        for expected in ["keep-alive", "close"] {
            assert_eq!(ask(&mut client, &post("/few?id=a")).header("Connection"), Some(expected));
        }
    }
}

#[test]
fn lines_tell_of_who_asked() {
    let server = Server::start(conf(LOCATIONS, "access_log {{dir}}/who.log who;"));
    let mut expected = Vec::new();
    for (host, id) in [(1, "a"), (2, "a"), (3, "b"), (1, "c")] {
        let mut client = from(&server, host);
        let port = client.stream().local_addr().expect("an address").port();
        for number in 1..=2 {
            assert_eq!(ask(&mut client, &post(&format!("/pub?id={id}"))).status(), 202);
            expected.push(format!("127.0.0.{host} {port} {number} {id} 202"));
        }
    }
    let read = || std::fs::read_to_string(server.dir().join("who.log")).unwrap_or_default();
    eventually("all is logged", || read().lines().count() >= expected.len());
    assert_eq!(read().lines().collect::<Vec<_>>(), expected);
    assert_eq!(repeated(&server), 7);
}

#[test]
fn a_reload_makes_them_unknown() {
    let server = server();
    (0..2).for_each(|_| assert_eq!(ask(&mut server.connect(), &post("/pub?id=a")).status(), 202));
    assert_eq!(repeated(&server), 1);
    server.rewrite_conf(&conf("location = /pub { return 200 changed; }", ""));
    server.signal(Signal::SIGHUP);
    eventually("the new one is in force", || {
        ask(&mut server.connect(), &post("/pub?id=a")).text().contains("changed")
    });
    (0..3).for_each(|_| assert_eq!(ask(&mut server.connect(), &post("/pub?id=a")).text(), "changed"));
}

#[test]
fn who_says_nothing_or_only_a_part_runs_out_of_time() {
    let server = Server::start(conf(LOCATIONS, "client_header_timeout 1s;"));
    (0..2).for_each(|_| assert_eq!(ask(&mut server.connect(), &post("/pub?id=a")).status(), 202));
    let (mut silent, mut slow) = (server.connect(), server.connect());
    std::thread::sleep(Duration::from_millis(500));
    let post = post("/pub?id=a");
    slow.send(&post[..30]);
    assert!(matches!(silent.receive(PATIENCE), Reply::Ended(_)));
    // The time counts from the beginning of the connection.
    assert!(matches!(slow.receive(Duration::from_millis(400)), Reply::Ended(_)));
    // What comes in pieces is read all the same.
    let mut client = server.connect();
    client.send(&post[..30]);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(ask(&mut client, &post[30..]).status(), 202);
    // Two at once.
    assert_eq!(ask(&mut client, &[&*post, &*post].concat()).status(), 202);
    assert_eq!(client.receive(PATIENCE).into_response().status(), 202);
}

#[test]
fn a_proxy_that_speaks_first_is_heard() {
    let server = Server::start(Conf::whole(
        "daemon off; worker_processes 1; error_log stderr; events {}
         http { access_log off; server { listen 127.0.0.1:{{port}}; location = /metrics { encke_metrics; } }
         log_format who '$proxy_protocol_addr $remote_addr';
         server { listen 127.0.0.2:{{port}} proxy_protocol; location = /pub { nchan_publisher; nchan_channel_id $arg_id;
             access_log {{dir}}/who.log who; } } }",
    ));
    for client in ["1.1.1.1", "2.2.2.2", "1.1.1.1"] {
        let address = (Ipv4Addr::new(127, 0, 0, 2), server.port()).into();
        let mut connection = Connection::open(address).expect("a connection");
        connection.send(format!("PROXY TCP4 {client} 3.3.3.3 1 2\r\n{}", post("/pub?id=a")));
        assert_eq!(connection.receive(PATIENCE).into_response().status(), 202);
    }
    let expected = "1.1.1.1 127.0.0.1\n2.2.2.2 127.0.0.1\n1.1.1.1 127.0.0.1\n";
    eventually("all is logged", || {
        std::fs::read_to_string(server.dir().join("who.log")).unwrap_or_default() == expected
    });
    assert_eq!(repeated(&server), 0);
}

#[test]
fn who_has_just_come_is_served_by_a_server_that_ends() {
    let mut server = server();
    assert_eq!(ask(&mut server.connect(), &post("/pub?id=a")).status(), 202);
    let (mut silent, mut begun) = (server.connect(), server.connect());
    begun.send("POST /pub?id=a HTTP/1.1\r\n");
    assert!(matches!(begun.receive(Duration::from_millis(10)), Reply::Pending));
    server.signal(Signal::SIGQUIT);
    eventually("it accepts nothing more", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    silent.send(post("/pub?id=a"));
    begun.send("Host: one\r\nContent-Length: 1\r\n\r\nx");
    for client in [&mut silent, &mut begun] {
        let answer = client.receive(PATIENCE).into_response();
        assert_eq!((answer.status(), answer.header("Connection")), (202, Some("close")));
    }
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
}
