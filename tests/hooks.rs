//! Locations that are told of subscribers and shown messages: where Nchan forgets them, and what many at once, slow
//! answers and ends of processes do to them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use socket2::SockRef;

use crate::agreement::script::frame;
use crate::harness::{Conf, Connection, PATIENCE, Server, eventually};
use crate::pss;

/// As long as nothing is to happen.
const SILENCE: Duration = Duration::from_millis(150);

const LOCATIONS: &str = "
    client_max_body_size 8m;
    location /behind/ { internal; proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:BEHIND/; }
    location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
    location = /sub { nchan_subscriber; nchan_channel_id $arg_id;
        nchan_subscribe_request /behind/came; nchan_unsubscribe_request /behind/went; }
    location = /slow { nchan_subscriber; nchan_channel_id $arg_id; nchan_message_buffer_length 1000;
        nchan_subscribe_request /behind/gate-came; nchan_unsubscribe_request /behind/gate-went; }
    location = /stall { nchan_subscriber; nchan_channel_id $arg_id; send_timeout 1s;
        nchan_unsubscribe_request /behind/went; }
    location = /show { encke_subscriber_queue 64m; nchan_pubsub; nchan_channel_id $arg_id; nchan_message_buffer_length 1000;
        nchan_publisher_upstream_request /behind/$arg_as; }
    location = /told { nchan_publisher websocket http; nchan_channel_id $arg_id;
        nchan_publisher_upstream_request /behind/$arg_as; }
    location = /unnamed { nchan_pubsub; nchan_channel_id $arg_id; nchan_publisher_upstream_request $arg_whom; }
    location = /all { nchan_subscriber; nchan_channel_id $arg_id; nchan_message_buffer_length 1000; }
";

/// A server behind. What its path begins with decides how it answers; what begins with `gate` waits until the gate is open.
pub(crate) struct Behind {
    port: u16,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    asked: Mutex<Vec<String>>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Behind {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let notes = Arc::<Notes>::default();
        let shared = Arc::clone(&notes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &notes));
            }
        });
        Self { port, notes }
    }

    pub(crate) fn server(&self) -> Server {
        Server::start(self.conf())
    }

    pub(crate) fn conf(&self) -> Conf {
        Conf::server(LOCATIONS.replace("BEHIND", &self.port.to_string()))
    }

    /// Paths, arguments and bodies of requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.notes.asked.lock().expect("no panic").clone()
    }

    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.asked().iter().filter(|asked| asked.starts_with(beginning)).count()
    }

    pub(crate) fn open_gate(&self) {
        *self.notes.open.lock().expect("no panic") = true;
        self.notes.opened.notify_all();
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.open_gate();
    }
}

fn answer(mut stream: TcpStream, notes: &Notes) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().expect("a number");
        }
        head.push(line);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let target = head[0].split(' ').nth(1).expect("a target").trim_start_matches('/').to_owned();
    let text = String::from_utf8_lossy(&body).into_owned();
    notes.asked.lock().expect("no panic").push(format!("{target} {text}").trim_end().to_owned());
    if target.starts_with("gate") {
        let open = notes.open.lock().expect("no panic");
        drop(notes.opened.wait_while(open, |open| !*open));
    }
    let (status, body) = if target.starts_with("long") {
        (200, "x".repeat(1 << 20))
    } else if target.contains("upper") {
        // The later ones are answered sooner.
        let number: u64 = text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
        thread::sleep(Duration::from_millis(3 - number % 4));
        (200, text.to_ascii_uppercase())
    } else if target.contains("no-bad") && text.contains("bad") {
        (403, String::new())
    } else {
        (304, String::new())
    };
    let length = body.len();
    let length = if status == 304 { String::new() } else { format!("Content-Length: {length}\r\n") };
    let _ = stream.write_all(format!("HTTP/1.0 {status} X\r\n{length}\r\n{body}").as_bytes());
}

// === clients ===

pub(crate) fn event_stream(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect();
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"));
    read_until(&mut connection, ": hi\n\n");
    connection
}

fn socket(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect();
    connection.send(format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ));
    read_until(&mut connection, "\r\n\r\n");
    connection
}

