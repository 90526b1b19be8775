//! Logs as their readers get them: files that are buffered, compressed, rotated, full or gone; pipes; syslog servers.

use std::fs;
use std::io::Read as _;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::{Backend, Conf, PATIENCE, Server, eventually};

const NGINX: Backend = Backend::Nginx { nchan: false };

const FORMAT: &str = "log_format short \"$request_uri $status\";";

fn start(server: &str) -> Server {
    Server::start(Conf::server(server).http(FORMAT))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

// === Buffers ===

#[test]
fn a_buffer_is_written_when_the_next_line_does_not_fit() {
    let server = start("access_log {{dir}}/a.log short buffer=20; location / { return 200; }");
    let log = server.dir().join("a.log");
    server.get("/1234567");
    assert_eq!(text(&log), "");
    server.get("/2345678");
    eventually("the first line is written", || text(&log) == "/1234567 200\n");
}

#[test]
fn a_buffer_is_written_when_its_time_is_over() {
    let server = start("access_log {{dir}}/a.log short buffer=64k flush=100ms; location / { return 200; }");
    let log = server.dir().join("a.log");
    server.get("/x");
    eventually("the line is written", || text(&log) == "/x 200\n");
}

#[test]
fn a_buffer_is_written_at_the_end() {
    for signal in [Signal::SIGTERM, Signal::SIGQUIT] {
        let mut server = start("access_log {{dir}}/a.log short buffer=64k; location / { return 200; }");
        server.get("/x");
        server.signal(signal);
        server.wait_for_exit(PATIENCE).expect("it ends");
        assert_eq!(text(&server.dir().join("a.log")), "/x 200\n", "{signal}");
    }
}

#[test]
fn a_buffer_goes_to_the_old_file_at_a_rotation() {
    let server = start("access_log {{dir}}/a.log short buffer=64k; location / { return 200; }");
    let (log, rotated) = (server.dir().join("a.log"), server.dir().join("a.log.1"));
    server.get("/before");
    fs::rename(&log, &rotated).expect("rotated");
    server.signal(Signal::SIGUSR1);
    eventually("the log is made anew", || log.exists());
    assert_eq!(text(&rotated), "/before 200\n");
    server.get("/after");
    server.signal(Signal::SIGUSR1);
    eventually("the new one is written to", || text(&log) == "/after 200\n");
}

#[test]
fn a_buffer_is_written_when_a_reload_does_without_it() {
    let server = start("access_log {{dir}}/a.log short buffer=64k; location / { return 200; }");
    server.get("/x");
    server.rewrite_conf(&Conf::server("access_log {{dir}}/b.log; location / { return 200; }"));
    server.signal(Signal::SIGHUP);
    eventually("the line is written", || text(&server.dir().join("a.log")) == "/x 200\n");
}

#[test]
fn every_thread_s_lines_are_there_and_whole() {
    let conf = "access_log {{dir}}/a.log short buffer=100 flush=50ms; location / { return 200; }";
    let server = Server::start(Conf::server(conf).http(FORMAT).workers(4));
    std::thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || (0..50).for_each(|n| drop(server.get(&format!("/{client}/{n}")))));
        }
    });
    let log = server.dir().join("a.log");
    eventually("all lines are written", || text(&log).lines().count() == 400);
    let text = text(&log);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<String> =
        (0..8).flat_map(|client| (0..50).map(move |n| format!("/{client}/{n} 200"))).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn a_compressed_log_is_gzip() {
    let mut server = start("access_log {{dir}}/a.log.gz short gzip=9 buffer=30; location / { return 200; }");
    (0..10).for_each(|n| drop(server.get(&format!("/{n}"))));
    server.signal(Signal::SIGTERM);
    server.wait_for_exit(PATIENCE).expect("it ends");
    let bytes = fs::read(server.dir().join("a.log.gz")).expect("the log");
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&*bytes).read_to_string(&mut text).expect("gzip members");
    assert_eq!(text, (0..10).map(|n| format!("/{n} 200\n")).collect::<String>());
}

// === Paths with variables ===

#[test]
fn a_path_with_variables_is_a_file_for_each_value() {
    let server = start("access_log {{dir}}/$arg_a.log short; location / { return 200; }");
    server.get("/1?a=x");
    server.get("/2?a=y");
    server.get("/3?a=x");
    eventually("x is written", || text(&server.dir().join("x.log")) == "/1?a=x 200\n/3?a=x 200\n");
    eventually("y is written", || text(&server.dir().join("y.log")) == "/2?a=y 200\n");
}

#[test]
fn a_path_that_leads_nowhere_is_an_error_line_and_no_more() {
    let server = start("access_log {{dir}}/$arg_a/log short; location / { return 200 ok; }");
    assert_eq!(server.get("/?a=no/such/folder").text(), "ok");
    eventually("the error is logged", || {
        server.stderr().contains("no/such/folder/log\" failed (2: No such file or directory)")
    });
}

