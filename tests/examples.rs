//! Every file in `conf-examples/` passes `encke -t` and does what its comments say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::harness::backend::Backends;
use crate::harness::{Backend, Conf, Connection, NGINX_TEMP_PATHS, PATIENCE, Reply, Server};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf-examples");

/// Long enough to see that no answer comes.
const SILENCE: Duration = Duration::from_millis(200);

#[test]
fn every_example_passes_the_configuration_test() {
    for path in examples() {
        let output = Command::new(env!("CARGO_BIN_EXE_encke")).arg("-t").arg("-c").arg(&path).output();
        let output = output.expect("encke was built with the tests");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{said}", path.display());
        assert!(said.contains("test is successful"), "{}:\n{said}", path.display());
    }
}

#[test]
fn every_example_has_a_test_of_its_own() {
    let tests = include_str!("examples.rs");
    for path in examples() {
        let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
        assert!(tests.contains(&format!("start(\"{name}\")")), "{name} is not used by a test");
    }
}

#[test]
fn nginx_push_conf_delivers() {
    let server = start("nginx-push.conf");
    let mut subscriber = ask(&server, "/activity?id=a");
    assert_eq!(subscriber.receive(SILENCE), Reply::Pending);
    assert_eq!(server.post("/publish?id=a", "hello").status(), 201);
    assert_message(&mut subscriber, "hello");
}

