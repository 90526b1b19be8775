//! How fast a megabyte of config is read and printed: `cargo bench -p encke-parser`.
//!
//! Plain `std::time`: the numbers are compared by people, over the best of several rounds.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use encke_parser::{Options, parse_bytes};

fn main() {
    report("realistic", &repeat(REALISTIC));
    report("comments", &repeat("# nothing but a comment, with a { and a ; in it\n"));
    report("one directive, many words", &[repeat("word "), b";".to_vec()].concat());
    report("quoted with escapes", &repeat("set $a \"a\\\"b\\tc\\.d\";\n"));
}

fn report(name: &str, config: &[u8]) {
    let options = Options::default();
    let parsed = parse_bytes(Path::new("bench.conf"), config, &options);
    assert_eq!(parsed.error, None, "{name}");
    let parse = best(|| parse_bytes(Path::new("bench.conf"), black_box(config), &options));
    let print = best(|| black_box(&parsed).to_text());
    println!("{name:<26} parse {}   print {}", speed(config.len(), parse), speed(config.len(), print));
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    let round = |_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn speed(bytes: usize, time: Duration) -> String {
    let megabytes = bytes as f64 / 1e6;
    format!("{:6.2} ms, {:5.0} MB/s", time.as_secs_f64() * 1e3, megabytes / time.as_secs_f64())
}

fn repeat(text: &str) -> Vec<u8> {
    text.repeat(1_000_000 / text.len()).into_bytes()
}

const ROUNDS: usize = 20;

const REALISTIC: &str = r#"
# a virtual host
server {
    listen 80 default_server; # and IPv6
    server_name example.com *.example.com "~^www\d+\.example\.com$";
    access_log /var/log/nginx/access.log combined;

    location ~ ^/sub/([a-z]+)$ {
        push_subscriber long-poll;
        set $push_channel_id "room-${arg_id}_$1";
        push_message_timeout 1m30s;
        add_header Cache-Control "no-cache, no-store" always;
    }
}
"#;