fn read_until(connection: &mut Connection, end: &str) -> String {
    let mut text = String::new();
    let deadline = Instant::now() + PATIENCE;
    while !text.contains(end) {
        assert!(Instant::now() < deadline, "no {end:?} in {text:?}");
        text += &String::from_utf8_lossy(&connection.receive_bytes(Duration::from_millis(20)));
    }
    text
}

/// The client goes without a goodbye: its connection is reset.
fn reset(connection: Connection) {
    SockRef::from(connection.stream()).set_linger(Some(Duration::ZERO)).expect("an option");
}

fn messages(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
}

// === subscribers that come and go ===

#[test]
fn peers_that_vanish_are_told_of() {
    let behind = Behind::start();
    let server = behind.server();
    reset(event_stream(&server, "/sub?id=a&n=1"));
    eventually("the stream's end is told", || behind.count("went?id=a&n=1") == 1);
    reset(socket(&server, "/sub?id=a&n=2"));
    eventually("the socket's end is told", || behind.count("went?id=a&n=2") == 1);
    assert_eq!(behind.count("came"), 2);
}

#[test]
fn peers_that_take_nothing_are_told_of() {
    let behind = Behind::start();
    let server = behind.server();
    let mut client = event_stream(&server, "/stall?id=a");
    let large = "x".repeat(7 << 20);
    server.post("/pub?id=a", &large);
    // More than the system keeps for it, and it reads nothing.
    server.post("/pub?id=a", &large);
    eventually("its end is told", || behind.count("went?id=a") == 1);
    assert!(!client.receive_now().is_empty(), "it is still there");
}

#[test]
fn slow_locations_hold_up_nobody() {
    /// More than may be asked for at once.
    const CROWD: usize = 300;
    let behind = Behind::start();
    let server = Server::start(behind.conf().workers(2));
    let mut witness = event_stream(&server, "/slow?id=a&n=witness");
    let crowd: Vec<_> = (0..CROWD).map(|n| event_stream(&server, &format!("/slow?id=a&n={n}x"))).collect();
    assert_eq!(server.post("/pub?id=a", "first").status(), 201);
    read_until(&mut witness, "data: first");
    for mut client in crowd {
        read_until(&mut client, "data: first");
    }
    eventually("they are gone", || server.get("/pub?id=a").text().contains("subscribers: 1"));
    assert_eq!(server.post("/pub?id=a", "second").status(), 201);
    read_until(&mut witness, "data: second");
    assert_eq!(behind.count("gate-went"), 0, "nobody went before it came");
    behind.open_gate();
    eventually("all is told", || behind.count("gate-went") == CROWD);
    let asked = behind.asked();
    for n in 0..CROWD {
        let mine = asked.iter().filter(|asked| asked.ends_with(&format!("&n={n}x")));
        let mine: Vec<_> = mine.map(|asked| asked.split('?').next().expect("a path")).collect();
        assert_eq!(mine, ["gate-came", "gate-went"]);
    }
}

#[test]
fn all_are_told_of_when_the_server_ends() {
    const CROWD: usize = 40;
    let behind = Behind::start();
    let mut server = Server::start(behind.conf().workers(2));
    let clients: Vec<_> = (0..CROWD).map(|n| event_stream(&server, &format!("/sub?id=a&n={n}"))).collect();
    server.signal(Signal::SIGQUIT);
    for mut client in clients {
        assert!(client.watch(PATIENCE).is_some());
    }
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
    assert_eq!((behind.count("came"), behind.count("went")), (CROWD, CROWD));
}

#[test]
fn a_server_that_ends_waits_for_locations() {
    let behind = Behind::start();
    let mut server = behind.server();
    let mut client = event_stream(&server, "/slow?id=a");
    server.signal(Signal::SIGQUIT);
    assert!(client.watch(PATIENCE).is_some());
    drop(client);
    eventually("its coming is told", || behind.count("gate-came") == 1);
    assert_eq!(server.wait_for_exit(SILENCE), None, "something is under way");
    behind.open_gate();
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
    assert_eq!(behind.count("gate-went"), 1);
}

