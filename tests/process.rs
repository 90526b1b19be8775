//! The process as an operator sees it: command line, signals, reload, files.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Conf, Ending, PATIENCE, Reply, Server, eventually};

const PUSH: &str = "
    location /publish { set $push_channel_id $arg_id; push_publisher; }
    location /activity { set $push_channel_id $arg_id; push_subscriber; }";

/// Runs encke to its end.
fn encke(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_encke")).args(arguments).output().expect("encke runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory with a configuration in it; the path of the configuration.
fn conf_file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("test.conf");
    std::fs::write(&path, text).expect("written");
    let path = path.to_str().expect("text").to_owned();
    (dir, path)
}

fn subscribers(server: &Server, channel: &str) -> String {
    server.get(&format!("/publish?id={channel}")).text().rsplit(' ').next().unwrap_or_default().to_owned()
}

// === Command line ===

#[test]
fn testing_a_configuration_prints_nginx_lines() {
    let (_dir, path) =
        conf_file("events {} http { server { listen 127.0.0.1:18999; location / { return 204; } } }");
    let tested = encke(&["-t", "-c", &path]);
    let expected = format!(
        "encke: the configuration file {path} syntax is ok\nencke: configuration file {path} test is successful\n"
    );
    assert_eq!((tested.status.code(), stderr(&tested)), (Some(0), expected));
    assert!(tested.stdout.is_empty());
    let quiet = encke(&["-tqc", &path]);
    assert_eq!((quiet.status.code(), stderr(&quiet)), (Some(0), String::new()));
}

#[test]
fn a_wrong_configuration_fails_with_its_place() {
    let (_dir, path) = conf_file("events {}\nhttp {\n    push_subscribe on;\n}\n");
    let tested = encke(&["-t", "-c", &path]);
    assert_eq!(tested.status.code(), Some(1));
    let expected = format!(
        "encke: [emerg] unknown directive \"push_subscribe\" in {path}:3\nencke: configuration file {path} test failed\n"
    );
    assert_eq!(stderr(&tested), expected);
    let started = encke(&["-c", &path]);
    assert_eq!(started.status.code(), Some(1));
    assert!(stderr(&started).contains("unknown directive"), "{}", stderr(&started));
}

#[test]
fn errors_after_reading_come_behind_syntax_ok() {
    let (_dir, path) = conf_file(
        "error_log /nonexistent/dir/e.log;\nevents {} http { server { location / { return 204; } } }",
    );
    let tested = encke(&["-t", "-c", &path]);
    let text = stderr(&tested);
    assert_eq!(tested.status.code(), Some(1));
    assert!(text.starts_with(&format!("encke: the configuration file {path} syntax is ok\n")), "{text}");
    assert!(
        text.contains("[emerg] open() \"/nonexistent/dir/e.log\" failed (2: No such file or directory)"),
        "{text}"
    );
    assert!(text.ends_with("test failed\n"), "{text}");
}

#[test]
fn a_missing_events_section_comes_behind_syntax_ok() {
    let (_dir, path) = conf_file("http { server { location / { return 204; } } }");
    let tested = encke(&["-t", "-c", &path]);
    assert_eq!(tested.status.code(), Some(1));
    let expected = format!(
        "encke: the configuration file {path} syntax is ok\nencke: [emerg] no \"events\" section in configuration\n\
         encke: configuration file {path} test failed\n"
    );
    assert_eq!(stderr(&tested), expected);
}

#[test]
fn a_missing_configuration_is_named() {
    let tested = encke(&["-t", "-c", "/nonexistent/encke.conf"]);
    assert_eq!(tested.status.code(), Some(1));
    let expected = "[emerg] open() \"/nonexistent/encke.conf\" failed (2: No such file or directory)";
    assert!(stderr(&tested).contains(expected), "{}", stderr(&tested));
}

