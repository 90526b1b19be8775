//! Starts a server on a free port and speaks raw bytes to it.
//!
//! * [`Server`] runs encke, or Debian's nginx with or without Nchan, from a configuration text.
//!   One script can so be run on several [`Backend`]s and the answers compared.
//! * [`Conf`] is that text; [`Conf::server`] writes the `events`, `http` and `server` blocks around it.
//! * [`Connection`] sends bytes and reads one [`Reply`] at a time: a [`Response`], silence, or the end.
//! * [`Listener`] is a subscriber of any transport; [`Network`] one from where subscribers vanish.
//! * [`backend`] has servers for it to pass requests on to.
//! * [`date`] reads and writes the three HTTP date forms.
//!
//! ```ignore
//! let server = Server::start(Conf::server("location /publish { set $push_channel_id a; push_publisher; }"));
//! let reply = server.request("GET /publish HTTP/1.1\r\nHost: localhost\r\n\r\n");
//! assert_eq!(reply.status(), 404);
//! ```

pub(crate) mod backend;
mod client;
mod conf;
pub(crate) mod date;
mod listener;
mod network;
pub(crate) mod port;
mod response;
mod server;

pub(crate) use client::{Connection, Ending, Reply};
pub(crate) use conf::{Conf, NGINX_TEMP_PATHS};
pub(crate) use listener::{Answer, Asking, Got, Kind, Listener};
pub(crate) use network::Network;
pub(crate) use response::Response;
pub(crate) use server::{Backend, Server, StartError};

/// How long an answer may take where the test says nothing else; generous, for busy machines.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
