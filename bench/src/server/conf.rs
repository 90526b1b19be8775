//! The configuration, which is the same for all servers.

use std::path::Path;

/// What a work needs of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Clients that are connected at once.
    pub(crate) connections: usize,
    /// Messages that a channel keeps.
    pub(crate) stored: usize,
    pub(crate) workers: usize,
}

impl Needs {
    /// Descriptors for so many connections, log files and the like. nginx closes idle connections when only one in
    /// sixteen is left.
    pub(crate) fn files(self) -> usize {
        self.connections + self.connections / 8 + 512
    }
}

/// The text. Nchan and Encke know all of it, and the words in `globals` are for nginx alone.
pub(super) fn text(globals: &str, needs: Needs, port: u16, dir: &Path) -> String {
    let Needs { stored, workers, .. } = needs;
    let (files, dir) = (needs.files(), dir.display());
    format!(
        "{globals}
         daemon off;
         worker_processes {workers};
         pid {dir}/server.pid;
         error_log stderr warn;
         events {{ worker_connections {files}; }}
         http {{
             access_log off;
             client_body_temp_path {dir}/body;
             keepalive_timeout 1h;
             keepalive_requests 1000000000;
             nchan_max_reserved_memory 1024m;
             nchan_message_timeout 1h;
             nchan_message_buffer_length {stored};
             server {{
                 listen 127.0.0.1:{port} backlog=4096;
                 location = /publish {{ nchan_publisher; nchan_channel_id $arg_id; }}
                 location = /subscribe {{ nchan_subscriber; nchan_channel_id $arg_id; }}
             }}
         }}\n"
    )
}
