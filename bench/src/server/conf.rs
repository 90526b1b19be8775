//! The configuration, which is the same for all servers.

use std::path::Path;

use crate::client::Transport;

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

/// Each transport has a location, and what it is called in the configuration.
const TRANSPORTS: [(Transport, &str); 6] = [
    (Transport::LongPoll, "longpoll"),
    (Transport::EventSource, "eventsource"),
    (Transport::WebSocket, "websocket"),
    (Transport::Chunked, "http-chunked"),
    (Transport::Multipart, "http-multipart"),
    (Transport::Raw, "http-raw-stream"),
];

/// The text. Nchan and Encke know all of it, and the words in `globals` are for nginx alone.
pub(super) fn text(globals: &str, needs: Needs, port: u16, dir: &Path) -> String {
    let Needs { stored, workers, .. } = needs;
    let (files, dir) = (needs.files(), dir.display());
    let locations = TRANSPORTS.map(|(name, word)| {
        format!("location = /{name} {{ nchan_subscriber {word}; nchan_channel_id $arg_id; }}")
    });
    let locations = locations.join("\n");
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
                 {locations}
             }}
         }}\n"
    )
}
