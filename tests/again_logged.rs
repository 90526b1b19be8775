//! Log lines of requests that come again, which are those of the whole way.

use std::path::Path;

use crate::harness::{Conf, Connection, PATIENCE, Server, eventually};

/// Values by their names. Those that are another each time have names in capitals.
const FORMAT: &str = "
    log_format all escape=json
        'n=$connection_requests|len=$request_length|st=$status|b=$body_bytes_sent|bs=$bytes_sent'
        '|cl=$content_length|hcl=$http_content_length|INM=$http_if_none_match|IMS=$http_if_modified_since'
        '|r=$request|ru=$request_uri|a=$args|q=$query_string|isa=$is_args|id=$arg_id|other=$arg_other|u=$uri'
        '|m=$request_method|p=$pipe|ct=$content_type|sct=$sent_http_content_type|SET=$sent_http_etag'
        '|up=$upstream_addr $upstream_http_x|ok=$request_completion|h=$host $http_host|user=$remote_user'
        '|ua=$http_user_agent|ck=$cookie_c|x=$http_x|map=$mapped|ra=$remote_addr $scheme'
        '|lr=$limit_req_status|MS=$msec|RT=$request_time|CT=$connection_time|TL=$time_local|TI=$time_iso8601'
        '|RID=$request_id|C=$connection|pid=$push_channel_id|copy=$copy|seen=$seen';
    log_format quoting '$request $http_x $http_quoted $remote_user';
    map $http_x $mapped { y yes; default no; }
    map $http_x $never { default 0; }";

const LONG_AGO: &str = "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n";

/// A place for polls and one for messages, of both dialects; with `more`, which may keep them from the short way.
fn conf(more: &str) -> Conf {
    let logs = |name: &str| {
        format!(
            "access_log {{{{dir}}}}/{name}.combined; access_log {{{{dir}}}}/{name}.all all;
             access_log {{{{dir}}}}/{name}.never all if=$never; access_log {{{{dir}}}}/{name}.mapped all if=$mapped;
             access_log {{{{dir}}}}/{name}.seen all if=$seen; access_log {{{{dir}}}}/{name}.of-$copy.path quoting;
             access_log {{{{dir}}}}/{name}.$mapped.path quoting; access_log {{{{dir}}}}/{name}.buffered all buffer=64k flush=10ms;"
        )
    };
    let (polls, messages) = (logs("polls"), logs("messages"));
    Conf::whole(format!(
        "daemon off; worker_processes 1; error_log stderr; pid {{{{dir}}}}/pid; events {{}}
         http {{ access_log off; {FORMAT} server {{ listen 127.0.0.1:{{{{port}}}};
         location = /metrics {{ encke_metrics; }}
         location = /pub {{ nchan_publisher; nchan_channel_id $arg_id; {messages} {more} }}
         location = /sub {{ nchan_subscriber longpoll; nchan_channel_id $arg_id; {polls} {more} }}
         location = /short {{ nchan_subscriber longpoll; nchan_channel_id $arg_id; nchan_subscriber_timeout 1;
             {polls} {more} }}
         location = /publish {{ push_publisher; set $push_channel_id $arg_id; set $copy $arg_id; set $seen $arg_seen;
             {messages} {more} }}
         location = /activity {{ push_subscriber; set $push_channel_id $arg_id; set $copy $arg_id; set $seen $arg_seen;
             {polls} {more} }}
         location = /see {{ nchan_publisher; nchan_channel_id $arg_id; }} }} }}"
    ))
}

fn repeated(server: &Server) -> u64 {
    server.metric("encke_requests_repeated_total{worker=\"0\"}").expect("it is counted") as u64
}

