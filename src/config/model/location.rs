//! `location`: how one is chosen, and all that is in force there.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::regex::Regex;
use super::access::AccessConf;
use super::auth_request::AuthRequestConf;
use super::bodies::BodiesConf;
use super::browser::BrowserConf;
use super::charset::CharsetConf;
use super::connections::ConnectionConf;
use super::files::{FilesConf, TryFiles};
use super::gzip::GzipConf;
use super::headers::HeadersConf;
use super::http_core::CoreConf;
use super::limits::{LimitConnConf, LimitReqConf};
use super::log::{AccessLog, LogConf};
use super::mirror::MirrorConf;
use super::output::OutputConf;
use super::proxy::ProxyConf;
use super::push::PushConf;
use super::realip::RealIpConf;
use super::referer::RefererConf;
use super::rewrite::Program;
use super::secure_link::SecureLinkConf;
use super::status::StatusPage;
use super::userid::UseridConf;

/// The locations of one level, in the order in which nginx looks at them.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    /// `location = /x`.
    pub exact: HashMap<Box<[u8]>, Arc<Location>>,
    /// `location /x` and `location ^~ /x`, sorted by path.
    pub prefix: Vec<Arc<Location>>,
    /// `location ~` and `~*`, in file order.
    pub regex: Vec<Arc<Location>>,
    /// `location @name`, by name without the `@`.
    pub named: HashMap<Box<[u8]>, Arc<Location>>,
}

/// A `location` block.
#[derive(Clone, Debug)]
pub struct Location {
    /// How it is chosen.
    pub matcher: Matcher,
    /// Its settings, merged with those around it.
    pub conf: Arc<LocationConf>,
    /// Its rewrite directives.
    pub rewrite: Program,
    /// Locations inside it.
    pub nested: Locations,
}

/// How a location is chosen.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// `= path`.
    Exact(Box<[u8]>),
    /// `path`; `no_regex` for `^~`.
    Prefix {
        /// The beginning of the URI.
        path: Box<[u8]>,
        /// `^~`: do not look at regular expressions.
        no_regex: bool,
    },
    /// `~` and `~*`.
    Regex(Regex),
    /// `@name`, without the `@`.
    Named(Box<[u8]>),
}

/// Settings of a server, a location or an `if` in a location, after merging.
#[derive(Clone, Debug)]
pub struct LocationConf {
    /// The location as written (`/publish`, `~ ^/x`, `@name`; empty for a server's own).
    pub name: String,
    /// nginx's core module.
    pub core: CoreConf,
    /// How its connections are kept and closed.
    pub connection: ConnectionConf,
    /// Where bodies of requests go.
    pub bodies: BodiesConf,
    /// `allow`, `deny`, `auth_basic`, `satisfy`.
    pub access: AccessConf,
    /// `limit_req`.
    pub limit_req: LimitReqConf,
    /// `limit_conn`.
    pub limit_conn: LimitConnConf,
    /// `set_real_ip_from` and its kin.
    pub real_ip: RealIpConf,
    /// `stub_status` or `encke_metrics` here.
    pub status: Option<StatusPage>,
    /// `limit_except METHODS { ... }`: these rules are for all other methods.
    pub limit_except: Option<LimitExcept>,
    /// `add_header`, `expires`.
    pub headers: HeadersConf,
    /// `access_log`, `error_log`.
    pub log: LogConf,
    /// `charset`.
    pub charset: CharsetConf,
    /// `gzip` and what belongs to it.
    pub gzip: GzipConf,
    /// `modern_browser` and its kin.
    pub browser: BrowserConf,
    /// `valid_referers`.
    pub referer: Option<RefererConf>,
    /// `secure_link` and its kin.
    pub secure_link: SecureLinkConf,
    /// `userid` and its kin.
    pub userid: UseridConf,
    /// `root` and everything about files.
    pub files: FilesConf,
    /// `try_files` here.
    pub try_files: Option<Arc<TryFiles>>,
    /// `empty_gif` here.
    pub empty_gif: bool,
    /// `limit_rate` and what else concerns the bytes on the wire.
    pub output: OutputConf,
    /// `push_*` and `nchan_*`.
    pub push: PushConf,
    /// `proxy_pass`, and what shapes it.
    pub proxy: Option<Arc<ProxyConf>>,
    /// `auth_request`.
    pub auth_request: AuthRequestConf,
    /// `mirror`.
    pub mirror: MirrorConf,
}

/// `limit_except`.
#[derive(Clone, Debug)]
pub struct LimitExcept {
    /// Methods that are not limited (GET includes HEAD).
    pub methods: Vec<String>,
    /// The rules for all others.
    pub access: AccessConf,
    /// `proxy_pass` for all others, if it is another one.
    pub proxy: Option<Arc<ProxyConf>>,
    /// Where all others are logged.
    pub access_log: Vec<Arc<AccessLog>>,
}

impl Location {
    /// Whether this is the location for `path/`, found for a path without the slash: clients are sent there where
    /// requests are passed on.
    pub fn lacks_slash(&self, path: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Prefix { path: own, .. } => {
                own.strip_suffix(b"/").is_some_and(|own| own == path) && self.conf.proxy.is_some()
            }
            _ => false,
        }
    }
}

impl LimitExcept {
    /// Whether its rules are for this method. GET includes HEAD.
    pub fn limits(&self, method: &str) -> bool {
        let spared = |method: &str| self.methods.iter().any(|spared| spared == method);
        !(spared(method) || (method == "HEAD" && spared("GET")))
    }
}
