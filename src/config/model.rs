//! What a configuration means: plain data, ready to be built into a running server.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::proxy::{AuthRequestConf, MirrorConf, ProxyConf, Upstream};
use super::regex::Regex;
use super::template::Template;
use super::variable::Variables;

/// A whole configuration, checked and merged.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directives of the main and `events` contexts.
    pub main: MainConf,
    /// `push_max_reserved_memory`: the budget of all stored messages and channels, in bytes.
    pub max_reserved_memory: u64,
    /// Sockets to listen on, each with its servers.
    pub listens: Vec<Listen>,
    /// Groups of servers behind that a `proxy_pass` can name.
    pub upstreams: Vec<Upstream>,
    /// All servers, in file order.
    pub servers: Vec<Server>,
    /// Every user variable of the configuration.
    pub variables: Variables,
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
    /// `allow`, `deny`, `auth_basic`, `satisfy`.
    pub access: AccessConf,
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
    /// `push_*`.
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

/// `limit_except`.
#[derive(Clone, Debug)]
pub struct LimitExcept {
    /// Methods that are not limited (GET includes HEAD).
    pub methods: Vec<String>,
    /// The rules for all others.
    pub access: AccessConf,
    /// `proxy_pass` for all others, if it is another one.
    pub proxy: Option<Arc<ProxyConf>>,
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
    /// `expires`.
    pub expires: Expires,
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
    pub access: Vec<AccessLog>,
    /// `error_log` in force.
    pub error: Vec<ErrorLog>,
}

/// One `access_log`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// Where lines go.
    pub target: LogTarget,
    /// How a line looks.
    pub format: Arc<LogFormat>,
    /// `if=`: no line when it is empty or `0`.
    pub condition: Option<Template>,
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
    pub charset: Option<Box<str>>,
    /// `charset_types` in force (lower case).
    pub types: Arc<Vec<Box<str>>>,
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
}

/// `push_*` of one location: the canonical push settings.
#[derive(Clone, Debug)]
pub struct PushConf {
    /// `push_publisher` here.
    pub publisher: bool,
    /// `push_subscriber` here, and how.
    pub subscriber: Option<Mechanism>,
    /// The channel's id, `$push_channel_id` for `push_*` locations.
    pub channel_id: Template,
    /// `push_channel_group`.
    pub channel_group: Template,
    /// `push_store_messages`.
    pub store_messages: bool,
    /// `push_min_message_buffer_length`.
    pub min_message_buffer_length: u32,
    /// `push_max_message_buffer_length`.
    pub max_message_buffer_length: u32,
    /// `push_message_timeout`; `None` = never.
    pub message_timeout: Option<Duration>,
    /// `push_delete_oldest_received_message`.
    pub delete_oldest_received_message: bool,
    /// `push_subscriber_concurrency`.
    pub subscriber_concurrency: Concurrency,
    /// `push_subscriber_timeout`; `None` = never.
    pub subscriber_timeout: Option<Duration>,
    /// `push_channel_timeout`.
    pub channel_timeout: Duration,
    /// `push_authorized_channels_only`.
    pub authorized_channels_only: bool,
    /// `push_max_channel_id_length`, bytes.
    pub max_channel_id_length: usize,
    /// `push_max_channel_subscribers`; 0 = no limit.
    pub max_channel_subscribers: u32,
    /// `push_ignore_queue_on_no_cache`.
    pub ignore_queue_on_no_cache: bool,
}

/// How a subscriber gets its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Wait until there is one.
    LongPoll,
    /// Answer at once.
    IntervalPoll,
}

/// `push_subscriber_concurrency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Concurrency {
    Last,
    First,
    Broadcast,
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
    /// `set $args value` (the one built-in that can be set).
    SetArgs(Template),
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
