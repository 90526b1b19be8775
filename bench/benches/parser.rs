//! Configurations into trees, and into what they mean.

use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::BytesCount;
use encke::config::{self, LoadOptions};
use encke_parser::{FsLoader, MemLoader, Options, parse_bytes};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf-examples");

/// Every file of `conf-examples`.
#[divan::bench]
fn examples(bencher: Bencher<'_, '_>) {
    let texts: Vec<Vec<u8>> =
        examples_paths().iter().map(|path| std::fs::read(path).expect("an example")).collect();
    let options = Options::default();
    bencher.counter(BytesCount::new(texts.iter().map(Vec::len).sum::<usize>())).bench(|| {
        texts.iter().map(|text| parse_bytes(Path::new("example.conf"), text, &options)).collect::<Vec<_>>()
    });
}

/// So many virtual hosts with ten locations each.
#[divan::bench(args = [10, 1_000])]
fn servers(bencher: Bencher<'_, '_>, count: usize) {
    let (text, options) = (generated(count), Options::default());
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| parse_bytes(Path::new("generated.conf"), text.as_bytes(), &options));
}

/// The same, checked, merged and compiled.
#[divan::bench(args = [10, 1_000])]
fn servers_loaded(bencher: Bencher<'_, '_>, count: usize) {
    let path = Path::new("/bench/nginx.conf");
    let loader = MemLoader::new().with(path, generated(count));
    let load = || config::load(path, &loader, &LoadOptions::default());
    assert!(load().config.is_some(), "{:?}", load().error().map(|error| error.message.clone()));
    bencher.bench(load);
}

/// One example from the disk: what starting and reloading cost at least.
#[divan::bench]
fn example_loaded(bencher: Bencher<'_, '_>) {
    let path = Path::new(EXAMPLES).join("nchan.conf");
    bencher.bench(|| config::load(&path, &FsLoader, &LoadOptions::default()));
}

fn examples_paths() -> Vec<PathBuf> {
    let files = std::fs::read_dir(EXAMPLES).expect("examples").filter_map(Result::ok);
    files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "conf")).collect()
}

fn generated(servers: usize) -> String {
    let location = |number: usize| {
        format!(
            "location = /events/{number} {{\n  nchan_subscriber eventsource websocket; # both\n  \
             nchan_channel_id \"room-$arg_id/{number}\";\n  add_header Cache-Control \"no-cache\" always;\n}}\n"
        )
    };
    let locations: String = (0..10).map(location).collect();
    let server = |number: usize| {
        format!("server {{\nlisten 8080;\nserver_name host{number}.example.com;\n{locations}}}\n")
    };
    let servers: String = (0..servers).map(server).collect();
    format!("events {{}}\nhttp {{\nserver_names_hash_max_size 4096;\n{servers}}}\n")
}
