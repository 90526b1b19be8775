//! Gives nginx and encke the same input and compares what they do.
//!
//! * `agreement/*.case`: requests to running servers. Compared are status lines, headers as spelled and in their
//!   order, bodies, what becomes of the connection, and log files.
//! * `agreement/config_errors/*.case`: configurations for `-t -q`. Compared are exit codes and messages.
//!
//! The form of the files is described in `agreement/case.rs`.
//! `ENCKE_AGREEMENT=part-of-a-name` runs only the cases with that in their name.
//! `ENCKE_AGREEMENT_SHOW=1` prints what nginx answers, for somebody who writes a case.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use self::case::{Case, Topic};
use self::play::Player;
use self::script::Stage;
use crate::harness::Backend;

mod case;
mod check;
mod fixtures;
mod play;
pub(crate) mod script;

/// Cases in which encke deliberately differs, by the topic under which `docs/differences.md` says so and why.
const DIFFERENCES: &[(&str, &[&str])] = &[
    ("a configuration without servers", &["events only"]),
    (
        "HTTP/0.9 (`GET /path` without version)",
        &["HTTP/0.9", "HTTP/0.9 with headers", "HTTP/0.9 of another method"],
    ),
    ("`error_page` for what the HTTP library refuses", &["page for an unknown coding"]),
    (
        "a location of `nchan_publisher_upstream_request` that is not there",
        &["a location for messages that is not there"],
    ),
    ("HTTP/1.2 and later", &["HTTP/1.2", "HTTP/1.9", "HTTP/1.10"]),
    (
        "spare blanks in the request line",
        &["two blanks before the target", "two blanks before the version", "blank after the version"],
    ),
    (
        "tabs around header values, control characters in them",
        &[
            "blanks around a header's value",
            "blanks around Host",
            "control character in a header's value",
            "DEL in a header's value",
        ],
    ),
    ("line ends in bodies in chunks", &["chunk lines with bare line feeds"]),
    (
        "an answer that closes the connection before the body was read",
        &[
            "announced body above the limit",
            "body above the default limit",
            "body above a location's limit",
            "Expect above the limit",
        ],
    ),
    ("a PROXY header with broken addresses", &["broken address"]),
    ("line ends in the path of a redirect", &["decoded path in the redirect"]),
    (
        "`server_name_in_redirect` of a server without a name",
        &["address of a server without a name in a redirect"],
    ),
    ("`$content_length` of a chunked request", &["content of a chunked request"]),
    ("answers of servers behind that are broken", &["broken chunk", "length that is none"]),
    ("`$sent_http_location` of a completed redirect", &["completed redirect in a variable"]),
    (
        "wrong words of `nchan_*`",
        &[
            "nchan_publisher bogus",
            "nchan_publisher eventsource",
            "nchan_publisher none",
            "nchan_subscriber raw",
            "nchan_pubsub http bogus",
            "nchan_group_location post",
            "nchan_publisher; nchan_group_location",
            "nchan_group_location; nchan_subscriber",
            "nchan_longpoll_multipart_response bogus",
            "nchan_subscriber_first_message bogus",
            "nchan_subscriber_first_message 33",
            "nchan_subscriber_first_message 1.5",
            "nchan_storage_engine bogus",
            "nchan_benchmark; nchan_group_location",
            "nchan_group_location; nchan_benchmark",
        ],
    ),
    (
        "values that Nchan takes in silence",
        &[
            "nchan_subscriber ''; nchan_channel_id a",
            "nchan_subscriber eventsou; nchan_channel_id a",
            "nchan_message_buffer_length bogus",
            "nchan_message_timeout 500ms",
            "nchan_message_buffer_length 1; nchan_message_max_buffer_length 2",
            "nchan_message_timeout 1; push_message_timeout 2",
            "nchan_store_messages maybe",
            "nchan_group_max_channels x",
            "nchan_group_max_messages_memory x",
            "nchan_subscriber_message_id_custom_etag_header 'a b:'",
            "nchan_eventsource_event 'aLFb'",
            "nchan_benchmark_subscriber_distribution ''",
            "nchan_benchmark_publisher_distribution opt",
        ],
    ),
    (
        "an origin that may not",
        &[
            "list for http://A, message",
            "list for http://c, message",
            "list for null, message",
            "variable for http://c",
            "publisher for http://c",
            "publisher's OPTIONS for http://c",
            "subscriber's OPTIONS for http://c",
            "WebSocket for http://c",
            "EventSource for http://c",
            "DELETE for http://c",
            "variable that is empty",
        ],
    ),
    (
        "`If-Modified-Since` without `If-None-Match`, in `nchan_*` locations",
        &["date without a tag", "two channels, a date without a tag"],
    ),
    ("`finish` in `nchan_benchmark`", &["finish"]),
    ("words after `abort` in `nchan_benchmark`", &["a word after abort"]),
    (
        "times of `nchan_benchmark` of which there are none",
        &["a whole run of no time", "a whole run without subscribers"],
    ),
    ("the position `0:0` of several channels", &["two channels, id 0:0"]),
    (
        "channel ids that are empty",
        &[
            "no channel id",
            "no channel id for GET",
            "no channel id for DELETE",
            "empty channel id",
            "no channel id with an origin",
            "error_page and no channel",
            "publishing to empty ids between delimiters",
            "publishing to nothing but delimiters",
            "channels between delimiters with empty ones",
        ],
    ),
    (
        "a delimiter behind the last id, and short last pieces",
        &["channels between delimiters with one at the end"],
    ),
    ("the same channel twice in one request", &["the same channel twice"]),
    (
        "information on several channels (GET)",
        &[
            "info of two channels of which one exists",
            "info of two channels of which the other exists",
            "info of two channels",
            "info of two channels, as JSON",
        ],
    ),
    (
        "HEAD, PATCH and unknown methods, in `nchan_*` locations",
        &["HEAD on a publisher", "PATCH on a publisher", "HEAD on a subscriber", "PATCH on a subscriber"],
    ),
    (
        "bodies of requests that are refused",
        &[
            "variable buffer length that is missing",
            "variable buffer length that is none",
            "variable timeout that is missing",
            "variable timeout that is none",
            "WebSocket only: POST",
            "POST on a subscriber",
            "POST on a subscriber with an origin",
            "PUT on a subscriber",
            "a body on a subscriber's GET",
        ],
    ),
    (
        "bytes behind a request that is held",
        &["long-poll after another request came behind it", "EventSource and a request behind it"],
    ),
    ("a subprotocol nobody knows", &["handshake with meta second", "handshake with another protocol"]),
    (
        "compression that cannot be agreed on",
        &[
            "offer permessage-deflate; server_max_window_bits=9",
            "offer permessage-deflate; server_max_window_bits=8",
            "offer x-webkit-deflate-frame",
            "offer permessage-deflate; bogus",
        ],
    ),
    (
        "frames that break RFC 6455",
        &[
            "fragments",
            "unmasked frame",
            "text of bad UTF-8",
            "compressed frame without agreement",
            "unknown opcode",
            "long ping",
        ],
    ),
    (
        "reasons of close frames",
        &["publishing where it is not allowed", "pings of the server that are not answered"],
    ),
    (
        "the connection after a 412",
        &[
            "If-Match",
            "If-Match, weak",
            "If-Match without a tag",
            "If-Unmodified-Since",
            "If-Unmodified-Since, garbage",
            "headers of a 412",
            "HEAD of a 412",
            "page for a 412",
            "text with If-Match",
            "text with If-Unmodified-Since",
            "range and conditions",
        ],
    ),
    ("compressed bytes", &["compressed binary messages"]),
];

