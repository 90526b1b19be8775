//! Blocks while they are being read: what was written, with everything else unset.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use encke_parser::Span;

use super::context::Contexts;
use super::model::{
    AccessWho, Affinity, Condition, EnvironmentVariable, ErrorLog, Instruction, LogFormat, Matcher,
    ProxyPass, StatusPage, TryFiles, User,
};
use super::modules::access::AccessDraft;
use super::modules::auth_request::AuthRequestDraft;
use super::modules::bodies::BodiesDraft;
use super::modules::browser::BrowserDraft;
use super::modules::charset::{CharsetDraft, CharsetMap};
use super::modules::connections::ConnectionDraft;
use super::modules::files::FilesDraft;
use super::modules::gzip::GzipDraft;
use super::modules::headers::HeadersDraft;
use super::modules::http_core::CoreDraft;
use super::modules::limit_conn::LimitConnDraft;
use super::modules::limit_req::LimitReqDraft;
use super::modules::listen::ListenDraft;
use super::modules::log::LogDraft;
use super::modules::mirror::MirrorDraft;
use super::modules::nchan::{DeflateDraft, NchanDraft};
use super::modules::output::OutputDraft;
use super::modules::proxy::ProxyDraft;
use super::modules::push::PushDraft;
use super::modules::realip::RealIpDraft;
use super::modules::referer::RefererDraft;
use super::modules::secure_link::SecureLinkDraft;
use super::modules::server_name::ServerName;
use super::modules::upstream::{GroupDraft, ResolverDraft, UpstreamDraft};
use super::modules::userid::UseridDraft;
use super::modules::zones::ZoneDraft;
use super::roles::Roles;

/// Makes a struct of settings of which each may be unset, and the rule that an unset one is the enclosing block's.
macro_rules! draft {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        #[allow(missing_docs)]
        pub struct $name { $(pub $field: Option<$type>,)* }

        impl $name {
            /// Takes what is unset from the enclosing block.
            pub fn inherit(&mut self, parent: &Self) {
                $(if self.$field.is_none() { self.$field.clone_from(&parent.$field); })*
            }
        }
    };
}
pub(super) use draft;

/// What the main and `events` contexts set.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct MainDraft {
    pub worker_processes: Option<usize>,
    pub worker_connections: Option<usize>,
    pub user: Option<User>,
    pub pid: Option<Option<PathBuf>>,
    pub daemon: Option<bool>,
    pub open_files: Option<u64>,
    pub core_size: Option<u64>,
    pub priority: i32,
    pub affinity: Option<Affinity>,
    pub multi_accept: Option<bool>,
    pub debug_connections: Vec<AccessWho>,
    pub shutdown_timeout: Option<Duration>,
    pub working_directory: Option<PathBuf>,
    pub environment: Vec<EnvironmentVariable>,
    pub error_log: Vec<ErrorLog>,
    /// `events { }` was there.
    pub events: bool,
}

/// What all servers share.
#[derive(Debug, Default)]
pub struct HttpDraft {
    /// Where the `http` block is, once there was one.
    pub span: Option<Span>,
    /// It was read to its end.
    pub closed: bool,
    /// Its settings.
    pub conf: ConfDraft,
    /// Its settings for servers.
    pub server: ServerDraft,
    /// Its servers.
    pub servers: Vec<Block>,
    /// `log_format`s by name.
    pub formats: HashMap<Box<[u8]>, Arc<LogFormat>>,
    /// What `charset` and `source_charset` name.
    pub charsets: Vec<Box<str>>,
    /// `charset_map`s.
    pub charset_maps: Vec<CharsetMap>,
    /// `push_max_reserved_memory`, `nchan_shared_memory_size`.
    pub max_reserved_memory: Option<u64>,
    /// `nchan_permessage_deflate_*`.
    pub deflate: DeflateDraft,
    /// An `nchan_*` role was given somewhere.
    pub speaks_nchan: bool,
    /// Groups of servers behind.
    pub upstreams: Vec<UpstreamDraft>,
    /// The `upstream` whose block is being read.
    pub open_upstream: Option<GroupDraft>,
    /// Zones of `limit_req` and `limit_conn`, in the order in which they were first named.
    pub zones: Vec<ZoneDraft>,
    /// Every `listen` so far, by address, to notice repetitions.
    pub listens: Vec<SeenListen>,
}

/// A `listen` address some server has.
#[derive(Debug)]
pub struct SeenListen {
    /// The address as nginx prints it.
    pub address: String,
    /// The last server that has it, by its place in the file.
    pub server: usize,
    /// A server is the default one.
    pub default: bool,
    /// Options of the socket were given.
    pub options: bool,
}

draft! {
    /// Settings of a server that locations do not have.
    ServerDraft {
        client_header_timeout: Duration,
        client_header_buffer_size: usize,
        large_client_header_buffers: (usize, usize),
        connection_pool_size: usize,
        max_headers: usize,
        merge_slashes: bool,
        underscores_in_headers: bool,
        ignore_invalid_headers: bool,
    }
}