#[test]
fn subscribers_from_before_a_reload_are_told_of() {
    let behind = Behind::start();
    let server = behind.server();
    let client = event_stream(&server, "/sub?id=a");
    server.rewrite_conf(&Conf::server(
        LOCATIONS.replace("BEHIND", &behind.port.to_string()) + "location /new { return 200; }",
    ));
    server.signal(Signal::SIGHUP);
    eventually("the new configuration is there", || server.get("/new").status() == 200);
    reset(client);
    eventually("its end is told", || behind.count("went?id=a") == 1);
}

// === messages that are shown first ===

#[test]
fn messages_of_a_socket_stay_in_order() {
    const MESSAGES: usize = 300;
    let behind = Behind::start();
    let server = behind.server();
    let mut witness = event_stream(&server, "/all?id=a");
    let mut client = socket(&server, "/show?id=a&as=upper");
    let frames: Vec<u8> = (0..MESSAGES).flat_map(|n| frame(0x81, format!("m{n}").as_bytes())).collect();
    client.send(frames);
    let last = format!("data: M{}\n", MESSAGES - 1);
    let text = read_until(&mut witness, &last);
    let expected: Vec<_> = (0..MESSAGES).map(|n| format!("M{n}")).collect();
    assert_eq!(messages(&text), expected);
    let text = read_until(&mut client, &format!("M{}", MESSAGES - 1));
    assert_eq!(text.matches('M').count(), MESSAGES, "the client subscribes, too");
}

#[test]
fn a_slow_location_holds_up_its_own_messages_only() {
    let behind = Behind::start();
    let server = behind.server();
    let mut witness = event_stream(&server, "/all?id=a");
    let mut slow = socket(&server, "/told?id=a&as=gate");
    slow.send([frame(0x81, b"held 1"), frame(0x81, b"held 2"), frame(0x89, b"still here")].concat());
    assert!(read_until(&mut slow, "still here").starts_with('\u{fffd}'), "a pong comes at once");
    let mut waiting = server.connect();
    waiting.send("POST /told?id=a&as=gate HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nheld 3");
    let mut quick = socket(&server, "/told?id=a&as=upper");
    quick.send(frame(0x81, b"quick"));
    read_until(&mut quick, "queued messages: 1");
    assert_eq!(messages(&read_until(&mut witness, "QUICK\n\n")), ["QUICK"]);
    assert_eq!(server.post("/pub?id=a", "posted").status(), 201);
    assert_eq!(messages(&read_until(&mut witness, "posted\n\n")), ["posted"]);
    behind.open_gate();
    let text = read_until(&mut witness, "held 2\n\n");
    assert!(text.find("held 1") < text.find("held 2"), "{text}");
    assert_eq!(waiting.receive(PATIENCE).into_response().status(), 201);
    // Each of the two got its answer.
    read_until(&mut slow, "last message id: ");
}

#[test]
fn a_client_that_sends_more_than_is_shown_has_to_wait() {
    /// Four times what the system keeps for a connection.
    const MESSAGES: usize = 400;
    const LENGTH: usize = 100_000;
    let behind = Behind::start();
    let server = behind.server();
    let client = socket(&server, "/show?id=a&as=gate");
    let mut writer = client.stream().try_clone().expect("a second handle");
    writer.set_write_timeout(Some(Duration::from_millis(300))).expect("an option");
    let message = frame(0x82, &vec![b'x'; LENGTH]);
    let all = message.repeat(MESSAGES);
    let mut written = 0;
    while let Ok(more) = writer.write(&all[written..]) {
        written += more;
        assert!(written < all.len(), "all of it was taken");
    }
    assert_eq!(behind.count("gate"), 1, "one after the other");
    behind.open_gate();
    // It goes on where it was held up.
    writer.set_write_timeout(None).expect("an option");
    let to_come = all.len() - written;
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&all[written..]).expect("it is read now"));
        let mut reader = client.stream();
        reader.set_read_timeout(Some(PATIENCE)).expect("an option");
        let mut buffer = vec![0; 1 << 16];
        let mut got = 0;
        while got < MESSAGES * LENGTH {
            let more = reader.read(&mut buffer).expect("messages come back");
            assert!(more > 0, "it ended after {got} bytes");
            got += more;
        }
    });
    assert!(to_come > 0);
    assert_eq!(behind.count("gate"), MESSAGES);
}