const NGINX: Backend = Backend::Nginx { nchan: false };

/// Cases spend their time watching connections.
const AT_ONCE: usize = 24;

macro_rules! topics {
    ($($name:ident: $compare:ident($file:literal),)*) => {
        $(
            #[test]
            fn $name() {
                $compare(&folder().join($file));
            }
        )*

        /// A file that no test reads would be silence taken for agreement.
        const FILES: &[&str] = &[$($file),*];
    };
}

topics! {
    access: compare_answers("access.case"),
    aliases: compare_answers("alias.case"),
    authentication: compare_answers("auth.case"),
    browsers: compare_answers("browser.case"),
    charsets: compare_answers("charset.case"),
    connections: compare_answers("connections.case"),
    error_files: compare_answers("error_files.case"),
    error_lines: compare_answers("errors.case"),
    error_pages: compare_answers("error_page.case"),
    expires: compare_answers("expires.case"),
    files: compare_answers("files.case"),
    geo: compare_answers("geo.case"),
    gzip: compare_answers("gzip.case"),
    headers: compare_answers("headers.case"),
    index: compare_answers("index.case"),
    limits_of_connections: compare_answers("limit_conn.case"),
    limits_of_requests: compare_answers("limit_req.case"),
    listings: compare_answers("autoindex.case"),
    locations: compare_answers("locations.case"),
    logs: compare_answers("logs.case"),
    maps: compare_answers("map.case"),
    maps_in_directives: compare_answers("map_uses.case"),
    not_modified: compare_answers("not_modified.case"),
    open_files: compare_answers("open_files.case"),
    output: compare_answers("output.case"),
    proxy_protocol: compare_answers("proxy_protocol.case"),
    ranges: compare_answers("ranges.case"),
    real_addresses: compare_answers("realip.case"),
    proxying: compare_answers("proxy.case"),
    proxied_answers: compare_answers("proxy_answers.case"),
    proxied_beside_files: compare_answers("proxy_files.case"),
    upstreams: compare_answers("upstream.case"),
    redirects: compare_answers("redirects.case"),
    referers: compare_answers("referer.case"),
    request_bodies: compare_answers("bodies.case"),
    request_bodies_in_files: compare_answers("body_files.case"),
    requests_that_are_broken: compare_answers("broken_requests.case"),
    returns: compare_answers("return.case"),
    rewrites: compare_answers("rewrite.case"),
    satisfaction: compare_answers("satisfy.case"),
    secure_links: compare_answers("secure_link.case"),
    servers: compare_answers("servers.case"),
    set_and_if: compare_answers("set.case"),
    sizes_and_timeouts: compare_answers("timeouts.case"),
    split_clients: compare_answers("split_clients.case"),
    status_pages: compare_answers("status.case"),
    symlinks: compare_answers("symlinks.case"),
    try_files: compare_answers("try_files.case"),
    userids: compare_answers("userid.case"),
    variables: compare_answers("variables.case"),
    nchan_publishers: compare_scripts("nchan/publisher.case"),
    nchan_logs: compare_scripts("nchan/logs.case"),
    nchan_streams: compare_scripts("nchan/streams.case"),
    nchan_positions: compare_scripts("nchan/positions.case"),
    nchan_sockets: compare_scripts("nchan/websocket.case"),
    nchan_origins: compare_scripts("nchan/cors.case"),
    nchan_authorization: compare_scripts("nchan/authorize.case"),
    nchan_hooks: compare_scripts("nchan/hooks.case"),
    nchan_groups: compare_scripts("nchan/groups.case"),
    nchan_events: compare_scripts("nchan/events.case"),
    nchan_variables: compare_scripts("nchan/info.case"),
    nchan_benchmark: compare_scripts_in_turn("nchan/benchmark.case"),
    config_of_browser: compare_checks("config_errors/browser.case"),
    config_of_expires: compare_checks("config_errors/expires.case"),
    config_of_files: compare_checks("config_errors/files.case"),
    config_of_geo: compare_checks("config_errors/geo.case"),
    config_of_limits: compare_checks("config_errors/limits.case"),
    config_of_locations: compare_checks("config_errors/locations.case"),
    config_of_nchan: compare_checks("config_errors/nchan.case"),
    config_of_nchan_table: compare_checks("config_errors/nchan_table.case"),
    config_of_logs: compare_checks("config_errors/logs.case"),
    config_of_map: compare_checks("config_errors/map.case"),
    config_of_process: compare_checks("config_errors/process.case"),
    config_of_events: compare_checks("config_errors/events.case"),
    config_of_push: compare_checks("config_errors/push.case"),
    config_of_proxying: compare_checks("config_errors/proxy.case"),
    config_of_referer: compare_checks("config_errors/referer.case"),
    config_of_rewrite: compare_checks("config_errors/rewrite.case"),
    config_of_secure_link: compare_checks("config_errors/secure_link.case"),
    config_of_servers: compare_checks("config_errors/servers.case"),
    config_of_split_clients: compare_checks("config_errors/split_clients.case"),
    config_of_userid: compare_checks("config_errors/userid.case"),
    config_of_variables: compare_checks("config_errors/variables.case"),
    config_syntax: compare_checks("config_errors/syntax.case"),
    config_values: compare_checks("config_errors/values.case"),
}

