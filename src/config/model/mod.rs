//! What a configuration means: plain data, ready to be built into a running server.

mod push;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hostnames::HostTable;
use super::proxy::{AuthRequestConf, MirrorConf, ProxyConf, Upstream};
use super::regex::Regex;
use super::template::Template;
use super::variable::Variables;

pub use self::push::*;

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

/// Directives of the main and `events` contexts.
#[derive(Clone, Debug)]
pub struct MainConf {
    /// `worker_processes`: worker threads; `auto` is already resolved.
    pub worker_processes: usize,
    /// `worker_connections`: open connections each worker may hold.
    pub worker_connections: usize,
    /// `user`: name and group to become when started as root.
    pub user: Option<User>,
    /// `pid`: where the process number is written; `None` when no directive asks for it.
    pub pid: Option<PathBuf>,
    /// `daemon`.
    pub daemon: bool,
    /// `error_log` of the main context.
    pub error_log: Vec<ErrorLog>,
    /// `worker_rlimit_nofile`: both limits of open files.
    pub open_files: Option<u64>,
    /// `worker_rlimit_core`: bytes of a core file.
    pub core_size: Option<u64>,
    /// `worker_priority`: as `nice` counts.
    pub priority: i32,
    /// `worker_cpu_affinity`.
    pub affinity: Option<Affinity>,
    /// `multi_accept`.
    pub multi_accept: bool,
    /// `debug_connection`: clients whose requests are told of in detail.
    pub debug_connections: Vec<AccessWho>,
    /// `worker_shutdown_timeout`: how long a graceful end may take.
    pub shutdown_timeout: Option<Duration>,
    /// `working_directory`.
    pub working_directory: Option<PathBuf>,
    /// `env`, in order.
    pub environment: Vec<EnvironmentVariable>,
}

/// `worker_cpu_affinity`: numbers of processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// One of these for each worker, in turn.
    Auto(Vec<usize>),
    /// Those of each worker; the last are for all further workers.
    Masks(Vec<Vec<usize>>),
}

impl Affinity {
    /// The processors of a worker; none is no restriction.
    pub fn of_worker(&self, worker: usize) -> &[usize] {
        match self {
            Self::Auto(processors) if processors.is_empty() => &[],
            Self::Auto(processors) => std::slice::from_ref(&processors[worker % processors.len()]),
            Self::Masks(masks) => masks.get(worker).or(masks.last()).map_or(&[], Vec::as_slice),
        }
    }
}

/// One `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentVariable {
    /// The variable's name.
    pub name: String,
    /// Its value; `None` keeps the one that it has.
    pub value: Option<String>,
}

/// `user NAME [GROUP]`, looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// One `error_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go.
    pub target: LogTarget,
    /// The least severe level that is written.
    pub level: Severity,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// A file, made if missing, appended to.
    File(PathBuf),
    /// Standard error.
    Stderr,
    /// `syslog:`.
    Syslog(Arc<Syslog>),
}

/// A log file. How it is buffered is a property of the file: whoever else names it writes through the same buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// `buffer=`, `flush=` and `gzip=` of an `access_log`.
    pub buffer: Option<LogBuffer>,
}

/// `buffer=`, `flush=` and `gzip=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBuffer {
    /// Bytes to gather before they are written.
    pub size: usize,
    /// How long a line may wait; `None`: until the buffer is full.
    pub flush: Option<Duration>,
    /// The level, 1 to 9, if what is written is compressed.
    pub gzip: Option<u32>,
}

/// `syslog:server=...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Syslog {
    /// Who gets the lines.
    pub server: SyslogServer,
    /// `facility=`, as a number.
    pub facility: u8,
    /// `severity=` of access log lines; those of error logs have their own.
    pub severity: Severity,
    /// `tag=`.
    pub tag: Box<str>,
    /// Whether this machine's name is in the header: not with `nohostname`.
    pub hostname: bool,
}

/// The address of a syslog server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SyslogServer {
    /// Over UDP.
    Udp(std::net::SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// nginx's log levels, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Severity {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
}

