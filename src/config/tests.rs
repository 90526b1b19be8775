//! Whole configurations in, results out.

mod nchan;

use std::path::{Path, PathBuf};

use encke_parser::MemLoader;

use super::model::{Concurrency, Config, Instruction, Setting, Transport, Transports};
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

fn seconds(seconds: u64) -> Setting<Option<std::time::Duration>> {
    Setting::Fixed(Some(std::time::Duration::from_secs(seconds)))
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
    assert!(publish.conf.push.publisher.any() && !activity.conf.push.publisher.any());
    assert_eq!(activity.conf.push.subscriber, Transports::of(&[Transport::LongPoll]));
    assert_eq!(activity.conf.push.subscriber_concurrency, Concurrency::Broadcast);
    assert_eq!(publish.conf.push.message_timeout, seconds(7200));
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
    assert_eq!(outer.conf.push.message_timeout, seconds(5));
    assert_eq!(inner.conf.push.message_timeout, Setting::Fixed(None));
    assert_eq!(inner.conf.push.max_message_buffer_length, Setting::Fixed(3));
    assert!(!inner.conf.push.publisher.any(), "roles are not inherited");
    let headers = |conf: &super::model::LocationConf| {
        conf.headers.add.iter().map(|header| header.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(headers(&inner.conf), ["B"], "lists replace");
    let Some(Instruction::If { conf: Some(conf), .. }) = outer.rewrite.last() else { panic!("an if") };
    assert_eq!(headers(conf), ["C"]);
    assert!(conf.push.publisher.any(), "an if keeps its location's role");
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
        Some("[emerg] unexpected end of parameter, expecting \";\" in command line".to_owned())
    );
    assert_eq!(
        with("events { bogus; }"),
        Some("[emerg] block directives are not supported in -g option in command line".to_owned())
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
    let text = "events {} http { sendfile on; server { location /x { push_subscribe; nchan_redis_pass r; push_publisher;
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
            ("nchan_redis_pass", "refused"),
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

/// The first location of a server with these directives in it.
fn location(directives: &str) -> std::sync::Arc<super::model::Location> {
    let config = config(&format!("events {{}} http {{ server {{ location /x {{ {directives} }} }} }}"));
    config.servers[0].locations.prefix[0].clone()
}

#[test]
fn rewrites_are_taken_apart() {
    use super::model::RewriteFlag as Flag;
    let cases = [
        ("rewrite ^/a /b;", "/b", None, false, Flag::Continue),
        ("rewrite ^/a /b? last;", "/b", None, true, Flag::Last),
        ("rewrite ^/a /b?c=1 break;", "/b", Some("c=1"), false, Flag::Break),
        ("rewrite ^/a /b?c=1? permanent;", "/b", Some("c=1"), true, Flag::Permanent),
        ("rewrite ^/a http://h/b;", "http://h/b", None, false, Flag::Redirect),
        ("rewrite ^/a http://h/b last;", "http://h/b", None, false, Flag::Redirect),
    ];
    for (text, path, args, drop_args, flag) in cases {
        let location = location(text);
        let [Instruction::Rewrite(rewrite)] = &location.rewrite[..] else { panic!("{text}") };
        assert_eq!(rewrite.replacement.as_literal(), Some(path.as_bytes()), "{text}");
        let given = rewrite.args.as_ref().and_then(|args| args.as_literal());
        assert_eq!(
            (given, rewrite.drop_args, rewrite.flag),
            (args.map(str::as_bytes), drop_args, flag),
            "{text}"
        );
    }
}

#[test]
fn returns_have_a_status_and_a_text() {
    let cases = [
        ("return 204;", 204, None),
        ("return 200 ok;", 200, Some("ok")),
        ("return http://x/;", 302, Some("http://x/")),
    ];
    for (text, status, body) in cases {
        let location = location(text);
        let [Instruction::Return(answer)] = &location.rewrite[..] else { panic!("{text}") };
        let given = answer.text.as_ref().and_then(|text| text.as_literal());
        assert_eq!((answer.status, given), (status, body.map(str::as_bytes)), "{text}");
    }
}

#[test]
fn settings_of_other_modules_become_data() {
    use super::model::{AccessWho, ErrorTarget, Expires, ExpiresSetting, Replacement};
    use super::template::Template;
    let location = location(
        "allow 10.0.0.0/8; deny all; satisfy any; auth_basic off; add_header X $arg_a always; expires modified +1h;
         error_page 404 410 =200 /e; error_page 500 = @n; error_page 502 http://e/; access_log /l; access_log off;
         keepalive_timeout 5 0; types { a/b c; } charset utf-8; charset_types a/b; gzip on; gzip_comp_level 9;
         client_max_body_size 0; limit_except GET { deny all; }",
    );
    let conf = &location.conf;
    assert!(matches!(conf.access.rules[0].who, AccessWho::Net(_, 8)) && conf.access.rules[0].allow);
    assert!(conf.access.satisfy_any && conf.access.auth_basic.is_none());
    assert!(
        conf.headers.add[0].always
            && matches!(conf.headers.expires, ExpiresSetting::Fixed(Expires::Modified(3600)))
    );
    let pages: Vec<(u16, Replacement)> =
        conf.core.error_pages.iter().map(|page| (page.status, page.replacement)).collect();
    let ok = Replacement::Code(200);
    assert_eq!(pages, [(404, ok), (410, ok), (500, Replacement::FromTarget), (502, Replacement::Keep)]);
    assert!(matches!(&conf.core.error_pages[2].target, ErrorTarget::Named(name) if **name == *b"n"));
    assert!(matches!(&conf.core.error_pages[3].target, ErrorTarget::Redirect(_)));
    assert!(conf.log.access.is_empty(), "off outdoes the others");
    assert_eq!((conf.core.keepalive_timeout.as_secs(), conf.core.keepalive_header), (5, None));
    assert_eq!(conf.core.types.get(&b"c"[..]).map(|kind| &**kind), Some(&b"a/b"[..]));
    assert!(conf.charset.charset == Some(Template::literal(b"utf-8")) && conf.charset.types.len() == 2);
    assert!(conf.gzip.enabled && conf.gzip.level == 9 && conf.core.client_max_body_size.is_none());
    let limits = conf.limit_except.as_ref().unwrap();
    assert_eq!((limits.methods.join(" "), limits.access.rules.len()), ("GET HEAD".to_owned(), 1));
}

#[test]
fn the_deepest_nesting_the_parser_lets_through_is_read() {
    let text =
        format!("events {{}} http {{ server {{ {} }} }}", "location / { ".repeat(62) + &"}".repeat(62));
    let loaded = read(&text, &options());
    assert!(loaded.config.is_some());
    assert!(read(&"location / { ".repeat(2000), &options()).error().is_some());
}

#[test]
fn only_root_becomes_another_user() {
    let text = "user nobody nosuchgroup; events {} http { server { return 200; } }";
    let loaded = read(text, &LoadOptions { is_root: false, ..options() });
    assert!(loaded.config.unwrap().main.user.is_none());
    assert_eq!(error(text), Some("[emerg] getgrnam(\"nosuchgroup\") failed in t.conf:1".to_owned()));
}

#[test]
fn the_docs_have_every_directive() {
    let page = super::docs::directives_markdown();
    assert!(directive::all().all(|row| page.contains(&format!("| `{}` |", row.name))));
}

/// Contexts and the text that opens and closes them around a directive.
const PLACES: [(super::context::Contexts, &str, &str); 9] = {
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
        (C::UPSTREAM, "events {} http { upstream u {", "} }"),
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

/// Files of `tests/cases/config`, and of `nginx/` in it, where nginx says the same.
fn case_directories() -> [PathBuf; 2] {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/config");
    [cases.clone(), cases.join("nginx")]
}

/// A file of cases: a configuration, a line of dashes, what is said about it, `ok` if it is taken. A line of `=` ends
/// a case.
fn case_files(directory: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "conf")).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

fn split_case(case: &str) -> (&str, &str) {
    case.split_once("\n----\n").unwrap_or_else(|| panic!("no line of dashes: {case}"))
}

fn said(text: &str) -> String {
    let loaded = read(text, &options());
    let ok = loaded.config.is_some().then(|| "ok".to_owned());
    let lines = loaded.diagnostics.iter().map(|said| said.line(&loaded.sources));
    lines.chain(ok).collect::<Vec<String>>().join("\n")
}

/// With `ENCKE_BLESS` set, what is said now becomes what is expected: look at the difference.
#[test]
fn cases_say_what_they_should() {
    for (file, content) in case_directories().iter().flat_map(|directory| case_files(directory)) {
        let run = |case| {
            let (text, _) = split_case(case);
            format!("{text}\n----\n{}", said(text))
        };
        if std::env::var_os("ENCKE_BLESS").is_some() {
            let cases: Vec<String> = content.trim_end().split("\n====\n").map(run).collect();
            std::fs::write(&file, format!("{}\n", cases.join("\n====\n"))).unwrap();
            continue;
        }
        for case in content.trim_end().split("\n====\n") {
            assert_eq!(run(case), case, "{}", file.display());
        }
    }
}

const NGINX: &str = "/usr/sbin/nginx";

/// The judge: nginx on the cases of `nginx/`.
#[test]
fn nginx_says_the_same() {
    if !Path::new(NGINX).exists() {
        assert!(std::env::var_os("CI").is_none(), "{NGINX} is missing");
        eprintln!("skipped: there is no {NGINX}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.conf");
    let here = format!("{}/", directory.path().display());
    for (file, content) in case_files(&case_directories()[1]) {
        for case in content.trim_end().split("\n====\n") {
            let (text, ours) = split_case(case);
            std::fs::write(&path, text).unwrap();
            let output = std::process::Command::new(NGINX).arg("-t").arg("-c").arg(&path).output().unwrap();
            let log = String::from_utf8_lossy(&output.stderr).replace(&here, "");
            let theirs: Vec<String> = log.lines().filter_map(without_stamp).collect();
            let ours: Vec<&str> = ours.lines().filter(|line| !is_ours_alone(line)).collect();
            assert_eq!(theirs, ours, "{}: {text}", file.display());
        }
    }
}

/// A line of nginx's without date and process number; none for those without a level.
fn without_stamp(line: &str) -> Option<String> {
    let (_, line) = line.split_once(" [")?;
    let (level, line) = line.split_once("] ")?;
    Some(format!("[{level}] {}", line.split_once(": ")?.1))
}

fn is_ours_alone(line: &str) -> bool {
    line == "ok" || line.contains("has no effect here") || line.contains("nothing to serve")
}
