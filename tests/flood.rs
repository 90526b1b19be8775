//! More messages than fit into the memory limit, for as long as `ENCKE_FLOOD_SECONDS` says.
//!
//! Publishers pour messages of all sizes into many channels, while subscribers wait on a few channels that are
//! published to steadily. The server may refuse messages (507) and drop old ones where that is allowed; it may not
//! grow, answer anything else, or spoil what the steady subscribers get.
//!
//! ```sh
//! ENCKE_FLOOD_SECONDS=300 cargo test --release flood -- --nocapture
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Conf, Connection, Response, Server};
use crate::pss;

/// `push_max_reserved_memory`.
const BUDGET: u64 = 16 << 20;

/// What the process may take for that budget. It takes 40 to 60 MiB of these 80 (`docs/benchmarks`): 12 are there from
/// the start, the allocator of each worker keeps some room, and the rest is the kernel's huge pages.
const MOST_MEMORY: u64 = 5 * BUDGET;

/// What the process may grow by after it has warmed up: as much as the kernel has been seen to add in one step, by
/// making pages huge. A leak of twenty bytes per message would be more within five minutes.
const MOST_GROWTH: u64 = BUDGET;

/// Bytes of messages with which the process is warm: the budget has filled and been emptied.
const WARM: u64 = 2 * BUDGET;

/// Bytes of messages that are a flood. A slow machine gets [`PATIENCE`] more for them.
const FLOOD: u64 = WARM + BUDGET;

const FLOODERS: u64 = 4;
const STEADY_CHANNELS: usize = 8;
const SUBSCRIBERS_PER_CHANNEL: usize = 2;

/// A steady channel keeps [`STEADY_KEPT`] messages whatever happens; no subscriber is left behind further than this.
const MOST_LAG: u64 = 100;
const STEADY_KEPT: u64 = 200;
const STEADY_PAUSE: Duration = Duration::from_millis(5);

/// How long an answer may take on a machine that is flooded.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn flood_beyond_the_memory_limit_leaves_the_process_flat_and_its_subscribers_served() {
    let seconds = std::env::var("ENCKE_FLOOD_SECONDS").ok();
    let duration = seconds.as_deref().map_or(5, |text| text.parse().expect("a number of seconds"));
    let server = Server::start(conf());
    let flood = Flood::new(&server);
    let samples = flood.run(Duration::from_secs(duration));
    if seconds.is_some() {
        print(&samples);
    }
    judge(&samples);
}

fn conf() -> Conf {
    let publisher = |name: &str, inside: &str| {
        format!("location = /{name} {{ set $push_channel_id {name}-$arg_id; push_publisher; {inside} }}\n")
    };
    let inside = [
        // Everything may be dropped.
        publisher("loose", "push_min_message_buffer_length 0; push_max_message_buffer_length 50;"),
        // Three of each channel are kept until they expire: these are what makes memory run out.
        publisher("kept", "push_min_message_buffer_length 3; push_message_timeout 2s;"),
        publisher("steady", &format!("push_message_buffer_length {STEADY_KEPT};")),
        "location = /subscribe { set $push_channel_id steady-$arg_id; push_subscriber; }".to_owned(),
    ];
    Conf::server(inside.concat()).http("error_log stderr crit; push_max_reserved_memory 16m;").workers(2)
}

// === what happens ===

/// Everything that the threads share.
struct Flood<'a> {
    server: &'a Server,
    is_over: AtomicBool,
    accepted: AtomicU64,
    /// Bytes of the accepted messages.
    volume: AtomicU64,
    refused: AtomicU64,
    deleted: AtomicU64,
    delivered: AtomicU64,
    /// Messages that each subscriber of each steady channel has got.
    received: [[AtomicU64; SUBSCRIBERS_PER_CHANNEL]; STEADY_CHANNELS],
}

/// Where things stood at some time.
struct Sample {
    at: Duration,
    memory: u64,
    accepted: u64,
    volume: u64,
    refused: u64,
    deleted: u64,
    delivered: u64,
}

