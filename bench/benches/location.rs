//! Which location a path belongs to: among a few, and among hundreds. It is the last one, where there is an order.

use divan::Bencher;
use encke::http::location;

use crate::given;

const COUNTS: [usize; 2] = [5, 500];

#[divan::bench(args = COUNTS, sample_size = 100)]
fn exact(bencher: Bencher<'_, '_>, count: usize) {
    find(bencher, count, |number| format!("location = /path{number}/to"), "to");
}

#[divan::bench(args = COUNTS, sample_size = 100)]
fn prefix(bencher: Bencher<'_, '_>, count: usize) {
    find(bencher, count, |number| format!("location /path{number}/"), "to/something");
}

#[divan::bench(args = COUNTS, sample_size = 100)]
fn regex(bencher: Bencher<'_, '_>, count: usize) {
    find(bencher, count, |number| format!("location ~ ^/path{number}/([a-z]+)$"), "something");
}

fn find(bencher: Bencher<'_, '_>, count: usize, location: impl Fn(usize) -> String, rest: &str) {
    let locations: String =
        (0..count).map(|number| format!("{} {{ return 204; }}\n", location(number))).collect();
    let site = given::site(&locations);
    let head = format!("GET /path{}/{rest} HTTP/1.1\r\nHost: example.com\r\n\r\n", count - 1);
    let mut ctx = given::request(&site, &head);
    let locations = &site.config.servers[0].locations;
    assert!(location::find(locations, &mut ctx).is_some());
    bencher.bench_local(|| location::find(divan::black_box(locations), &mut ctx));
}
