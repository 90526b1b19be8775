//! What systemd gives (sockets) and is told (sd_notify), over real sockets.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Conf, Connection, PATIENCE, Server, eventually};

/// A manager that listens to what services say.
struct Manager {
    socket: UnixDatagram,
    dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("bound");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        Self { socket, dir }
    }

    fn path(&self) -> String {
        self.dir.path().join("notify").to_str().expect("text").to_owned()
    }

    /// The next thing that is said, but for the watchdog.
    fn next(&self) -> String {
        loop {
            let text = self.any();
            if text != "WATCHDOG=1" {
                return text;
            }
        }
    }

    fn any(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("something is said");
        String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned()
    }
}

const CONF: &str = "location / { return 200 $pid; }";

#[test]
fn start_reload_and_end_are_told() {
    let manager = Manager::new();
    let server = Server::builder(Conf::server(CONF)).env("NOTIFY_SOCKET", &manager.path()).start();
    assert_eq!(manager.next(), "READY=1");
    for conf in [Conf::server(CONF), Conf::server("push_nonsense;")] {
        server.rewrite_conf(&conf);
        server.signal(Signal::SIGHUP);
        let told = manager.next();
        let (word, time) = told.split_once('\n').expect("two lines");
        assert_eq!(word, "RELOADING=1");
        let time = time.strip_prefix("MONOTONIC_USEC=").and_then(|time| time.parse::<u64>().ok());
        assert!(time.is_some_and(|time| time > 0), "{told}");
        assert_eq!(manager.next(), "READY=1");
    }
    server.signal(Signal::SIGQUIT);
    assert_eq!(manager.next(), "STOPPING=1");
}

#[test]
fn the_watchdog_is_fed_while_workers_work() {
    let manager = Manager::new();
    let server = Server::builder(Conf::server(CONF).workers(2))
        .env("NOTIFY_SOCKET", &manager.path())
        .env("WATCHDOG_USEC", "200000")
        .start();
    let said: Vec<String> = (0..5).map(|_| manager.any()).collect();
    assert_eq!(said.iter().filter(|text| *text == "WATCHDOG=1").count(), 4, "{said:?}");
    drop(server);
}

#[test]
fn an_upgrade_tells_who_the_main_process_is() {
    let manager = Manager::new();
    let server = Server::builder(Conf::server(CONF)).env("NOTIFY_SOCKET", &manager.path()).start();
    assert_eq!(manager.next(), "READY=1");
    let old = server.get("/").text();
    server.signal(Signal::SIGUSR2);
    let told = manager.next();
    let new = told.strip_prefix("MAINPID=").expect("the new one").to_owned();
    assert_ne!(new, old);
    assert_eq!(manager.next(), "READY=1");
    assert_eq!(server.get("/").text(), new);
    kill(Pid::from_raw(new.parse().expect("a number")), Signal::SIGTERM).expect("it runs");
    assert_eq!(manager.next(), "STOPPING=1");
}

/// Starts a server with this socket as systemd would: descriptor 3, and two variables.
fn activate(conf: &std::path::Path, socket: &std::net::TcpListener) -> Child {
    fcntl(socket.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).expect("inherited");
    // A shell puts it where it belongs, and has the number that the server will have.
    let number = socket.as_raw_fd();
    let moved = if number == 3 { String::new() } else { format!("exec 3<&{number} {number}<&-; ") };
    let script = format!("{moved}LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" -c \"$1\"");
    let child = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_encke")])
        .arg(conf)
        .stdin(Stdio::null())
        .spawn();
    fcntl(socket.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("not inherited");
    child.expect("it runs")
}

#[test]
fn a_socket_of_systemd_is_served_by_all_workers() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("c.conf");
    let text = format!(
        "worker_processes 2; pid {0}/p; error_log {0}/e.log notice; events {{}}
         http {{ server {{ listen {address}; location / {{ return 200 served; }} }} }}",
        dir.path().display()
    );
    std::fs::write(&path, text).expect("written");
    // Before anybody serves: the connection waits in the socket.
    let mut early = Connection::open(address).expect("systemd listens");
    early.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut child = activate(&path, &socket);
    assert_eq!(early.receive(PATIENCE).into_response().text(), "served");
    for _ in 0..8 {
        let mut next = Connection::open(address).expect("it listens");
        next.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(next.receive(PATIENCE).into_response().text(), "served");
    }
    let _ = kill(Pid::from_raw(i32::try_from(child.id()).expect("small")), Signal::SIGTERM);
    let mut ended = None;
    eventually("it ends", || {
        ended = child.try_wait().expect("our child");
        ended.is_some()
    });
    assert!(ended.is_some_and(|status| status.success()));
}
