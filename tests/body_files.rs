//! Bodies of requests in files: what is on the disk, and what happens when it cannot be.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::harness::backend::{Backends, Scripts};
use crate::harness::{Conf, Server, eventually};

/// A server in front of another; `inside` goes into its `server` block.
fn start(inside: &str) -> (Backends, Server) {
    let backends = Backends::start(Scripts::new());
    let conf = format!(
        "client_max_body_size 20m; error_log {{{{dir}}}}/error.log notice;
         add_header X-File $request_body_file always; proxy_pass_request_headers off;
         {inside}"
    );
    let server = Server::start(Conf::server(backends.fill_in(&conf)));
    (backends, server)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn error_log(server: &Server) -> String {
    fs::read_to_string(server.dir().join("error.log")).expect("there is a log")
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_body_is_kept_in_a_numbered_file_for_its_owner_only() {
    let (_backends, server) = start(
        "client_body_in_file_only on; client_body_temp_path {{dir}}/spool 1 2;
         location / { proxy_pass http://127.0.0.1:{{backend}}; }",
    );
    let spool = server.dir().join("spool");
    assert_eq!(mode(&spool), 0o700, "it is made at the start");
    for (path, body) in [("1/00/0000000001", "first"), ("2/00/0000000002", "second")] {
        let path = spool.join(path);
        let response = server.post("/", body);
        assert_eq!(response.header("X-File"), path.to_str());
        assert_eq!(fs::read_to_string(&path).expect("it is there"), body);
        assert_eq!(mode(&path), 0o600);
        assert!(path.ancestors().skip(1).take(3).all(|folder| mode(folder) == 0o700));
        let line = format!(
            "a client request body is buffered to a temporary file {}, client: 127.0.0.1",
            path.display()
        );
        assert!(error_log(&server).contains(&line), "{}", error_log(&server));
    }
}

#[test]
fn a_body_goes_with_its_request_where_that_is_wanted() {
    let (_backends, server) = start(
        "client_body_in_file_only clean; client_body_temp_path {{dir}}/spool;
         location / { proxy_pass http://127.0.0.1:{{backend}}; }
         location /publish { set $push_channel_id a; push_publisher; }",
    );
    for target in ["/", "/publish"] {
        let file = server.post(target, "body").header("X-File").expect("it is named").to_owned();
        assert!(file.contains("/spool/00000000"), "{file}");
    }
    eventually("the files go", || files(&server.dir().join("spool")).is_empty());
}

#[test]
fn a_body_whose_client_goes_away_is_kept_or_goes_as_others() {
    let (_backends, server) = start(
        "client_body_buffer_size 1k;
         location /kept { client_body_in_file_only on; client_body_temp_path {{dir}}/kept;
             proxy_pass http://127.0.0.1:{{backend}}; }
         location /clean { client_body_in_file_only clean; client_body_temp_path {{dir}}/clean;
             proxy_pass http://127.0.0.1:{{backend}}; }",
    );
    for (target, left) in [("kept", 1), ("clean", 0)] {
        let folder = server.dir().join(target);
        let mut client = server.connect();
        client.send(format!("POST /{target} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"));
        client.send(vec![b'x'; 5000]);
        eventually("there is a file", || files(&folder).len() == 1);
        drop(client);
        eventually("what is left is right", || files(&folder).len() == left);
    }
}

#[test]
fn a_long_body_is_passed_on_from_its_file() {
    let (_backends, server) = start(
        "client_body_in_file_only on; client_body_temp_path {{dir}}/spool;
         location / { proxy_pass http://127.0.0.1:{{backend}}; }
         location /elsewhere { error_page 502 = @there; proxy_pass http://127.0.0.1:{{dead}}; }
         location @there { push_publisher; set $push_channel_id a; }
         location /subscribe { set $push_channel_id a; push_subscriber; }",
    );
    let body: String = (0..500_000).map(|number| format!("{number:06}")).collect();
    let response = server.post("/", &body);
    assert_eq!(response.status(), 200);
    assert!(response.text().ends_with(&format!("\r\n\r\n{body}")));
    let file = PathBuf::from(response.header("X-File").expect("it is named"));
    assert!(fs::read_to_string(file).expect("it is there") == body);
    // Who needs it in memory reads it from there.
    assert_eq!(server.post("/elsewhere", &body).status(), 202);
    assert!(server.get("/subscribe").text() == body);
}

#[test]
fn messages_are_published_from_files() {
    let (_backends, server) = start(
        "client_body_in_file_only on; client_body_temp_path {{dir}}/spool; set $push_channel_id a;
         location /publish { push_publisher; }
         location /subscribe { push_subscriber; }",
    );
    let message = "m".repeat(50_000);
    let response = server.post("/publish", &message);
    assert_eq!(response.status(), 202);
    let file = response.header("X-File").expect("it is named");
    assert!(fs::read_to_string(file).expect("it is there") == message);
    assert!(server.get("/subscribe").text() == message);
}

#[test]
fn a_body_that_cannot_be_written_is_answered_500() {
    let (_backends, server) = start(
        "client_body_in_file_only on;
         location /flat { client_body_temp_path {{dir}}/flat; proxy_pass http://127.0.0.1:{{backend}}; }
         location /levels { client_body_temp_path {{dir}}/levels 1; set $push_channel_id a; push_publisher; }",
    );
    for folder in ["flat", "levels"] {
        fs::remove_dir(server.dir().join(folder)).expect("it was made at the start");
    }
    for target in ["/flat", "/levels"] {
        let response = server.post(target, "body");
        assert_eq!(response.status(), 500);
        assert_eq!(response.header("X-File"), None);
    }
    let (log, dir) = (error_log(&server), server.dir().display());
    let missing = "failed (2: No such file or directory), client: 127.0.0.1";
    assert!(log.contains("[crit]"), "{log}");
    assert!(log.contains(&format!("open() \"{dir}/flat/0000000001\" {missing}")), "{log}");
    assert!(log.contains(&format!("mkdir() \"{dir}/levels/2\" {missing}")), "{log}");
}

#[test]
fn a_directory_that_cannot_be_made_keeps_the_server_from_starting() {
    let conf = |directory: &str| {
        Conf::server(format!(
            "client_body_in_file_only on; client_body_temp_path {directory}; location / {{ return 200 old; }}"
        ))
    };
    let error = Server::builder(conf("{{dir}}/no/where")).try_start().expect_err("it does not start");
    assert!(format!("{error:?}").contains("[emerg] mkdir() "), "{error:?}");
    let server = Server::start(conf("{{dir}}/spool"));
    server.rewrite_conf(&conf("{{dir}}/no/where"));
    server.signal(Signal::SIGHUP);
    eventually("it is told", || server.stderr().contains("mkdir() "));
    assert_eq!(server.get("/").text(), "old", "the old configuration is in force");
    server.rewrite_conf(&conf("{{dir}}/other"));
    server.signal(Signal::SIGHUP);
    eventually("it is made by a reload", || server.dir().join("other").is_dir());
}

#[test]
fn files_belong_to_the_user_that_the_server_becomes() {
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten();
    let Some(nobody) = nobody.filter(|_| nix::unistd::geteuid().is_root()) else { return };
    let dir = tempfile::TempDir::new().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let spool = dir.path().join("spool");
    fs::create_dir(&spool).expect("it can be made");
    let server = Server::start(Conf::whole(format!(
        "daemon off; user nobody nogroup; events {{}} http {{ access_log off; server {{ listen 127.0.0.1:{{{{port}}}};
         client_body_in_file_only on; client_body_temp_path {} 1;
         location / {{ set $push_channel_id a; push_publisher; }} }} }}",
        spool.display()
    )));
    assert_eq!(server.post("/", "message").status(), 202);
    let made = files(&spool);
    assert_eq!(made.len(), 1);
    for path in made[0].ancestors().take(3) {
        assert_eq!(fs::metadata(path).expect("it is there").uid(), nobody.uid.as_raw(), "{path:?}");
    }
}