fn publish(client: &mut Connection, uri: &str, body: &str) {
    let length = body.len();
    client.send(format!(
        "POST {uri} HTTP/1.1\r\nHost: h\r\nX: y\r\nQuoted: \"\\\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let status = client.receive(PATIENCE).into_response().status();
    assert!([201, 202].contains(&status), "{status}");
}

struct Poller {
    connection: Connection,
    validators: String,
}

impl Poller {
    fn ask(&mut self, uri: &str) {
        let validators = &self.validators;
        self.connection.send(format!(
            "GET {uri} HTTP/1.1\r\nHost: h\r\n{validators}X: y\r\nCookie: c=d\r\nUser-Agent: a\"b\r\n\r\n"
        ));
    }

    fn take(&mut self) -> u16 {
        let response = self.connection.receive(PATIENCE).into_response();
        if response.status() == 200 {
            let value = |name: &str| response.header(name).unwrap_or_default().to_owned();
            let (since, tag) = (value("Last-Modified"), value("Etag"));
            self.validators = format!("If-Modified-Since: {since}\r\nIf-None-Match: {tag}\r\n");
        }
        response.status()
    }
}

/// Everything that may come again, in channels of which nothing is left; how often it did.
fn exercise(server: &Server) -> u64 {
    for id in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        server.request(format!("DELETE /see?id={id} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    let mut client = server.connect();
    for (id, body) in [("a", "1"), ("a", "22"), ("b", ""), ("c&other=%22", "4444")] {
        publish(&mut client, &format!("/pub?id={id}"), body);
    }
    for (id, body) in
        [("d", "1"), ("d", "22"), ("g&seen=%22", ""), ("h&seen=1", "4444"), ("g&seen", ""), ("h&seen=0", "")]
    {
        publish(&mut client, &format!("/publish?id={id}"), body);
    }
    let has = |id: &str, count: u8| {
        let text = server.get(&format!("/see?id={id}")).text();
        text.contains(&format!("active subscribers: {count}"))
    };
    let waits = |id: &str| eventually("it waits", || has(id, 1));
    for (publish_uri, subscribe_uri, id) in [("/pub", "/sub", "a"), ("/publish", "/activity", "d")] {
        let mut poller = Poller { connection: server.connect(), validators: String::new() };
        let uri = format!("{subscribe_uri}?id={id}&seen=2");
        for _ in 0..2 {
            poller.ask(&uri);
            assert_eq!(poller.take(), 200);
        }
        for body in ["a", "bb", "ccc"] {
            poller.ask(&uri);
            waits(id);
            publish(&mut client, &format!("{publish_uri}?id={id}"), body);
            assert_eq!(poller.take(), 200);
        }
        // Its client leaves.
        poller.ask(&uri);
        waits(id);
        drop(poller);
        eventually("it is gone", || has(id, 0));
    }
    let mut poller = Poller { connection: server.connect(), validators: LONG_AGO.into() };
    for _ in 0..2 {
        poller.ask("/short?id=e");
        assert_eq!(poller.take(), 408);
    }
    let mut waiting = Poller { connection: server.connect(), validators: String::new() };
    for _ in 0..3 {
        waiting.ask("/sub?id=f");
        waits("f");
        publish(&mut client, "/pub?id=f", "y");
        waiting.take();
    }
    repeated(server)
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(masked).collect()
}

/// Without what is another each time, of which only the length counts; how long something took is nothing that counts.
fn masked(line: &str) -> String {
    if let Some((before, after)) = line.split_once(" [") {
        let (time, rest) = after.split_once(']').expect("a time");
        return format!("{before} [{}] {rest}", time.len());
    }
    let fields = line.split('|').map(|field| match field.split_once('=') {
        Some((name @ ("MS" | "IMS" | "INM" | "SET" | "TL" | "TI" | "RID"), value)) => {
            format!("{name}={}", value.len())
        }
        Some((name @ ("RT" | "CT" | "C"), _)) => name.to_owned(),
        _ => field.to_owned(),
    });
    fields.collect::<Vec<_>>().join("|")
}

#[test]
fn lines_are_those_of_the_whole_way() {
    // Whether there is such a file is looked up each time.
    let (short, whole) =
        (Server::start(conf("")), Server::start(conf("if (-f {{dir}}/none) { return 404; }")));
    // The second time, connections begin with requests that are known from the first.
    let twice = |server| (exercise(server), exercise(server));
    let ((again, both), (_, never)) = std::thread::scope(|scope| {
        let whole = scope.spawn(|| twice(&whole));
        (twice(&short), whole.join().expect("it did"))
    });
    assert_eq!(never, 0);
    assert!(again >= 20 && both >= 2 * again + 6, "{again} came again, and {both} in all");
    for name in ["polls", "messages"] {
        let kinds = ["combined", "all", "never", "mapped", "yes.path", "buffered", "seen", "of-d.path"];
        for kind in kinds.into_iter().chain((name == "messages").then_some("of-g.path")) {
            let file = format!("{name}.{kind}");
            let read = |server: &Server| lines(&server.dir().join(&file));
            // What is buffered is the same once more, and comes later.
            let least =
                if kind == "buffered" { lines(&whole.dir().join(format!("{name}.all"))).len() } else { 0 };
            let mut both = (Vec::new(), Vec::new());
            eventually("all is logged", || {
                both = (read(&short), read(&whole));
                both.0.len() == both.1.len() && both.1.len() >= least
            });
            let (short, whole) = both;
            assert_eq!(short.join("\n"), whole.join("\n"), "{file}");
            assert_eq!(short.is_empty(), kind == "never", "{file}");
        }
    }
}

#[test]
fn times_and_ids_are_those_of_the_request() {
    let server = Server::start(conf(""));
    let mut client = server.connect();
    (0..3).for_each(|_| publish(&mut client, "/pub?id=a", "x"));
    let mut poller = Poller { connection: server.connect(), validators: LONG_AGO.into() };
    for _ in 0..2 {
        poller.ask("/short?id=b");
        assert_eq!(poller.take(), 408);
    }
    assert_eq!(repeated(&server), 3);
    let fields = |file: &str, name: &str| -> Vec<String> {
        let file = std::fs::read_to_string(server.dir().join(file)).expect("a log");
        let field = |line: &str| {
            line.split('|').find_map(|field| field.strip_prefix(name)).expect("the field").to_owned()
        };
        file.lines().map(field).collect()
    };
    eventually("they are logged", || lines(&server.dir().join("polls.all")).len() == 2);
    eventually("they are written", || lines(&server.dir().join("polls.buffered")).len() == 2);
    let mut ids = [fields("messages.all", "RID="), fields("polls.all", "RID=")].concat();
    assert_eq!(ids, [fields("messages.buffered", "RID="), fields("polls.buffered", "RID=")].concat());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    for seconds in fields("polls.all", "RT=") {
        let seconds: f64 = seconds.parse().expect("seconds");
        assert!((0.9..1.9).contains(&seconds), "{seconds}");
    }
    for seconds in fields("messages.all", "RT=") {
        assert!(seconds.parse::<f64>().expect("seconds") < 0.9, "{seconds}");
    }
}

#[test]
fn lines_that_tell_of_more_keep_the_whole_way() {
    let server = Server::start(Conf::whole(
        "daemon off; worker_processes 1; error_log stderr; pid {{dir}}/pid; events {}
         http { access_log off; map $status $unusual { 202 0; default 1; } map $http_content_length $long { default $request_id; }
         log_format body '$request_body'; log_format long '$long'; map $arg_id $shown { default $arg_id; }
         log_format shown '$shown';
         server { listen 127.0.0.1:{{port}}; nchan_channel_id $arg_id;
         location = /metrics { encke_metrics; }
         location = /unusual { nchan_publisher; access_log {{dir}}/unusual.log combined if=$unusual; }
         location = /body { nchan_publisher; access_log {{dir}}/body.log body; }
         location = /long { nchan_publisher; access_log {{dir}}/long.log long; }
         location = /shown { nchan_publisher; access_log {{dir}}/shown.log shown; } } }",
    ));
    let mut client = server.connect();
    for uri in ["/unusual", "/body", "/long"] {
        for body in ["1", "22", "333"] {
            publish(&mut client, &format!("{uri}?id=a"), body);
        }
    }
    assert_eq!(repeated(&server), 0);
    let log = |name: &str| std::fs::read_to_string(server.dir().join(name)).unwrap_or_default();
    eventually("they are logged", || log("long.log").lines().count() == 3);
    assert_eq!((log("unusual.log"), log("body.log")), (String::new(), "1\n22\n333\n".into()));
    // The same channel is the same, another is not.
    for id in ["a", "a", "b", "b"] {
        publish(&mut client, &format!("/shown?id={id}"), "x");
    }
    eventually("they are logged", || log("shown.log") == "a\na\nb\nb\n");
    assert_eq!(repeated(&server), 2);
}
