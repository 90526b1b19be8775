//! Real windows of a real browser: the page of `conf-examples/chat.conf`, and NchanSubscriber.js.
//!
//! Node.js plays the scripts of `tests/browser`. What is to happen to the server they write to their output, a word a line,
//! and wait until it is done.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use nix::sys::signal::{Signal, kill};

use crate::examples::changed;
use crate::harness::{Conf, PATIENCE, Server, eventually};
use crate::upgrade::Successors;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

#[test]
fn chat_windows_show_every_message_once_over_every_transport() {
    if browser_is_there() {
        Theatre::open(chat()).play("chat.mjs");
    }
}

#[test]
fn nchan_subscriber_js_receives_every_message_once_over_every_transport() {
    if browser_is_there() {
        let inside = "
            location = / { default_type text/html; return 200 '<!doctype html><link rel=icon href=data:,>'; }
            location = /pub { nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 200; }
            location = /sub { nchan_subscriber; nchan_channel_id $arg_id; nchan_subscriber_first_message oldest; }";
        Theatre::open(Conf::server(inside).workers(2)).play("subscriber.mjs");
    }
}

/// Writes `docs/images/chat.png`.
#[test]
#[ignore = "changes the documentation"]
fn picture_of_the_chat() {
    if browser_is_there() {
        Theatre::open(chat()).play("picture.mjs");
    }
}

/// The example with a pid file, by which upgrades go.
fn chat() -> Conf {
    let text = changed("chat.conf", str::to_owned);
    Conf::whole(format!("pid {{{{dir}}}}/server.pid; worker_processes 2;\n{text}"))
}

/// Whether Chromium, Node.js and what the scripts import are there. On CI they must be.
fn browser_is_there() -> bool {
    let node =
        Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success());
    let missing = [
        (chromium().exists(), "chromium is not installed"),
        (node, "node is not installed"),
        (Path::new(SCRIPTS).join("node_modules").exists(), "`npm ci` was not run in tests/browser"),
    ];
    let missing = missing.iter().find(|(is_there, _)| !is_there);
    if let Some((_, what)) = missing {
        assert!(env::var_os("CI").is_none(), "{what}");
        eprintln!("skipped: {what}");
    }
    missing.is_none()
}

fn chromium() -> PathBuf {
    env::var_os("ENCKE_CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from)
}

/// A server to which a script has things happen.
struct Theatre {
    // Dropped before the server, in whose folder the pid file is.
    running: Successors,
    server: Server,
    /// The server that was started anew.
    restarted: Option<Child>,
    reloads: usize,
}

impl Theatre {
    fn open(conf: Conf) -> Self {
        let server = Server::start(conf);
        let running = Successors::of(&server);
        eventually("the pid file is written", || running.pid().is_some());
        Theatre { running, server, restarted: None, reloads: 0 }
    }

    /// Runs a script to its end, and fails if it does.
    fn play(mut self, script: &str) {
        let mut node = Command::new("node")
            .arg(Path::new(SCRIPTS).join(script))
            .arg(format!("http://127.0.0.1:{}/", self.server.port()))
            .env("ENCKE_CHROMIUM", chromium())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.said()).expect("the file can be made"))
            .spawn()
            .expect("node ran a moment ago");
        let mut answers = node.stdin.take().expect("stdin is piped");
        let deeds = BufReader::new(node.stdout.take().expect("stdout is piped"));
        for deed in deeds.lines().map_while(Result::ok) {
            self.perform(&deed);
            // A script that failed meanwhile does not listen.
            let _ = answers.write_all(b"done\n");
        }
        let status = node.wait().expect("our own child can be waited for");
        let said = fs::read_to_string(self.said()).unwrap_or_default();
        assert!(status.success(), "{script}: {status}\n{said}");
    }

    fn said(&self) -> PathBuf {
        self.server.dir().join("script.stderr")
    }

    fn perform(&mut self, deed: &str) {
        match deed {
            "reload" => self.reload(),
            "upgrade" => self.upgrade(),
            "stop" => self.stop(),
            "start" => self.start(),
            _ => panic!("no such deed: {deed}"),
        }
    }

    /// Has the configuration read anew, which then has a location more.
    fn reload(&mut self) {
        let path = self.server.dir().join("nginx.conf");
        let text = fs::read_to_string(&path).expect("the configuration can be read");
        self.reloads += 1;
        let location = format!("/reloaded-{}", self.reloads);
        let added = format!("server {{ location = {location} {{ return 204; }}");
        fs::write(&path, text.replacen("server {", &added, 1)).expect("the configuration can be written");
        self.signal(Signal::SIGHUP);
        eventually("the new configuration is in force", || self.server.get(&location).status() == 204);
    }

    fn upgrade(&mut self) {
        self.running.upgrade();
        self.server.signal(Signal::SIGQUIT);
        assert!(self.server.wait_for_exit(PATIENCE).is_some(), "the old process does not end");
    }

    fn stop(&self) {
        self.signal(Signal::SIGTERM);
        let address = ("127.0.0.1", self.server.port());
        eventually("the server is gone", || TcpStream::connect(address).is_err());
    }

    fn start(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
        command.arg("-c").arg(self.server.dir().join("nginx.conf")).stderr(Stdio::null());
        self.restarted = Some(command.spawn().expect("encke was built with the tests"));
        let address = ("127.0.0.1", self.server.port());
        eventually("the server is back", || TcpStream::connect(address).is_ok());
    }

    fn signal(&self, signal: Signal) {
        kill(self.running.pid().expect("it runs"), signal).expect("it runs");
    }
}

impl Drop for Theatre {
    fn drop(&mut self) {
        if let Some(restarted) = &mut self.restarted {
            let _ = restarted.kill();
            let _ = restarted.wait();
        }
    }
}
