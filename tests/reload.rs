//! A reload under load.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::crowd;
use crate::harness::{Conf, Server};

#[test]
fn twenty_reloads_under_load_lose_double_and_drop_nothing() {
    let server = Server::start(crowd::conf());
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("small"));
    let path = server.dir().join("nginx.conf");
    let good = std::fs::read_to_string(&path).expect("the configuration");
    let report = crowd::run(server.port(), move || {
        for turn in 0..20 {
            std::thread::sleep(Duration::from_millis(200));
            let broken = turn % 2 == 0;
            std::fs::write(&path, if broken { "push_nonsense;" } else { &good }).expect("written");
            kill(pid, Signal::SIGHUP).expect("it runs");
        }
        std::thread::sleep(Duration::from_millis(200));
    });
    assert_eq!((report.repeated, report.returned), (0, 0), "connections were dropped: {report:?}");
    assert!(report.published > 300, "{report:?}");
    let errors = server.stderr();
    assert!(errors.contains("unknown directive \"push_nonsense\""), "{errors}");
}

#[test]
fn addresses_come_and_go_with_a_reload() {
    let conf = |second: &str| {
        Conf::whole(format!(
            "pid {{{{dir}}}}/p; worker_processes 2; events {{}} http {{ server {{ listen 127.0.0.1:{{{{port}}}}; {second}
             location / {{ return 200 here; }} }} }}"
        ))
    };
    let server = Server::start(conf("listen unix:{{dir}}/first;"));
    let (first, second) = (server.dir().join("first"), server.dir().join("second"));
    crate::harness::eventually("the first address is there", || {
        std::os::unix::net::UnixStream::connect(&first).is_ok()
    });
    server.rewrite_conf(&conf("listen unix:{{dir}}/second;"));
    server.signal(Signal::SIGHUP);
    crate::harness::eventually("the new address is there", || {
        std::os::unix::net::UnixStream::connect(&second).is_ok()
    });
    crate::harness::eventually("the old one is gone", || !first.exists());
    for _ in 0..8 {
        assert_eq!(server.get("/").text(), "here");
    }
}