impl<'a> Flood<'a> {
    fn new(server: &'a Server) -> Self {
        Self {
            server,
            is_over: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            volume: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            received: Default::default(),
        }
    }

    fn run(&self, duration: Duration) -> Vec<Sample> {
        thread::scope(|scope| {
            for channel in 0..STEADY_CHANNELS {
                for number in 0..SUBSCRIBERS_PER_CHANNEL {
                    scope.spawn(move || self.subscribe(channel, number));
                }
            }
            scope.spawn(|| self.publish_steadily());
            for seed in 0..FLOODERS {
                scope.spawn(move || self.pour(seed));
            }
            let samples = self.watch(duration);
            self.is_over.store(true, Relaxed);
            samples
        })
    }

    /// Looks at the server from time to time, at least twenty times.
    fn watch(&self, duration: Duration) -> Vec<Sample> {
        let pause = (duration / 20).min(Duration::from_secs(5));
        let start = Instant::now();
        let mut samples = Vec::new();
        let is_enough = || self.volume.load(Relaxed) > FLOOD || start.elapsed() > duration + PATIENCE;
        while start.elapsed() < duration || !is_enough() {
            thread::sleep(pause);
            samples.push(Sample {
                at: start.elapsed(),
                memory: pss::of_tree(self.server.pid()).expect("the server runs"),
                accepted: self.accepted.load(Relaxed),
                volume: self.volume.load(Relaxed),
                refused: self.refused.load(Relaxed),
                deleted: self.deleted.load(Relaxed),
                delivered: self.delivered.load(Relaxed),
            });
        }
        samples
    }

    /// Publishes and deletes at random until it is over.
    fn pour(&self, seed: u64) {
        let mut random = Random(seed);
        let mut client = Client::new(self.server);
        while !self.is_over.load(Relaxed) {
            let (location, channel) = match random.below(10) {
                0..5 => ("loose", random.below(20_000)),
                // A few channels that overflow.
                5..8 => ("loose", random.below(20)),
                _ => ("kept", random.below(2000)),
            };
            if random.below(20) == 0 {
                self.delete(&mut client, location, channel);
            } else {
                self.publish(&mut client, location, channel, &random.body());
            }
        }
    }

