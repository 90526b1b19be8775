//! Whole configurations in, results out.

use std::path::{Path, PathBuf};

use encke_parser::MemLoader;

use super::model::{Concurrency, Config, Instruction, Mechanism};
use super::{LoadOptions, Loaded, directive, load};

fn read(text: &str, options: &LoadOptions) -> Loaded {
    load(Path::new("t.conf"), &MemLoader::new().with("t.conf", text), options)
}

fn options() -> LoadOptions {
    LoadOptions { prefix: PathBuf::from("/p"), is_root: true, ..LoadOptions::default() }
}

fn config(text: &str) -> Config {
    let loaded = read(text, &options());
    let said: Vec<String> = loaded.diagnostics.iter().map(|said| said.line(&loaded.sources)).collect();
    loaded.config.unwrap_or_else(|| panic!("{said:#?}"))
}

const ARTICLE: &str = "
location /publish {
    set $push_channel_id $arg_id;
    push_publisher;
    push_store_messages on;
    push_message_timeout 2h;
    push_max_message_buffer_length 10;
    push_min_message_recipients 0;
}
location /activity {
    push_subscriber;
    push_subscriber_concurrency broadcast;
    set $push_channel_id $arg_id;
    default_type text/plain;
}
";

#[test]
fn the_article_s_fragment_is_read() {
    let loaded = read(ARTICLE, &options());
    let said: Vec<String> = loaded.diagnostics.iter().map(|said| said.line(&loaded.sources)).collect();
    assert_eq!(
        said,
        [
            "[notice] not a whole configuration: read as if inside \"http { server { } }\" in t.conf:2",
            "[warn] \"push_min_message_recipients\" has no effect here: messages are kept up to \
             push_max_message_buffer_length, however many subscribers received them in t.conf:8",
        ]
    );
    let config = loaded.config.unwrap();
    let [server] = &config.servers[..] else { panic!("one server") };
    let [activity, publish] = &server.locations.prefix[..] else { panic!("two locations") };
    assert!(publish.conf.push.publisher && !activity.conf.push.publisher);
    assert_eq!(activity.conf.push.subscriber, Some(Mechanism::LongPoll));
    assert_eq!(activity.conf.push.subscriber_concurrency, Concurrency::Broadcast);
    assert_eq!(publish.conf.push.message_timeout.unwrap().as_secs(), 7200);
    assert!(matches!(&*publish.rewrite, [Instruction::Set { .. }]));
    assert_eq!(config.listens.len(), 1);
}

#[test]
fn no_name_has_two_rows_in_one_context() {
    let rows: Vec<_> = directive::all().collect();
    for (n, row) in rows.iter().enumerate() {
        let twin =
            rows[..n].iter().find(|other| other.name == row.name && other.contexts.intersects(row.contexts));
        assert!(twin.is_none(), "{}", row.name);
    }
}

