//! `valid_referers`.

use super::super::hostnames::HostTable;
use super::super::regex::Regex;

/// `valid_referers`.
#[derive(Clone, Debug, Default)]
pub struct RefererConf {
    /// `none`: requests without the header.
    pub none: bool,
    /// `blocked`: headers that are no URL of a host.
    pub blocked: bool,
    /// Hosts, with the beginning that the path must have.
    pub hosts: HostTable<Box<[u8]>>,
    /// Expressions for what follows the scheme.
    pub regexes: Vec<Regex>,
    /// Expressions for the host: names of the server.
    pub server_regexes: Vec<Regex>,
}