    fn delete(&self, client: &mut Client<'_>, location: &str, channel: u64) {
        let response =
            client.ask(&format!("DELETE /{location}?id={channel} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        match response.status() {
            200..300 => self.deleted.fetch_add(1, Relaxed),
            // It was never made, or is gone.
            404 => 0,
            other => panic!("DELETE was answered {other}"),
        };
    }

    /// Whether the message was taken.
    fn publish(&self, client: &mut Client<'_>, location: &str, channel: u64, body: &str) -> bool {
        let response = client.ask(&format!(
            "POST /{location}?id={channel} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let is_taken = match response.status() {
            200..300 => true,
            507 => false,
            other => panic!("POST of {} bytes was answered {other}", body.len()),
        };
        if is_taken {
            self.accepted.fetch_add(1, Relaxed);
            self.volume.fetch_add(body.len() as u64, Relaxed);
        } else {
            self.refused.fetch_add(1, Relaxed);
        }
        is_taken
    }

    /// Publishes numbered messages to the steady channels, each until it is taken.
    fn publish_steadily(&self) {
        let mut client = Client::new(self.server);
        let mut next = [0; STEADY_CHANNELS];
        for channel in (0..STEADY_CHANNELS).cycle() {
            if self.is_over.load(Relaxed) {
                break;
            }
            thread::sleep(STEADY_PAUSE);
            let is_left_behind = |received: &AtomicU64| next[channel] >= received.load(Relaxed) + MOST_LAG;
            if !self.received[channel].iter().any(is_left_behind) {
                let is_taken =
                    self.publish(&mut client, "steady", channel as u64, &steady_body(next[channel]));
                next[channel] += u64::from(is_taken);
            }
        }
        let deadline = Instant::now() + PATIENCE;
        for (channel, count) in next.into_iter().enumerate() {
            while !self.publish(&mut client, "steady", channel as u64, &last_body(count)) {
                assert!(Instant::now() < deadline, "the last message of channel {channel} was refused");
                thread::sleep(STEADY_PAUSE);
            }
        }
    }

    /// Waits for one message after the other, and checks that they are the right ones.
    fn subscribe(&self, channel: usize, number: usize) {
        let mut client = Client::new(self.server);
        let mut position = String::new();
        for expected in 0.. {
            let response = client
                .ask(&format!("GET /subscribe?id={channel} HTTP/1.1\r\nHost: localhost\r\n{position}\r\n"));
            assert_eq!(response.status(), 200, "subscriber of channel {channel} at message {expected}");
            if response.body == last_body(expected).as_bytes() {
                return;
            }
            assert!(
                response.body == steady_body(expected).as_bytes(),
                "channel {channel}: expected message {expected}, got {:.20}",
                response.text()
            );
            position = position_after(&response);
            self.received[channel][number].fetch_add(1, Relaxed);
            self.delivered.fetch_add(1, Relaxed);
        }
    }
}

/// Begins with its number, and is up to a kilobyte long.
fn steady_body(number: u64) -> String {
    let width = 10 + usize::try_from(number * 37 % 1000).expect("below a thousand");
    format!("{number:<width$}")
}

/// After so many messages, a subscriber goes home.
fn last_body(count: u64) -> String {
    format!("these were {count}")
}

fn position_after(response: &Response) -> String {
    let header = |name| response.header(name).expect("a message has a position");
    format!("If-Modified-Since: {}\r\nIf-None-Match: {}\r\n", header("Last-Modified"), header("Etag"))
}

/// A connection that is made anew when the server has had enough of it.
struct Client<'a> {
    server: &'a Server,
    connection: Connection,
}

impl<'a> Client<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, connection: server.connect() }
    }

    fn ask(&mut self, request: &str) -> Response {
        self.connection.send(request);
        let response = self.connection.receive(PATIENCE).into_response();
        if response.header("Connection") == Some("close") {
            self.connection = self.server.connect();
        }
        response
    }
}

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From 1 B to 64 KiB; small ones as often as large ones.
    fn body(&mut self) -> String {
        let magnitude = self.below(16);
        let length = (1 << magnitude) + self.below((1 << magnitude) + 1);
        "x".repeat(usize::try_from(length).expect("at most 65536"))
    }
}

// === what is made of it ===

/// The process stays below its bound, and does not grow once it has warmed up.
fn judge(samples: &[Sample]) {
    let most = most_memory(samples);
    let end = samples.last().expect("there are samples");
    let after = &samples[samples.partition_point(|sample| sample.volume < WARM)..];
    let (warm, last) = after.split_at(after.len().div_ceil(2));
    let growth = most_memory(last).saturating_sub(most_memory(warm));
    assert!(most <= MOST_MEMORY, "{most} bytes for a budget of {BUDGET}");
    assert!(!last.is_empty(), "nothing was seen of it once it was warm");
    assert!(growth <= MOST_GROWTH, "grew by {growth} bytes");
    assert!(end.volume > FLOOD, "{} bytes are no flood", end.volume);
    assert!(end.delivered > 10 * end.at.as_secs(), "only {} deliveries", end.delivered);
}

fn most_memory(samples: &[Sample]) -> u64 {
    samples.iter().map(|sample| sample.memory).max().unwrap_or(0)
}

fn print(samples: &[Sample]) {
    println!("| seconds | Pss, MiB | published | MiB | refused (507) | deleted | delivered |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for Sample { at, memory, accepted, volume, refused, deleted, delivered } in samples {
        let (seconds, memory, volume) = (at.as_secs_f64(), mebibytes(*memory), mebibytes(*volume));
        println!(
            "| {seconds:.1} | {memory:.1} | {accepted} | {volume:.0} | {refused} | {deleted} | {delivered} |"
        );
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