#[test]
fn dumping_prints_every_file_once() {
    let (dir, path) =
        conf_file("events {} http { include inc.conf; server { location / { return 204; } } }\n");
    std::fs::write(dir.path().join("inc.conf"), "server_tokens off;\n").expect("written");
    let dumped = encke(&["-T", "-c", &path]);
    assert_eq!(dumped.status.code(), Some(0), "{}", stderr(&dumped));
    let text = String::from_utf8_lossy(&dumped.stdout).into_owned();
    let included = dir.path().join("inc.conf");
    assert_eq!(text.matches("# configuration file").count(), 2, "{text}");
    assert!(text.starts_with(&format!("# configuration file {path}:\nevents {{}} http")), "{text}");
    assert!(
        text.contains(&format!("# configuration file {}:\nserver_tokens off;\n", included.display())),
        "{text}"
    );
}

#[test]
fn unknown_switches_are_nginx_errors() {
    for (arguments, expected) in [
        (&["-x"][..], "invalid option: \"x\""),
        (&["-tx"], "invalid option: \"x\""),
        (&["-s", "foo"], "invalid option: \"-s foo\""),
        (&["foo"], "invalid option: \"foo\""),
        (&["-c"], "option \"-c\" requires file name"),
        (&["-g"], "option \"-g\" requires parameter"),
    ] {
        let output = encke(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(stderr(&output), format!("encke: {expected}\n"), "{arguments:?}");
    }
}

#[test]
fn version_and_help() {
    let version = encke(&["-v"]);
    assert_eq!(
        (version.status.code(), stderr(&version)),
        (Some(0), format!("encke version: encke/{}\n", env!("CARGO_PKG_VERSION")))
    );
    for switch in ["-h", "-?", "--help"] {
        let help = encke(&[switch]);
        assert_eq!(help.status.code(), Some(0), "{switch}");
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        for option in ["-t", "-T", "-q", "-c", "-p", "-g", "-e", "-s", "-v", "-V", "--listen"] {
            assert!(text.contains(option), "{switch} does not name {option}:\n{text}");
        }
    }
}

#[test]
fn global_directives_stand_above_the_file() {
    let (_dir, path) =
        conf_file("worker_processes 2;\nevents {} http { server { location / { return 204; } } }");
    let repeated = encke(&["-t", "-c", &path, "-g", "worker_processes 1;"]);
    assert_eq!(repeated.status.code(), Some(1));
    assert!(
        stderr(&repeated).contains("\"worker_processes\" directive is duplicate"),
        "{}",
        stderr(&repeated)
    );
    let other = encke(&["-t", "-c", &path, "-g", "daemon off;"]);
    assert_eq!(other.status.code(), Some(0), "{}", stderr(&other));
}

#[test]
fn a_report_names_what_is_honoured_what_is_not_and_what_is_refused() {
    let text = "events {}\nhttp {\nsendfile on;\nserver {\nlocation / {\npush_publisher;\nproxy_pass http://127.0.0.1;\npush_sub;\n} } }";
    let (_dir, path) = conf_file(text);
    let report = encke(&["check", &path]);
    assert_eq!(report.status.code(), Some(1));
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    for part in
        ["sendfile", &format!("{path}:3"), "proxy_pass", &format!("{path}:7"), "push_sub", "push_publisher"]
    {
        assert!(report.contains(part), "no {part} in\n{report}");
    }
    let json = encke(&["check", "--json", &path]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert!(json.to_string().contains("proxy_pass"), "{json}");
}

// === Starting ===

#[test]
fn a_second_server_on_the_same_address_is_refused() {
    let server = Server::start(Conf::server(PUSH));
    let text = format!(
        "events {{}} http {{ server {{ listen 127.0.0.1:{}; location / {{ return 204; }} }} }}",
        server.port()
    );
    let (_dir, path) = conf_file(&text);
    let second = encke(&["-c", &path]);
    let text = stderr(&second);
    assert_eq!(second.status.code(), Some(1));
    let taken = format!("bind() to 127.0.0.1:{} failed (98: Address already in use)", server.port());
    assert_eq!(text.matches(&taken).count(), 5, "{text}");
    assert!(text.contains("still could not bind()"), "{text}");
}

#[test]
fn the_pid_file_comes_and_goes_with_the_server() {
    let conf = Conf::whole(format!(
        "pid {{{{dir}}}}/own.pid; events {{}} http {{ server {{ listen 127.0.0.1:{{{{port}}}}; {PUSH} }} }}"
    ));
    let mut server = Server::start(conf);
    let pid_file = server.dir().join("own.pid");
    // Sockets come first: a connection may be waiting already while the file is written.
    let expected = format!("{}\n", server.pid());
    eventually("the pid file is written", || {
        std::fs::read_to_string(&pid_file).ok().as_ref() == Some(&expected)
    });
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
    assert!(!pid_file.exists());
}

#[test]
fn a_daemon_goes_to_the_background_and_obeys_the_command_line() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("daemon.conf");
    let text = format!(
        "daemon on; pid {0}/d.pid; error_log {0}/e.log; events {{}} http {{ server {{ listen 127.0.0.1:{port}; {PUSH} }} }}",
        dir.path().display()
    );
    std::fs::write(&path, text).expect("written");
    let path = path.to_str().expect("text");
    let started = encke(&["-c", path]);
    assert_eq!(started.status.code(), Some(0), "{}", stderr(&started));
    let pid_file = dir.path().join("d.pid");
    assert!(pid_file.exists(), "it serves when the command returns");
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let told = encke(&["-c", path, "-s", "stop"]);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    eventually("the daemon ends", || !pid_file.exists());
    let again = encke(&["-c", path, "-s", "stop"]);
    assert_eq!(again.status.code(), Some(1));
    let missing = format!("[error] open() \"{}\" failed (2: No such file or directory)", pid_file.display());
    assert!(stderr(&again).contains(&missing), "{}", stderr(&again));
}

// === Signals ===

#[test]
fn quit_finishes_what_runs_and_lets_waiting_subscribers_go() {
    let mut server = Server::start(Conf::server(PUSH));
    let mut waiting = server.connect();
    waiting.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("one waits", || subscribers(&server, "a") == "1");
    let mut publishing = server.connect();
    publishing.send("POST /publish?id=b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    std::thread::sleep(Duration::from_millis(50));
    server.signal(Signal::SIGQUIT);
    assert_eq!(waiting.watch(PATIENCE), Some(Ending::Closed));
    publishing.send("cd");
    assert_eq!(publishing.receive(PATIENCE).into_response().status(), 202);
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
}

#[test]
fn logs_are_reopened_on_usr1() {
    let conf = "access_log {{dir}}/access.log; location / { return 204; }";
    let server = Server::start(Conf::server(conf));
    let (log, rotated) = (server.dir().join("access.log"), server.dir().join("access.log.1"));
    server.get("/before");
    std::fs::rename(&log, &rotated).expect("rotated");
    server.signal(Signal::SIGUSR1);
    eventually("the log is made anew", || log.exists());
    server.get("/after");
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    eventually("the new log is written to", || lines(&log).contains("GET /after"));
    assert!(lines(&rotated).contains("GET /before") && !lines(&rotated).contains("GET /after"));
}

#[test]
fn a_graceful_end_takes_no_longer_than_worker_shutdown_timeout() {
    let conf = Conf::whole(format!(
        "worker_shutdown_timeout 300ms; pid {{{{dir}}}}/p; events {{}}
         http {{ server {{ listen 127.0.0.1:{{{{port}}}}; {PUSH} }} }}"
    ));
    let mut server = Server::start(conf);
    let mut publishing = server.connect();
    publishing.send("POST /publish?id=b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    std::thread::sleep(Duration::from_millis(50));
    server.signal(Signal::SIGQUIT);
    assert_eq!(server.wait_for_exit(Duration::from_millis(100)), None, "something is under way");
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
    assert!(publishing.watch(PATIENCE).is_some());
}

#[test]
fn idle_connections_are_kept_for_keepalive_min_timeout() {
    let conf = |min: &str| {
        Conf::whole(format!(
            "daemon off; error_log stderr; events {{}} http {{ server {{ listen 127.0.0.1:{{{{port}}}};
             location / {{ keepalive_min_timeout {min}; return 200 $request_uri; }} {PUSH} }} }}"
        ))
    };
    let ask = "GET /again HTTP/1.1\r\nHost: h\r\n\r\n";
    // What hyper holds, and what came back from the parking.
    let idle = |server: &Server| {
        let mut fresh = server.connect();
        fresh.send(ask);
        assert_eq!(fresh.receive(PATIENCE).into_response().text(), "/again");
        fresh
    };
    let mut server = Server::start(conf("0"));
    let mut closed = idle(&server);
    server.signal(Signal::SIGQUIT);
    assert_eq!(closed.watch(PATIENCE), Some(Ending::Closed));
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());

    let mut server = Server::start(conf("1s"));
    let (mut asks, mut silent) = (idle(&server), idle(&server));
    server.signal(Signal::SIGQUIT);
    eventually("it accepts nothing more", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    asks.send(ask);
    let last = asks.receive(PATIENCE).into_response();
    assert_eq!((last.text(), last.header("connection")), ("/again".into(), Some("close")));
    assert_eq!(server.wait_for_exit(Duration::from_millis(1)), None, "another may still ask");
    assert_eq!(silent.watch(PATIENCE), Some(Ending::Closed));
    assert!(server.wait_for_exit(PATIENCE).expect("it ends").success());
}

