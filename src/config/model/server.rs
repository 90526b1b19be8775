//! `server`, and what is settled before a location is chosen.

use std::sync::Arc;
use std::time::Duration;

use super::location::{LocationConf, Locations};
use super::rewrite::Program;

/// A `server` block.
#[derive(Clone, Debug)]
pub struct Server {
    /// The first `server_name` (empty without one): `$server_name`.
    pub name: String,
    /// `FILE:LINE` of the block, for reports.
    pub place: String,
    /// Settings in force outside of any location.
    pub conf: Arc<LocationConf>,
    /// `set`, `if`, `rewrite`, `return`, `break` of the server itself.
    pub rewrite: Program,
    /// Its locations.
    pub locations: Locations,
    /// `client_header_timeout`.
    pub client_header_timeout: Duration,
    /// `client_header_buffer_size`.
    pub client_header_buffer_size: usize,
    /// `max_headers`.
    pub max_headers: usize,
    /// `large_client_header_buffers`: how many and how large.
    pub large_client_header_buffers: (usize, usize),
    /// `merge_slashes`.
    pub merge_slashes: bool,
    /// `underscores_in_headers`.
    pub underscores_in_headers: bool,
    /// `ignore_invalid_headers`.
    pub ignore_invalid_headers: bool,
}
