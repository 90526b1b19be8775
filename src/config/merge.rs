//! What happens where `http` ends: every block takes from the one around it what it does not say itself.

use std::collections::HashMap;
use std::sync::Arc;

use super::builder::{Builder, Outcome};
use super::builtin;
use super::builtin::Builtin;
use super::diag::{self, Diagnostic};
use super::draft::{Block, ConfDraft, Op, OwnDraft, ServerDraft};
use super::model::{
    CharsetConf, Charsets, Dialect, ErrorLog, Instruction, LimitExcept, Listen, Location, LocationConf,
    Locations, Matcher, Program, ProxyConf, Root, Server, TempPath, Upstream,
};
use super::modules::bodies;
use super::modules::charset;
use super::modules::files;
use super::modules::location::shown;
use super::modules::nchan::PushDefaults;
use super::modules::server_name::{NameKind, ServerName};
use super::modules::upstream;
use super::template::Template;
use super::variable::Variable;
use super::vhosts;

/// Servers and sockets, from what was read.
///
/// # Errors
/// What nginx notices only at the end of `http`, in its order.
pub(super) fn http(b: &mut Builder<'_>) -> Outcome<(Vec<Server>, Vec<Listen>, Vec<Upstream>)> {
    let blocks = std::mem::take(&mut b.http.servers);
    let (conf, server) = (std::mem::take(&mut b.http.conf), std::mem::take(&mut b.http.server));
    let listens: Vec<_> = blocks.iter().map(|block| block.listens.clone()).collect();
    let names: Vec<_> = blocks.iter().map(names).collect();
    let channel_id = channel_id(b, &blocks, &conf);
    let upstreams = upstream::finish(b)?;
    let merger = &mut Merger {
        defaults: PushDefaults::new(channel_id, b.http.speaks_nchan, &mut b.variables),
        default_root: files::default_root(b),
        charsets: Arc::new(charset::charsets(&b.http.charsets, &b.http.charset_maps)),
        default_temp_path: bodies::default_temp_path(b),
        error_log: b.main.error_log.clone(),
        names: Vec::new(),
        b,
    };
    let servers: Vec<Server> =
        blocks.into_iter().map(|block| merger.server(block, &conf, &server)).collect::<Outcome<_>>()?;
    check_variables(b)?;
    let sockets = vhosts::sockets(b, &listens, &names)?;
    Ok((servers, sockets, upstreams))
}

/// The names of a server; without `server_name` it is the one for requests without a host.
fn names(block: &Block) -> Vec<ServerName> {
    if block.names.is_empty() {
        vec![ServerName { text: String::new(), kind: NameKind::Exact(Box::default()) }]
    } else {
        block.names.clone()
    }
}

/// Whether a push role that needs `$push_channel_id` is anywhere in the block. `outer` is what is around it.
fn needs_push_id(block: &Block, outer: &ConfDraft) -> bool {
    let mut conf =
        ConfDraft { nchan: block.conf.nchan.clone(), roles: block.conf.roles, ..ConfDraft::default() };
    let own = conf.roles.dialect == Dialect::Push && conf.nchan.lacks_ids(&outer.nchan, &conf.roles);
    conf.inherit(outer);
    let in_if = |op: &Op| matches!(op, Op::If { block, .. } if needs_push_id(block, &conf));
    own || block.ops.iter().any(in_if) || block.locations.iter().any(|block| needs_push_id(block, &conf))
}

// === variables ===

const CHANNEL_ID: &str = "push_channel_id";
const OLD_CHANNEL_ID: &str = "push_id";

/// The template of the channel's id: `$push_channel_id`, or the name it had in 2009.
///
/// Without either it is always empty: worth a warning where a `push_*` location depends on it.
fn channel_id(b: &mut Builder<'_>, servers: &[Block], http: &ConfDraft) -> Template {
    let needed = servers.iter().any(|server| needs_push_id(server, http));
    if !needed && !b.http.speaks_nchan {
        return Template::default();
    }
    let mut name = CHANNEL_ID;
    if !b.variables.is_defined(CHANNEL_ID) {
        if b.variables.is_defined(OLD_CHANNEL_ID) {
            name = OLD_CHANNEL_ID;
            b.diagnostics.push(Diagnostic::warn("\"$push_id\" is an old name of \"$push_channel_id\""));
        } else if needed {
            let problem = "unknown \"push_channel_id\" variable: it is set nowhere, so every request of a push location is \
                           answered 404";
            let help = "write \"set $push_channel_id $arg_id;\" in the location";
            b.diagnostics.push(Diagnostic::warn(problem).with_help(help));
        }
    }
    // Nobody but `set` defines that name.
    b.variables
        .define(name)
        .map_or_else(|_| Template::default(), |index| Template::variable(Variable::Named(index)))
}