#[test]
fn every_file_is_compared() {
    let mut found: Vec<PathBuf> = case_files(&folder());
    found.extend(case_files(&folder().join("config_errors")));
    found.extend(case_files(&folder().join("nchan")));
    for file in found {
        let name = file.strip_prefix(folder()).expect("it was found there").to_string_lossy();
        assert!(FILES.contains(&&*name), "{name} has no test");
    }
}

#[test]
fn differences_are_few_and_documented() {
    // nginx and Nchan together.
    assert!(DIFFERENCES.len() <= 40);
    let documented = fs::read_to_string(folder().join("../../docs/differences.md")).unwrap_or_default();
    let topics = DIFFERENCES.iter().map(|(topic, _)| *topic);
    let missing: Vec<&str> = topics.filter(|topic| !documented.contains(topic)).collect();
    assert!(missing.is_empty(), "not in docs/differences.md: {missing:#?}");
}

#[test]
fn differences_name_cases_that_exist() {
    let topics = FILES.iter().map(|file| Topic::read(&folder().join(file)));
    let cases: Vec<String> = topics.flat_map(|topic| topic.cases).map(|case| case.name).collect();
    for name in DIFFERENCES.iter().flat_map(|(_, names)| *names) {
        assert!(cases.iter().any(|case| case == name), "{name}");
    }
}

