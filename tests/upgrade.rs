//! A new program takes over from a running one: USR2.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::crowd;
use crate::harness::{Conf, Connection, PATIENCE, Server, eventually};
use crate::hooks::{Behind, event_stream};

/// Ends whatever process the pid file names in the end: it is not the one that the harness started.
pub(crate) struct Successors(PathBuf);

impl Successors {
    /// Of a server whose pid file is where [`Conf::server`] has it.
    pub(crate) fn of(server: &Server) -> Self {
        Self(server.dir().join("server.pid"))
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        pid_in(&self.0)
    }

    /// Upgrades the process that runs, and returns the one that runs then.
    pub(crate) fn upgrade(&self) -> Pid {
        let old = self.pid().expect("it runs");
        kill(old, Signal::SIGUSR2).expect("it runs");
        eventually("another process has taken over", || self.pid().is_some_and(|pid| pid != old));
        self.pid().expect("it runs")
    }
}

impl Drop for Successors {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill(pid, Signal::SIGTERM);
        }
    }
}

fn pid_in(path: &Path) -> Option<Pid> {
    fs::read_to_string(path).ok()?.trim().parse().ok().map(Pid::from_raw)
}

const PUSH: &str = "
    location /publish { set $push_channel_id $arg_id; push_publisher; push_message_timeout 1h; }
    location /activity { set $push_channel_id $arg_id; push_subscriber; add_header X-Asked $arg_id; }
    location /pid { return 200 $pid; }";

fn start() -> (Server, Successors) {
    let inside = format!("access_log {{{{dir}}}}/access.log; {PUSH}");
    let server = Server::start(Conf::server(inside).workers(2));
    let successors = Successors::of(&server);
    eventually("the pid file is written", || successors.pid().is_some());
    (server, successors)
}

fn info(server: &Server, channel: &str) -> String {
    server.get(&format!("/publish?id={channel}")).text()
}

#[test]
fn two_upgrades_under_load_lose_and_double_nothing() {
    let server = Server::start(crowd::conf());
    let successors = Successors::of(&server);
    eventually("the pid file is written", || successors.pid().is_some());
    let report = crowd::run(server.port(), move || {
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(1000));
            let old = successors.pid().expect("it runs");
            successors.upgrade();
            // As scripts for nginx do.
            kill(old, Signal::SIGWINCH).expect("it is still there");
            kill(old, Signal::SIGQUIT).expect("it is still there");
        }
        std::thread::sleep(Duration::from_millis(1000));
        // Until the crowd is through.
        std::mem::forget(successors);
    });
    drop(Successors::of(&server));
    assert!(report.published > 200, "{report:?}");
    assert!(report.returned < 50, "most waiting subscribers are handed over: {report:?}");
    assert!(report.repeated < 10, "{report:?}");
}

