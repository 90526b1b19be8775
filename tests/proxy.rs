//! Passing requests on, where comparing with nginx does not tell enough: time, lengths, who goes away first.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::backend::{Backends, Scripts};
use crate::harness::{Conf, Connection, Ending, PATIENCE, Reply, Server, eventually};

/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

/// Servers behind with these scripts, and encke in front of them.
fn start(scripts: &[(&str, &str)], http: &str, server: &str) -> (Backends, Server) {
    let scripts = scripts.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.as_bytes().to_vec()));
    let backends = Backends::start(scripts.collect::<Scripts>());
    let conf = Conf::server(backends.fill_in(server)).http(&backends.fill_in(http));
    let server = Server::start(conf);
    (backends, server)
}

fn log(server: &Server, name: &str) -> String {
    std::fs::read_to_string(server.dir().join(name)).unwrap_or_default()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[test]
fn error_lines_name_the_server_behind() {
    let server = "error_log {{dir}}/error.log info;
        location /dead { proxy_pass http://127.0.0.1:{{dead}}/x; }
        location /unix { proxy_pass http://unix:/nowhere/socket:/x; }
        location /closed { proxy_pass http://127.0.0.1:{{backend}}; }
        location /huge { proxy_buffer_size 100; proxy_pass http://127.0.0.1:{{backend}}; }
        location /slow { proxy_read_timeout 100ms; proxy_pass http://127.0.0.1:{{backend}}; }
        location /down { proxy_pass http://down; }";
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200));
    let (backends, server) = start(
        &[("/closed", "{{close}}"), ("/huge", &huge), ("/slow", "{{wait 1000}}{{close}}")],
        "upstream down { server 127.0.0.1:{{dead}} down; }",
        server,
    );
    for (target, status) in
        [("/dead", 502), ("/unix", 502), ("/closed", 502), ("/huge", 502), ("/slow", 504), ("/down", 502)]
    {
        assert_eq!(server.request(get(target)).status(), status, "{target}");
    }
    let lines = [
        (
            "[error]",
            "connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: localhost, \
             request: \"GET /dead HTTP/1.1\", upstream: \"http://127.0.0.1:{{dead}}/x\", host: \"localhost\"",
        ),
        (
            "[crit]",
            "connect() to unix:/nowhere/socket failed (2: No such file or directory) while connecting to upstream, \
             client: 127.0.0.1, server: localhost, request: \"GET /unix HTTP/1.1\", \
             upstream: \"http://unix:/nowhere/socket:/x\", host: \"localhost\"",
        ),
        ("[error]", "upstream prematurely closed connection while reading response header from upstream"),
        ("[error]", "upstream sent too big header while reading response header from upstream"),
        (
            "[error]",
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
        ),
        ("[error]", "no live upstreams while connecting to upstream"),
        ("upstream: \"http://down/down\"", ""),
    ];
    let logged = log(&server, "error.log");
    for (level, text) in lines {
        let text = backends.fill_in(text);
        assert!(logged.lines().any(|line| line.contains(level) && line.contains(&text)), "{text}\n{logged}");
    }
}

#[test]
fn a_client_that_goes_away_is_logged_as_499_and_the_server_behind_is_left() {
    let server = "error_log {{dir}}/error.log info; access_log {{dir}}/access.log seen;
        location /slow { proxy_pass http://127.0.0.1:{{backend}}; }
        location /kept { proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:{{backend}}; }";
    let slow = "{{wait 700}}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (_backends, server) = start(
        &[("/slow", slow), ("/kept", slow)],
        "log_format seen '$uri $status $upstream_status';",
        server,
    );
    for target in ["/slow", "/kept"] {
        let mut connection = server.connect();
        connection.send(get(target));
        assert_eq!(connection.receive(SILENCE), Reply::Pending);
        drop(connection);
    }
    eventually("two lines", || log(&server, "access.log").lines().count() == 2);
    let lines = log(&server, "access.log");
    assert!(lines.contains("/slow 499 499"), "{lines}");
    assert!(lines.contains("/kept 200 200"), "{lines}");
    assert!(log(&server, "error.log").contains("client prematurely closed connection"));
}

#[test]
fn pieces_reach_the_client_as_they_come() {
    let script = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\none\n{{wait 900}}two\n{{close}}";
    for directive in ["proxy_buffering off;", "proxy_buffering on;"] {
        let location =
            format!("location /stream {{ {directive} proxy_pass http://127.0.0.1:{{{{backend}}}}; }}");
        let (_backends, server) = start(&[("/stream", script)], "", &location);
        let mut connection = server.connect();
        connection.send(get("/stream"));
        let mut seen = String::new();
        for word in ["one\n", "two\n"] {
            let deadline = Instant::now() + PATIENCE;
            while !seen.contains(word) && Instant::now() < deadline {
                seen.push_str(&String::from_utf8_lossy(&connection.receive_bytes(SILENCE)));
            }
            assert!(seen.contains(word), "{directive} {seen}");
            assert_eq!(seen.contains("two\n"), word == "two\n", "{directive} {seen}");
        }
    }
}

#[test]
fn a_long_body_goes_on_before_all_of_it_has_come() {
    let server = "client_max_body_size 100m;
        location / { proxy_http_version 1.1; proxy_pass http://127.0.0.1:{{backend}}; }
        location /unbuffered { proxy_request_buffering off; proxy_pass http://127.0.0.1:{{backend}}; }
        location /small { client_max_body_size 1200k; proxy_http_version 1.1; proxy_pass http://127.0.0.1:{{backend}}; }";
    let (_backends, server) = start(&[], "", server);
    let body = "0123456789".repeat(150_000);
    for target in ["/long", "/unbuffered"] {
        let length = body.len();
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let response = server.request(head + &body);
        assert_eq!(response.status(), 200, "{target}");
        assert!(response.text().ends_with(&body), "{target}");
    }
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head = "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let response = server.request(head.to_owned() + &chunks);
    assert_eq!(response.status(), 200);
    assert!(response.text().contains("Transfer-Encoding: chunked\r\n"));
    let head = "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut connection = server.connect();
    connection.send(head.to_owned() + &chunks);
    assert_eq!(connection.receive(PATIENCE).into_response().status(), 413);
}

#[test]
fn a_slow_upload_is_no_silence_of_the_server_behind() {
    let server = "client_max_body_size 10m; proxy_read_timeout 300ms; proxy_send_timeout 300ms;
        location / { proxy_request_buffering off; proxy_pass http://127.0.0.1:{{backend}}; }";
    let (_backends, server) = start(&[], "", server);
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    assert_eq!(connection.receive(Duration::from_millis(900)), Reply::Pending);
    connection.send("def");
    let response = connection.receive(PATIENCE).into_response();
    assert_eq!(response.status(), 200);
    assert!(response.text().ends_with("\r\n\r\nabcdef"));
}

#[test]
fn a_slow_client_does_not_make_memory_grow() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n{}", "x".repeat(20_000_000));
    let server = "location / { proxy_pass http://127.0.0.1:{{backend}}; }";
    let (_backends, server) = start(&[("/long", &long)], "", server);
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap_or_default();
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).map(str::trim).map(str::to_owned);
        line.and_then(|line| line.split(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = resident();
    let mut connections: Vec<Connection> = (0..8).map(|_| server.connect()).collect();
    connections.iter_mut().for_each(|connection| connection.send(get("/long")));
    thread::sleep(Duration::from_millis(500));
    let grown = resident().saturating_sub(before);
    assert!(grown < 20_000, "{grown} KiB for 8 clients that read nothing");
    let response = connections[0].receive(PATIENCE * 4).into_response();
    assert_eq!(response.body.len(), 20_000_000);
}

#[test]
fn a_server_that_fails_is_left_out_for_a_while() {
    let http = "upstream group { server 127.0.0.1:{{dead}} max_fails=1 fail_timeout=60s; server 127.0.0.1:{{backend}}; }
        log_format seen '$upstream_addr';";
    let server = "access_log {{dir}}/access.log seen; location / { proxy_pass http://group; }";
    let (_backends, server) = start(&[], http, server);
    for _ in 0..6 {
        assert_eq!(server.request(get("/")).status(), 200);
    }
    eventually("six lines", || log(&server, "access.log").lines().count() == 6);
    let tried_twice = log(&server, "access.log").lines().filter(|line| line.contains(", ")).count();
    assert_eq!(tried_twice, 1, "{}", log(&server, "access.log"));
}

#[test]
fn kept_connections_serve_again_and_are_replaced_when_they_were_closed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Each connection serves three requests; the answer tells its number.
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            thread::spawn(move || {
                let mut stream = stream;
                for _ in 0..3 {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        if stream.read(&mut byte).unwrap_or(0) == 0 {
                            return;
                        }
                        request.push(byte[0]);
                    }
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    let server = Server::start(
        Conf::server("location / { proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_pass http://kept; }")
            .http(&format!("upstream kept {{ server 127.0.0.1:{port}; keepalive 2; }}")),
    );
    let mut connection = server.connect();
    let mut numbers = String::new();
    for _ in 0..7 {
        connection.send(get("/"));
        let response = connection.receive(PATIENCE).into_response();
        assert_eq!(response.status(), 200);
        numbers.push_str(&response.text());
    }
    assert_eq!(numbers, "0001112");
}

#[test]
fn names_are_looked_up_while_serving() {
    let dns = name_server();
    let server = format!(
        "error_log {{{{dir}}}}/error.log info; resolver 127.0.0.1:{dns} ipv6=off; resolver_timeout 2s;
         location / {{ proxy_pass http://$arg_name:{{{{backend}}}}/there; }}"
    );
    let (_backends, server) = start(&[], "", &server);
    let response = server.request(get("/?name=app.example"));
    assert_eq!(response.status(), 200);
    assert!(response.text().starts_with("GET /there HTTP/1.0\r\nHost: app.example:"), "{}", response.text());
    assert_eq!(server.request(get("/?name=nosuch.example")).status(), 502);
    let logged = log(&server, "error.log");
    assert!(logged.contains("nosuch.example could not be resolved (3: Host not found)"), "{logged}");
}

/// A name server: every name is at 127.0.0.1, but those that begin with `nosuch` are nowhere.
fn name_server() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let port = socket.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = &buffer[..length];
            // The name ends with an empty label; type and class follow.
            let end = 12 + query[12..].iter().position(|byte| *byte == 0).expect("a name ends") + 5;
            let nowhere = query[12..].starts_with(b"\x06nosuch");
            let is_ipv4 = query[end - 4..end - 2] == [0, 1];
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, if nowhere { 0x83 } else { 0x80 }, 0, 1]);
            answer.extend([0, u8::from(is_ipv4 && !nowhere), 0, 0, 0, 0]);
            answer.extend(&query[12..end]);
            if is_ipv4 && !nowhere {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    port
}

#[test]
fn requests_inside_never_wait_and_are_not_asked_who_they_are() {
    let server = "error_log {{dir}}/error.log info; auth_request /here;
        location /waits { auth_request /activity; proxy_pass http://127.0.0.1:{{backend}}; }
        location /activity { set $push_channel_id $arg_id; push_subscriber; }
        location /wants { proxy_pass http://127.0.0.1:{{backend}}; }
        location /itself { auth_request /itself; proxy_pass http://127.0.0.1:{{backend}}; }
        location /here { internal; deny all; log_subrequest on; access_log {{dir}}/access.log seen; return 204; }";
    let (_backends, server) = start(&[], "log_format seen '$uri $status $request_method';", server);
    assert_eq!(server.request(get("/waits")).status(), 500);
    assert_eq!(server.post("/wants", "x").status(), 200);
    assert_eq!(server.request(get("/itself")).status(), 200);
    assert_eq!(server.request(get("/here")).status(), 404);
    eventually("a line", || log(&server, "access.log").contains("/here 204 POST"));
    let logged = log(&server, "error.log");
    assert!(logged.contains("auth request unexpected status: 500 while sending to client"), "{logged}");
}

#[test]
fn mirrors_get_the_same_request_and_nobody_waits_for_them() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let server = format!(
        "location / {{ mirror /mirror; proxy_pass http://127.0.0.1:{{{{backend}}}}; }}
         location = /mirror {{ internal; proxy_pass http://127.0.0.1:{port}/copy$request_uri; }}"
    );
    let (_backends, server) = start(&[], "", &server);
    let response = server.post("/a?b=c", "hello");
    assert!(response.text().ends_with("hello"), "{}", response.text());
    // Only now anybody listens to the mirror.
    let (mut stream, _) = listener.accept().expect("the mirror is asked");
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("the copy comes"), 1);
        seen.push(byte[0]);
    }
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(
        seen.starts_with("POST /copy/a?b=c HTTP/1.0\r\n") && seen.contains("Content-Length: 5\r\n"),
        "{seen}"
    );
}

#[test]
fn tunnels_end_with_either_side_or_after_silence() {
    let upgraded =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n{{tunnel}}";
    let settings = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    let server = format!(
        "access_log {{{{dir}}}}/access.log seen;
         location /ws {{ {settings} proxy_pass http://127.0.0.1:{{{{backend}}}}; }}
         location /silent {{ {settings} proxy_read_timeout 300ms; proxy_pass http://127.0.0.1:{{{{backend}}}}/ws; }}"
    );
    let (_backends, server) =
        start(&[("/ws", upgraded)], "log_format seen '$uri $status $body_bytes_sent';", &server);
    let upgrade = |target: &str| {
        let mut connection = server.connect();
        connection
            .send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n"));
        assert_eq!(connection.receive_head(PATIENCE).into_response().status(), 101);
        connection
    };
    let mut connection = upgrade("/ws");
    for word in ["hello", "world"] {
        connection.send(word);
        let bytes = connection.receive_bytes(SILENCE);
        assert_eq!(String::from_utf8_lossy(&bytes), word.to_uppercase());
    }
    drop(connection);
    eventually("a line", || log(&server, "access.log").contains("/ws 101 10"));
    let mut connection = upgrade("/silent");
    assert_eq!(connection.watch(PATIENCE), Some(Ending::Closed));
}

#[test]
fn limit_rate_slows_the_server_behind() {
    let body = "x".repeat(30_000);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n{body}");
    let server = "location / { proxy_limit_rate 15k; proxy_pass http://127.0.0.1:{{backend}}; }";
    let (_backends, server) = start(&[("/slow", &answer)], "", server);
    let started = Instant::now();
    let response = server.request(get("/slow"));
    assert_eq!(response.body.len(), 30_000);
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
}

#[test]
fn a_reload_keeps_requests_that_are_on_their_way() {
    let slow = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello{{wait 500}}world";
    let (_backends, server) =
        start(&[("/slow", slow)], "", "location / { proxy_pass http://127.0.0.1:{{backend}}; }");
    let mut connection = server.connect();
    connection.send(get("/slow"));
    thread::sleep(Duration::from_millis(100));
    server.rewrite_conf(&Conf::server("location / { return 204; }"));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    assert_eq!(connection.receive(PATIENCE).into_response().text(), "helloworld");
    eventually("the new configuration", || server.request(get("/")).status() == 204);
}

#[test]
fn a_place_is_kept_until_a_stream_or_a_tunnel_ends() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello{{wait 600}}world";
    let silent = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello{{wait 60000}}";
    let upgraded =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n{{tunnel}}";
    let (_backends, server) = start(
        &[("/stream", stream), ("/silent", silent), ("/ws", upgraded)],
        "limit_conn_zone $arg_k zone=places:1m;",
        "limit_conn places 1;
         proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
         location / { proxy_pass http://127.0.0.1:{{backend}}; }
         location /taken { proxy_pass http://127.0.0.1:{{backend}}; }",
    );
    let is_taken = |key: &str| server.request(get(&format!("/taken?k={key}"))).status() == 503;

    let mut client = server.connect();
    client.send(get("/stream?k=stream"));
    client.receive_head(PATIENCE);
    assert!(is_taken("stream"));
    client.receive(PATIENCE);
    eventually("the stream's place", || !is_taken("stream"));

    let mut client = server.connect();
    client.send(get("/silent?k=gone"));
    client.receive_head(PATIENCE);
    assert!(is_taken("gone"));
    drop(client);
    eventually("the place of who has gone", || !is_taken("gone"));

    let mut client = server.connect();
    client
        .send("GET /ws?k=tunnel HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n");
    assert_eq!(client.receive_head(PATIENCE).into_response().status(), 101);
    thread::sleep(SILENCE);
    assert!(is_taken("tunnel"));
    drop(client);
    eventually("the tunnel's place", || !is_taken("tunnel"));
}

#[test]
fn who_is_answered_before_its_body_has_come_gets_the_answer() {
    let server = "client_max_body_size 0; proxy_request_buffering off;
         location /early { proxy_http_version 1.1; proxy_pass http://127.0.0.1:{{early}}; }";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        // Answers heads, reads nothing else.
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
                thread::sleep(PATIENCE);
            });
        }
    });
    let (_backends, server) = start(&[], "", &server.replace("{{early}}", &port.to_string()));
    let mut client = server.connect();
    client.send("POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nbegun");
    let answer = client.receive(PATIENCE).into_response();
    assert_eq!((answer.status(), &*answer.text()), (200, "early"));
    // What still comes is read for a while: no reset.
    for _ in 0..10 {
        client.send("x".repeat(1000));
        thread::sleep(Duration::from_millis(10));
    }
}
