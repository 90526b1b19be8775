//! The configuration text a test server is started with.

use std::path::Path;

use super::Backend;

/// A configuration in which `{{port}}` and `{{dir}}` stand for the server's port and its temporary folder.
#[derive(Clone, Debug)]
pub(crate) enum Conf {
    /// Used as it is.
    Whole(String),
    /// The insides of `http` and `server`, to be wrapped by [`Conf::text`].
    Wrapped { http: String, server: String, workers: u32 },
}

impl Conf {
    /// A whole file, with its own `events`, `http` and `listen {{port}}`.
    pub(crate) fn whole(text: impl Into<String>) -> Self {
        Conf::Whole(text.into())
    }

    /// The inside of one `server` block that listens on `127.0.0.1:{{port}}`.
    pub(crate) fn server(inside: impl Into<String>) -> Self {
        Conf::Wrapped { http: String::new(), server: inside.into(), workers: 1 }
    }

    /// Directives for the `http` block, before the `server` block.
    pub(crate) fn http(mut self, inside: &str) -> Self {
        if let Conf::Wrapped { http, .. } = &mut self {
            *http = inside.to_owned();
        }
        self
    }

    pub(crate) fn workers(mut self, count: u32) -> Self {
        if let Conf::Wrapped { workers, .. } = &mut self {
            *workers = count;
        }
        self
    }

    /// The text as `backend` is to read it.
    pub(super) fn text(&self, backend: Backend, port: u16, dir: &Path) -> String {
        let text = match self {
            Conf::Whole(text) => text.clone(),
            Conf::Wrapped { http, server, workers } => wrap(backend, http, server, *workers),
        };
        fill_in(&text, port, dir)
    }
}

/// Replaces `{{port}}` and `{{dir}}`.
pub(super) fn fill_in(text: &str, port: u16, dir: &Path) -> String {
    text.replace("{{port}}", &port.to_string()).replace("{{dir}}", &dir.to_string_lossy())
}

fn wrap(backend: Backend, http: &str, server: &str, workers: u32) -> String {
    let temp_paths = if backend.is_nginx() { NGINX_TEMP_PATHS } else { "" };
    format!(
        "daemon off;\n\
         worker_processes {workers};\n\
         pid {{{{dir}}}}/server.pid;\n\
         error_log stderr warn;\n\
         events {{}}\n\
         http {{\n\
             access_log off;\n\
             {temp_paths}\
             {http}\n\
             server {{\n\
                 listen 127.0.0.1:{{{{port}}}};\n\
                 server_name localhost;\n\
                 {server}\n\
             }}\n\
         }}\n"
    )
}

/// The built-in paths can be written by root only.
pub(crate) const NGINX_TEMP_PATHS: &str = "client_body_temp_path {{dir}}/body;\n\
                                proxy_temp_path {{dir}}/proxy;\n\
                                fastcgi_temp_path {{dir}}/fastcgi;\n\
                                uwsgi_temp_path {{dir}}/uwsgi;\n\
                                scgi_temp_path {{dir}}/scgi;\n";
