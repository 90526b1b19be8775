//! Subscribers that are slower than the messages. `tests/soak.rs` has the many.

use std::time::Duration;

use crate::harness::{Asking, Conf, Connection, Got, Kind, Listener, Server};

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens with a receive buffer that holds little.
async fn open_slowly(server: &Server, kind: Kind) -> Listener {
    let asking = Asking { buffer: Some(4096), ..Asking::of(server.port(), kind, "/sub", "id=main") };
    Listener::open(asking).await.expect("the server listens")
}

fn post(server: &Server, connection: &mut Connection, body: &str) {
    let length = body.len();
    connection
        .send(format!("POST /pub?id=main HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
    let response = connection.receive(PATIENCE).into_response();
    assert!(matches!(response.status(), 201 | 202), "{response:?}");
    if response.header("Connection") == Some("close") {
        *connection = server.connect();
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

#[test]
fn slow_readers_are_let_go_and_can_resume() {
    let inside = "
        nchan_message_buffer_length 1000; encke_subscriber_queue 64k;
        location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
        location = /sub { nchan_subscriber; nchan_channel_id $arg_id; }
        location = /sub-raw { nchan_subscriber http-raw-stream; nchan_channel_id $arg_id; }";
    let server = Server::start(Conf::server(inside));
    run(async {
        const MESSAGES: u64 = 1500;
        let mut slow = Vec::new();
        for kind in Kind::STREAMS {
            slow.push(open_slowly(&server, kind).await);
        }
        let mut connection = server.connect();
        // More than the system keeps for a connection.
        for number in 0..MESSAGES {
            post(&server, &mut connection, &message(number));
        }
        for listener in &mut slow {
            let kind = listener.kind();
            let (next, reason) = read_to_the_end(listener).await;
            assert!(next > 0 && next < MESSAGES, "{kind:?} got {next} messages");
            let expected = match kind {
                Kind::EventSource => "503 Service Temporarily Unavailable",
                Kind::WebSocket => "1013 503 Service Temporarily Unavailable",
                _ => "",
            };
            assert_eq!(reason, expected, "{kind:?}");
            // These know where they were; what is still stored comes.
            if kind.can_resume() {
                let asking = Asking { buffer: None, ..listener.asking().clone() };
                let mut again = Listener::open(asking).await.expect("the server listens");
                for number in next.max(MESSAGES - 1000)..MESSAGES {
                    let got = again.next().await.expect("it goes on");
                    assert!(got == Got::Message(message(number)), "{kind:?} after resuming at {next}");
                }
            }
        }
    });
    server.wait_for_subscribers_at("/pub", "main", 0);
}

fn message(number: u64) -> String {
    format!("{number}:{}", "x".repeat(8000))
}

/// How many messages came, and the last words.
async fn read_to_the_end(listener: &mut Listener) -> (u64, String) {
    let mut next = 0;
    loop {
        match listener.next().await.expect("an end that is said") {
            Got::Message(got) => assert!(got == message(next), "expected {next}, got {got:.20}"),
            Got::End(reason) => return (next, reason),
        }
        next += 1;
    }
}

#[test]
fn a_message_above_the_queue_s_limit_reaches_those_who_keep_up() {
    let inside = "
        encke_subscriber_queue 4k; client_max_body_size 2m;
        location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
        location = /sub { nchan_subscriber; nchan_channel_id $arg_id; }
        location = /sub-interval { nchan_subscriber intervalpoll; nchan_channel_id $arg_id; }
        location = /sub-raw { nchan_subscriber http-raw-stream; nchan_channel_id $arg_id; }";
    let server = Server::start(Conf::server(inside));
    run(async {
        let mut listeners = Vec::new();
        for kind in Kind::ALL {
            listeners.push(open_slowly(&server, kind).await);
        }
        let mut connection = server.connect();
        for round in 0..3 {
            let message = format!("{round}:{}", "x".repeat(1 << 20));
            post(&server, &mut connection, &message);
            for listener in &mut listeners {
                let got = listener.next().await.expect("it goes on");
                assert!(got == Got::Message(message.clone()), "{:?} in round {round}", listener.kind());
            }
        }
    });
}