#[test]
fn nchan_conf_streams() {
    let server = start("nchan.conf");
    assert_eq!(server.post("/pub?id=a", "stored").status(), 202);
    let mut stream = server.connect();
    stream.send("GET /sub?id=a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    assert_streamed(&mut stream, "\ndata: stored\n\n");
    assert_eq!(server.post("/pub?id=a", "new").status(), 201);
    assert_streamed(&mut stream, "\ndata: new\n\n");
}

/// What comes over a stream ends with this.
fn assert_streamed(stream: &mut Connection, expected: &str) {
    let mut seen = String::new();
    while !seen.ends_with(expected) {
        let bytes = stream.receive_bytes(PATIENCE);
        assert!(!bytes.is_empty(), "{seen:?} does not end with {expected:?}");
        seen.push_str(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn in_front_of_app_conf_asks_the_application() {
    // Nobody is at home.
    let server = start("in-front-of-app.conf");
    assert_eq!(server.get("/anything").status(), 502);
    assert_eq!(server.get("/events?id=a").status(), 500);
    let scripts = [("/may-subscribe".to_owned(), b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())];
    let app = Backends::start(scripts.into());
    let server = start_changed("in-front-of-app.conf", |text| {
        app.fill_in(&text.replace(":3000", ":{{backend}}").replace(":3001", ":{{backend2}}"))
    });
    let seen = server.get("/anything").text();
    assert!(seen.starts_with("GET /anything HTTP/1.1\r\nHost: localhost\r\n"), "{seen}");
    assert!(seen.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{seen}");
    let mut subscriber = ask(&server, "/events?id=a");
    assert_eq!(subscriber.receive(SILENCE), Reply::Pending);
    assert_eq!(server.post("/publish?id=a", "hello").status(), 201);
    assert_message(&mut subscriber, "hello");
}

#[test]
fn nginx_conf_serves_the_locations_it_includes() {
    let server = start("nginx.conf");
    assert_eq!(server.post("/publish?id=a", "stored").status(), 202);
    assert_message(&mut ask(&server, "/activity?id=a"), "stored");
}

#[test]
fn server_block_names_channels_by_path() {
    let server = start("server-block.conf");
    let mut subscriber = ask(&server, "/sub/news");
    assert_eq!(subscriber.receive(SILENCE), Reply::Pending);
    assert_eq!(server.post("/pub/weather", "rain").status(), 202);
    assert_eq!(server.post("/pub/news", "extra").status(), 201);
    assert_message(&mut subscriber, "extra");
    assert_eq!(server.get("/health").text(), "ok\n");
    assert_eq!(server.get("/pub/").status(), 404);
}

#[test]
fn chat_room_keeps_rooms_and_inboxes_apart() {
    let server = start("chat-room.conf");
    assert_eq!(server.get("/hear/anna").status(), 403, "nobody has made the room");
    server.post("/say/anna", "in the room");
    server.post("/tell/anna", "in the inbox");
    assert_message(&mut ask(&server, "/hear/anna"), "in the room");
    assert_message(&mut ask(&server, "/inbox/anna"), "in the inbox");
}

#[test]
fn chat_room_inbox_belongs_to_the_newest_window() {
    let server = start("chat-room.conf");
    let mut first = ask(&server, "/inbox/bert");
    assert_eq!(first.receive(SILENCE), Reply::Pending);
    let mut second = ask(&server, "/inbox/bert");
    assert_eq!(first.receive(PATIENCE).into_response().status(), 409);
    assert_eq!(server.post("/tell/bert", "psst").status(), 201);
    assert_message(&mut second, "psst");
}

#[test]
fn interval_poll_answers_at_once() {
    let server = start("interval-poll.conf");
    assert_eq!(server.get("/poll?id=a").status(), 304);
    server.post("/publish?id=a", "news");
    let message = server.get("/poll?id=a");
    assert_eq!((message.status(), message.text().as_str()), (200, "news"));
    let since = message.header("Last-Modified").expect("a message has a position");
    let again = server.request(format!(
        "GET /poll?id=a HTTP/1.1\r\nHost: localhost\r\nIf-Modified-Since: {since}\r\nIf-None-Match: 0\r\n\r\n"
    ));
    assert_eq!(again.status(), 304);
    assert_message(&mut ask(&server, "/wait?id=a"), "news");
}

#[test]
fn behind_cors_names_the_origin_once() {
    let server = start("behind-cors.conf");
    server.post("/publish?id=a", "hi");
    let preflight = server.request("OPTIONS /activity?id=a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for response in [preflight, server.get("/activity?id=a")] {
        assert_eq!(response.status(), 200);
        let origins = response.header_values("Access-Control-Allow-Origin");
        assert_eq!(origins, ["https://www.example.com"], "{response:?}");
        assert_eq!(response.header("Access-Control-Expose-Headers"), Some("Last-Modified, Etag"));
    }
}

#[test]
fn limits_refuse_what_is_too_much() {
    let server = start("limits.conf");
    assert_eq!(server.post("/publish?id=a", &"x".repeat(8193)).status(), 413);
    let mut waiting = [ask(&server, "/activity?id=a"), ask(&server, "/activity?id=a")];
    for subscriber in &mut waiting {
        assert_eq!(subscriber.receive(SILENCE), Reply::Pending);
    }
    assert_eq!(server.get("/activity?id=a").status(), 403, "two may wait");
    assert_eq!(server.post("/publish?id=a", "fits").status(), 201);
    for subscriber in &mut waiting {
        assert_message(subscriber, "fits");
    }
}

#[test]
fn pages_and_push_serves_files_beside_channels() {
    let server = start("pages-and-push.conf");
    let html = server.dir().join("html");
    fs::create_dir_all(html.join("assets")).expect("the folder can be made");
    fs::write(html.join("index.html"), "the application").expect("the page can be written");
    fs::write(html.join("assets/app.js"), "run()").expect("the script can be written");
    assert_eq!(server.get("/").text(), "the application");
    assert_eq!(server.get("/any/path/of/it").text(), "the application");
    let script = server.get("/assets/app.js");
    assert_eq!(script.header("Content-Type"), Some("application/javascript; charset=utf-8"));
    assert_eq!(script.header("Cache-Control"), Some("max-age=86400"));
    assert_eq!(server.get("/assets/missing.js").status(), 404);
    let mut subscriber = ask(&server, "/activity?id=a");
    assert_eq!(subscriber.receive(SILENCE), Reply::Pending);
    assert_eq!(server.post("/publish?id=a", "hello").status(), 201);
    assert_message(&mut subscriber, "hello");
}

/// What its windows do is tested in `browser.rs`.
#[test]
fn chat_conf_serves_a_page_and_the_channel_it_speaks_to() {
    chat_works(&start("chat.conf"));
}

#[test]
fn chat_conf_is_for_nginx_with_nchan_too() {
    let nginx = Backend::Nginx { nchan: true };
    if !nginx.is_installed() {
        assert!(std::env::var_os("CI").is_none(), "nginx with Nchan is not installed");
        eprintln!("skipped: nginx with Nchan is not installed");
        return;
    }
    let conf = changed("chat.conf", |text| text.replace("http {", &format!("http {{ {NGINX_TEMP_PATHS}")));
    let conf = format!("daemon off; pid {{{{dir}}}}/pid; {conf}");
    chat_works(&Server::builder(Conf::whole(conf)).backend(nginx).start());
}

fn chat_works(server: &Server) {
    for (file, content_type) in
        [("", "text/html"), ("chat.css", "text/css"), ("chat.js", "application/javascript")]
    {
        let answer = server.get(&format!("/{file}"));
        assert_eq!((answer.status(), answer.header("Content-Type")), (200, Some(content_type)), "/{file}");
    }
    let mut stream = server.connect();
    stream.send("GET /room/a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    assert_streamed(&mut stream, ": hi\n\n");
    assert_eq!(server.post("/room/a", "hello").status(), 201);
    assert_streamed(&mut stream, "\ndata: hello\n\n");
    assert_message(&mut ask(server, "/room/a"), "hello");
    assert_eq!(server.get("/room/").status(), 404);
}

fn start(name: &str) -> Server {
    start_changed(name, str::to_owned)
}

/// The same with a text that was changed.
fn start_changed(name: &str, change: impl Fn(&str) -> String) -> Server {
    let text = changed(name, change);
    let has_address = text.contains("listen 127.0.0.1:{{port}};");
    let builder = Server::builder(Conf::whole(text)).arg("-p").arg("{{dir}}");
    if has_address { builder.start() } else { builder.arg("--listen").arg("127.0.0.1:{{port}}").start() }
}

/// The text of an example, for a port of its own. What it includes stays where it is, and so do its pages.
pub(crate) fn changed(name: &str, change: impl Fn(&str) -> String) -> String {
    let text = fs::read_to_string(Path::new(DIRECTORY).join(name)).expect("the example is in the repository");
    let text = text
        .replace("listen 127.0.0.1:8080;", "listen 127.0.0.1:{{port}};")
        .replace("include ", &format!("include {DIRECTORY}/"))
        .replace("root conf-examples/", &format!("root {DIRECTORY}/"));
    change(&text)
}

fn ask(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect();
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    connection
}

#[track_caller]
fn assert_message(subscriber: &mut Connection, body: &str) {
    let response = subscriber.receive(PATIENCE).into_response();
    assert_eq!((response.status(), response.text().as_str()), (200, body), "{response:?}");
}

fn examples() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(DIRECTORY).expect("the examples are in the repository");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
}