/// Starts both servers with the configuration of a topic, and plays its cases on both.
fn compare_answers(file: &Path) {
    let topic = Topic::read(file);
    if !nginx_is_there(NGINX, &topic) {
        return;
    }
    let [nginx, encke] = &[NGINX, Backend::Encke].map(|backend| Player::start(backend, &topic.preamble));
    let selected = selected(&topic);
    let failures = in_parallel(&selected, |case| {
        let compare = |patience| {
            // Both at the same time: some answers tell the time.
            thread::scope(|scope| {
                let expected = scope.spawn(move || nginx.play(case, patience));
                let got = encke.play(case, patience);
                judge(case, &expected.join().expect("nginx answers"), &got)
            })
        };
        // On a busy machine an answer, or the end of a connection, may have come too late.
        compare(1).and_then(|_| compare(4)).and_then(|_| compare(16))
    });
    let mut failures: Vec<String> = failures.into_iter().flatten().collect();
    let logged = nginx.log_lines(|_| true);
    let got = encke.log_lines(|lines| lines.len() >= logged.len());
    let log = Case { name: "the lines of the log files".to_owned(), lines: Vec::new() };
    failures.extend(judge(&log, &only_in(&logged, &got), &only_in(&got, &logged)));
    report(&topic, &failures);
}

/// The lines that have no equal among the others.
fn only_in(lines: &[String], others: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !others.contains(line)).cloned().collect()
}

/// Starts both servers with the configuration of a topic, and plays its scripts on both.
fn compare_scripts(file: &Path) {
    compare_several_scripts(file, AT_ONCE);
}

/// The same for scripts that would be in each other's way.
fn compare_scripts_in_turn(file: &Path) {
    compare_several_scripts(file, 1);
}

