//! Variables where a request is not answered at once, and those that would never end.

use std::time::{Duration, Instant};

use crate::harness::{Conf, PATIENCE, Server};

const HTTP: &str = "
    map $status $class { ~^2 fine; default other; }
    map $sent_http_content_type $kind { ~^text/ text; default other; }
    map $class $logged { fine 1; default 0; }
    map $arg_who $name { default \"$arg_who:$status\"; }
    log_format bodies '[$request_body]';
    log_format mapped '$uri $class $kind $name $arg_who';";

const SERVER: &str = "
    set $push_channel_id $arg_id;
    location /publish { push_publisher; }
    location /logged { access_log {{dir}}/bodies.log bodies; push_publisher; }
    location /watched {
        access_log {{dir}}/watched.log mapped if=$logged;
        push_subscriber;
    }
    location /gone { access_log {{dir}}/watched.log mapped if=$logged; return 410; }
    location /numbered { userid on; push_subscriber; }";

#[test]
fn log_lines_of_who_waited_are_computed_from_the_answer_and_the_request() {
    let server = Server::start(Conf::server(SERVER).http(HTTP));
    let mut clients = [server.connect(), server.connect()];
    for (client, who) in clients.iter_mut().zip(["ann", "bob"]) {
        client.send(format!("GET /watched?id=a&who={who} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    }
    server.wait_for_subscribers("a", 2);
    assert_eq!(server.get("/gone").status(), 410);
    server.post("/publish?id=a", "text");
    for client in &mut clients {
        assert_eq!(client.receive(PATIENCE).into_response().text(), "text");
    }
    let mut lines = lines(&server, "watched.log", 2);
    lines.sort();
    assert_eq!(lines, ["/watched fine text ann:200 ann", "/watched fine text bob:200 bob"]);
}

fn lines(server: &Server, log: &str, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(server.dir().join(log)).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(Instant::now() < deadline, "{count} lines: {lines:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_published_body_is_a_variable_if_it_is_short() {
    let server = Server::start(Conf::server(SERVER).http(HTTP));
    for body in ["short".to_owned(), "x".repeat(20_000), String::new()] {
        server.post("/logged?id=c", &body);
    }
    assert_eq!(lines(&server, "bodies.log", 3), ["[short]", "[-]", "[-]"]);
}

#[test]
fn each_subscriber_gets_a_cookie_of_its_own() {
    let server = Server::start(Conf::server(SERVER).http(HTTP));
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.send("GET /numbered?id=b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    server.wait_for_subscribers("b", 2);
    server.post("/publish?id=b", "text");
    let mut cookies = clients.map(|mut client| {
        let response = client.receive(PATIENCE).into_response();
        response.header("Set-Cookie").expect("a cookie is given").to_owned()
    });
    cookies.sort();
    assert_ne!(cookies[0], cookies[1]);
}

/// nginx evaluates the first for ever; the second one doubles with every round.
#[test]
fn circles_of_maps_end() {
    let http = "
        map $b $a { volatile; default \"$b$b\"; }
        map $a $b { volatile; default \"$a$a\"; }
        map $d $c { default \"x$d$d\"; }
        map $c $d { default \"y$c$c\"; }";
    let server = Server::start(
        Conf::server("location /a { return 200 \"[$a]\"; } location /c { set $x \"$c\"; return 200 done; }")
            .http(http),
    );
    assert_eq!(server.get("/a").text(), "[]");
    assert_eq!(server.get("/c").text(), "done");
}