fn check_variables(b: &mut Builder<'_>) -> Outcome {
    let unknown: Vec<String> = b.variables.undefined().map(str::to_owned).collect();
    for name in unknown {
        b.settle(Err(unknown_variable(b, &name)))?;
    }
    b.variables.settle();
    Ok(())
}

fn unknown_variable(b: &Builder<'_>, name: &str) -> Diagnostic {
    let error = Diagnostic::emerg(format!("unknown \"{name}\" variable"));
    let user = b.variables.names().iter().filter(|known| *known != name).map(String::as_str);
    let builtin = builtin::all().map(|row| row.name);
    match diag::nearest(name, user.chain(builtin)) {
        Some(near) => error.with_help(format!("did you mean \"${near}\"?")),
        None => error,
    }
}

// === blocks ===

/// nginx's `connection_pool_size`, below which it allows no header buffer.
const CONNECTION_POOL_SIZE: usize = 512;

/// `large_client_header_buffers` where none are written.
const LARGE_BUFFERS: (usize, usize) = (4, 8 << 10);

struct Merger<'b, 'a> {
    b: &'b mut Builder<'a>,
    defaults: PushDefaults,
    default_root: Root,
    charsets: Arc<Charsets>,
    default_temp_path: Arc<TempPath>,
    error_log: Vec<ErrorLog>,
    /// Of the server that is being merged.
    names: Vec<ServerName>,
}

impl Merger<'_, '_> {
    fn server(&mut self, mut block: Block, http: &ConfDraft, defaults: &ServerDraft) -> Outcome<Server> {
        self.names = names(&block);
        self.inherit(&mut block, http)?;
        block.server.inherit(defaults);
        let limits = std::mem::take(&mut block.server);
        self.check_buffers(&limits)?;
        let conf = Arc::new(self.conf(String::new(), &block.conf, &block.own)?);
        let name = first_name(&block);
        let place = block.span.map_or_else(String::new, |span| diag::place(self.b.sources, span));
        let locations = self.locations(block.locations, &block.conf)?;
        let rewrite = self.program(block.ops, None)?;
        Ok(Server {
            name,
            place,
            conf,
            rewrite,
            locations,
            client_header_timeout: limits.client_header_timeout.unwrap_or(std::time::Duration::from_secs(60)),
            client_header_buffer_size: limits.client_header_buffer_size.unwrap_or(1 << 10),
            max_headers: limits.max_headers.unwrap_or(1000),
            large_client_header_buffers: limits.large_client_header_buffers.unwrap_or(LARGE_BUFFERS),
            merge_slashes: limits.merge_slashes.unwrap_or(true),
            underscores_in_headers: limits.underscores_in_headers.unwrap_or(false),
            ignore_invalid_headers: limits.ignore_invalid_headers.unwrap_or(true),
        })
    }

    fn check_buffers(&mut self, limits: &ServerDraft) -> Outcome {
        let pool = limits.connection_pool_size.unwrap_or(CONNECTION_POOL_SIZE);
        if limits.large_client_header_buffers.unwrap_or(LARGE_BUFFERS).1 >= pool {
            return Ok(());
        }
        let text = "the \"large_client_header_buffers\" size must be equal to or greater than \"connection_pool_size\"";
        self.b.settle(Err(Diagnostic { span: self.b.http.span, ..Diagnostic::emerg(text) }))
    }