#[test]
fn settings_go_from_http_to_inner_locations_and_ifs() {
    let config = config(
        "events {} http { push_message_timeout 5s; add_header A 1; server { push_max_message_buffer_length 3;
         location /a { push_publisher; add_header B 2; set $push_channel_id x;
             if ($arg_x) { add_header C 3; }
             location /a/b { push_subscriber; push_message_timeout 0; } } } }",
    );
    let outer = &config.servers[0].locations.prefix[0];
    let inner = &outer.nested.prefix[0];
    assert_eq!(outer.conf.push.message_timeout.unwrap().as_secs(), 5);
    assert_eq!((inner.conf.push.message_timeout, inner.conf.push.max_message_buffer_length), (None, 3));
    assert!(!inner.conf.push.publisher, "roles are not inherited");
    let headers = |conf: &super::model::LocationConf| {
        conf.headers.add.iter().map(|header| header.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(headers(&inner.conf), ["B"], "lists replace");
    let Some(Instruction::If { conf: Some(conf), .. }) = outer.rewrite.last() else { panic!("an if") };
    assert_eq!(headers(conf), ["C"]);
    assert!(conf.push.publisher, "an if keeps its location's role");
}

#[test]
fn a_wildcard_takes_in_the_addresses_of_its_port() {
    let config = config(
        "events {} http { server { listen 80; server_name a .b.com; return 200; }
         server { listen 127.0.0.1:80; listen [::]:80; server_name *.c.com c.*; return 200; }
         server { listen 127.0.0.2:80 backlog=5; listen 80 default_server; server_name x; return 200; } }",
    );
    let addresses: Vec<String> =
        config.listens.iter().map(|l| super::modules::listen::printed(&l.address)).collect();
    assert_eq!(addresses, ["127.0.0.2:80", "0.0.0.0:80", "[::]:80"]);
    let wildcard = &config.listens[1];
    assert_eq!((wildcard.hosts.default, wildcard.hosts.exact[&b"a"[..]]), (2, 0));
    assert_eq!(wildcard.hosts.exact[&b"b.com"[..]], 0);
    let [(ip, hosts)] = &wildcard.by_local_address[..] else { panic!("one address") };
    assert_eq!((ip.to_string().as_str(), hosts.default), ("127.0.0.1", 1));
    assert_eq!(config.listens[0].options.backlog, Some(5));
}

#[test]
fn globals_stand_above_the_file() {
    let with = |globals: &str| {
        let options = LoadOptions { globals: Some(globals.to_owned()), ..options() };
        let loaded = read("daemon on; events {} http { server { return 200; } }", &options);
        loaded.error().map(|error| error.line(&loaded.sources))
    };
    assert_eq!(with("worker_processes 2;"), None);
    assert_eq!(with("daemon off;"), Some("[emerg] \"daemon\" directive is duplicate in t.conf:1".to_owned()));
    assert_eq!(with("bogus;"), Some("[emerg] unknown directive \"bogus\" in command line".to_owned()));
    assert_eq!(
        with("daemon off"),
        Some("[emerg] unexpected end of file, expecting \";\" or \"}\" in command line".to_owned())
    );
}

#[test]
fn a_listen_option_is_for_fragments() {
    let options = LoadOptions { listen: vec!["127.0.0.1:8080".into(), "[::1]:8080".into()], ..options() };
    let loaded = read(ARTICLE, &options);
    assert_eq!(loaded.config.unwrap().listens.len(), 2);
    let loaded = read("events {} http { server { return 200; } }", &options);
    assert!(loaded.error().unwrap().message.contains("for a fragment only"));
}

#[test]
fn collecting_goes_on_after_errors() {
    let text = "events {} http { sendfile on; server { location /x { push_subscribe; nchan_publisher; push_publisher;
                push_message_timeout x; set $push_channel_id $nosuch; } } }";
    let loaded = read(text, &LoadOptions { mode: super::Mode::Collect, ..options() });
    let verdicts: Vec<(&str, &str)> =
        loaded.findings.iter().map(|finding| (finding.name.as_str(), finding.verdict.name())).collect();
    assert_eq!(
        verdicts,
        [
            ("events", "honoured"),
            ("http", "honoured"),
            ("sendfile", "without effect"),
            ("server", "honoured"),
            ("location", "honoured"),
            ("push_subscribe", "unknown"),
            ("nchan_publisher", "refused"),
            ("push_publisher", "honoured"),
            ("push_message_timeout", "wrong"),
            ("set", "honoured"),
        ]
    );
    assert!(loaded.config.is_none());
    let report = super::check::text(&loaded);
    assert!(
        report.contains("did you mean \"push_subscriber\"?")
            && report.contains("unknown \"nosuch\" variable")
    );
    let json: serde_json::Value = serde_json::from_str(&super::check::json(&loaded)).unwrap();
    assert_eq!((json["starts"].as_bool(), json["directives"][5]["line"].as_u64()), (Some(false), Some(1)));
}

#[test]
fn the_docs_have_every_directive() {
    let page = super::docs::directives_markdown();
    assert!(directive::all().all(|row| page.contains(&format!("| `{}` |", row.name))));
}