/// One listening socket and how its connections find their server.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The socket.
    pub address: ListenAddress,
    /// Options of the socket.
    pub options: ListenOptions,
    /// Which server by name; see [`VirtualHosts`].
    pub hosts: Arc<VirtualHosts>,
    /// For a wildcard address: addresses of the same port with servers of their own (nginx binds the wildcard
    /// once and looks at the connection's local address).
    pub by_local_address: Vec<(IpAddr, Arc<VirtualHosts>)>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and a port.
    Inet(std::net::SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
}

/// Options of one `listen`ing socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenOptions {
    /// `backlog=`; nginx's 511 when absent.
    pub backlog: Option<i32>,
    /// `rcvbuf=`, bytes.
    pub rcvbuf: Option<usize>,
    /// `sndbuf=`, bytes.
    pub sndbuf: Option<usize>,
    /// `ipv6only=`; on when absent.
    pub ipv6only: Option<bool>,
    /// `reuseport`.
    pub reuseport: bool,
    /// `deferred`.
    pub deferred: bool,
    /// `fastopen=`.
    pub fastopen: Option<u32>,
    /// `so_keepalive=`.
    pub keepalive: Option<KeepAlive>,
}

/// `so_keepalive=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// `off`.
    Off,
    /// `on`, with the parts that were given.
    On {
        /// Idle time before the first probe.
        idle: Option<Duration>,
        /// Time between probes.
        interval: Option<Duration>,
        /// Probes without an answer before the connection is dropped.
        count: Option<u32>,
    },
}

/// The servers of one address and port, found by host name. Indices are into [`Config::servers`].
#[derive(Clone, Debug, Default)]
pub struct VirtualHosts {
    /// `listen ... proxy_protocol`: connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Answers when no name fits.
    pub default: usize,
    /// Exact names, lower case.
    pub exact: std::collections::HashMap<Box<[u8]>, usize>,
    /// `*.example.com` as `.example.com` (`true`: also the bare name, from `.example.com`), longest first.
    pub suffixes: Vec<(Box<[u8]>, usize)>,
    /// `www.example.*` as `www.example.`, longest first.
    pub prefixes: Vec<(Box<[u8]>, usize)>,
    /// `~regex`, in file order.
    pub regexes: Vec<(Regex, usize)>,
}

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

/// The locations of one level, in the order in which nginx looks at them.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    /// `location = /x`.
    pub exact: std::collections::HashMap<Box<[u8]>, Arc<Location>>,
    /// `location /x` and `location ^~ /x`, sorted by path.
    pub prefix: Vec<Arc<Location>>,
    /// `location ~` and `~*`, in file order.
    pub regex: Vec<Arc<Location>>,
    /// `location @name`, by name without the `@`.
    pub named: std::collections::HashMap<Box<[u8]>, Arc<Location>>,
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

/// What nginx's core module knows of a location.
#[derive(Clone, Debug)]
pub struct CoreConf {
    /// `internal`.
    pub internal: bool,
    /// `default_type`; empty when it was set to nothing.
    pub default_type: Box<[u8]>,
    /// `types`: by extension in lower case.
    pub types: Arc<Types>,
    /// `client_max_body_size` in bytes; `None` = no limit (written as 0).
    pub client_max_body_size: Option<u64>,
    /// `client_body_timeout`.
    pub client_body_timeout: Duration,
    /// `send_timeout`.
    pub send_timeout: Duration,
    /// `keepalive_timeout`; zero switches keep-alive off.
    pub keepalive_timeout: Duration,
    /// Second argument of `keepalive_timeout`: the `Keep-Alive` header, whole seconds.
    pub keepalive_header: Option<u64>,
    /// `keepalive_requests`.
    pub keepalive_requests: u64,
    /// `server_tokens`.
    pub server_tokens: bool,
    /// `absolute_redirect`.
    pub absolute_redirect: bool,
    /// `server_name_in_redirect`.
    pub server_name_in_redirect: bool,
    /// `port_in_redirect`.
    pub port_in_redirect: bool,
    /// `error_page`, in order.
    pub error_pages: Vec<ErrorPage>,
    /// `recursive_error_pages`.
    pub recursive_error_pages: bool,
}

