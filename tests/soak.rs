//! Subscribers of all transports by the thousand, for as long as `ENCKE_SOAK_SECONDS` says.
//!
//! Most of them last: each gets every message of its channels, once and in order, whatever happens to the others. Those
//! come and go, read nothing, or vanish without a word, while others publish into thousands of channels and the
//! configuration is reloaded again and again. In the end all have left, and the server has to be as empty as it began.
//!
//! ```sh
//! ENCKE_SOAK_SECONDS=600 cargo test --release --test encke soak -- --nocapture
//! ```

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{Answer, Asking, Conf, Got, Kind, Listener, Network, Server};
use crate::pss;

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two messages of a channel.
const PAUSE: Duration = Duration::from_millis(100);

/// So many messages a publisher may be ahead of the slowest subscriber: fewer than are stored.
const MOST_LAG: u64 = 30;
const STORED: u64 = 1000;

/// When the last peer that vanished has to be noticed: `TCP_USER_TIMEOUT` is a minute, the system looks twice.
const NOTICED: Duration = Duration::from_secs(150);

/// What the process may take in the end, in percent of the most that it took in the minute after the first. The
/// messages that are stored or under way differ from one moment to the other by more than a small part of it; a leak
/// of 60 bytes per delivery would be more within ten minutes.
const MOST_MEMORY: u64 = 150;

/// How much of all there is.
#[derive(Clone, Copy)]
struct Form {
    duration: Duration,
    reload_every: Duration,
    lasting: usize,
    visiting: usize,
    stalling: usize,
    vanishing: usize,
    channels: usize,
    /// `nchan_message_timeout` of what the lasting ones get, seconds: longer than the slowest may need for [`MOST_LAG`].
    kept: u64,
    /// Further directives for those who vanish or stall.
    slow: &'static str,
    is_whole: bool,
}

impl Form {
    fn from_environment() -> Self {
        let Ok(seconds) = std::env::var("ENCKE_SOAK_SECONDS") else { return Self::SHORT };
        Self { duration: Duration::from_secs(seconds.parse().expect("a number of seconds")), ..Self::WHOLE }
    }

    const WHOLE: Self = Self {
        duration: Duration::from_secs(600),
        reload_every: Duration::from_secs(5),
        lasting: 1260,
        visiting: 370,
        stalling: 170,
        vanishing: 200,
        channels: 40,
        kept: 60,
        // So there is something under way even in silent channels.
        slow: "nchan_websocket_ping_interval 3s;",
        is_whole: true,
    };

    const SHORT: Self = Self {
        duration: Duration::from_secs(10),
        reload_every: Duration::from_secs(2),
        lasting: 196,
        visiting: 50,
        stalling: 24,
        // The system takes a minute to notice.
        vanishing: 0,
        channels: 8,
        kept: 20,
        slow: "",
        is_whole: false,
    };
}

fn conf(form: &Form, network: Option<&Network>) -> Conf {
    let far = network.map_or(String::new(), |network| {
        format!("listen {}:{{{{port}}}} so_keepalive=1s:1s:3;", network.machine())
    });
    let subscribers = |base: &str, inside: &str| {
        ["", "-raw", "-interval"].map(|ending| {
            let kind = match ending {
                "-raw" => "http-raw-stream",
                "-interval" => "intervalpoll",
                _ => "",
            };
            format!("location = {base}{ending} {{ nchan_subscriber {kind}; nchan_channel_id $arg_id; {inside} }}\n")
        })
    };
    Conf::whole(format!(
        "daemon off; worker_processes 2; pid {{{{dir}}}}/server.pid; error_log stderr crit;
         events {{ worker_connections 8192; }}
         http {{ access_log off; nchan_shared_memory_size 512m; client_max_body_size 2m; keepalive_timeout 5s;
             server {{ listen 127.0.0.1:{{{{port}}}}; {far}
                 nchan_channel_id_split_delimiter ',';
                 location = /pub {{ nchan_publisher; nchan_channel_id $arg_id;
                     nchan_message_buffer_length {STORED}; nchan_message_timeout {}s; }}
                 location = /flood {{ nchan_publisher; nchan_channel_id $arg_id;
                     nchan_message_buffer_length 5; nchan_message_timeout 5s; }}
                 {} {}
                 location = /metrics {{ encke_metrics; }}
                 location = /status {{ nchan_stub_status; }}
                 location = /connections {{ stub_status; }}
             }}
         }}",
        form.kept,
        subscribers("/sub", "encke_subscriber_queue 64m; nchan_websocket_ping_interval 3s;").concat(),
        subscribers("/slow", &format!("encke_subscriber_queue 64k; send_timeout 2s; {}", form.slow)).concat(),
    ))
}

