//! Memory of the server per subscriber that waits, beside nginx with Nchan where both are installed.
//!
//! ```sh
//! cargo bench --bench memory                       # 2,000 and 10,000 subscribers; exit code 1 above the bound
//! cargo bench --bench memory -- --subscribers 100000 --json
//! cargo bench --bench memory -- --smoke            # few subscribers, no bound: does it still work?
//! ```
//!
//! The figure is a slope: how much larger the process tree (`Pss`) is with many subscribers than with a fifth of
//! them, per subscriber between. What a server takes anyway does not count, nor does memory of the kernel for its
//! sockets, which is the same for both. An allocator that took more than it needed for the first fifth flatters the
//! slope; so the same from a server without subscribers is given too, which counts everything that the first
//! request brought with it, and the bound is for the larger of both. Afterwards every subscriber has to get one
//! message, and only once.

mod crowd;
#[allow(dead_code, unused_imports, reason = "shared with the integration tests")]
#[path = "../harness/mod.rs"]
mod harness;
mod pss;

use std::error::Error;
use std::io;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crowd::{Crowd, Layout, Transport};
use harness::{Backend, Conf, Server};

/// Most bytes that a waiting subscriber of Encke may cost.
fn bound(transport: Transport) -> f64 {
    match transport {
        // It has a decoder for what its client says.
        Transport::WebSocket => 2048.0,
        _ => 1536.0,
    }
}

/// Subscribers of a run that only checks that everything works.
const SMOKE: usize = 1000;

/// Of all subscribers, this part is there at the first measurement.
const FIRST_PART: usize = 5;

/// What channels cost does not depend on the transport.
const RUNS: [(Transport, Layout); 7] = [
    (Transport::LongPoll, Layout::OneChannel),
    (Transport::LongPoll, Layout::ChannelEach),
    (Transport::EventSource, Layout::OneChannel),
    (Transport::Chunked, Layout::OneChannel),
    (Transport::Multipart, Layout::OneChannel),
    (Transport::Raw, Layout::OneChannel),
    (Transport::WebSocket, Layout::OneChannel),
];

/// Memory of the server process per waiting subscriber.
#[derive(Parser)]
struct Arguments {
    /// Subscribers at the second measurement
    #[arg(long, default_value_t = 10_000)]
    subscribers: usize,
    /// Few subscribers, and no bound
    #[arg(long)]
    smoke: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Given by `cargo bench`; without it (`cargo test`) this is a smoke run
    #[arg(long, hide = true)]
    bench: bool,
}