#[test]
fn cached_files_are_opened_anew_on_usr1() {
    let conf = "open_log_file_cache max=10; access_log {{dir}}/$arg_a.log short; location / { return 200; }";
    let server = start(conf);
    let (log, rotated) = (server.dir().join("x.log"), server.dir().join("x.log.1"));
    server.get("/1?a=x");
    eventually("the line is written", || text(&log) == "/1?a=x 200\n");
    fs::rename(&log, &rotated).expect("rotated");
    server.get("/2?a=x");
    eventually("the file is still open", || text(&rotated) == "/1?a=x 200\n/2?a=x 200\n");
    server.signal(Signal::SIGUSR1);
    eventually("a new file is written to", || {
        server.get("/3?a=x");
        log.exists()
    });
}

// === Ownership ===

#[test]
fn logs_belong_to_the_user_that_the_server_becomes() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten();
    let Some(nobody) = nobody.filter(|_| nix::unistd::geteuid().is_root()) else { return };
    let dir = tempfile::TempDir::new().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("for everybody");
    let (log, rotated) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
    let server = Server::start(Conf::whole(format!(
        "daemon off; user nobody nogroup; events {{}} http {{ access_log {}; server {{ listen 127.0.0.1:{{{{port}}}};
         location / {{ return 204; }} }} }}",
        log.display()
    )));
    let owner = |path: &Path| fs::metadata(path).map(|metadata| metadata.uid()).ok();
    assert_eq!(owner(&log), Some(nobody.uid.as_raw()));
    fs::rename(&log, &rotated).expect("rotated");
    server.signal(Signal::SIGUSR1);
    eventually("the log is made anew", || owner(&log) == Some(nobody.uid.as_raw()));
    assert_eq!(fs::metadata(&log).expect("the log").permissions().mode() & 0o777 & !0o644, 0);
}

// === What may go wrong ===

#[test]
fn a_full_disk_is_told_once_and_stops_nobody() {
    let server = start("access_log /dev/full short; location / { return 200 ok; }");
    (0..5).for_each(|_| assert_eq!(server.get("/").text(), "ok"));
    let complaint = "write() to \"/dev/full\" failed (28: No space left on device)";
    eventually("it is told", || server.stderr().contains(complaint));
    assert_eq!(server.stderr().matches(complaint).count(), 1);
}

#[test]
fn a_log_that_cannot_be_opened_anew_is_told() {
    let server = start("access_log {{dir}}/a.log short; location / { return 200 ok; }");
    let log = server.dir().join("a.log");
    fs::remove_file(&log).expect("removed");
    fs::create_dir(&log).expect("a folder in its place");
    server.signal(Signal::SIGUSR1);
    eventually("it is told", || server.stderr().contains("a.log\" failed (21: Is a directory)"));
    assert_eq!(server.get("/").text(), "ok");
}

#[test]
fn a_pipe_that_nobody_reads_stops_nobody() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a pipe");
    let pipe = pipe.display();
    let server = start(&format!("access_log {pipe}; error_log {pipe} info; location / {{ deny all; }}"));
    let path = "x".repeat(4000);
    (0..40).for_each(|_| assert_eq!(server.get(&format!("/{path}")).status(), 403));
    eventually("it is told", || server.stderr().contains("failed (11: "));
}

// === Requests that break off ===

const IMPATIENT: &str = "
    access_log {{dir}}/a.log; error_log {{dir}}/e.log info;
    client_header_timeout 300ms; client_body_timeout 300ms;
    location / { return 200; }
    location /push { set $push_channel_id a; push_publisher; }";

/// Sends bytes, and either closes or waits for the server to do so.
fn break_off(server: &Server, bytes: &str, close: bool) {
    let mut connection = server.connect();
    connection.send(bytes);
    if !close {
        connection.watch(PATIENCE);
    }
}

#[test]
fn requests_that_break_off_are_logged_as_nginx_logs_them() {
    let server = start(IMPATIENT);
    let post = "POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab";
    let cases = [
        ("", None, ""),
        (
            "GET /line",
            Some("\"GET /line\""),
            "request line, client: 127.0.0.1, server: localhost, request: \"GET /line\"\n",
        ),
        ("\r\n", Some("\"\""), "request line, client: 127.0.0.1, server: localhost\n"),
        ("GET /head HTTP/1.1\r\nHost: h", Some("\"GET /head HTTP/1.1\""), "request headers, client: "),
        (
            "GET /host HTTP/1.1\r\nHost: h\r\nX",
            Some("\"GET /host HTTP/1.1\""),
            "\"GET /host HTTP/1.1\", host: \"h\"\n",
        ),
        (post, Some("\"POST /push HTTP/1.1\""), ""),
    ];
    let (access, error) = (server.dir().join("a.log"), server.dir().join("e.log"));
    for (close, status, how) in [
        (true, 400, "client prematurely closed connection"),
        (false, 408, "client timed out (110: Connection timed out)"),
    ] {
        for (bytes, request, line) in cases {
            fs::write(&access, "").and_then(|()| fs::write(&error, "")).expect("emptied");
            break_off(&server, bytes, close);
            let Some(request) = request else { continue };
            let expected = format!("] {request} {status} 0 \"-\" \"-\"\n");
            eventually(&expected, || text(&access).ends_with(&expected));
            let told = text(&error);
            assert!(line.is_empty() || told.contains(how) && told.contains(line), "{told}");
        }
    }
}