/// Where bodies of requests go.
#[derive(Clone, Debug)]
pub struct BodiesConf {
    /// `client_body_in_file_only`.
    pub files: BodyFiles,
    /// `client_body_temp_path`.
    pub temp_path: Arc<TempPath>,
}

/// `client_body_in_file_only`: what becomes of a body that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFiles {
    /// It is in memory only.
    #[default]
    Off,
    /// It is written to a file, which stays.
    Keep,
    /// It is written to a file, which is removed when the request ends.
    Clean,
}

/// A directory for files with numbers, and how deep they are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TempPath {
    /// The directory.
    pub directory: PathBuf,
    /// How many digits of a file's number name each directory on the way to it, from the number's end.
    pub levels: Vec<usize>,
}

/// How connections are kept and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionConf {
    /// `keepalive_time`.
    pub keepalive_time: Duration,
    /// `keepalive_disable`.
    pub keepalive_disable: KeepAliveDisable,
    /// `client_body_buffer_size` in bytes.
    pub body_buffer_size: usize,
    /// `lingering_close`.
    pub lingering_close: Lingering,
    /// `lingering_time`.
    pub lingering_time: Duration,
    /// `lingering_timeout`.
    pub lingering_timeout: Duration,
    /// `reset_timedout_connection`.
    pub reset_timedout: bool,
    /// `tcp_nodelay`.
    pub tcp_nodelay: bool,
    /// `keepalive_min_timeout`.
    pub keepalive_min_timeout: Duration,
}

/// `keepalive_disable`: browsers whose connections are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAliveDisable {
    /// Old MSIE, after a POST.
    pub msie6: bool,
    /// Safari on macOS.
    pub safari: bool,
}

/// `lingering_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingering {
    /// Never.
    Off,
    /// Where the client still sends.
    On,
    /// Always.
    Always,
}

/// MIME types by extension.
pub type Types = std::collections::HashMap<Box<[u8]>, Box<[u8]>>;

/// One `error_page`.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// The status it is for.
    pub status: u16,
    /// What is answered instead.
    pub replacement: Replacement,
    /// Where to.
    pub target: ErrorTarget,
}

/// The status an `error_page` answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// No `=`: the status stays.
    Keep,
    /// `=`: whatever the target answers.
    FromTarget,
    /// `=CODE`.
    Code(u16),
}

/// Where an `error_page` leads.
#[derive(Clone, Debug)]
pub enum ErrorTarget {
    /// A URI with its arguments, looked up inside (starts with `/`).
    Uri(Template),
    /// `@name`.
    Named(Box<[u8]>),
    /// Anything else: the client is redirected there.
    Redirect(Template),
}

/// Access rules.
#[derive(Clone, Debug, Default)]
pub struct AccessConf {
    /// `allow` and `deny`, in order; the first that fits decides.
    pub rules: Vec<AccessRule>,
    /// `satisfy any`.
    pub satisfy_any: bool,
    /// `auth_basic`: the realm.
    pub auth_basic: Option<Template>,
    /// `auth_basic_user_file`.
    pub auth_basic_user_file: Option<Template>,
    /// `auth_delay`.
    pub auth_delay: Duration,
}

/// One `allow` or `deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// `allow`?
    pub allow: bool,
    /// Whom.
    pub who: AccessWho,
}

/// Whom an access rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessWho {
    /// `all`.
    All,
    /// `unix:`.
    Unix,
    /// An address or a network: address and prefix length.
    Net(IpAddr, u8),
}

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
    /// An index into [`Config::zones`].
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
    /// An index into [`Config::zones`].
    pub zone: usize,
    /// How many connections with one key.
    pub most: u16,
}

/// `set_real_ip_from` and its kin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealIpConf {
    /// `set_real_ip_from`: whose word is trusted.
    pub from: Vec<AccessWho>,
    /// `real_ip_header`.
    pub header: RealIpHeader,
    /// `real_ip_recursive`.
    pub recursive: bool,
}