#[test]
fn idle_connections_make_room_only_after_keepalive_min_timeout() {
    let server = Server::start(Conf::whole(
        "daemon off; worker_processes 1; error_log stderr; events { worker_connections 4; }
         http { keepalive_min_timeout 1h; server { listen 127.0.0.1:{{port}}; location / { return 204; }
         location /short { keepalive_min_timeout 0; return 204; } } }",
    ));
    let idle = |uri: &str| {
        let mut client = server.connect();
        client.send(format!("GET {uri} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(client.receive(PATIENCE).into_response().status(), 204);
        client
    };
    let (mut kept, mut short) = ([idle("/"), idle("/"), idle("/")], idle("/short"));
    let _fifth = idle("/");
    assert_eq!(short.watch(PATIENCE), Some(Ending::Closed));
    for client in &mut kept {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.receive(PATIENCE).into_response().status(), 204);
    }
}

#[test]
fn tcp_nodelay_is_set_where_it_is_on() {
    let server = Server::start(Conf::server(
        "location /on { return 204; } location /off { tcp_nodelay off; return 204; }
         location /pub { push_publisher; set $push_channel_id a; tcp_nodelay off; }
         location /sub { push_subscriber; set $push_channel_id a; }",
    ));
    let mut client = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let mut ask = |request: &str| {
        client.write_all(request.as_bytes()).expect("written");
        let mut answer = [0; 4096];
        assert!(client.read(&mut answer).expect("read") > 0);
        nodelay_of_peer(&server, &client)
    };
    assert!(!ask("GET /off HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert!(!ask("POST /pub HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"));
    assert!(ask("GET /on HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert!(ask("GET /off HTTP/1.1\r\nHost: h\r\n\r\n"), "once set, it stays");

    let mut waiting = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let request = "GET /sub HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n\r\n";
    waiting.write_all(request.as_bytes()).expect("written");
    eventually("one waits", || server.get("/pub").text().ends_with("subscribers: 1"));
    server.post("/pub", "b");
    assert!(waiting.read(&mut [0; 4096]).expect("read") > 0);
    assert!(nodelay_of_peer(&server, &waiting));
}

/// Whether the server's end of a connection has `TCP_NODELAY`: its descriptor is duplicated to ask.
fn nodelay_of_peer(server: &Server, client: &std::net::TcpStream) -> bool {
    let id = i32::try_from(server.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("it runs");
    let process = rustix::process::pidfd_open(id, rustix::process::PidfdFlags::empty()).expect("it runs");
    let ours = client.local_addr().expect("connected");
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it runs");
    let sockets = files.filter_map(|file| {
        let number = file.ok()?.file_name().to_str()?.parse().ok()?;
        let copy = rustix::process::pidfd_getfd(&process, number, rustix::process::PidfdGetfdFlags::empty());
        Some(socket2::Socket::from(copy.ok()?))
    });
    let is_peer = |socket: &socket2::Socket| {
        socket.peer_addr().ok().and_then(|peer| peer.as_socket()).is_some_and(|peer| peer == ours)
    };
    sockets.into_iter().find(is_peer).expect("the other end").tcp_nodelay().expect("a TCP socket")
}

#[test]
fn debug_connection_tells_of_the_requests_of_some_clients() {
    let server = Server::start(Conf::whole(
        "daemon off; error_log stderr crit; events { debug_connection 127.0.0.0/8; debug_connection unix:; }
         http { server { listen 127.0.0.1:{{port}}; location /a { rewrite ^ /b?x=1 last; } location /b { return 200 b; } } }",
    ));
    server.get("/a");
    for line in [
        "http request line: \"GET /a HTTP/1.1\"",
        "using location: \"/b\"",
        "http answer: \"HTTP/1.1 200 OK\"",
    ] {
        eventually(line, || {
            server.stderr().lines().any(|told| told.contains("[debug]") && told.contains(line))
        });
    }
    let silent = Server::start(Conf::whole(
        "daemon off; error_log stderr info; events { debug_connection 10.0.0.0/8; }
         http { server { listen 127.0.0.1:{{port}}; location / { return 204; } } }",
    ));
    silent.get("/a");
    assert!(!silent.stderr().contains("[debug]"));
}

#[test]
fn winch_changes_nothing() {
    let server = Server::start(Conf::server(PUSH));
    let mut waiting = server.connect();
    waiting.send("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("one waits", || subscribers(&server, "a") == "1");
    server.signal(Signal::SIGWINCH);
    assert_eq!(server.post("/publish?id=a", "hello").status(), 201);
    assert_eq!(waiting.receive(PATIENCE).into_response().text(), "hello");
}

#[test]
fn limits_priority_and_directory_of_the_process_are_the_configurations() {
    let conf = Conf::whole(
        "worker_rlimit_nofile 700; worker_rlimit_core 1k; worker_priority 3; working_directory {{dir}}; pid {{dir}}/p;
         events { worker_connections 100; } http { server { listen 127.0.0.1:{{port}}; location / { return 204; } } }",
    );
    let server = Server::start(conf);
    let about =
        |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", server.pid())).expect("it runs");
    let pid_file = server.dir().join("p");
    eventually("it has started", || pid_file.exists());
    let cwd = || std::fs::read_link(format!("/proc/{}/cwd", server.pid())).expect("it runs");
    eventually("it is where it belongs", || cwd() == server.dir().canonicalize().expect("there"));
    let limits = about("limits");
    let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).expect("a limit").to_owned();
    assert_eq!(limit("Max open files").split_whitespace().nth(3), Some("700"), "{limits}");
    assert_eq!(limit("Max core file size").split_whitespace().nth(4), Some("1024"), "{limits}");
    assert_eq!(about("stat").split_whitespace().nth(18), Some("3"));
    // What is relative stays where it was.
    server.signal(Signal::SIGHUP);
    assert_eq!(server.get("/").status(), 204);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let (_dir, path) = conf_file(
        "working_directory /nonexistent; events {} http { server { listen unix:/tmp/encke-test-directory; return 204; } }",
    );
    let started = encke(&["-c", &path]);
    let _ = std::fs::remove_file("/tmp/encke-test-directory");
    assert_eq!(started.status.code(), Some(1));
    let expected = "[emerg] chdir(\"/nonexistent\") failed (2: No such file or directory)";
    assert!(stderr(&started).contains(expected), "{}", stderr(&started));
}

#[test]
fn too_few_descriptors_are_an_error_and_no_half_a_server() {
    let (dir, path) = conf_file(
        "daemon off; error_log stderr; pid pid; worker_processes 2; events { worker_connections 10; }
         http { access_log off; server { listen unix:socket; return 204; } }",
    );
    let command = format!("ulimit -n $1; exec {} -p $2 -c $3", env!("CARGO_BIN_EXE_encke"));
    for limit in [6, 10, 13, 16, 20] {
        let _ = std::fs::remove_file(dir.path().join("socket"));
        let arguments = ["-c", &command, "sh", &limit.to_string(), dir.path().to_str().expect("text"), &path];
        let started = Command::new("sh").args(arguments).output().expect("it ends");
        assert_eq!(started.status.code(), Some(1), "{limit}: {}", stderr(&started));
        let said = stderr(&started);
        assert!(said.contains("[emerg]") && said.contains("(24: Too many open files)"), "{limit}: {said}");
        assert!(!said.contains("panicked"), "{limit}: {said}");
        assert!(!dir.path().join("pid").exists(), "{limit}");
    }
}

// === Reload ===

#[test]
fn a_reload_changes_what_is_answered_and_keeps_messages_and_subscribers() {
    let server = Server::start(Conf::server(format!("location /word {{ return 200 old; }} {PUSH}")));
    server.post("/publish?id=kept", "message");
    let mut waiting = server.connect();
    waiting.send("GET /activity?id=waited HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("one waits", || subscribers(&server, "waited") == "1");
    let mut kept = server.connect();
    kept.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(kept.receive(PATIENCE).into_response().text(), "old");
    server.rewrite_conf(&Conf::server(format!("location /word {{ return 200 new; }} {PUSH}")));
    server.signal(Signal::SIGHUP);
    eventually("the new configuration is in force", || server.get("/word").text() == "new");
    kept.send("GET /word HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(kept.receive(PATIENCE).into_response().text(), "new", "on a connection from before");
    assert_eq!(server.get("/activity?id=kept").text(), "message");
    assert_eq!(server.post("/publish?id=waited", "now").status(), 201);
    assert_eq!(waiting.receive(PATIENCE).into_response().text(), "now");
}

#[test]
fn a_broken_configuration_keeps_the_old_one_and_says_why() {
    let server = Server::start(Conf::server(format!("location /word {{ return 200 old; }} {PUSH}")));
    server.rewrite_conf(&Conf::server("location /word { return 200 new; } push_nonsense;"));
    server.signal(Signal::SIGHUP);
    eventually("the error is logged", || server.stderr().contains("unknown directive \"push_nonsense\""));
    assert_eq!(server.get("/word").text(), "old");
}

#[test]
fn reloading_under_load_loses_and_doubles_nothing() {
    const SUBSCRIBERS: usize = 40;
    const MESSAGES: usize = 60;
    let good =
        Conf::server(PUSH.replace("push_publisher;", "push_publisher; push_max_message_buffer_length 100;"))
            .workers(2);
    let server = Server::start(good.clone());
    std::thread::scope(|scope| {
        for _ in 0..SUBSCRIBERS {
            scope.spawn(|| {
                let mut client = server.connect();
                let mut since = String::new();
                for message in 0..MESSAGES {
                    client.send(format!("GET /activity?id=a HTTP/1.1\r\nHost: h\r\n{since}\r\n"));
                    let answer = match client.receive(Duration::from_secs(20)) {
                        Reply::Response(answer) => answer,
                        other => panic!("message {message}: {other:?}"),
                    };
                    assert_eq!(answer.text(), message.to_string());
                    since = format!(
                        "If-Modified-Since: {}\r\n",
                        answer.header("Last-Modified").expect("a position")
                    );
                }
            });
        }
        scope.spawn(|| {
            for message in 0..MESSAGES {
                if message % 6 == 0 {
                    let broken = Conf::server("push_nonsense;").workers(2);
                    server.rewrite_conf(if message % 12 == 0 { &broken } else { &good });
                    server.signal(Signal::SIGHUP);
                }
                server.post("/publish?id=a", &message.to_string());
                std::thread::sleep(Duration::from_millis(10));
            }
        });
    });
}