/// Settings that a block takes from the one around it when they are unset.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct ConfDraft {
    pub core: CoreDraft,
    pub connection: ConnectionDraft,
    pub bodies: BodiesDraft,
    pub access: AccessDraft,
    pub limit_req: LimitReqDraft,
    pub limit_conn: LimitConnDraft,
    pub real_ip: RealIpDraft,
    pub headers: HeadersDraft,
    pub log: LogDraft,
    pub charset: CharsetDraft,
    pub gzip: GzipDraft,
    pub browser: BrowserDraft,
    pub referer: RefererDraft,
    pub secure_link: SecureLinkDraft,
    pub userid: UseridDraft,
    pub files: FilesDraft,
    pub output: OutputDraft,
    pub push: PushDraft,
    pub nchan: NchanDraft,
    pub roles: Roles,
    pub proxy: ProxyDraft,
    pub resolver: ResolverDraft,
    pub auth_request: AuthRequestDraft,
    pub mirror: MirrorDraft,
}

/// Settings of one block only.
#[derive(Debug, Default)]
pub struct OwnDraft {
    /// `proxy_pass`.
    pub pass: Option<ProxyPass>,
    /// `stub_status`, `encke_metrics`.
    pub status: Option<StatusPage>,
    /// `limit_except`: methods and the block.
    pub limit_except: Option<(Vec<String>, Box<Block>)>,
    /// `try_files`.
    pub try_files: Option<Arc<TryFiles>>,
    /// `empty_gif`.
    pub empty_gif: bool,
}

/// What a `location` block is, besides its content.
#[derive(Debug)]
pub struct LocationHead {
    /// As written, for reports.
    pub name: String,
    /// How it is chosen.
    pub matcher: Matcher,
    /// Where it is.
    pub span: Span,
}

/// A rewrite directive.
#[derive(Debug)]
pub enum Op {
    /// Complete.
    Do(Instruction),
    /// An `if` whose settings wait for those around it.
    If {
        /// Its condition.
        condition: Condition,
        /// Its content.
        block: Box<Block>,
    },
}

/// A block of any kind, open or read.
#[derive(Debug)]
pub struct Block {
    /// Which kind.
    pub context: Contexts,
    /// Where it is.
    pub span: Option<Span>,
    /// Settings, inherited when unset. Boxed, since blocks are moved about where they nest deeply.
    pub conf: Box<ConfDraft>,
    /// Settings that are not inherited.
    pub own: Box<OwnDraft>,
    /// Settings of a server.
    pub server: Box<ServerDraft>,
    /// `server_name`s.
    pub names: Vec<ServerName>,
    /// `listen`s.
    pub listens: Vec<ListenDraft>,
    /// Of a location: what it is.
    pub location: Option<LocationHead>,
    /// Rewrite directives.
    pub ops: Vec<Op>,
    /// Locations.
    pub locations: Vec<Block>,
    /// Directives that may stand only once and did.
    pub seen: HashSet<&'static str>,
}

// === impl ConfDraft ===

impl ConfDraft {
    /// Takes what is unset from the enclosing block.
    pub fn inherit(&mut self, parent: &Self) {
        self.core.inherit(&parent.core);
        self.connection.inherit(&parent.connection);
        self.bodies.inherit(&parent.bodies);
        self.access.inherit(&parent.access);
        self.limit_req.inherit(&parent.limit_req);
        self.limit_conn.inherit(&parent.limit_conn);
        self.real_ip.inherit(&parent.real_ip);
        self.headers.inherit(&parent.headers);
        self.log.inherit(&parent.log);
        self.charset.inherit(&parent.charset);
        self.gzip.inherit(&parent.gzip);
        self.browser.inherit(&parent.browser);
        self.referer.inherit(&parent.referer);
        self.secure_link.inherit(&parent.secure_link);
        self.userid.inherit(&parent.userid);
        self.files.inherit(&parent.files);
        self.output.inherit(&parent.output);
        self.push.inherit(&parent.push);
        self.nchan.inherit(&parent.nchan);
        self.roles.inherit(&parent.roles);
        self.proxy.inherit(&parent.proxy);
        self.resolver.inherit(&parent.resolver);
        self.auth_request.inherit(&parent.auth_request);
        self.mirror.inherit(&parent.mirror);
    }
}

// === impl Block ===

impl Block {
    /// An empty block.
    pub fn new(context: Contexts) -> Self {
        Self {
            context,
            span: None,
            conf: Box::default(),
            own: Box::default(),
            server: Box::default(),
            names: Vec::new(),
            listens: Vec::new(),
            location: None,
            ops: Vec::new(),
            locations: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Self { span: Some(span), ..self }
    }
}
