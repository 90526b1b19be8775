//! Files and slow answers, beyond what can be compared with nginx.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Conf, Ending, PATIENCE, Reply, Server, eventually};

/// Large enough that sockets do not hold it.
const LARGE: usize = 16 << 20;

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection() {
    let server = Server::start(Conf::server("root {{dir}};"));
    let path = server.dir().join("large.bin");
    fs::write(&path, vec![b'x'; LARGE]).expect("the file can be written");
    let mut client = server.connect();
    client.send(request("/large.bin"));
    // The answer has begun: the rest of it waits for the client.
    assert_eq!(client.stream().peek(&mut [0; 1]).expect("bytes come"), 1);
    let file = OpenOptions::new().write(true).open(&path).expect("the file is there");
    file.set_len(10).expect("the file can be cut");
    match client.receive(PATIENCE) {
        Reply::Partial(bytes, _) => assert!(bytes.len() < LARGE),
        other => panic!("{:.100}", format!("{other:?}")),
    }
}

#[test]
fn a_file_that_grows_while_it_is_sent_is_sent_as_it_was() {
    let server = Server::start(Conf::server("root {{dir}};"));
    let path = server.dir().join("large.bin");
    fs::write(&path, vec![b'x'; LARGE]).expect("the file can be written");
    let mut client = server.connect();
    client.send(request("/large.bin"));
    assert_eq!(client.stream().peek(&mut [0; 1]).expect("bytes come"), 1);
    let mut file = OpenOptions::new().append(true).open(&path).expect("the file is there");
    file.write_all(&[b'y'; 1000]).expect("the file can grow");
    let response = client.receive(PATIENCE).into_response();
    assert_eq!(response.body.len(), LARGE);
    assert!(!response.body.contains(&b'y'));
    client.send(request("/nothing"));
    assert_eq!(client.receive(PATIENCE).into_response().status(), 404, "the connection goes on");
}

