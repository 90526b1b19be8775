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
    /// Messages that all channels hold at last.
    pub(crate) messages: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) workers: usize,
}

impl Needs {
    /// Descriptors for its connections.
    pub(crate) fn files(self) -> usize {
        files(self.connections)
    }

    /// nginx closes idle connections when only one in sixteen is left.
    fn worker_connections(self) -> usize {
        self.files() + self.connections / 8
    }

    /// Megabytes for messages. No server here takes more than 4 KiB for a small one with its channel.
    fn memory(self) -> usize {
        const LEAST: usize = 1024;
        LEAST.max((self.messages * (2 * self.size + 4096)) >> 20)
    }
}

/// Descriptors for so many connections, log files and the like.
pub(crate) fn files(connections: usize) -> usize {
    connections + 512
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
    let (connections, memory, dir) = (needs.worker_connections(), needs.memory(), dir.display());
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
         events {{ worker_connections {connections}; }}
         http {{
             access_log off;
             client_body_temp_path {dir}/body;
             keepalive_timeout 1h;
             keepalive_requests 1000000000;
             nchan_max_reserved_memory {memory}m;
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