#[test]
fn messages_waiting_subscribers_and_idle_connections_go_to_the_new_process() {
    let (mut server, successors) = start();
    server.post("/publish?id=kept", "first");
    let position = server.get("/activity?id=kept").header("Last-Modified").expect("a position").to_owned();
    server.post("/publish?id=kept", "second");
    let mut waiting = server.connect();
    waiting.send("GET /activity?id=waited HTTP/1.1\r\nHost: h\r\n\r\nGET /pid HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("one waits", || info(&server, "waited").contains("subscribers: 1"));
    let mut idle = server.connect();
    idle.send("GET /pid HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(idle.receive(PATIENCE).into_response().text(), server.pid().to_string());
    let mut unused = server.connect();

    let old = Pid::from_raw(i32::try_from(server.pid()).expect("small"));
    let new = successors.upgrade().to_string();
    assert_eq!(pid_in(&successors.0.with_extension("pid.oldbin")), Some(old));
    for connection in [&mut idle, &mut unused] {
        connection.send("GET /pid HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(connection.receive(PATIENCE).into_response().text(), new);
    }
    let told = info(&server, "waited");
    assert!(told.contains("subscribers: 1"), "{told}");
    let since = format!("GET /activity?id=kept HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: {position}\r\n\r\n");
    assert_eq!(server.request(since).text(), "second");
    assert_eq!(server.post("/publish?id=waited", "hello").status(), 201);
    let answer = waiting.receive(PATIENCE).into_response();
    assert_eq!((answer.text().as_str(), answer.header("X-Asked")), ("hello", Some("waited")));
    assert_eq!(waiting.receive(PATIENCE).into_response().text(), new, "what it had sent ahead");
    let log = fs::read_to_string(server.dir().join("access.log")).expect("a log");
    assert_eq!(log.matches("\"GET /activity?id=waited HTTP/1.1\" 200 5").count(), 1, "{log}");
    assert!(!log.contains(" 499 "), "{log}");

    server.signal(Signal::SIGWINCH);
    server.signal(Signal::SIGQUIT);
    assert!(server.wait_for_exit(PATIENCE).expect("the old one ends").success());
    assert!(!successors.0.with_extension("pid.oldbin").exists());
    assert_eq!(server.get("/pid").text(), new);
}

#[test]
fn what_the_answer_and_the_logs_of_waiting_subscribers_need_goes_along() {
    let location = "
        access_log {{dir}}/$arg_id.log told if=$fine;
        access_log {{dir}}/buffered.log told buffer=64k;
        limit_except POST { access_log {{dir}}/limited.log told; }
        limit_conn each 1; userid on; expires $far; add_header X-Class $class; push_subscriber;";
    let inside = format!(
        "set $push_channel_id $arg_id; location /waits {{ {} }} location /limited {{ {location} }} {PUSH}",
        location.replace("limit_except POST { access_log {{dir}}/limited.log told; }", "")
    );
    let http = "
        map $status $class { ~^2 fine; default other; }
        map $class $fine { fine 1; default 0; }
        map $arg_id $far { default 1h; }
        limit_conn_zone $arg_id zone=each:1m;
        log_format told '$uri $arg_id $class $status $body_bytes_sent $sent_http_x_class $request_completion';";
    let server = Server::start(Conf::server(inside).http(http).workers(2));
    let successors = Successors::of(&server);
    eventually("the pid file is written", || successors.pid().is_some());
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut clients = [server.connect(), server.connect()];
    clients[0].send(ask("/waits?id=a"));
    clients[1].send(ask("/limited?id=b"));
    for channel in ["a", "b"] {
        eventually("one waits", || info(&server, channel).contains("subscribers: 1"));
    }
    successors.upgrade();
    assert_eq!(server.get("/waits?id=a").status(), 503, "who waits counts for limit_conn there, too");
    for (client, channel) in clients.iter_mut().zip(["a", "b"]) {
        assert_eq!(server.post(&format!("/publish?id={channel}"), "hello").status(), 201);
        let answer = client.receive(PATIENCE).into_response();
        assert_eq!((answer.text().as_str(), answer.header("X-Class")), ("hello", Some("fine")));
        assert!(answer.header("Set-Cookie").is_some_and(|cookie| cookie.starts_with("uid=")), "{answer:?}");
        assert_eq!(answer.header("Cache-Control"), Some("max-age=3600"));
    }
    let lines = |name: &str| fs::read_to_string(server.dir().join(name)).unwrap_or_default();
    eventually("the lines are there", || !lines("a.log").is_empty() && !lines("limited.log").is_empty());
    assert_eq!(lines("a.log"), "/waits a fine 200 5 fine OK\n");
    assert_eq!(lines("limited.log"), "/limited b fine 200 5 fine OK\n");
    assert_eq!(lines("b.log"), "", "other logs are for limited methods");
    assert_eq!(lines("buffered.log"), "");
    kill(successors.pid().expect("it runs"), Signal::SIGQUIT).expect("it runs");
    eventually("what was buffered is written", || {
        lines("buffered.log").contains("/waits a fine 200 5 fine OK\n")
    });
}

#[test]
fn a_new_process_that_fails_leaves_the_old_one_as_it_was() {
    let (server, successors) = start();
    server.post("/publish?id=kept", "message");
    let mut waiting = server.connect();
    waiting.send("GET /activity?id=waited HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("one waits", || info(&server, "waited").contains("subscribers: 1"));
    let good = fs::read_to_string(server.dir().join("nginx.conf")).expect("a configuration");
    let too_small = good.replace("http {", "http { push_max_reserved_memory 32k;");
    let bodies = "m".repeat(20_000);
    for _ in 0..3 {
        server.post("/publish?id=large", &bodies);
    }
    for (conf, why) in [
        ("push_nonsense;".to_owned(), "unknown directive \"push_nonsense\""),
        (good.replace("error_log stderr", "error_log /nonexistent/x"), "open() \"/nonexistent/x\" failed"),
        (too_small, "push_max_reserved_memory is less than what is stored takes"),
    ] {
        fs::write(server.dir().join("nginx.conf"), conf).expect("written");
        server.signal(Signal::SIGUSR2);
        let said = "the new binary did not take over: ";
        eventually(why, || {
            let errors = server.stderr();
            errors.lines().any(|line| line.contains(said) && line.contains(why))
        });
        eventually("the pid file is its own again", || {
            successors.pid().map(|pid| pid.to_string()) == Some(server.pid().to_string())
        });
        assert_eq!(server.get("/pid").text(), server.pid().to_string());
    }
    assert_eq!(server.get("/activity?id=kept").text(), "message");
    assert_eq!(server.post("/publish?id=waited", "now").status(), 201);
    assert_eq!(waiting.receive(PATIENCE).into_response().text(), "now");
    // And it can still be upgraded.
    fs::write(server.dir().join("nginx.conf"), good).expect("written");
    let new = successors.upgrade();
    assert_eq!(server.get("/pid").text(), new.to_string());
}

#[test]
fn a_publisher_that_is_not_done_is_not_answered_as_if_it_were() {
    let (server, successors) = start();
    let mut slow = server.connect();
    slow.send("POST /publish?id=a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    std::thread::sleep(Duration::from_millis(50));
    successors.upgrade();
    slow.send("cd");
    assert!(slow.watch(PATIENCE).is_some(), "closed without an answer");
    assert!(slow.unread().is_empty());
    assert_eq!(server.get("/publish?id=a").status(), 404, "nothing was published");
}

#[test]
fn hooks_are_told_of_streams_that_end_with_the_old_process() {
    let behind = Behind::start();
    let server = behind.server();
    let successors = Successors::of(&server);
    eventually("the pid file is written", || successors.pid().is_some());
    let mut stream = event_stream(&server, "/sub?id=a");
    successors.upgrade();
    assert!(stream.watch(PATIENCE).is_some(), "its client is to come back");
    eventually("its end is told", || behind.count("went?id=a") == 1);
    let _again = event_stream(&server, "/sub?id=a");
    eventually("it is told of", || behind.count("came?id=a") == 2);
}

#[test]
fn the_environment_of_the_new_process_is_what_env_says() {
    let conf = Conf::whole(
        "env KEPT; env MADE=yes; pid {{dir}}/server.pid; error_log {{dir}}/e.log notice; events {}
         http { server { listen 127.0.0.1:{{port}}; location /pid { return 200 $pid; } } }",
    );
    let server = Server::builder(conf).env("KEPT", "1").env("DROPPED", "1").env("TZ", "UTC").start();
    let successors = Successors::of(&server);
    eventually("the pid file is written", || successors.pid().is_some());
    let new = successors.upgrade();
    let environment = fs::read(format!("/proc/{new}/environ")).expect("it runs");
    let names: Vec<String> =
        environment.split(|byte| *byte == 0).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    for line in ["KEPT=1", "MADE=yes", "TZ=UTC"] {
        assert!(names.iter().any(|name| name == line), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with("DROPPED")), "{names:?}");
}

/// nginx takes the sockets of Encke, and Encke those of nginx: by the variable `NGINX`.
#[test]
fn nginx_itself_can_be_followed() {
    let nginx = Path::new("/usr/sbin/nginx");
    if !nginx.exists() {
        assert!(std::env::var_os("CI").is_none(), "nginx is not installed");
        eprintln!("skipped: nginx is not installed");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let program = dir.path().join("nginx");
    // nginx starts what lies where it was started from.
    std::os::unix::fs::symlink(nginx, &program).expect("a link");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let text = format!(
        "daemon on; pid {0}/server.pid; error_log {0}/e.log; events {{}}
         http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 $nginx_version; }} }} }}",
        dir.path().display()
    );
    fs::write(dir.path().join("c.conf"), text).expect("written");
    let started = std::process::Command::new(&program)
        .args(["-e", "stderr", "-c"])
        .arg(dir.path().join("c.conf"))
        .status();
    assert!(started.expect("nginx runs").success());
    let successors = Successors(dir.path().join("server.pid"));
    let answers = || {
        let mut connection = Connection::open(([127, 0, 0, 1], port).into()).ok()?;
        connection.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        connection.receive(PATIENCE).response().cloned()
    };
    eventually("nginx serves", || answers().is_some());
    let next = dir.path().join("next");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_encke"), &next).expect("a link");
    fs::rename(&next, &program).expect("replaced");
    successors.upgrade();
    let old_file = dir.path().join("server.pid.oldbin");
    kill(pid_in(&old_file).expect("the old one runs"), Signal::SIGQUIT).expect("it runs");
    eventually("nginx has ended", || !old_file.exists());
    let server =
        || answers().and_then(|answer| answer.header("Server").map(str::to_owned)).unwrap_or_default();
    assert!(server().starts_with("encke"), "{}", server());
    // And back: nginx knows nothing of handing over, and the old process goes on until it is ended.
    std::os::unix::fs::symlink(nginx, &next).expect("a link");
    fs::rename(&next, &program).expect("replaced");
    successors.upgrade();
    kill(pid_in(&old_file).expect("the old one runs"), Signal::SIGQUIT).expect("it runs");
    eventually("Encke has ended", || !old_file.exists());
    assert!(server().starts_with("nginx"), "{}", server());
}