#[test]
fn everybody_gets_every_message_once_and_in_order() {
    let form = Form::from_environment();
    allow_many_descriptors();
    let network = (form.vanishing > 0).then(|| Network::new().expect("nobody can vanish"));
    let server = Server::start(conf(&form, network.as_ref()));
    let soak = Arc::new(Soak::new(form, server.port()));
    let spawn = |work: fn(Arc<Soak>)| {
        let soak = Arc::clone(&soak);
        thread::spawn(move || work(soak))
    };
    let lively = [spawn(Soak::subscribers), spawn(Soak::publishers)];
    let vanishing = network.map(|network| {
        let soak = Arc::clone(&soak);
        thread::spawn(move || soak.vanish(&network))
    });
    let mut samples = soak.watch(&server);
    soak.is_over.store(true, Relaxed);
    let results = lively.map(thread::JoinHandle::join);
    let is_complete = results.iter().all(Result::is_ok);
    let end = Instant::now();
    let left = if is_complete { wait_until_empty(&server) } else { String::new() };
    eprintln!("empty after {:?}", end.elapsed());
    soak.is_noticed.store(true, Relaxed);
    if let Some(thread) = vanishing {
        thread.join().expect("no panic");
    }
    assert!(is_complete, "see above");
    samples.push(soak.look(&server, samples.last().map_or(Duration::ZERO, |last| last.at) + end.elapsed()));
    if form.is_whole {
        print(&samples);
    }
    assert_eq!(left, "", "what is left");
    judge(&form, &samples);
}

/// Two for each subscriber: its own, and the server's, which inherits the limit.
fn allow_many_descriptors() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("up to the hard limit");
}

// === what happens ===

/// Everything that the threads share.
struct Soak {
    form: Form,
    port: u16,
    is_over: AtomicBool,
    /// The server has noticed that all are gone.
    is_noticed: AtomicBool,
    channels: Vec<Channel>,
    lasting: Vec<Seats>,
    counts: Counts,
}

#[derive(Default)]
struct Channel {
    published: Mutex<Vec<Instant>>,
    /// Messages that each lasting subscriber has got.
    received: Vec<AtomicU64>,
}

/// A lasting subscriber's channels, and which of their subscribers it is.
type Seats = Vec<(usize, usize)>;

#[derive(Default)]
struct Counts {
    published: AtomicU64,
    flooded: AtomicU64,
    delivered: AtomicU64,
    resumed: AtomicU64,
    visits: AtomicU64,
    stalls: AtomicU64,
    vanished: AtomicU64,
    reloads: AtomicU64,
}

/// Where things stood at some time.
struct Sample {
    at: Duration,
    memory: u64,
    connections: u64,
    channels: u64,
    stored: u64,
    /// As [`Counts`] has them.
    counts: [u64; 8],
}

/// Ends everything when its task fails.
struct Alarm(Arc<Soak>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.is_over.store(true, Relaxed);
            self.0.is_noticed.store(true, Relaxed);
        }
    }
}

