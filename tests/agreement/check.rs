//! `-t -q`: what the programs say about a configuration.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::Backend;

/// The built-in paths can be written by root only.
pub(super) const NGINX_TEMP_PATHS: &str = "client_body_temp_path {{dir}}/body; proxy_temp_path {{dir}}/proxy; \
    fastcgi_temp_path {{dir}}/fastcgi; uwsgi_temp_path {{dir}}/uwsgi; scgi_temp_path {{dir}}/scgi;";

/// What only one of them says: encke of directives that do nothing, Nchan of its memory.
const ONE_SIDED: [&str; 2] = ["has no effect here", "of shared memory for nchan"];

/// The exit code, and the messages in the form `[level] text in FILE:LINE`.
pub(super) fn check(backend: Backend, text: &str) -> Vec<String> {
    let dir = TempDir::with_prefix("encke-test-").expect("the temporary folder can be made");
    let file = dir.path().join("nginx.conf");
    let mut command = match backend {
        Backend::Encke => Command::new(env!("CARGO_BIN_EXE_encke")),
        Backend::Nginx { .. } => Command::new("/usr/sbin/nginx"),
    };
    let mut text = text.to_owned();
    if backend.is_nginx() {
        text = text.replacen("http {", &format!("http {{ {NGINX_TEMP_PATHS}"), 1);
    }
    if let Backend::Nginx { nchan: true } = backend {
        command.args(["-g", "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;"]);
    }
    let dir_text = dir.path().to_string_lossy();
    fs::write(&file, text.replace("{{dir}}", &dir_text)).expect("the configuration can be written");
    command.args(["-t", "-q", "-e", "stderr", "-p"]).arg(dir.path()).arg("-c").arg(&file);
    let output = command.output().unwrap_or_else(|error| panic!("{backend:?} cannot be run: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).replace(&*dir_text, "DIR");
    let messages =
        stderr.lines().filter(|line| !ONE_SIDED.iter().any(|text| line.contains(text))).map(normalize);
    [format!("{}", output.status)].into_iter().chain(messages).collect()
}

/// Takes the program's name, or the time and the process, from a line.
fn normalize(line: &str) -> String {
    let line = line
        .split_once(": ")
        .filter(|(name, _)| matches!(*name, "nginx" | "encke"))
        .map_or(line, |(_, rest)| rest);
    let Some((stamp, rest)) = line.split_once('[') else { return line.to_owned() };
    match (rest.split_once("] "), stamp.starts_with("20")) {
        (Some((level, message)), true) => {
            let message = message.split_once(": ").map_or(message, |(_, rest)| rest);
            format!("[{level}] {message}")
        }
        _ => line.to_owned(),
    }
}