#[test]
fn nchan_s_subscribers_go_on_or_come_back() {
    let inside = "
        location /pub { nchan_publisher; nchan_channel_id $arg_id; }
        location /sub { nchan_subscriber; nchan_channel_id $arg_id; }
        location /pid { return 200 $pid; }";
    let server = Server::start(Conf::server(inside));
    let successors = Successors::of(&server);
    eventually("the pid file is written", || successors.pid().is_some());
    assert_eq!(server.post("/pub?id=a", "before").status(), 202);
    let mut stream = server.connect();
    stream.send("GET /sub?id=a HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    let mut waiting = server.connect();
    waiting.send("GET /sub?id=b HTTP/1.1\r\nHost: h\r\nOrigin: http://o\r\n\r\n");
    let subscribers = |id: &str| server.get(&format!("/pub?id={id}")).text().contains("subscribers: 1");
    eventually("both wait", || subscribers("a") && subscribers("b"));
    let new = successors.upgrade();
    assert_eq!(server.get("/pid").text(), new.to_string());
    assert_eq!(server.post("/pub?id=b", "after").status(), 201);
    let answer = waiting.receive(PATIENCE).into_response();
    assert_eq!(answer.text(), "after");
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://o"));
    let mut seen = String::new();
    eventually("the stream ends", || {
        seen.push_str(&String::from_utf8_lossy(&stream.receive_now()));
        stream.ending().is_some()
    });
    assert!(seen.contains("data: before\n") && seen.ends_with(":410: 410 Gone\n\n"), "{seen}");
    let mut back = server.connect();
    back.send("GET /sub?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(back.receive(PATIENCE).into_response().text(), "before");
}