fn compare_several_scripts(file: &Path, at_once: usize) {
    const NCHAN: Backend = Backend::Nginx { nchan: true };
    let topic = Topic::read(file);
    if !nginx_is_there(NCHAN, &topic) {
        return;
    }
    let [nginx, encke] = &[NCHAN, Backend::Encke].map(|backend| Stage::start(backend, &topic.preamble));
    let selected: Vec<(usize, &Case)> = selected(&topic).into_iter().enumerate().collect();
    let failures = in_parallel_by(at_once, &selected, |(number, case)| {
        let compare = |take| {
            thread::scope(|scope| {
                let expected = scope.spawn(move || nginx.play(case, *number, take));
                let got = encke.play(case, *number, take);
                judge(case, &expected.join().expect("nginx answers"), &got)
            })
        };
        // On a busy machine something may have come too late, or a second may have passed.
        compare(1).and_then(|_| compare(2)).and_then(|_| compare(4))
    });
    report(&topic, &failures.into_iter().flatten().collect::<Vec<_>>());
}

/// Has both programs check the configurations of a topic.
fn compare_checks(file: &Path) {
    let topic = Topic::read(file);
    let nginx = Backend::Nginx { nchan: topic.name == "push" || topic.name.starts_with("nchan") };
    if !nginx_is_there(nginx, &topic) {
        return;
    }
    let failures = in_parallel(&selected(&topic), |case| {
        let text = topic.preamble.replace("{{case}}\n", &case.text());
        judge(case, &check::check(nginx, &text), &check::check(Backend::Encke, &text))
    });
    report(&topic, &failures.into_iter().flatten().collect::<Vec<_>>());
}

/// Where nginx is missing there is nothing to compare with; a machine that tests changes must have it.
fn nginx_is_there(nginx: Backend, topic: &Topic) -> bool {
    let installed = nginx.is_installed();
    assert!(installed || env::var_os("CI").is_none(), "{nginx:?} is not installed");
    if !installed {
        eprintln!("skipped {}: {nginx:?} is not installed", topic.name);
    }
    installed
}

fn selected(topic: &Topic) -> Vec<&Case> {
    let filter = env::var("ENCKE_AGREEMENT").unwrap_or_default();
    topic.cases.iter().filter(|case| case.name.contains(&filter)).collect()
}

/// What encke did otherwise than nginx, if that is not a documented difference.
fn judge(case: &Case, expected: &[String], got: &[String]) -> Option<String> {
    if env::var_os("ENCKE_AGREEMENT_SHOW").is_some() {
        eprintln!("=== {}\n{}", case.name, expected.join("\n"));
    }
    let documented = DIFFERENCES.iter().any(|(_, cases)| cases.contains(&&*case.name));
    match (expected == got, documented) {
        (true, false) | (false, true) => None,
        (true, true) => Some(format!("=== {}\nagrees: it is no difference any more", case.name)),
        (false, false) => Some(format!("=== {}\n{}", case.name, difference(expected, got))),
    }
}

/// The lines between the common beginning and the common end, nginx's with `-`, encke's with `+`.
fn difference(expected: &[String], got: &[String]) -> String {
    let same =
        |pairs: &mut dyn Iterator<Item = (&String, &String)>| pairs.take_while(|(a, b)| a == b).count();
    let start = same(&mut expected.iter().zip(got));
    let end = same(&mut expected[start..].iter().rev().zip(got[start..].iter().rev()));
    let context = expected[..start].last().map(|line| format!("  {line}\n")).unwrap_or_default();
    let removed = expected[start..expected.len() - end].iter().map(|line| format!("- {line}\n"));
    let added = got[start..got.len() - end].iter().map(|line| format!("+ {line}\n"));
    context + &removed.chain(added).collect::<String>()
}

fn report(topic: &Topic, failures: &[String]) {
    let (failed, all) = (failures.len(), topic.cases.len());
    assert!(failures.is_empty(), "{}: {failed} of {all} cases differ\n{}", topic.name, failures.join("\n"));
}

fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    in_parallel_by(AT_ONCE, items, work)
}

fn in_parallel_by<T: Sync, R: Send>(at_once: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    results.lock().expect("no case panics with the lock").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no case panics with the lock");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement")
}

fn case_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "case")).collect()
}
