//! Settings of the process and of requests that cannot be compared with nginx case by case: nginx 1.22 does not have them,
//! or they are seen in the system only.

use std::fs;

use crate::harness::{Conf, PATIENCE, Server};

/// The processors that a worker's thread may run on, as the system writes them.
fn processors(server: &Server, worker: usize) -> Option<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).ok()?;
    let name = format!("worker {worker}\n");
    let mut folders = threads.flatten().map(|thread| thread.path());
    let folder =
        folders.find(|folder| fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm == name))?;
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map(|list| list.trim().to_owned())
}

#[test]
fn workers_run_on_the_processors_that_they_are_given() {
    for affinity in ["1", "auto 1"] {
        let server = Server::start(Conf::whole(format!(
            "daemon off; worker_processes 2; worker_cpu_affinity {affinity}; pcre_jit on;
             events {{ use epoll; multi_accept on; }}
             http {{ server {{ listen 127.0.0.1:{{{{port}}}}; location / {{ return 200 ok; }} }} }}"
        )));
        assert_eq!(server.get("/").text(), "ok");
        for worker in 0..2 {
            assert_eq!(processors(&server, worker).as_deref(), Some("0"), "{affinity}: worker {worker}");
        }
    }
}

#[test]
fn what_request_body_holds_is_a_matter_of_client_body_buffer_size() {
    let server = Server::start(Conf::server(
        "set $push_channel_id a; add_header X-Body $request_body always;
         location /small { push_publisher; client_body_buffer_size 4; client_body_in_single_buffer on; }
         location /usual { push_publisher; }",
    ));
    assert_eq!(server.post("/small", "1234").header("X-Body"), Some("1234"));
    assert_eq!(server.post("/small", "12345").header("X-Body"), None);
    assert_eq!(server.post("/usual", "12345").header("X-Body"), Some("12345"));
}

#[test]
fn files_are_whole_however_much_is_read_at_once() {
    let server = Server::start(Conf::server("root {{dir}}; output_buffers 1 7; read_ahead 1m;"));
    let bytes: Vec<u8> = (0..5000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(server.dir().join("file.bin"), &bytes).expect("the file can be written");
    assert!(server.get("/file.bin").body == bytes);
}

#[test]
fn limit_zone_is_limit_conn_zone() {
    let inside = "location / { set $push_channel_id a; push_subscriber; limit_conn old 1; }";
    let server = Server::start(Conf::server(inside).http("limit_zone old $arg_k 1m;"));
    let mut first = server.connect();
    first.send("GET /?k=x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(first.watch(std::time::Duration::from_millis(150)).is_none(), "it waits");
    assert_eq!(server.get("/?k=x").status(), 503);
}

#[test]
fn headers_of_outer_levels_are_dropped_or_follow() {
    let inside = "add_header X-A outer;
         location /on { add_header X-B inner; return 204; }
         location /merge { add_header_inherit merge; add_header X-B inner; return 204;
             location /merge/in { add_header X-C inmost; return 204; }
             location /merge/off { add_header_inherit off; return 204; } }
         location /off { add_header_inherit off; return 204; }
         location /alone { return 204; }";
    let server = Server::start(Conf::server(inside));
    let names = |target: &str| {
        let response = server.get(target);
        ["X-A", "X-B", "X-C"].map(|name| response.header_values(name).len())
    };
    assert_eq!(names("/on"), [0, 1, 0]);
    assert_eq!(names("/merge"), [1, 1, 0]);
    assert_eq!(names("/merge/in"), [1, 1, 1]);
    assert_eq!(names("/merge/off"), [0, 0, 0]);
    assert_eq!(names("/off"), [0, 0, 0]);
    assert_eq!(names("/alone"), [1, 0, 0]);
}

#[test]
fn the_port_that_a_client_names_is_told() {
    let server = Server::start(Conf::server("location / { return 200 '$is_request_port$request_port'; }"));
    for (line, host, port) in [
        ("/", "h:81", ":81"),
        ("/", "h", ""),
        ("/", "[::1]:82", ":82"),
        ("/", "[::1]", ""),
        ("http://h:83/", "h:84", ":83"),
        ("http://h/", "h:84", ""),
        ("/?a=http://x:9/", "h:85", ":85"),
    ] {
        let mut client = server.connect();
        client.send(format!("GET {line} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.receive(PATIENCE).into_response().text(), port, "{line} of {host}");
    }
}
