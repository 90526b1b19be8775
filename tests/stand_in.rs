//! Called as `nginx`, by a link of that name: what scripts, unit files and log rotation rely on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::eventually;

const NGINX: &str = "/usr/sbin/nginx";

/// A directory with a link called `nginx`, and room for a configuration.
struct Place {
    dir: tempfile::TempDir,
}

/// What a call printed and how it ended.
type Said = (Option<i32>, String);

impl Place {
    fn new(conf: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("conf")).expect("a directory");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_encke"), dir.path().join("nginx")).expect("a link");
        let place = Self { dir };
        fs::write(place.path("conf/c.conf"), conf).expect("written");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn call(&self, program: &Path, arguments: &[&str]) -> Said {
        let output =
            Command::new(program).current_dir(self.dir.path()).args(arguments).output().expect("it runs");
        let text = [output.stderr, output.stdout].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    fn as_nginx(&self, arguments: &[&str]) -> Said {
        self.call(&self.path("nginx"), arguments)
    }
}

fn nginx_is_installed() -> bool {
    let installed = Path::new(NGINX).exists();
    if !installed {
        assert!(std::env::var_os("CI").is_none(), "nginx is not installed");
        eprintln!("skipped: nginx is not installed");
    }
    installed
}

const CONF: &str = "pid x.pid; error_log e.log; events {}
    http { access_log off; server { listen 127.0.0.1:18970; return 204; } }";

#[test]
fn the_same_calls_say_the_same_as_nginx() {
    if !nginx_is_installed() {
        return;
    }
    let place = Place::new(CONF);
    let prefix = place.dir.path().to_str().expect("text").to_owned();
    let pid_file = place.path("x.pid");
    let own = ["-p", &prefix, "-e", "first.log", "-c", "conf/c.conf"];
    let same = |pid: Option<&str>, arguments: &[&str]| {
        let prepare = || match pid {
            Some(pid) => fs::write(&pid_file, pid).expect("written"),
            None => drop(fs::remove_file(&pid_file)),
        };
        prepare();
        let theirs = place.call(Path::new(NGINX), arguments);
        prepare();
        let ours = place.as_nginx(arguments);
        assert_eq!(ours, theirs, "{arguments:?} with {pid:?}");
    };
    let with = |more: &[&'static str]| -> Vec<String> {
        own.iter().copied().chain(more.iter().copied()).map(str::to_owned).collect()
    };
    let same_with = |pid: Option<&str>, more: &[&'static str]| {
        let all = with(more);
        same(pid, &all.iter().map(String::as_str).collect::<Vec<_>>());
    };
    same_with(None, &["-t"]);
    same_with(None, &["-tq"]);
    same_with(None, &["-T"]);
    same_with(None, &["-Tq"]);
    same_with(None, &["-t", "-t", "-c", "conf/missing.conf"]);
    same_with(None, &["-t", "-g", "worker_processes 1; worker_processes 2;"]);
    same_with(None, &["-t", "-q", "-g", "daemon on; master_process on;"]);
    for word in ["stop", "quit", "reopen", "reload"] {
        same_with(None, &["-s", word]);
        for pid in ["", "\n", "abc\n", "-1\n", " 5\n", "99999999\n", "123456789012345678901234567890\n"] {
            same_with(Some(pid), &["-s", word]);
        }
    }
    // nginx would signal its whole process group.
    fs::write(&pid_file, "0\n").expect("written");
    let zero = place.as_nginx(&[&own[..], &["-s", "stop"]].concat());
    assert_eq!(zero.0, Some(1));
    assert!(zero.1.starts_with("nginx: [error] invalid PID number \"0\" in "), "{}", zero.1);
    same(None, &["-p", ".", "-e", "first.log", "-c", "conf/c.conf", "-t"]);
    for wrong in [
        &["-x"][..],
        &["-s"],
        &["-s", "x"],
        &["-c"],
        &["-p"],
        &["-e"],
        &["-g"],
        &["x"],
        &["-tqx"],
        &["-v"],
        &["-h"],
        &["-?"],
    ] {
        same(None, wrong);
    }
}

#[test]
fn the_error_log_of_the_command_line_is_below_the_prefix() {
    let place = Place::new("events {} http { server { listen 127.0.0.1:18970; return 204; } }");
    let prefix = place.dir.path().to_str().expect("text").to_owned();
    let pid = format!("pid {prefix}/p;");
    let tested = place.as_nginx(&["-p", &prefix, "-e", "first.log", "-c", "conf/c.conf", "-g", &pid, "-t"]);
    assert_eq!(tested.0, Some(0), "{}", tested.1);
    assert!(place.path("first.log").exists());
    fs::remove_file(place.path("first.log")).expect("it was made");
    // Encke itself has the current directory for a prefix.
    let own =
        place.call(Path::new(env!("CARGO_BIN_EXE_encke")), &["-e", "first.log", "-c", "conf/c.conf", "-t"]);
    assert_eq!(own.0, Some(0), "{}", own.1);
    assert!(own.1.starts_with("encke: the configuration file conf/c.conf syntax is ok\n"), "{}", own.1);
    assert!(place.path("first.log").exists());
    let below = place
        .call(Path::new(env!("CARGO_BIN_EXE_encke")), &["-p", "conf", "-e", "stderr", "-c", "c.conf", "-t"]);
    assert!(below.1.starts_with("encke: the configuration file conf/c.conf syntax is ok\n"), "{}", below.1);
}

#[test]
fn versions_have_the_shape_that_scripts_parse_and_say_who_it_is() {
    let place = Place::new(CONF);
    assert_eq!(place.as_nginx(&["-v"]), (Some(0), "nginx version: nginx/1.22.1\n".to_owned()));
    let (status, text) = place.as_nginx(&["-V"]);
    assert_eq!(status, Some(0));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "nginx version: nginx/1.22.1");
    assert!(text.contains(concat!("this is encke/", env!("CARGO_PKG_VERSION"))), "{text}");
    let arguments = lines.last().expect("lines");
    assert!(arguments.starts_with("configure arguments: --prefix=/usr/share/nginx "), "{text}");
    for argument in ["--conf-path=/etc/nginx/nginx.conf", "--pid-path=/run/nginx.pid"] {
        assert!(arguments.contains(argument), "{text}");
    }
    assert!(!text.contains("ssl"), "there is no TLS: {text}");
}

#[test]
fn it_goes_to_the_background_and_obeys_as_nginx_does() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port();
    let place = Place::new(&format!(
        "events {{}} http {{ server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }} }}"
    ));
    let prefix = place.dir.path().to_str().expect("text").to_owned();
    let globals = format!("pid {prefix}/x.pid; error_log {prefix}/e.log notice;");
    let common = ["-p", &prefix, "-c", "conf/c.conf", "-g", &globals];
    let started = place.as_nginx(&common);
    assert_eq!(started, (Some(0), String::new()));
    let pid_file = place.path("x.pid");
    assert!(pid_file.exists(), "it serves when the command returns");
    let pid = fs::read_to_string(&pid_file).expect("a number");
    let name = fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).expect("it runs");
    assert!(name.split('\0').next().is_some_and(|name| name.ends_with("/nginx")), "{name}");
    let log = || fs::read_to_string(place.path("e.log")).unwrap_or_default();
    for (word, said) in [("reload", "reconfiguring"), ("reopen", "reopening logs"), ("quit", "gracefully")] {
        let told = place.as_nginx(&[&common[..], &["-s", word]].concat());
        assert_eq!(told, (Some(0), String::new()));
        eventually(said, || log().contains(said));
    }
    eventually("it ends", || !pid_file.exists());
}
