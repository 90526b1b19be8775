//! `gzip`: which answers are compressed, and for whom.

use std::sync::Arc;

use super::super::regex::Regex;

/// `gzip`.
#[derive(Clone, Debug)]
pub struct GzipConf {
    /// `gzip`.
    pub enabled: bool,
    /// `gzip_types` besides `text/html`; `*` is one entry that fits all.
    pub types: Arc<Vec<Box<str>>>,
    /// `gzip_min_length`, bytes.
    pub min_length: u64,
    /// `gzip_comp_level`, 1 to 9.
    pub level: u32,
    /// `gzip_vary`.
    pub vary: bool,
    /// `gzip_http_version 1.0`?
    pub http10: bool,
    /// `gzip_proxied`.
    pub proxied: GzipProxied,
    /// `gzip_disable`.
    pub disable: GzipDisable,
}

/// `gzip_proxied`: which answers to proxies are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct GzipProxied {
    pub off: bool,
    pub any: bool,
    pub auth: bool,
    pub expired: bool,
    pub no_cache: bool,
    pub no_store: bool,
    pub private: bool,
    pub no_last_modified: bool,
    pub no_etag: bool,
}

/// `gzip_disable`: which clients get nothing compressed.
#[derive(Clone, Debug, Default)]
pub struct GzipDisable {
    /// `msie6`.
    pub msie6: bool,
    /// Expressions that `User-Agent` may match.
    pub regexes: Arc<Vec<Regex>>,
}
