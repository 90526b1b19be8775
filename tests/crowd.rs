//! Many subscribers that wait while messages are published, and see whether one is lost or comes twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::Conf;

/// How many subscribers, over how many channels.
const SUBSCRIBERS: usize = 1000;
const CHANNELS: usize = 100;

/// Time between two publishes.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a subscriber waits for a message that it should get.
const LIMIT: Duration = Duration::from_secs(20);

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Messages that were answered with success.
    pub(crate) published: usize,
    /// Publishes that were answered otherwise or not at all, and were made again.
    pub(crate) repeated: usize,
    /// Subscribers whose connection ended, and which came back.
    pub(crate) returned: usize,
}

/// The locations that the crowd uses.
pub(crate) fn conf() -> Conf {
    // The kernel does not share connections out evenly.
    Conf::whole(format!(
        "worker_processes 2; pid {{{{dir}}}}/server.pid; error_log stderr warn;
         events {{ worker_connections {}; }}
         http {{ access_log {{{{dir}}}}/access.log; server {{ listen 127.0.0.1:{{{{port}}}};
             location /publish {{ set $push_channel_id $arg_id; push_publisher; push_max_message_buffer_length 100; }}
             location /activity {{ set $push_channel_id $arg_id; push_subscriber; }}
         }} }}",
        2 * SUBSCRIBERS
    ))
}

/// Subscribes and publishes for as long as `meanwhile` runs; then every subscriber gets what is left. Panics when a
/// message is lost, or comes twice, or in the wrong order.
pub(crate) fn run(port: u16, meanwhile: impl FnOnce() + Send + 'static) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let over = Arc::new(AtomicBool::new(false));
        let returned = Arc::new(AtomicUsize::new(0));
        let subscribers: Vec<_> = (0..SUBSCRIBERS)
            .map(|number| tokio::spawn(subscribe(port, number % CHANNELS, Arc::clone(&returned))))
            .collect();
        let publisher = tokio::spawn(publish(port, Arc::clone(&over)));
        tokio::task::spawn_blocking(meanwhile).await.expect("no panic");
        over.store(true, Ordering::Relaxed);
        let mut report = publisher.await.expect("no panic");
        for subscriber in subscribers {
            subscriber.await.expect("no panic");
        }
        report.returned = returned.load(Ordering::Relaxed);
        report
    })
}

/// Publishes numbers to all channels in turn, and the end to each at last.
async fn publish(port: u16, over: Arc<AtomicBool>) -> Report {
    let mut report = Report::default();
    let mut connection = None;
    let mut turn = 0;
    let mut next = Instant::now();
    while !over.load(Ordering::Relaxed) || turn % CHANNELS != 0 {
        let (channel, body) = (turn % CHANNELS, (turn / CHANNELS).to_string());
        publish_one(port, &mut connection, channel, &body, &mut report).await;
        turn += 1;
        next += PAUSE;
        tokio::time::sleep_until(next.into()).await;
    }
    for channel in 0..CHANNELS {
        publish_one(port, &mut connection, channel, "end", &mut report).await;
    }
    report
}

async fn publish_one(
    port: u16,
    connection: &mut Option<TcpStream>,
    channel: usize,
    body: &str,
    report: &mut Report,
) {
    let length = body.len();
    let request =
        format!("POST /publish?id={channel} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}");
    loop {
        match exchange(port, connection, &request).await {
            Some((head, _)) if head.starts_with("HTTP/1.1 20") => break report.published += 1,
            _ => report.repeated += 1,
        }
    }
}

/// Gets every message of a channel, one request after the other.
async fn subscribe(port: u16, channel: usize, returned: Arc<AtomicUsize>) {
    let mut connection = None;
    let (mut since, mut last) = (String::new(), None);
    loop {
        let request = format!("GET /activity?id={channel} HTTP/1.1\r\nHost: h\r\n{since}\r\n");
        let answer = tokio::time::timeout(LIMIT, exchange(port, &mut connection, &request)).await;
        let Some((head, body)) =
            answer.unwrap_or_else(|_| panic!("channel {channel}: nothing after {last:?}"))
        else {
            returned.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        assert!(head.starts_with("HTTP/1.1 200"), "channel {channel} after {last:?}: {head}");
        let position =
            head.lines().find_map(|line| line.strip_prefix("Last-Modified: ")).expect("a position");
        since = format!("If-Modified-Since: {position}\r\n");
        if body == "end" {
            return;
        }
        let number: usize = body.parse().expect("a number");
        assert_eq!(number, last.map_or(0, |last: usize| last + 1), "channel {channel}");
        last = Some(number);
    }
}

/// One request and its answer, head and body; `None` if the connection ended without one.
async fn exchange(port: u16, connection: &mut Option<TcpStream>, request: &str) -> Option<(String, String)> {
    if connection.is_none() {
        *connection = Some(TcpStream::connect(("127.0.0.1", port)).await.expect("it listens"));
    }
    let answer = converse(connection.as_mut()?, request).await;
    if answer.is_none() {
        *connection = None;
    }
    answer
}

async fn converse(connection: &mut TcpStream, request: &str) -> Option<(String, String)> {
    connection.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if length.and_then(|length| length.parse().ok()) == Some(body.len()) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let read = connection.read_buf(&mut bytes).await.ok()?;
        if read == 0 {
            assert!(bytes.is_empty(), "half an answer: {}", String::from_utf8_lossy(&bytes));
            return None;
        }
    }
}