/// One server with one layout of channels and one transport.
struct Measurement {
    backend: Backend,
    transport: Transport,
    layout: Layout,
    /// `Pss` of the process tree: without subscribers, with a part of them, with all.
    bytes: [u64; 3],
    /// Bytes per subscriber after the first part, and per subscriber at all.
    per_subscriber: [f64; 2],
    delivered: usize,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let is_smoke = arguments.smoke || !arguments.bench;
    let subscribers = if is_smoke { SMOKE } else { arguments.subscribers.max(FIRST_PART) };
    raise_open_files(files(subscribers))?;
    let backends = [Backend::Encke, Backend::Nginx { nchan: true }];
    let mut measurements = Vec::new();
    for (transport, layout) in RUNS {
        for backend in backends.into_iter().filter(|backend| backend.is_installed()) {
            measurements.push(measure(backend, transport, layout, subscribers)?);
        }
    }
    if arguments.json {
        println!("{:#}", to_json(&measurements, subscribers));
    } else {
        print_table(&measurements, subscribers);
    }
    let mut failed = false;
    for measurement in own(&measurements) {
        let most = measurement.per_subscriber.into_iter().fold(0.0, f64::max);
        let bound = bound(measurement.transport);
        if !is_smoke && most > bound {
            eprintln!("{}: {most:.0} bytes per subscriber are more than {bound:.0}", describe(measurement));
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(
    backend: Backend,
    transport: Transport,
    layout: Layout,
    subscribers: usize,
) -> io::Result<Measurement> {
    let server = Server::builder(conf(backend, subscribers)).backend(backend).start();
    let mut crowd = Crowd::new(&server, layout, transport);
    let sizes = [0, subscribers / FIRST_PART, subscribers];
    let mut bytes = [0; 3];
    for (bytes, size) in bytes.iter_mut().zip(sizes) {
        crowd.grow(size)?;
        *bytes = settled(server.pid())?;
    }
    let since = |start: usize| (bytes[2] as f64 - bytes[start] as f64) / (sizes[2] - sizes[start]) as f64;
    Ok(Measurement {
        backend,
        transport,
        layout,
        bytes,
        per_subscriber: [since(1), since(0)],
        delivered: crowd.deliver()?,
    })
}

/// The server's memory, a moment after the last connection was made.
fn settled(pid: u32) -> io::Result<u64> {
    thread::sleep(Duration::from_millis(500));
    pss::of_tree(pid)
}

/// The same for both: Nchan knows the old names too.
fn conf(backend: Backend, subscribers: usize) -> Conf {
    let files = files(subscribers);
    let scratch = if backend.is_nginx() { "client_body_temp_path {{dir}}/body;" } else { "" };
    Conf::whole(format!(
        "daemon off;
         worker_processes 1;
         pid {{{{dir}}}}/server.pid;
         error_log stderr warn;
         events {{ worker_connections {files}; }}
         http {{
             access_log off;
             {scratch}
             push_max_reserved_memory 1024m;
             server {{
                 listen 127.0.0.1:{{{{port}}}};
                 location = /publish {{ set $push_channel_id $arg_id; push_publisher; }}
                 location = /subscribe {{ set $push_channel_id $arg_id; push_subscriber; }}
                 location = /stream {{ nchan_subscriber; nchan_channel_id $arg_id; }}
                 location = /raw {{ nchan_subscriber http-raw-stream; nchan_channel_id $arg_id; }}
             }}
         }}"
    ))
}

/// Descriptors for so many subscribers, log files and the like. nginx closes idle connections when only one in
/// sixteen is left.
fn files(subscribers: usize) -> usize {
    subscribers + subscribers / 8 + 512
}

/// Each subscriber is a descriptor here, and one in the server, which inherits our limit.
fn raise_open_files(wanted: usize) -> Result<(), Box<dyn Error>> {
    let wanted = u64::try_from(wanted)?;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard.max(wanted)).map_err(|error| {
        format!("{wanted} files cannot be opened here ({error}): try fewer --subscribers").into()
    })
}

// === the report ===

fn own(measurements: &[Measurement]) -> impl Iterator<Item = &Measurement> {
    measurements.iter().filter(|measurement| measurement.backend == Backend::Encke)
}

/// How many times as much the other server needs for the same, its start counted.
fn ratio(of: &Measurement, measurements: &[Measurement]) -> Option<f64> {
    let other = measurements.iter().find(|other| {
        (other.layout, other.transport) == (of.layout, of.transport) && other.backend != of.backend
    })?;
    Some(other.per_subscriber[1] / of.per_subscriber[1])
}

fn print_table(measurements: &[Measurement], subscribers: usize) {
    println!(
        "Process memory (Pss) per waiting subscriber, from {} to {subscribers}",
        subscribers / FIRST_PART
    );
    for backend in backends(measurements) {
        println!("  {}: {}", name(backend), version(backend));
    }
    let columns = ["B/subscriber", "with start", "MB empty", "MB part", "MB all", "delivered"];
    print!("\n{:<26}{:<12}", "subscribers", "server");
    columns.iter().for_each(|column| print!("{column:>13}"));
    println!();
    measurements.iter().for_each(print_row);
    println!();
    for measurement in own(measurements) {
        if let Some(ratio) = ratio(measurement, measurements) {
            println!("{}: nginx + Nchan takes {ratio:.1} times as much", describe(measurement));
        }
    }
}

fn print_row(row: &Measurement) {
    print!("{:<26}{:<12}", describe(row), name(row.backend));
    row.per_subscriber.iter().for_each(|bytes| print!("{bytes:>13.0}"));
    row.bytes.iter().for_each(|bytes| print!("{:>13.1}", *bytes as f64 / 1e6));
    println!("{:>13}", row.delivered);
}

fn to_json(measurements: &[Measurement], subscribers: usize) -> Value {
    let versions: Vec<Value> = backends(measurements)
        .map(|backend| json!({ "server": name(backend), "version": version(backend) }))
        .collect();
    let rows: Vec<Value> = measurements
        .iter()
        .map(|row| {
            json!({
                "server": name(row.backend),
                "channels": channels(row.layout),
                "transport": format!("{:?}", row.transport),
                "bytes_per_subscriber": row.per_subscriber[0],
                "bytes_per_subscriber_with_start": row.per_subscriber[1],
                "pss": row.bytes,
                "delivered": row.delivered,
            })
        })
        .collect();
    json!({ "subscribers": [subscribers / FIRST_PART, subscribers], "servers": versions, "rows": rows })
}

fn backends(measurements: &[Measurement]) -> impl Iterator<Item = Backend> {
    let first = |row: &&Measurement| (row.transport, row.layout) == RUNS[0];
    measurements.iter().filter(first).map(|row| row.backend)
}

fn name(backend: Backend) -> &'static str {
    if backend.is_nginx() { "nginx+Nchan" } else { "encke" }
}

fn describe(row: &Measurement) -> String {
    format!("{:?}, {}", row.transport, channels(row.layout))
}

fn channels(layout: Layout) -> &'static str {
    match layout {
        Layout::OneChannel => "one for all",
        Layout::ChannelEach => "one for each",
    }
}

/// What a program says to `-v`.
fn version(backend: Backend) -> String {
    let program = if backend.is_nginx() { "/usr/sbin/nginx" } else { env!("CARGO_BIN_EXE_encke") };
    let Ok(output) = Command::new(program).arg("-v").output() else { return "unknown".to_owned() };
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).trim().to_owned()
}
