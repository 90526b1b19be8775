//! Limits per client, and what is told about the server: what cannot be compared with nginx case by case.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Conf, Connection, Ending, PATIENCE, Reply, Server, eventually};

const SILENCE: Duration = Duration::from_millis(150);

const PUSH: &str = "
    location /publish { set $push_channel_id $arg_id; push_publisher; }
    location /metrics { encke_metrics; }
    location /status { stub_status; }";

fn wait_for_parked(server: &Server, count: f64) {
    eventually("subscribers wait", || server.metric("encke_subscribers_parked{worker=\"0\"}") == Some(count));
}

fn subscribe(server: &Server, target: &str) -> Connection {
    let mut client = server.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
    client
}

// === limit_conn ===

fn server_with_places() -> Server {
    let inside = format!(
        "{PUSH}
        location /activity {{ set $push_channel_id $arg_id; push_subscriber; limit_conn places 1; }}
        location /brief {{ set $push_channel_id $arg_id; push_subscriber; push_subscriber_timeout 1s; limit_conn places 1; }}
        location /last {{ set $push_channel_id $arg_id; push_subscriber; push_subscriber_concurrency last; }}"
    );
    Server::start(Conf::server(inside).http("limit_conn_zone $arg_k zone=places:1m;"))
}

/// Asks until the place is there again, and takes it.
fn eventually_waits(server: &Server, target: &str) -> Connection {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = subscribe(server, target);
        match client.receive(SILENCE) {
            Reply::Pending => return client,
            Reply::Response(response) => assert_eq!(response.status(), 503),
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "the place never returned");
    }
}

