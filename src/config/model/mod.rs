//! What a configuration means: plain data, ready to be built into a running server.
//!
//! ```text
//! Config
//!  ├─ MainConf                     core
//!  ├─ Listen ─ VirtualHosts        listen
//!  ├─ Upstream                     upstream
//!  ├─ LogFile, ZoneConf            log, limits
//!  └─ Server                       server
//!      ├─ Program                  rewrite
//!      └─ Locations ─ Location     location
//!          ├─ Program              rewrite
//!          └─ LocationConf         location: all that is in force there
//! ```
//!
//! What [`LocationConf`] consists of has a file per module of nginx, named as the one in [`modules`](super::modules)
//! that fills it. Files here import from each other; everybody else finds all names in one place.

mod access;
mod auth_request;
mod bodies;
mod browser;
mod charset;
mod connections;
mod core;
mod files;
mod gzip;
mod headers;
mod http_core;
mod limits;
mod listen;
mod location;
mod log;
mod mirror;
mod output;
mod proxy;
mod push;
mod realip;
mod referer;
mod rewrite;
mod secure_link;
mod server;
mod status;
mod upstream;
mod userid;

use super::variable::Variables;

pub use self::access::*;
pub use self::auth_request::*;
pub use self::bodies::*;
pub use self::browser::*;
pub use self::charset::*;
pub use self::connections::*;
pub use self::core::*;
pub use self::files::*;
pub use self::gzip::*;
pub use self::headers::*;
pub use self::http_core::*;
pub use self::limits::*;
pub use self::listen::*;
pub use self::location::*;
pub use self::log::*;
pub use self::mirror::*;
pub use self::output::*;
pub use self::proxy::*;
pub use self::push::*;
pub use self::realip::*;
pub use self::referer::*;
pub use self::rewrite::*;
pub use self::secure_link::*;
pub use self::server::*;
pub use self::status::*;
pub use self::upstream::*;
pub use self::userid::*;

/// A whole configuration, checked and merged.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directives of the main and `events` contexts.
    pub main: MainConf,
    /// `push_max_reserved_memory`, `nchan_shared_memory_size`: the budget of all stored messages and channels, in bytes.
    pub max_reserved_memory: u64,
    /// `nchan_permessage_deflate_*`.
    pub deflate: DeflateConf,
    /// Sockets to listen on, each with its servers.
    pub listens: Vec<Listen>,
    /// Groups of servers behind that a `proxy_pass` can name.
    pub upstreams: Vec<Upstream>,
    /// All servers, in file order.
    pub servers: Vec<Server>,
    /// Every user variable of the configuration.
    pub variables: Variables,
    /// Every log file it names, in file order.
    pub log_files: Vec<LogFile>,
    /// Zones of `limit_req` and `limit_conn`.
    pub zones: Vec<ZoneConf>,
}