/// Where a trusted proxy names the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RealIpHeader {
    /// `X-Forwarded-For`, of which there may be several.
    ForwardedFor,
    /// The PROXY protocol.
    ProxyProtocol,
    /// Another header, by its name in lower case.
    Named(Box<str>),
}

/// A page about the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPage {
    /// `stub_status`.
    Stub,
    /// `encke_metrics`.
    Metrics,
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

impl LimitExcept {
    /// Whether its rules are for this method. GET includes HEAD.
    pub fn limits(&self, method: &str) -> bool {
        let spared = |method: &str| self.methods.iter().any(|spared| spared == method);
        !(spared(method) || (method == "HEAD" && spared("GET")))
    }
}

/// Headers added to answers.
#[derive(Clone, Debug, Default)]
pub struct HeadersConf {
    /// `add_header`, in order.
    pub add: Vec<AddHeader>,
    /// `add_trailer`, in order.
    pub trailers: Vec<AddHeader>,
    /// `expires`.
    pub expires: ExpiresSetting,
}

/// `expires` as written.
#[derive(Clone, Debug)]
pub enum ExpiresSetting {
    /// Without variables.
    Fixed(Expires),
    /// `expires [modified] $variable`.
    Variable {
        /// What is read as a time or a word.
        value: Template,
        /// `modified`.
        modified: bool,
    },
}

impl Default for ExpiresSetting {
    fn default() -> Self {
        Self::Fixed(Expires::Off)
    }
}

/// One `add_header`.
#[derive(Clone, Debug)]
pub struct AddHeader {
    /// The name as written.
    pub name: Box<str>,
    /// The value; empty values are not sent.
    pub value: Template,
    /// `always`: for every status.
    pub always: bool,
}

/// `expires`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expires {
    /// Not set, or `off`.
    #[default]
    Off,
    /// `epoch`.
    Epoch,
    /// `max`.
    Max,
    /// Seconds from now; negative: in the past, `no-cache`.
    In(i64),
    /// `modified`: seconds from Last-Modified.
    Modified(i64),
    /// `@TIME`: seconds after local midnight.
    At(u32),
}

/// Logs of a location.
#[derive(Clone, Debug, Default)]
pub struct LogConf {
    /// `access_log`, in order; empty: none.
    pub access: Vec<Arc<AccessLog>>,
    /// `open_log_file_cache`, for logs with variables in their paths.
    pub file_cache: Option<LogFileCache>,
    /// `error_log` in force.
    pub error: Vec<ErrorLog>,
    /// `rewrite_log`.
    pub rewrite: bool,
    /// `uninitialized_variable_warn`.
    pub uninitialized: bool,
}

/// `open_log_file_cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFileCache {
    /// Which of the configuration's caches it is.
    pub number: usize,
    /// `max=`: most files that are remembered.
    pub max: usize,
    /// `inactive=`: how long a file is remembered after its last use.
    pub inactive: Duration,
    /// `min_uses=`: from which use on it is kept open.
    pub min_uses: u64,
    /// `valid=`: how long a file is written to before its path is looked at again.
    pub valid: Duration,
}

/// One `access_log`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// Where lines go.
    pub target: AccessTarget,
    /// How a line looks.
    pub format: Arc<LogFormat>,
    /// `if=`: no line when it is empty or `0`.
    pub condition: Option<Template>,
}

/// Where lines of an access log go.
#[derive(Clone, Debug)]
pub enum AccessTarget {
    /// Always to the same log.
    Fixed(LogTarget),
    /// To the file that the path names for the request.
    Path(Template),
}

/// A `log_format`.
#[derive(Clone, Debug)]
pub struct LogFormat {
    /// The line.
    pub template: Template,
    /// How values are escaped.
    pub escape: LogEscape,
}

/// `log_format ... escape=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogEscape {
    /// `\xHH` for `"`, `\`, and bytes below 32 or above 126; empty values are `-`.
    #[default]
    Default,
    /// JSON strings.
    Json,
    /// As they are.
    None,
}