// === syslog ===

/// What a syslog server got, without the time and the process.
fn received(datagram: &[u8]) -> String {
    let text = String::from_utf8_lossy(datagram);
    let (priority, rest) = text.split_once('>').expect("a priority");
    let (stamp, rest) = rest.split_at("Nov 23 21:19:31 ".len());
    assert!(stamp.as_bytes()[3] == b' ' && stamp.as_bytes()[9] == b':' && stamp.ends_with(' '), "{stamp}");
    match rest.split_once("] ") {
        Some((start, rest)) => {
            let (tag, _) = start.split_once(": ").expect("a tag");
            let level = start.rsplit_once('[').expect("a level").1;
            let message = rest.split_once("*").expect("a connection").1.split_once(' ').expect("a message").1;
            format!("{priority}>{tag}: [{level}] {message}")
        }
        None => format!("{priority}>{rest}"),
    }
}

const SYSLOG: &str = "
    location /udp { access_log syslog:server=127.0.0.1:UDP short; return 200; }
    location /unix { access_log syslog:server=unix:PATH,facility=ftp,tag=t_1,severity=debug short; return 200; }
    location /bare { access_log syslog:server=unix:PATH,facility=user,tag=,nohostname short; return 200; }
    location /if { access_log syslog:server=unix:PATH short if=$arg_a; return 200; }
    location /error { error_log syslog:server=unix:PATH,facility=kern,severity=debug info; deny all; }
    location /both { error_log syslog:server=unix:PATH,tag=a; error_log syslog:server=unix:PATH,tag=b; deny all; }";

fn syslog_lines(backend: Backend) -> Vec<String> {
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = dir.path().join("socket");
    let (unix, udp) =
        (UnixDatagram::bind(&path).expect("a socket"), UdpSocket::bind("127.0.0.1:0").expect("a port"));
    unix.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    udp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let port = udp.local_addr().expect("an address").port().to_string();
    let conf = SYSLOG.replace("PATH", &path.to_string_lossy()).replace("UDP", &port);
    let server = Server::builder(Conf::server(conf).http(FORMAT)).backend(backend).start();
    let mut buffer = [0; 65536];
    let mut lines = Vec::new();
    let long = format!("/error/{}", "a".repeat(3000));
    for target in ["/udp", "/unix", "/bare", "/if", "/if?a=1", "/error", long.as_str(), "/both"] {
        server.request(format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        let datagrams = match target {
            "/if" => 0,
            "/both" => 2,
            _ => 1,
        };
        for _ in 0..datagrams {
            let read = if target == "/udp" { udp.recv(&mut buffer) } else { unix.recv(&mut buffer) };
            lines.push(received(&buffer[..read.expect("a line")]));
        }
    }
    lines
}

#[test]
fn syslog_servers_get_what_nginx_sends() {
    let lines = syslog_lines(Backend::Encke);
    let host = nix::unistd::gethostname().expect("a name").to_string_lossy().to_lowercase();
    assert_eq!(lines[0], format!("<190>{host} nginx: /udp 200"));
    assert_eq!(lines[2], "<14>: /bare 200");
    assert!(lines[4].starts_with(&format!("<3>{host} nginx: [error] access forbidden by rule, client: ")));
    if NGINX.is_installed() {
        let mut expected = syslog_lines(NGINX);
        // The number of the process and of the connection leave more or less room.
        let cut = lines[5].len().min(expected[5].len());
        let mut lines = lines;
        lines[5].truncate(cut);
        expected[5].truncate(cut);
        assert!(lines[5].len().abs_diff(2000) < 100, "{}", lines[5].len());
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_syslog_server_that_is_not_there_is_told_once_and_may_come_later() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = dir.path().join("socket");
    let log = format!("syslog:server=unix:{}", path.display());
    let server = start(&format!("access_log {log} short; error_log {log}; location / {{ return 200 ok; }}"));
    (0..5).for_each(|_| assert_eq!(server.get("/").text(), "ok"));
    let complaint = "send() failed (2: No such file or directory) while logging to syslog, server: unix:";
    eventually("it is told", || server.stderr().contains(complaint));
    assert_eq!(server.stderr().matches(complaint).count(), 1);
    for _ in 0..2 {
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        server.get("/here");
        let mut buffer = [0; 1000];
        let length = socket.recv(&mut buffer).expect("a line");
        assert!(buffer[..length].ends_with(b": /here 200"));
        fs::remove_file(&path).expect("gone again");
    }
}

#[test]
fn a_syslog_server_that_does_not_read_stops_nobody() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = dir.path().join("socket");
    let _unread = UnixDatagram::bind(&path).expect("a socket");
    let log = format!("access_log syslog:server=unix:{} short;", path.display());
    let server = start(&format!("{log} location / {{ return 200 ok; }}"));
    (0..600).for_each(|_| assert_eq!(server.get("/").text(), "ok"));
    eventually("it is told", || server.stderr().contains("send() failed (11: "));
}