impl Soak {
    fn new(form: Form, port: u16) -> Self {
        let mut channels: Vec<Channel> = (0..form.channels).map(|_| Channel::default()).collect();
        let lasting = (0..form.lasting).map(|number| take_seats(&mut channels, number)).collect();
        let (is_over, is_noticed) = Default::default();
        Self { form, port, is_over, is_noticed, channels, lasting, counts: Counts::default() }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    /// Lasts from the first message to the last. Some leave in between, and go on where they were.
    async fn last(self: Arc<Self>, number: usize) {
        let _alarm = Alarm(Arc::clone(&self));
        let seats = &self.lasting[number];
        let kind = Kind::ALL[number % Kind::ALL.len()];
        let is_restless = kind.can_resume() && (number / Kind::ALL.len()).is_multiple_of(3);
        let mut random = Random(number as u64);
        let names: Vec<String> = seats.iter().map(|(channel, _)| channel.to_string()).collect();
        let mut asking = Asking::of(self.port, kind, "/sub", &format!("id={}", names.join(",")));
        let mut open = seats.len();
        while open > 0 {
            let mut listener = Listener::open(asking.clone()).await.expect("the server listens");
            let stay = if is_restless { 20 + random.below(200) } else { u64::MAX };
            for _ in 0..stay {
                match listener.next().await {
                    Ok(Got::Message(got)) => open -= usize::from(self.take(kind, seats, &got)),
                    // A connection between two requests may end, and a stream tell where it was.
                    Err(error) if kind.polls() && error.kind() != std::io::ErrorKind::TimedOut => break,
                    other => panic!("{kind:?} of {names:?}: {other:?} after {:?}", self.standing(seats)),
                }
                if open == 0 {
                    return;
                }
            }
            self.counts.resumed.fetch_add(1, Relaxed);
            asking = listener.asking().clone();
            if random.below(2) == 0 {
                listener.reset();
            }
        }
    }

    /// Checks a message, and says whether it was its channel's last.
    fn take(&self, kind: Kind, seats: &Seats, got: &str) -> bool {
        let channel = got.split(':').next().and_then(|text| text.parse().ok());
        let channel: usize = channel.unwrap_or(seats[0].0);
        let seat = seats.iter().find(|(own, _)| *own == channel).expect("a channel of its own").1;
        let received = &self.channels[channel].received[seat];
        let got_so_far = received.load(Relaxed);
        let is_unseen = !kind.shows_empty() && body(channel, got_so_far).is_empty();
        let expected = got_so_far + u64::from(is_unseen);
        // Whether the empty one was the next to come, or nothing was, cannot be seen.
        if got == last_body(channel, expected) || got == last_body(channel, got_so_far) {
            return true;
        }
        assert!(
            got == body(channel, expected),
            "{kind:?} in {seats:?}: expected {channel}:{expected} of {:?} ago, got {got:.20} ({} bytes)",
            self.age(channel, expected),
            got.len()
        );
        received.store(expected + 1, Relaxed);
        self.counts.delivered.fetch_add(1, Relaxed);
        false
    }

    /// Whether a message that did not come may have expired.
    fn age(&self, channel: usize, number: u64) -> Option<Duration> {
        let published = self.channels[channel].published.lock().expect("no panic");
        published.get(usize::try_from(number).ok()?).map(Instant::elapsed)
    }

    fn standing(&self, seats: &Seats) -> Vec<u64> {
        seats.iter().map(|(channel, seat)| self.channels[*channel].received[*seat].load(Relaxed)).collect()
    }

    /// Comes and goes: politely, without a word, or in the middle of a message.
    async fn visit(self: Arc<Self>, seed: usize) {
        let _alarm = Alarm(Arc::clone(&self));
        let mut random = Random(1000 + seed as u64);
        while !self.is_over() {
            let mut listener = Listener::open(self.anything(&mut random, "/sub")).await.expect("it listens");
            let stay = Duration::from_millis(random.below(4000));
            let read = async { while let Ok(Got::Message(_)) = listener.next().await {} };
            // Polls may be told to connect anew.
            let _ = tokio::time::timeout(stay, read).await;
            if random.below(2) == 0 {
                listener.reset();
            }
            self.counts.visits.fetch_add(1, Relaxed);
        }
    }

    /// Comes, and reads nothing more.
    async fn stall(self: Arc<Self>, seed: usize) {
        let _alarm = Alarm(Arc::clone(&self));
        let mut random = Random(2000 + seed as u64);
        while !self.is_over() {
            let asking = Asking { buffer: Some(4096), ..self.anything(&mut random, "/slow") };
            // Messages that are stored may be too much for it at once.
            if let Ok(mut listener) = Listener::open(asking).await {
                if listener.kind().polls() {
                    let _ = listener.ask().await;
                }
                let end = Instant::now() + Duration::from_millis(random.below(20_000));
                while Instant::now() < end && !self.is_over() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            self.counts.stalls.fetch_add(1, Relaxed);
        }
    }

    /// Comes from another network, and is never heard of again.
    fn vanish(self: Arc<Self>, network: &Network) {
        let _alarm = Alarm(Arc::clone(&self));
        network.enter();
        let end = Instant::now() + self.form.duration;
        run(async {
            let mut random = Random(3000);
            for host in (2..=254).cycle() {
                if self.is_over() || Instant::now() > end {
                    break;
                }
                let source = network.address(host);
                network.appear(source);
                let listeners = self.come_from(network.machine(), source, &mut random).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
                network.vanish(source);
                self.counts.vanished.fetch_add(listeners.len() as u64, Relaxed);
                // Their last words are not heard.
                listeners.into_iter().for_each(Listener::reset);
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        // The network has to be there: the server would be told of one that is not.
        while !self.is_noticed.load(Relaxed) {
            thread::sleep(PAUSE);
        }
    }

    async fn come_from(&self, machine: Ipv4Addr, source: Ipv4Addr, random: &mut Random) -> Vec<Listener> {
        let mut listeners = Vec::new();
        for _ in 0..self.form.vanishing / 4 {
            let mut asking = self.anything(random, "/slow");
            // Half of them are in channels that are silent.
            if random.below(2) == 0 {
                asking.query = format!("id=silent-{}", random.below(100));
            }
            let asking = Asking { server: (machine, self.port).into(), source: Some(source), ..asking };
            let mut listener = Listener::open(asking).await.expect("it listens");
            if listener.kind().polls() {
                listener.ask().await.expect("it listens");
            }
            listeners.push(listener);
        }
        listeners
    }

    fn anything(&self, random: &mut Random, base: &'static str) -> Asking {
        let kind = Kind::ALL[random.index(Kind::ALL.len())];
        Asking::of(self.port, kind, base, &format!("id={}", random.index(self.channels.len())))
    }

    /// Publishes numbered messages, not too far ahead of those who last.
    async fn publish(self: Arc<Self>, channel: usize) {
        let _alarm = Alarm(Arc::clone(&self));
        let mut publisher = Publisher::new(self.port).await;
        let slowest = || self.channels[channel].received.iter().map(|received| received.load(Relaxed)).min();
        let mut next = tokio::time::Instant::now();
        let mut number = 0;
        while !self.is_over() {
            next = (next + PAUSE).max(tokio::time::Instant::now());
            tokio::time::sleep_until(next).await;
            if slowest().is_some_and(|slowest| number < slowest + MOST_LAG) {
                self.channels[channel].published.lock().expect("no panic").push(Instant::now());
                publisher.publish("/pub", &channel.to_string(), &body(channel, number)).await;
                number += 1;
                self.counts.published.fetch_add(1, Relaxed);
            }
        }
        publisher.publish("/pub", &channel.to_string(), &last_body(channel, number)).await;
    }

    /// Publishes anything to channels that nobody listens to.
    async fn flood(self: Arc<Self>, seed: u64) {
        let _alarm = Alarm(Arc::clone(&self));
        let mut random = Random(4000 + seed);
        let mut publisher = Publisher::new(self.port).await;
        while !self.is_over() {
            let channel = format!("flood-{}", random.below(5000));
            publisher.publish("/flood", &channel, &random.body()).await;
            self.counts.flooded.fetch_add(1, Relaxed);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn subscribers(self: Arc<Self>) {
        run(async {
            let mut tasks = JoinSet::new();
            (0..self.form.lasting).for_each(|number| drop(tasks.spawn(Arc::clone(&self).last(number))));
            (0..self.form.visiting).for_each(|seed| drop(tasks.spawn(Arc::clone(&self).visit(seed))));
            (0..self.form.stalling).for_each(|seed| drop(tasks.spawn(Arc::clone(&self).stall(seed))));
            await_all(tasks).await;
        });
    }

    fn publishers(self: Arc<Self>) {
        run(async {
            let mut tasks = JoinSet::new();
            (0..self.form.channels).for_each(|channel| drop(tasks.spawn(Arc::clone(&self).publish(channel))));
            (0..4).for_each(|seed| drop(tasks.spawn(Arc::clone(&self).flood(seed))));
            await_all(tasks).await;
        });
    }

    /// Reloads, and looks at the server from time to time.
    fn watch(&self, server: &Server) -> Vec<Sample> {
        let pause = (self.form.duration / 20).min(Duration::from_secs(10));
        let start = Instant::now();
        let (mut reload, mut look) = (start + self.form.reload_every, start + pause);
        let mut samples = Vec::new();
        while start.elapsed() < self.form.duration && !self.is_over() {
            thread::sleep(Duration::from_millis(20));
            if Instant::now() > reload {
                server.signal(Signal::SIGHUP);
                self.counts.reloads.fetch_add(1, Relaxed);
                reload += self.form.reload_every;
            }
            if Instant::now() > look {
                samples.push(self.look(server, start.elapsed()));
                look += pause;
            }
        }
        samples
    }

    fn look(&self, server: &Server, at: Duration) -> Sample {
        let metrics = ask(server, "/metrics");
        let counts = &self.counts;
        let counts = [
            &counts.published,
            &counts.flooded,
            &counts.delivered,
            &counts.resumed,
            &counts.visits,
            &counts.stalls,
            &counts.vanished,
            &counts.reloads,
        ];
        Sample {
            at,
            memory: pss::of_tree(server.pid()).expect("the server runs"),
            connections: total(&metrics, "encke_connections_active"),
            channels: total(&metrics, "encke_channels"),
            stored: total(&metrics, "encke_messages_stored"),
            counts: counts.map(|count| count.load(Relaxed)),
        }
    }
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work);
}

/// The first that fails is the end of all.
async fn await_all(mut tasks: JoinSet<()>) {
    while let Some(result) = tasks.join_next().await {
        result.expect("no panic");
    }
}

/// Every fifth listens to three channels, all others to one.
fn take_seats(channels: &mut [Channel], number: usize) -> Seats {
    let half = channels.len() / 2;
    let turn = number / Kind::ALL.len();
    let numbers = if turn % 5 == 4 {
        // In the second half every message says where it is from.
        (0..3).map(|offset| half + (turn + offset) % half).collect()
    } else {
        vec![number % channels.len()]
    };
    let seat = |channel: usize| {
        channels[channel].received.push(AtomicU64::new(0));
        (channel, channels[channel].received.len() - 1)
    };
    numbers.into_iter().map(seat).collect()
}

/// A message says which one it is. Some are empty, in channels of the first kind.
fn body(channel: usize, number: u64) -> String {
    if channel < 4 && number % 50 == 49 {
        return String::new();
    }
    let fill = match (number + 25 * channel as u64) % 1000 {
        60 => 1 << 20,
        150 | 650 => 70_000,
        other => usize::try_from(other * 37 % 1500).expect("below 1500"),
    };
    format!("{channel}:{number}:{}", "x".repeat(fill))
}

/// After so many messages, a subscriber goes home.
fn last_body(channel: usize, count: u64) -> String {
    format!("{channel}:these were {count}")
}

/// The sum of a metric over all workers.
fn total(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        (rest.starts_with([' ', '{'])).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum::<f64>() as u64
}

/// A connection that is made anew when the server has had enough of it.
struct Publisher {
    port: u16,
    connection: BufReader<TcpStream>,
}

impl Publisher {
    async fn new(port: u16) -> Self {
        Self { port, connection: Self::connect(port).await }
    }

    async fn connect(port: u16) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("the server listens"))
    }

    async fn publish(&mut self, location: &str, channel: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "POST {location}?id={channel} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let exchange = async {
            self.connection.get_mut().write_all(request.as_bytes()).await?;
            Answer::read(&mut self.connection).await
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("in time").expect("an answer");
        assert!(matches!(answer.status, 201 | 202), "{location} of {length} bytes: {answer:?}");
        if answer.closes {
            self.connection = Self::connect(self.port).await;
        }
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

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("it fits")
    }

    /// Up to 1 MiB, mostly small.
    fn body(&mut self) -> String {
        let magnitude = self.index(21);
        let magnitude = self.index(magnitude + 1);
        "x".repeat(self.index((1 << magnitude) + 1))
    }
}

// === what is made of it ===

/// Waits until the server says that nobody and nothing is left but the question. What is left in the end.
fn wait_until_empty(server: &Server) -> String {
    let deadline = Instant::now() + NOTICED;
    loop {
        let left = what_is_left(server);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// The body of an answer, for which there is more time than elsewhere.
fn ask(server: &Server, target: &str) -> String {
    let mut connection = server.connect();
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    connection.receive(PATIENCE).into_response().text()
}

fn what_is_left(server: &Server) -> String {
    let status = ask(server, "/status") + &ask(server, "/connections");
    let metrics = ask(server, "/metrics");
    let wanted = ["channels: 0", "subscribers: 0", "stored messages: 0", "Active connections: 1 "];
    let missing = wanted.iter().filter(|line| !status.lines().any(|told| told == **line));
    let mut left: Vec<String> = missing.map(|line| format!("not {line:?} in {status}")).collect();
    for name in ["encke_subscribers_parked", "encke_channels", "encke_messages_stored", "encke_memory_bytes"]
    {
        let value = total(&metrics, name);
        if value > 0 {
            left.push(format!("{name} is {value}"));
        }
    }
    left.join("; ")
}

/// Enough has happened, and memory is what it was.
fn judge(form: &Form, samples: &[Sample]) {
    let [.., last, after] = samples else { panic!("too few samples") };
    let [published, flooded, delivered, resumed, visits, stalls, ..] = last.counts;
    let least = form.channels as u64 * 20;
    assert!(published > least && flooded > 100 && delivered > 20 * form.lasting as u64, "{:?}", last.counts);
    assert!(resumed > 10 && visits > 20 && (stalls > 0 || !form.is_whole), "{:?}", last.counts);
    if form.is_whole {
        let most = |from: u32, to: u32| {
            let part =
                samples.iter().filter(|s| form.duration * from < s.at * 10 && s.at * 10 < form.duration * to);
            part.map(|sample| sample.memory).max().expect("there are samples")
        };
        let (warm, end) = (most(1, 2), most(9, 10).max(after.memory));
        assert!(end * 100 <= warm * MOST_MEMORY, "{end} bytes in the end, {warm} at first");
    }
}

fn print(samples: &[Sample]) {
    println!(
        "| seconds | Pss, MiB | connections | channels | messages stored | published | flooded | delivered \
         | resumed | visits | stalls | vanished | reloads |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for Sample { at, memory, connections, channels, stored, counts } in samples {
        let memory = *memory as f64 / f64::from(1 << 20);
        let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
        println!(
            "| {:.0} | {memory:.1} | {connections} | {channels} | {stored} | {} |",
            at.as_secs_f64(),
            counts.join(" | ")
        );
    }
}