/// `charset`.
#[derive(Clone, Debug, Default)]
pub struct CharsetConf {
    /// The name added to text types; `None` = off.
    pub charset: Option<Template>,
    /// `source_charset`: what texts are in; `None` = they stay as they are.
    pub source: Option<Template>,
    /// `override_charset`: texts of servers behind are converted from the charset that they name.
    pub overrides: bool,
    /// Those that the configuration knows.
    pub charsets: Arc<Charsets>,
    /// `charset_types` in force (lower case).
    pub types: Arc<Vec<Box<str>>>,
}

/// The character sets that a configuration names.
#[derive(Clone, Debug, Default)]
pub struct Charsets {
    /// Their names.
    pub names: Vec<Box<str>>,
    /// What the `charset_map`s make possible, both ways.
    pub conversions: Vec<Conversion>,
}

/// From one character set to another.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The text's.
    pub from: Box<str>,
    /// What it becomes.
    pub to: Box<str>,
    /// How.
    pub recoding: Arc<Recoding>,
}

impl Charsets {
    /// Whether there is one of that name; case is ignored.
    pub fn knows(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// How texts get from one to the other, if they can; case is ignored.
    pub fn conversion(&self, from: &[u8], to: &[u8]) -> Option<&Arc<Recoding>> {
        let is = |name: &str, other: &[u8]| name.as_bytes().eq_ignore_ascii_case(other);
        let mut conversions = self.conversions.iter();
        conversions.find(|one| is(&one.from, from) && is(&one.to, to)).map(|one| &one.recoding)
    }
}

/// How texts get from one character set to another.
#[derive(Clone, Debug)]
pub enum Recoding {
    /// Each byte becomes another.
    Bytes(Box<[u8; 256]>),
    /// Each byte becomes a letter in UTF-8.
    ToUtf8(Box<[Box<[u8]>]>),
    /// Each letter in UTF-8 becomes a byte, if it is among these.
    FromUtf8(std::collections::HashMap<char, u8>),
}

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

/// Which file a request is for, and how files are sent.
#[derive(Clone, Debug)]
pub struct FilesConf {
    /// `root` or `alias`.
    pub root: Root,
    /// `index`, in order.
    pub index: Arc<[Template]>,
    /// `etag`.
    pub etag: bool,
    /// `if_modified_since`.
    pub if_modified_since: IfModifiedSince,
    /// `log_not_found`.
    pub log_not_found: bool,
    /// `max_ranges`.
    pub max_ranges: usize,
    /// `gzip_static`.
    pub gzip_static: GzipStatic,
    /// `autoindex`.
    pub listing: Listing,
    /// `random_index`.
    pub random_index: bool,
    /// `disable_symlinks`.
    pub symlinks: Symlinks,
    /// `output_buffers`: how many bytes of a file are read at once.
    pub read_at_once: usize,
    /// `read_ahead`: whether the kernel is told to.
    pub read_ahead: bool,
    /// `open_file_cache`.
    pub cache: Option<FileCache>,
}

/// `open_file_cache` and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCache {
    /// Which of the configuration's caches it is: blocks that inherit one share it.
    pub number: usize,
    /// `max=`: most paths that are remembered.
    pub max: usize,
    /// `inactive=`: how long one is remembered after its last use.
    pub inactive: Duration,
    /// `open_file_cache_valid`: how long what is remembered is believed.
    pub valid: Duration,
    /// `open_file_cache_min_uses`: from which use on a file is kept open.
    pub min_uses: u64,
    /// `open_file_cache_errors`: whether errors are remembered, too.
    pub errors: bool,
}

/// `disable_symlinks`.
#[derive(Clone, Debug, Default)]
pub struct Symlinks {
    /// Which links are refused.
    pub refused: RefusedLinks,
    /// `from=`: links in this beginning of a path are not looked at.
    pub from: Option<Template>,
}

/// Which symbolic links are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RefusedLinks {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those whose owner is another than that of what they lead to.
    OfOthers,
}