/// Contexts and the text that opens and closes them around a directive.
const PLACES: [(super::context::Contexts, &str, &str); 8] = {
    use super::context::Contexts as C;
    [
        (C::MAIN, "", "events {}"),
        (C::EVENTS, "events {", "}"),
        (C::HTTP, "events {} http {", "}"),
        (C::SERVER, "events {} http { server {", "} }"),
        (C::LOCATION, "events {} http { server { location /x {", "} } }"),
        (C::SERVER_IF, "events {} http { server { if ($arg_x) {", "} } }"),
        (C::LOCATION_IF, "events {} http { server { location /x { if ($arg_x) {", "} } } }"),
        (C::LIMIT_EXCEPT, "events {} http { server { location /x { limit_except GET {", "} } } }"),
    ]
};

fn error(text: &str) -> Option<String> {
    let loaded = read(text, &options());
    loaded.error().map(|error| error.line(&loaded.sources))
}

#[test]
fn every_directive_is_refused_where_it_may_not_stand() {
    for row in directive::all() {
        let rows: Vec<_> = directive::find(row.name.as_bytes()).collect();
        for (context, open, close) in PLACES {
            if rows.iter().any(|row| row.contexts.intersects(context)) {
                continue;
            }
            let text = format!("{open}\n{};\n{close}", row.name);
            // A file of nothing but this would be a fragment.
            let text = if context == super::context::Contexts::MAIN { format!("{text}\n") } else { text };
            let expected = format!("[emerg] \"{}\" directive is not allowed here in t.conf:2", row.name);
            assert_eq!(error(&text), Some(expected), "{text}");
        }
    }
}

#[test]
fn every_directive_counts_its_arguments() {
    for row in directive::all() {
        let Some((_, open, close)) = PLACES.iter().find(|(context, ..)| row.contexts.intersects(*context))
        else {
            continue;
        };
        let end = if row.arity.block { " {}" } else { ";" };
        let too_few = row.arity.min.checked_sub(1);
        let too_many = row.arity.max.checked_add(1);
        for count in too_few.into_iter().chain(too_many) {
            let text = format!("{open}\n{}{}{end}\n{close}", row.name, " x".repeat(count));
            let expected =
                format!("[emerg] invalid number of arguments in \"{}\" directive in t.conf:2", row.name);
            assert_eq!(error(&text), Some(expected), "{text}");
        }
        let wrong_end = if row.arity.block { ";" } else { " {}" };
        let text = format!("{open}\n{}{}{wrong_end}\n{close}", row.name, " x".repeat(row.arity.min));
        let problem = if row.arity.block { "has no opening \"{\"" } else { "is not terminated by \";\"" };
        assert_eq!(error(&text), Some(format!("[emerg] directive \"{}\" {problem} in t.conf:2", row.name)));
    }
}

#[test]
fn no_row_lacks_a_doc_or_a_reason() {
    for row in directive::all() {
        let reason = match row.status {
            directive::Status::Done => "",
            directive::Status::Accepted(reason) | directive::Status::Refused(reason) => reason,
        };
        assert!(!row.doc.is_empty() || !reason.is_empty(), "{}", row.name);
    }
}

/// Every file of `tests/cases/config`: a configuration, a line of dashes, what is said about it or `ok`.
#[test]
fn case_files() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/config");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let content = std::fs::read_to_string(&file).unwrap();
        for case in content.split("\n====\n") {
            let (text, expected) =
                case.split_once("\n----\n").unwrap_or_else(|| panic!("{}: {case}", file.display()));
            let loaded = read(text, &options());
            let mut said: Vec<String> =
                loaded.diagnostics.iter().map(|said| said.line(&loaded.sources)).collect();
            if loaded.config.is_some() {
                said.push("ok".to_owned());
            }
            assert_eq!(said.join("\n"), expected.trim_end(), "{}:\n{text}", file.display());
        }
    }
}
