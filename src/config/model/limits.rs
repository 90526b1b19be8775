//! `limit_req` and `limit_conn`: how often, how many at once, and the zones where it is counted.

use super::super::template::Template;
use super::log::Severity;

/// A zone of `limit_req_zone` or `limit_conn_zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneConf {
    /// Its name.
    pub name: Box<str>,
    /// Its memory, bytes.
    pub size: u64,
    /// What is counted.
    pub key: Template,
    /// The key as written.
    pub key_text: String,
    /// What it is for.
    pub kind: ZoneKind,
}

/// What a zone is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneKind {
    /// `limit_req_zone`.
    Requests {
        /// Thousandths of a request per second.
        rate: u64,
    },
    /// `limit_conn_zone`.
    Connections,
}

/// `limit_req` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReqConf {
    /// `limit_req`, in order.
    pub limits: Vec<ReqLimit>,
    /// `limit_req_status`.
    pub status: u16,
    /// `limit_req_log_level`.
    pub log_level: Severity,
    /// `limit_req_dry_run`.
    pub dry_run: bool,
}

/// One `limit_req`. Numbers of requests are in thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReqLimit {
    /// An index into [`super::Config::zones`].
    pub zone: usize,
    /// `burst=`: how many requests above the rate are let in at all.
    pub burst: u64,
    /// `delay=`: how many of them need not wait; [`u64::MAX`] for `nodelay`.
    pub delay: u64,
}

/// `limit_conn` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitConnConf {
    /// `limit_conn`, in order.
    pub limits: Vec<ConnLimit>,
    /// `limit_conn_status`.
    pub status: u16,
    /// `limit_conn_log_level`.
    pub log_level: Severity,
    /// `limit_conn_dry_run`.
    pub dry_run: bool,
}

/// One `limit_conn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnLimit {
    /// An index into [`super::Config::zones`].
    pub zone: usize,
    /// How many connections with one key.
    pub most: u16,
}