/// `root` or `alias`.
#[derive(Clone, Debug)]
pub struct Root {
    /// The directory; absolute, unless it begins with a variable.
    pub path: Template,
    /// What it is below if it is not absolute; ends with a slash.
    pub prefix: Arc<[u8]>,
    /// Of an `alias`: what of the URI it stands for.
    pub alias: Option<Alias>,
}

/// What of a URI an `alias` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// The location's path, of that length.
    Prefix(usize),
    /// All of it: the location has a regular expression.
    Whole,
}

/// `if_modified_since`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IfModifiedSince {
    Off,
    #[default]
    Exact,
    Before,
}

/// `gzip_static`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum GzipStatic {
    #[default]
    Off,
    On,
    Always,
}

/// `autoindex` and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// `autoindex`.
    pub enabled: bool,
    /// `autoindex_exact_size`.
    pub exact_size: bool,
    /// `autoindex_localtime`.
    pub local_time: bool,
    /// `autoindex_format`.
    pub format: ListingFormat,
}

/// `autoindex_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ListingFormat {
    #[default]
    Html,
    Json,
    Jsonp,
    Xml,
}

/// `try_files`.
#[derive(Clone, Debug)]
pub struct TryFiles {
    /// Files that are looked for, in order.
    pub files: Vec<TriedFile>,
    /// What if none is there.
    pub fallback: FallbackTarget,
}

/// One file that `try_files` looks for.
#[derive(Clone, Debug)]
pub struct TriedFile {
    /// Its name.
    pub name: Template,
    /// It was written with a slash behind it: it must be a directory.
    pub directory: bool,
}

/// The last choice of `try_files`.
#[derive(Clone, Debug)]
pub enum FallbackTarget {
    /// `=CODE`.
    Code(u16),
    /// A URI with arguments, or `@name`.
    Uri(Template),
}

/// How answers are put on the wire.
#[derive(Clone, Debug)]
pub struct OutputConf {
    /// `limit_rate`: bytes per second.
    pub limit_rate: Template,
    /// `limit_rate_after`: bytes.
    pub limit_rate_after: Template,
    /// `chunked_transfer_encoding`.
    pub chunked_transfer_encoding: bool,
    /// `msie_padding`.
    pub msie_padding: bool,
    /// `msie_refresh`.
    pub msie_refresh: bool,
}

/// `modern_browser`, `ancient_browser`.
#[derive(Clone, Debug)]
pub struct BrowserConf {
    /// `modern_browser`, in the order they are looked for.
    pub modern: Vec<ModernBrowser>,
    /// `modern_browser unlisted`.
    pub unlisted: bool,
    /// `ancient_browser`: words.
    pub ancient: Vec<Box<[u8]>>,
    /// `ancient_browser netscape4`.
    pub netscape4: bool,
    /// `modern_browser_value`.
    pub modern_value: Box<[u8]>,
    /// `ancient_browser_value`.
    pub ancient_value: Box<[u8]>,
}

/// One `modern_browser`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModernBrowser {
    /// Which.
    pub browser: Browser,
    /// Its first modern version.
    pub version: u64,
}

impl ModernBrowser {
    /// `1.2.3` as one number: six digits behind the first part, two for each of the next three.
    pub fn version(text: &[u8]) -> u64 {
        let mut scale = 1_000_000;
        let mut version = 0u64;
        for part in text.split(|byte| *byte == b'.') {
            let digit = |number: u64, byte: &u8| {
                number.saturating_mul(10).saturating_add(u64::from(byte.saturating_sub(b'0')))
            };
            version = version.saturating_add(part.iter().fold(0, digit).saturating_mul(scale));
            scale /= 100;
        }
        version
    }
}

/// Browsers that are told apart, in the order they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Browser {
    Opera,
    Msie,
    Gecko,
    Safari,
    Konqueror,
}

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