#[test]
fn limit_rate_slows_files_down() {
    let server = Server::start(Conf::server("root {{dir}}; location / { limit_rate 20k; }"));
    fs::write(server.dir().join("file.bin"), vec![b'x'; 50_000]).expect("the file can be written");
    let start = Instant::now();
    assert_eq!(server.get("/file.bin").body.len(), 50_000);
    assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn limit_rate_after_lets_the_beginning_pass() {
    let server =
        Server::start(Conf::server("root {{dir}}; location / { limit_rate 1k; limit_rate_after 1m; }"));
    fs::write(server.dir().join("file.bin"), vec![b'x'; 100_000]).expect("the file can be written");
    // At that rate it would take longer than anybody waits.
    assert_eq!(server.get("/file.bin").body.len(), 100_000);
}

#[test]
fn limit_rate_slows_down_messages_to_those_who_waited() {
    let server = Server::start(Conf::server(
        "access_log {{dir}}/access.log;
         location /publish { set $push_channel_id a; push_publisher; }
         location /activity { set $push_channel_id a; push_subscriber; limit_rate 10k; }
         location /after { return 200 \"after\"; }",
    ));
    let mut client = server.connect();
    client.send(request("/activity"));
    let deadline = Instant::now() + PATIENCE;
    while !server.get("/publish").text().ends_with("subscribers: 1") {
        assert!(Instant::now() < deadline, "it never waits");
    }
    let message = "m".repeat(25_000);
    let start = Instant::now();
    server.post("/publish", &message);
    assert_eq!(client.receive(PATIENCE).into_response().text(), message);
    assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
    client.send(request("/after"));
    assert_eq!(client.receive(PATIENCE).into_response().text(), "after", "the connection goes on");
    let log = fs::read_to_string(server.dir().join("access.log")).expect("there is a log");
    assert!(log.contains("\"GET /activity HTTP/1.1\" 200 25000"), "{log}");
}

#[test]
fn without_root_files_are_looked_for_in_html_below_the_prefix() {
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    fs::create_dir(folder.path().join("html")).expect("the folder can be made");
    fs::write(folder.path().join("html/index.html"), "welcome").expect("the file can be written");
    let prefix = folder.path().to_string_lossy().into_owned();
    let server = Server::builder(Conf::server("")).arg("-p").arg(&prefix).start();
    assert_eq!(server.get("/").text(), "welcome");
    assert_eq!(server.get("/other").status(), 404);
}

#[test]
fn a_client_that_reads_nothing_of_a_file_is_left() {
    let server = Server::start(Conf::server("root {{dir}}; send_timeout 500ms;"));
    fs::write(server.dir().join("large.bin"), vec![b'x'; LARGE]).expect("the file can be written");
    let mut client = server.connect();
    client.send(request("/large.bin"));
    std::thread::sleep(Duration::from_millis(1500));
    match client.receive(PATIENCE) {
        Reply::Partial(bytes, ending) => {
            assert!(bytes.len() < LARGE);
            assert!(matches!(ending, Some(Ending::Closed | Ending::Reset)) || !bytes.is_empty());
        }
        other => panic!("{:.100}", format!("{other:?}")),
    }
}

#[test]
fn an_answer_does_not_wait_for_a_body_that_nobody_needs() {
    let server =
        Server::start(Conf::server("client_max_body_size 10m; location / { return 200 \"at once\"; }"));
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nbegin");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "at once");
    client.send(vec![b'x'; 1_000_000 - "begin".len()]);
    client.send(request("/"));
    assert_eq!(client.receive(PATIENCE).into_response().text(), "at once", "the connection goes on");
}

#[test]
fn a_subscriber_may_wait_on_a_connection_whose_body_was_dropped() {
    let server = Server::start(Conf::server(
        "location / { return 200 \"at once\"; }
         location /publish { set $push_channel_id a; push_publisher; }
         location /activity { set $push_channel_id a; push_subscriber; }",
    ));
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "at once");
    client.send("3\r\ndef\r\n0\r\n\r\nGET /activity HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let deadline = Instant::now() + PATIENCE;
    while !server.get("/publish").text().ends_with("subscribers: 1") {
        assert!(Instant::now() < deadline, "it never waits");
    }
    server.post("/publish", "message");
    assert_eq!(client.receive(PATIENCE).into_response().text(), "message");
}

/// A server whose two workers keep files open, and the folder of those files.
fn server_that_keeps_files_open() -> Server {
    Server::start(
        Conf::server("root {{dir}}; open_file_cache max=100; open_file_cache_errors on;").workers(2),
    )
}

/// Asks on so many connections that every worker has some.
fn ask_often(server: &Server, target: &str) -> Vec<(u16, String)> {
    let mut answers: Vec<_> = (0..12)
        .map(|_| {
            let response = server.get(target);
            (response.status(), if response.status() == 200 { response.text() } else { String::new() })
        })
        .collect();
    answers.dedup();
    answers
}

#[test]
fn a_file_that_is_kept_open_is_served_as_it_was_by_all_workers() {
    let server = server_that_keeps_files_open();
    let (path, new) = (server.dir().join("file.txt"), server.dir().join("new.txt"));
    let old = vec![(200, "old".to_owned())];
    fs::write(&path, "old").expect("the file can be written");
    assert_eq!(server.get("/file.txt").text(), "old");
    fs::write(&new, "another").expect("the file can be written");
    fs::rename(&new, &path).expect("it takes its place");
    assert_eq!(ask_often(&server, "/file.txt"), old);
    fs::remove_file(&path).expect("it is there");
    assert_eq!(ask_often(&server, "/file.txt"), old);
    assert_eq!(ask_often(&server, "/missing.txt"), [(404, String::new())]);
    fs::write(server.dir().join("missing.txt"), "there").expect("the file can be written");
    assert_eq!(ask_often(&server, "/missing.txt"), [(404, String::new())]);
}

#[test]
fn a_reload_forgets_files_that_were_kept_open() {
    let server = server_that_keeps_files_open();
    let path = server.dir().join("file.txt");
    fs::write(&path, "old").expect("the file can be written");
    assert_eq!(server.get("/file.txt").text(), "old");
    fs::remove_file(&path).expect("it is there");
    fs::write(&path, "new").expect("the file can be written");
    server.signal(Signal::SIGHUP);
    eventually("it is opened again", || server.get("/file.txt").text() == "new");
}

#[test]
fn many_read_a_file_that_is_kept_open() {
    let server = server_that_keeps_files_open();
    let content: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(server.dir().join("large.bin"), &content).expect("the file can be written");
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let range = format!("Range: bytes={}-", number * 1000);
        client.send(format!("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n{range}\r\n\r\n"));
    }
    // They are all under way before the first is read to its end.
    for (number, client) in clients.iter_mut().enumerate() {
        let response = client.receive(PATIENCE).into_response();
        assert_eq!(response.status(), 206);
        assert!(response.body == content[number * 1000..], "{number}");
    }
}