#[test]
fn a_waiting_subscriber_keeps_its_place_and_gives_it_back_however_it_ends() {
    let server = server_with_places();
    let mut first = subscribe(&server, "/activity?id=a&k=x");
    wait_for_parked(&server, 1.0);
    assert_eq!(server.get("/activity?id=a&k=x").status(), 503);
    // Another key has places of its own.
    let other = subscribe(&server, "/activity?id=a&k=y");
    wait_for_parked(&server, 2.0);
    // A message: the connection stays, the place returns.
    server.post("/publish?id=a", "m");
    assert_eq!(first.receive(PATIENCE).into_response().text(), "m");
    drop(other);
    let second = eventually_waits(&server, "/activity?id=b&k=x");
    // The client goes away.
    drop(second);
    let mut third = eventually_waits(&server, "/brief?id=b&k=x");
    // The wait is over.
    assert_eq!(third.receive(PATIENCE).into_response().status(), 304);
    let mut fourth = eventually_waits(&server, "/activity?id=c&k=x");
    // The channel is deleted.
    server.request("DELETE /publish?id=c HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(fourth.receive(PATIENCE).into_response().status(), 410);
    eventually_waits(&server, "/activity?id=d&k=x");
}

#[test]
fn a_place_is_kept_until_the_answer_has_left() {
    let inside = format!(
        "{PUSH} client_max_body_size 8m;
        location /activity {{ set $push_channel_id $arg_id; push_subscriber; limit_conn places 1; }}"
    );
    let server = Server::start(Conf::server(inside).http("limit_conn_zone $arg_k zone=places:1m;"));
    let large = "x".repeat(6 << 20);
    // One waited for it, one finds it there.
    let mut parked = subscribe(&server, "/activity?id=a&k=parked");
    wait_for_parked(&server, 1.0);
    assert_eq!(server.post("/publish?id=a", &large).status(), 201);
    let mut at_once = subscribe(&server, "/activity?id=a&k=at-once");
    std::thread::sleep(SILENCE);
    for (client, key) in [(&mut parked, "parked"), (&mut at_once, "at-once")] {
        assert_eq!(server.get(&format!("/activity?id=b&k={key}")).status(), 503, "{key}");
        assert_eq!(client.receive(PATIENCE).into_response().body.len(), large.len());
        eventually_waits(&server, &format!("/activity?id=b&k={key}"));
    }
}

#[test]
fn a_place_is_kept_over_a_reload() {
    let server = server_with_places();
    let _first = subscribe(&server, "/activity?id=a&k=x");
    wait_for_parked(&server, 1.0);
    server.signal(Signal::SIGHUP);
    eventually("the reload is done", || server.metric("encke_config_generation") == Some(2.0));
    assert_eq!(server.get("/activity?id=a&k=x").status(), 503);
}

#[test]
fn who_goes_away_while_it_has_to_wait_gives_its_slot_back() {
    let inside = format!(
        "{PUSH} location /asks {{ limit_conn places 1; auth_basic x; auth_basic_user_file /dev/null; auth_delay 10m; }}
         location /short {{ limit_conn places 1; auth_basic x; auth_basic_user_file /dev/null; auth_delay 300ms; }}"
    );
    let server = Server::start(Conf::server(inside).http("limit_conn_zone $arg_k zone=places:1m;"));
    let mut first = subscribe(&server, "/asks?k=x");
    assert!(matches!(first.receive(SILENCE), Reply::Pending));
    assert_eq!(server.get("/asks?k=x").status(), 503);
    drop(first);
    let mut second = eventually_waits(&server, "/asks?k=x");
    // Bytes are no end: they are the next request's.
    second.send("GET /status HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(matches!(second.receive(SILENCE), Reply::Pending));
    let mut third = subscribe(&server, "/short?k=y");
    third.send("GET /status HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(third.receive(PATIENCE).into_response().status(), 401);
    assert_eq!(third.receive(PATIENCE).into_response().status(), 200);
}

// === limit_req ===

#[test]
fn zones_survive_a_reload_unless_they_are_others() {
    let zone = |key: &str, size: &str| {
        let inside =
            format!("{PUSH} location /limited {{ limit_req zone=one; error_page 404 =200 /publish; }}");
        Conf::server(inside).http(&format!("limit_req_zone {key} zone=one:{size} rate=1r/m;"))
    };
    let server = Server::start(zone("$arg_k", "1m"));
    let passes = |server: &Server| server.get("/limited?k=a").status() != 503;
    let reload = |conf: &Conf, generation: f64| {
        server.rewrite_conf(conf);
        server.signal(Signal::SIGHUP);
        eventually("the reload is done", || server.metric("encke_config_generation") == Some(generation));
    };
    assert!(passes(&server) && !passes(&server));
    reload(&zone("$arg_k", "1m"), 2.0);
    assert!(!passes(&server), "the zone goes on");
    reload(&zone("$arg_k", "2m"), 3.0);
    assert!(passes(&server) && !passes(&server), "a zone of another size begins anew");
    reload(&zone("$arg_k$arg_l", "2m"), 4.0);
    assert!(passes(&server), "a zone with another key begins anew");
}

#[test]
fn a_delayed_request_holds_up_nobody_else() {
    let inside = format!("{PUSH} location /slow {{ limit_req zone=one burst=5; }}");
    let server = Server::start(Conf::server(inside).http("limit_req_zone $arg_k zone=one:1m rate=2r/s;"));
    let before = Instant::now();
    let mut clients: Vec<Connection> = (0..3).map(|_| subscribe(&server, "/slow?k=a")).collect();
    assert_eq!(server.get("/slow?k=b").status(), 404);
    assert!(before.elapsed() < PATIENCE);
    let statuses: Vec<u16> =
        clients.iter_mut().map(|client| client.receive(PATIENCE).into_response().status()).collect();
    assert_eq!(statuses, [404, 404, 404]);
    assert!(before.elapsed() >= Duration::from_millis(900), "two of them had to wait");
}

// === PROXY protocol, real addresses, passwords ===

#[test]
fn proxies_on_unix_sockets_are_trusted_by_name() {
    use std::io::{Read as _, Write as _};
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("socket");
    let server = Server::start(Conf::whole(format!(
        "daemon off; events {{}} error_log stderr; http {{ server {{ listen 127.0.0.1:{{{{port}}}}; listen unix:{};
         location / {{ set_real_ip_from unix:; real_ip_header X-Real-IP; deny unix:; deny 6.6.6.6; error_page 404 =200 /told;
         error_page 403 =202 /told; }}
         location = /told {{ return 200 \"$remote_addr|$remote_port|$realip_remote_addr\"; }} }} }}",
        path.display()
    )));
    let ask = |address: &str| {
        // It is bound after the port that the server was waited for at.
        let mut socket = None;
        eventually("it listens", || {
            socket = std::os::unix::net::UnixStream::connect(&path).ok();
            socket.is_some()
        });
        let mut socket = socket.expect("just connected");
        let request = format!("GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{address}\r\n");
        socket.write_all(request.as_bytes()).expect("written");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("read");
        let status = text.split(' ').nth(1).unwrap_or_default().to_owned();
        (status, text.rsplit("\r\n").next().unwrap_or_default().to_owned())
    };
    let expected = |status: &str, text: &str| (status.to_owned(), text.to_owned());
    assert_eq!(ask("X-Real-IP: 1.2.3.4\r\n"), expected("200", "1.2.3.4||unix:"));
    assert_eq!(ask("X-Real-IP: 6.6.6.6\r\n"), expected("202", "6.6.6.6||unix:"));
    assert_eq!(ask(""), expected("202", "unix:||unix:"));
    drop(server);
}

#[test]
fn proxies_tell_more_than_addresses() {
    let server = Server::start(Conf::whole(
        "daemon off; events {} error_log stderr; http { server { listen 127.0.0.1:{{port}} proxy_protocol;
         location / { return 200 \"$proxy_protocol_tlv_authority|$proxy_protocol_tlv_0x1|$proxy_protocol_tlv_SSL_version|\"; } } }",
    ));
    let field = |kind: u8, value: &[u8]| {
        let length = u16::try_from(value.len()).expect("short").to_be_bytes();
        [&[kind][..], &length, value].concat()
    };
    let tls = [&[1, 0, 0, 0, 0][..], &field(0x21, b"TLSv1.3")].concat();
    let rest =
        [&[127, 0, 0, 1, 127, 0, 0, 1, 0, 80, 1, 0][..], &field(2, b"example.com"), &field(0x20, &tls)];
    let rest = rest.concat();
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11", &length[..], &rest].concat();
    let mut client = server.connect();
    client.send([&header[..], b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
    assert_eq!(client.receive(PATIENCE).into_response().text(), "example.com||TLSv1.3|");
}

#[test]
fn proxy_headers_may_come_in_pieces() {
    let server = Server::start(Conf::whole(
        "daemon off; events {} error_log stderr; http { server { listen 127.0.0.1:{{port}} proxy_protocol;
         client_header_timeout 300ms; location / { return 200 $proxy_protocol_addr; } } }",
    ));
    let mut client = server.connect();
    for piece in ["PRO", "XY TCP4 1.2.3.4 ", "5.6.7.8 1 2\r", "\nGET / HT", "TP/1.1\r\nHost: h\r\n\r\n"] {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.receive(PATIENCE).into_response().text(), "1.2.3.4");
    let mut silent = server.connect();
    assert_eq!(silent.watch(PATIENCE), Some(Ending::Closed), "not for ever");
    assert!(!server.stderr().contains("broken header"));
}

#[test]
fn a_slow_hash_holds_up_nobody_else() {
    // Thousands of rounds.
    let hash = "$2y$12$abcdefghijklmnopqrstuu7govE5p0NSk1WUEk5C2Qm3hpPC6VJ66";
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("users");
    std::fs::write(&file, format!("user:{hash}\n")).expect("written");
    let server = Server::start(Conf::server(format!(
        "location /open {{ return 200 open; }}
         location /asks {{ auth_basic x; auth_basic_user_file {}; }}",
        file.display()
    )));
    let mut client = server.connect();
    client.send("GET /asks HTTP/1.1\r\nHost: h\r\nAuthorization: Basic dXNlcjp3cm9uZw==\r\n\r\n");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.get("/open").text(), "open");
    assert!(matches!(client.receive(Duration::from_millis(1)), Reply::Pending), "the other came first");
    assert_eq!(client.receive(PATIENCE * 4).into_response().status(), 401);
}

// === What is told ===

#[test]
fn stub_status_counts_as_nginx_does() {
    let inside = format!("{PUSH} location /activity {{ set $push_channel_id $arg_id; push_subscriber; }}");
    let server = Server::start(Conf::server(inside).workers(2));
    let _parked = subscribe(&server, "/activity?id=a");
    let mut reading = server.connect();
    reading.send("GET / HT");
    let _idle = server.connect();
    let mut text = String::new();
    eventually("all are seen", || {
        text = server.get("/status").text();
        // Those of earlier questions may not be gone yet.
        text.starts_with("Active connections: 4 ") && text.ends_with("Reading: 1 Writing: 2 Waiting: 1 \n")
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["Active connections: 4 ", "server accepts handled requests"]);
    let numbers: Vec<u64> =
        lines[2].split_whitespace().map(|number| number.parse().expect("a number")).collect();
    assert_eq!(numbers[0], numbers[1]);
    assert!(numbers[2] >= 2, "{text}");
}

#[test]
fn metrics_tell_of_messages_and_subscribers() {
    let inside = format!("{PUSH} location /activity {{ set $push_channel_id $arg_id; push_subscriber; }}");
    let server = Server::start(Conf::server(inside));
    let mut waiting = subscribe(&server, "/activity?id=a");
    wait_for_parked(&server, 1.0);
    server.post("/publish?id=a", "hello");
    assert_eq!(waiting.receive(PATIENCE).into_response().text(), "hello");
    let response = server.get("/metrics");
    assert_eq!(
        response.header("Content-Type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    for (name, expected) in [
        ("encke_channels", 1.0),
        ("encke_messages_stored", 1.0),
        ("encke_messages_published_total{worker=\"0\"}", 1.0),
        ("encke_messages_delivered_total{worker=\"0\"}", 1.0),
        ("encke_subscribers_parked{worker=\"0\"}", 0.0),
        ("encke_delivery_seconds_count{worker=\"0\"}", 1.0),
        ("encke_delivery_seconds_bucket{le=\"+Inf\",worker=\"0\"}", 1.0),
        ("encke_config_generation", 1.0),
        ("encke_reloads_total{result=\"failure\"}", 0.0),
    ] {
        assert_eq!(server.metric(name), Some(expected), "{name} in\n{}", response.text());
    }
    assert!(server.metric("encke_memory_bytes") > Some(0.0));
    server.rewrite_conf(&Conf::whole("nonsense;"));
    server.signal(Signal::SIGHUP);
    eventually("the failed reload counts", || {
        server.metric("encke_reloads_total{result=\"failure\"}") == Some(1.0)
    });
    assert_eq!(server.metric("encke_config_generation"), Some(1.0));
}

/// `docs/operating.md` has a table of all metrics.
#[test]
fn the_table_of_metrics_is_what_is_exposed() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).expect("the page");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `encke_")).collect();
    let expected: Vec<String> = encke::http::status::METRICS
        .iter()
        .map(|metric| {
            let label = metric.label().map_or_else(String::new, |label| format!("`{label}`"));
            let (name, kind, help) = (metric.full_name(), metric.kind(), metric.help);
            format!("| `{name}` | {kind} | {label} | {help} |").replace("|  |", "| |")
        })
        .collect();
    assert_eq!(rows, expected, "the table should be:\n{}", expected.join("\n"));
    let server = Server::start(Conf::server(PUSH));
    let text = server.get("/metrics").text();
    let types: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect();
    let expected: Vec<String> = encke::http::status::METRICS
        .iter()
        .map(|metric| format!("{} {}", metric.name, metric.kind()))
        .collect();
    assert_eq!(types, expected);
    assert!(text.ends_with("# EOF\n"));
}