/// `secure_link`.
#[derive(Clone, Debug, Default)]
pub enum SecureLinkConf {
    /// Not set, or only half of it.
    #[default]
    Off,
    /// `secure_link` and `secure_link_md5`.
    Md5 {
        /// Checksum, and behind a comma the end of its lifetime.
        link: Template,
        /// What the checksum is made of.
        md5: Template,
    },
    /// `secure_link_secret`.
    Secret(Box<[u8]>),
}

/// `userid`.
#[derive(Clone, Debug)]
pub struct UseridConf {
    /// `userid`.
    pub mode: UseridMode,
    /// `userid_name`.
    pub name: Box<[u8]>,
    /// `userid_domain`.
    pub domain: Option<Box<[u8]>>,
    /// `userid_path`.
    pub path: Box<[u8]>,
    /// `userid_expires`.
    pub expires: UseridExpires,
    /// `userid_p3p`; empty: none.
    pub p3p: Box<[u8]>,
    /// `userid_mark`.
    pub mark: Option<u8>,
    /// `userid_service`.
    pub service: Option<u32>,
    /// `userid_flags`.
    pub flags: UseridFlags,
}

/// What is done about the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UseridMode {
    /// Nothing.
    #[default]
    Off,
    /// It is read.
    Log,
    /// It is given in the form of old.
    V1,
    /// It is given.
    On,
}

/// Lifetime of the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UseridExpires {
    /// The browser's session.
    #[default]
    Off,
    /// Until the end of 2037.
    Max,
    /// Seconds.
    In(i64),
}

/// Flags of the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UseridFlags {
    /// `secure`.
    pub secure: bool,
    /// `httponly`.
    pub httponly: bool,
    /// `samesite=`.
    pub samesite: Option<&'static str>,
}

/// A compiled sequence of rewrite directives.
pub type Program = Arc<[Instruction]>;

/// One rewrite directive.
#[derive(Clone, Debug)]
pub enum Instruction {
    /// `set $user value`.
    Set {
        /// Which user variable.
        variable: usize,
        /// Its new value.
        value: Template,
    },
    /// `set $args value`.
    SetArgs(Template),
    /// `set $limit_rate value`.
    SetLimitRate(Template),
    /// `if (condition) { ... }`.
    If {
        /// When.
        condition: Condition,
        /// What then.
        body: Program,
        /// In a location: the settings that become the request's.
        conf: Option<Arc<LocationConf>>,
    },
    /// `return`.
    Return(Return),
    /// `rewrite`.
    Rewrite(Rewrite),
    /// `break`.
    Break,
}

/// The condition of an `if`.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `$v`: neither empty nor `0`.
    Truthy(Template),
    /// `=` and `!=`.
    Equals {
        /// Left of the operator.
        left: Template,
        /// Right of it.
        right: Template,
        /// `!=`.
        negate: bool,
    },
    /// `~`, `~*`, `!~`, `!~*`.
    Matches {
        /// What is looked at.
        subject: Template,
        /// The expression.
        regex: Regex,
        /// `!~`.
        negate: bool,
    },
    /// `-f`, `-d`, `-e`, `-x` and their opposites.
    File {
        /// Which test.
        test: FileTest,
        /// The path.
        path: Template,
        /// `!-f`.
        negate: bool,
    },
}

/// File tests of `if`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FileTest {
    File,
    Directory,
    Exists,
    Executable,
}

/// `return`.
#[derive(Clone, Debug)]
pub struct Return {
    /// The status; 302 for `return URL`.
    pub status: u16,
    /// The text, or the URL of a redirect.
    pub text: Option<Template>,
}

/// `rewrite REGEX REPLACEMENT [FLAG]`.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Looked for in the URI.
    pub regex: Regex,
    /// Its new path, or a whole URL for redirects.
    pub replacement: Template,
    /// Arguments of the replacement (what followed its `?`), to be put before the request's.
    pub args: Option<Template>,
    /// A trailing `?`: drop the request's arguments.
    pub drop_args: bool,
    /// What next.
    pub flag: RewriteFlag,
}

/// What follows a `rewrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RewriteFlag {
    /// No flag: the next directive, then a new location.
    Continue,
    Last,
    Break,
    /// 302
    Redirect,
    /// 301
    Permanent,
}