#[test]
fn what_a_client_sent_before_it_went_is_published() {
    let behind = Behind::start();
    let server = behind.server();
    let mut witness = event_stream(&server, "/all?id=a");
    let mut client = socket(&server, "/told?id=a&as=gate");
    client.send([frame(0x81, b"one"), frame(0x81, b"two")].concat());
    eventually("the first is shown", || behind.count("gate") == 1);
    client.stream().shutdown(Shutdown::Both).expect("it is open");
    drop(client);
    thread::sleep(SILENCE);
    behind.open_gate();
    assert_eq!(messages(&read_until(&mut witness, "two\n\n")), ["one", "two"]);
}

#[test]
fn a_close_frame_is_answered_after_the_messages_before_it() {
    let behind = Behind::start();
    let server = behind.server();
    let mut client = socket(&server, "/told?id=a&as=gate");
    client.send([frame(0x81, b"one"), frame(0x88, b"\x03\xe8bye"), frame(0x81, b"behind it")].concat());
    eventually("it is shown", || behind.count("gate") == 1);
    // What comes behind it is read, and kept nowhere.
    let memory = || pss::of_tree(server.pid()).expect("it runs");
    let before = memory();
    client.send(vec![b'x'; 64 << 20]);
    let more = memory().saturating_sub(before);
    assert!(more < 32 << 20, "{more} bytes more");
    assert!(client.receive_bytes(SILENCE).is_empty());
    behind.open_gate();
    let text = read_until(&mut client, "bye");
    assert!(text.contains("queued messages: 1") && text.ends_with("bye"), "{text}");
    assert!(client.watch(PATIENCE).is_some());
    assert_eq!(behind.count("gate"), 1);
}

#[test]
fn nothing_is_published_behind_a_refusal() {
    let behind = Behind::start();
    let server = behind.server();
    let mut witness = event_stream(&server, "/all?id=a");
    let mut client = socket(&server, "/show?id=a&as=no-bad");
    client.send([frame(0x81, b"good"), frame(0x81, b"bad"), frame(0x81, b"late")].concat());
    let text = read_until(&mut client, "403 Forbidden");
    assert!(text.contains("good") && !text.contains("late"), "{text}");
    assert!(client.watch(PATIENCE).is_some());
    server.post("/pub?id=a", "end");
    assert_eq!(messages(&read_until(&mut witness, "end\n\n")), ["good", "end"]);
}

#[test]
fn a_server_that_ends_publishes_what_it_has() {
    let behind = Behind::start();
    let mut server = behind.server();
    let mut client = socket(&server, "/told?id=a&as=gate");
    client.send([frame(0x81, b"one"), frame(0x81, b"two")].concat());
    eventually("the first is shown", || behind.count("gate") == 1);
    server.signal(Signal::SIGQUIT);
    assert!(client.watch(PATIENCE).is_some());
    drop(client);
    assert_eq!(server.wait_for_exit(SILENCE), None, "something is under way");
    behind.open_gate();
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
    assert_eq!(behind.count("gate"), 2);
}

#[test]
fn messages_nobody_can_be_shown_are_refused() {
    let behind = Behind::start();
    let server = behind.server();
    assert_eq!(server.post("/unnamed?id=a", "posted").status(), 403);
    let mut client = socket(&server, "/unnamed?id=a");
    client.send(frame(0x81, b"said"));
    read_until(&mut client, "403 Forbidden");
    assert_eq!((server.get("/pub?id=a").status(), behind.asked().len()), (200, 0));
    assert!(server.get("/pub?id=a").text().starts_with("queued messages: 0"));
}

#[test]
fn a_location_may_answer_with_a_long_message() {
    let behind = Behind::start();
    let server = behind.server();
    assert_eq!(server.post("/show?id=a&as=long", "short").status(), 202);
    assert_eq!(server.get("/all?id=a").body.len(), 1 << 20);
    // One that is longer than messages may be is not taken.
    server.rewrite_conf(&Conf::server(format!(
        "{} location /new {{ return 200; }}",
        LOCATIONS.replace("BEHIND", &behind.port.to_string()).replace("8m", "64k")
    )));
    server.signal(Signal::SIGHUP);
    eventually("the new configuration is there", || server.get("/new").status() == 200);
    assert_eq!(server.post("/show?id=b&as=long", "short").status(), 403);
}