    fn locations(&mut self, blocks: Vec<Block>, parent: &ConfDraft) -> Outcome<Locations> {
        self.check_duplicates(&blocks)?;
        let mut locations = Locations::default();
        for block in blocks {
            let location = Arc::new(self.location(block, parent)?);
            match &location.matcher {
                Matcher::Exact(path) => {
                    locations.exact.entry(path.clone()).or_insert_with(|| location.clone());
                }
                Matcher::Named(name) => {
                    locations.named.entry(name.clone()).or_insert_with(|| location.clone());
                }
                Matcher::Prefix { .. } => locations.prefix.push(location),
                Matcher::Regex(_) => locations.regex.push(location),
            }
        }
        locations.prefix.sort_by(|a, b| prefix_path(&a.matcher).cmp(prefix_path(&b.matcher)));
        Ok(locations)
    }

    fn check_duplicates(&mut self, blocks: &[Block]) -> Outcome {
        let mut seen = HashMap::new();
        for head in blocks.iter().filter_map(|block| block.location.as_ref()) {
            let key = match &head.matcher {
                Matcher::Exact(path) => (true, path),
                Matcher::Prefix { path, .. } => (false, path),
                Matcher::Regex(_) | Matcher::Named(_) => continue,
            };
            if seen.insert(key, ()).is_some() {
                let error = Diagnostic::emerg(format!("duplicate location \"{}\"", shown(&head.matcher)));
                self.b.settle(Err(error.at(head.span)))?;
            }
        }
        Ok(())
    }

    fn location(&mut self, mut block: Block, parent: &ConfDraft) -> Outcome<Location> {
        self.inherit(&mut block, parent)?;
        let (name, matcher) = match &block.location {
            Some(head) => (head.name.clone(), head.matcher.clone()),
            None => (String::new(), Matcher::Exact(Box::default())),
        };
        let nested = self.locations(std::mem::take(&mut block.locations), &block.conf)?;
        let ops = std::mem::take(&mut block.ops);
        self.check_proxy_buffers(&block)?;
        let mut conf = self.conf(name, &block.conf, &block.own)?;
        let path = match &matcher {
            Matcher::Exact(path) | Matcher::Prefix { path, .. } => &**path,
            Matcher::Regex(_) | Matcher::Named(_) => b"",
        };
        conf.proxy = proxy(&block.conf, &block.own, path);
        conf.limit_except = self.limit_except(&block, path);
        let conf = Arc::new(conf);
        let rewrite = self.program(ops, Some((&block, &conf)))?;
        Ok(Location { matcher, conf, rewrite, nested })
    }

    /// Compiles rewrite directives; `around` is the location they stand in.
    fn program(&mut self, ops: Vec<Op>, around: Option<(&Block, &LocationConf)>) -> Outcome<Program> {
        ops.into_iter()
            .map(|op| match op {
                Op::Do(instruction) => Ok(instruction),
                Op::If { condition, mut block } => {
                    let conf = match around {
                        Some((location, conf)) => Some(Arc::new(self.if_conf(&mut block, location, conf)?)),
                        None => None,
                    };
                    let body = self.program(std::mem::take(&mut block.ops), None)?;
                    Ok(Instruction::If { condition, body, conf })
                }
            })
            .collect()
    }

    /// The settings of an `if` in a location. What a location does not hand down to inner ones, it does to its `if`s:
    /// the push role, and the rules of `limit_except`.
    fn if_conf(
        &mut self,
        block: &mut Block,
        location: &Block,
        around: &LocationConf,
    ) -> Outcome<LocationConf> {
        if block.conf.roles.is_none() {
            block.conf.roles = location.conf.roles;
        }
        self.inherit(block, &location.conf)?;
        block.own.empty_gif |= location.own.empty_gif;
        let mut conf = self.conf(around.name.clone(), &block.conf, &block.own)?;
        conf.limit_except.clone_from(&around.limit_except);
        // A `proxy_pass` of its own, or that of the location.
        let path = match location.location.as_ref().map(|head| &head.matcher) {
            Some(Matcher::Exact(path) | Matcher::Prefix { path, .. }) => &**path,
            _ => b"",
        };
        conf.proxy = match &block.own.pass {
            Some(_) => proxy(&block.conf, &block.own, b""),
            None => proxy(&block.conf, &location.own, path),
        };
        Ok(conf)
    }

    fn check_proxy_buffers(&mut self, block: &Block) -> Outcome {
        match block.conf.proxy.check_buffers() {
            Some(problem) => {
                self.b.settle(Err(Diagnostic { span: self.b.http.span, ..Diagnostic::emerg(problem) }))
            }
            None => Ok(()),
        }
    }

    fn inherit(&mut self, block: &mut Block, parent: &ConfDraft) -> Outcome {
        let said = block.conf.push.reconcile(&parent.push);
        self.b.diagnostics.extend(said.map(|(span, text)| Diagnostic::warn(text).at(span)));
        block.conf.inherit(parent);
        if block.conf.push.contradicts() && !parent.push.contradicts() {
            let text =
                "push_max_message_buffer_length cannot be smaller than push_min_message_buffer_length.";
            let place = self.b.http.span.or(block.span);
            let error = Diagnostic { span: place, ..Diagnostic::emerg(text) };
            self.b.settle(Err(error))?;
        }
        Ok(())
    }

    fn conf(&mut self, name: String, conf: &ConfDraft, own: &OwnDraft) -> Outcome<LocationConf> {
        let charset = match conf.charset.finish(&self.charsets) {
            Ok(charset) => charset,
            Err(error) => {
                self.b.settle(Err(error))?;
                CharsetConf::default()
            }
        };
        let referer = conf.referer.finish(&self.names, self.b.http.span);
        let secure_link = conf.secure_link.finish(self.b.http.span);
        Ok(LocationConf {
            name,
            core: conf.core.finish(),
            connection: conf.connection.finish(),
            bodies: conf.bodies.finish(&self.default_temp_path),
            access: conf.access.finish(),
            limit_except: None,
            limit_req: conf.limit_req.finish(),
            limit_conn: conf.limit_conn.finish(),
            real_ip: conf.real_ip.finish(),
            status: own.status,
            headers: conf.headers.finish(),
            log: conf.log.finish(&self.error_log),
            charset,
            gzip: conf.gzip.finish(),
            browser: conf.browser.finish(),
            referer: self.or_default(referer)?,
            secure_link: self.or_default(secure_link)?,
            userid: conf.userid.finish(),
            files: conf.files.finish(&self.default_root),
            try_files: own.try_files.clone(),
            empty_gif: own.empty_gif,
            output: conf.output.finish(),
            push: conf.push.finish(&conf.nchan, &conf.roles, &self.defaults),
            proxy: None,
            auth_request: conf.auth_request.finish(),
            mirror: conf.mirror.finish(),
        })
    }

    /// `limit_except` of a location.
    fn limit_except(&self, location: &Block, path: &[u8]) -> Option<LimitExcept> {
        let (methods, block) = location.own.limit_except.as_ref()?;
        let mut conf = block.conf.clone();
        conf.inherit(&location.conf);
        let own = if block.own.pass.is_some() { &block.own } else { &location.own };
        let proxy = proxy(&conf, own, if block.own.pass.is_some() { b"" } else { path });
        let access_log = conf.log.finish(&self.error_log).access;
        Some(LimitExcept { methods: methods.clone(), access: conf.access.finish(), access_log, proxy })
    }

    /// Settles an error that nginx notices where `http` ends.
    fn or_default<T: Default>(&mut self, outcome: Outcome<T>) -> Outcome<T> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => {
                self.b.settle(Err(error))?;
                Ok(T::default())
            }
        }
    }
}

/// The settings of a block that passes requests on.
fn proxy(conf: &ConfDraft, own: &OwnDraft, path: &[u8]) -> Option<Arc<ProxyConf>> {
    let host = Template::variable(Variable::Builtin(Builtin::ProxyHost));
    let conf = conf.proxy.finish(own.pass.as_ref()?, path, &host, conf.resolver.finish());
    Some(Arc::new(conf))
}

/// `$server_name`: the first name, without the dot in front of a `.example.com`.
fn first_name(block: &Block) -> String {
    let name = block.names.first().map_or("", |name| &name.text);
    name.strip_prefix('.').unwrap_or(name).to_owned()
}

fn prefix_path(matcher: &Matcher) -> &[u8] {
    match matcher {
        Matcher::Prefix { path, .. } => path,
        _ => &[],
    }
}
