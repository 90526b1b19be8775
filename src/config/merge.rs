//! What happens where `http` ends: every block takes from the one around it what it does not say itself.

use std::collections::HashMap;
use std::sync::Arc;

use super::builder::{Builder, Outcome};
use super::diag::{self, Diagnostic};
use super::draft::{Block, ConfDraft, Op, OwnDraft, ServerDraft};
use super::model::{
    ErrorLog, Instruction, LimitExcept, Listen, Location, LocationConf, Locations, Matcher, Program, Server,
};
use super::modules::location::shown;
use super::modules::server_name::{NameKind, ServerName};
use super::modules::upstream;
use super::proxy::{ProxyConf, Upstream};
use super::template::Template;
use super::variable::{Builtin, Variable, Variables};
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
    let upstreams = upstream::finish(b)?;
    let merger = &mut Merger { channel_id: channel_id(b, &blocks), error_log: b.main.error_log.clone(), b };
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

/// Whether a push role is anywhere in the block.
fn has_role(block: &Block) -> bool {
    let in_if = |op: &Op| matches!(op, Op::If { block, .. } if has_role(block));
    block.own.publisher
        || block.own.subscriber.is_some()
        || block.ops.iter().any(in_if)
        || block.locations.iter().any(has_role)
}

// === variables ===

const CHANNEL_ID: &str = "push_channel_id";
const OLD_CHANNEL_ID: &str = "push_id";

/// The template of the channel's id: `$push_channel_id`, or the name it had in 2009.
fn channel_id(b: &mut Builder<'_>, servers: &[Block]) -> Template {
    if !servers.iter().any(has_role) {
        return Template::default();
    }
    let mut name = CHANNEL_ID;
    if !is_defined(&b.variables, CHANNEL_ID) {
        if is_defined(&b.variables, OLD_CHANNEL_ID) {
            name = OLD_CHANNEL_ID;
            b.diagnostics.push(Diagnostic::warn("\"$push_id\" is an old name of \"$push_channel_id\""));
        } else {
            let problem = "unknown \"push_channel_id\" variable: it is set nowhere, so every request of a push location is \
                           answered 404";
            let help = "write \"set $push_channel_id $arg_id;\" in the location";
            b.diagnostics.push(Diagnostic::warn(problem).with_help(help));
        }
    }
    Template::variable(Variable::User(b.variables.define(name)))
}

fn is_defined(variables: &Variables, name: &str) -> bool {
    variables.names().iter().any(|known| known == name)
        && !variables.undefined().any(|unknown| unknown == name)
}

/// Variables that nginx has and that are empty here, since what they tell about does not exist: TLS.
const EMPTY_FAMILIES: [&str; 3] = ["ssl_", "sent_trailer_", "http2"];
const EMPTY: [&str; 8] = [
    "gzip_ratio",
    "limit_req_status",
    "limit_conn_status",
    "proxy_protocol_port",
    "proxy_protocol_server_addr",
    "proxy_protocol_server_port",
    "uid_got",
    "uid_set",
];

fn check_variables(b: &mut Builder<'_>) -> Outcome {
    let is_empty =
        |name: &str| EMPTY.contains(&name) || EMPTY_FAMILIES.iter().any(|family| name.starts_with(family));
    let unknown: Vec<String> = b.variables.undefined().map(str::to_owned).collect();
    for name in unknown {
        if is_empty(&name) {
            b.variables.define(&name);
        } else {
            b.settle(Err(unknown_variable(b, &name)))?;
        }
    }
    Ok(())
}

fn unknown_variable(b: &Builder<'_>, name: &str) -> Diagnostic {
    let error = Diagnostic::emerg(format!("unknown \"{name}\" variable"));
    let user = b.variables.names().iter().filter(|known| *known != name).map(String::as_str);
    let builtin = super::variable::BUILTINS.iter().map(|row| row.name);
    match diag::nearest(name, user.chain(builtin)) {
        Some(near) => error.with_help(format!("did you mean \"${near}\"?")),
        None => error,
    }
}

// === blocks ===

/// nginx's `connection_pool_size`, below which it allows no header buffer.
const CONNECTION_POOL_SIZE: usize = 512;

struct Merger<'b, 'a> {
    b: &'b mut Builder<'a>,
    channel_id: Template,
    error_log: Vec<ErrorLog>,
}

impl Merger<'_, '_> {
    fn server(&mut self, mut block: Block, http: &ConfDraft, defaults: &ServerDraft) -> Outcome<Server> {
        self.inherit(&mut block, http)?;
        block.server.inherit(defaults);
        let limits = std::mem::take(&mut block.server);
        self.check_buffers(&limits)?;
        let conf = Arc::new(self.conf(String::new(), &block.conf, &block.own));
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
            large_client_header_buffers: limits.large_client_header_buffers.unwrap_or((4, 8 << 10)),
            merge_slashes: limits.merge_slashes.unwrap_or(true),
            underscores_in_headers: limits.underscores_in_headers.unwrap_or(false),
            ignore_invalid_headers: limits.ignore_invalid_headers.unwrap_or(true),
        })
    }

    fn check_buffers(&mut self, limits: &ServerDraft) -> Outcome {
        if limits.large_client_header_buffers.is_none_or(|(_, size)| size >= CONNECTION_POOL_SIZE) {
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
        let mut conf = self.conf(name, &block.conf, &block.own);
        let path = match &matcher {
            Matcher::Exact(path) | Matcher::Prefix { path, .. } => &**path,
            Matcher::Regex(_) | Matcher::Named(_) => b"",
        };
        (conf.proxy, conf.limit_except) = (proxy(&block.conf, &block.own, path), limit_except(&block, path));
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
        self.inherit(block, &location.conf)?;
        if !block.own.publisher && block.own.subscriber.is_none() {
            (block.own.publisher, block.own.subscriber) = (location.own.publisher, location.own.subscriber);
        }
        let mut conf = self.conf(around.name.clone(), &block.conf, &block.own);
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

    fn conf(&self, name: String, conf: &ConfDraft, own: &OwnDraft) -> LocationConf {
        LocationConf {
            name,
            core: conf.core.finish(),
            access: conf.access.finish(),
            limit_except: None,
            headers: conf.headers.finish(),
            log: conf.log.finish(&self.error_log),
            charset: conf.charset.finish(),
            gzip: conf.gzip.finish(),
            push: conf.push.finish(own, &self.channel_id),
            proxy: None,
            auth_request: conf.auth_request.finish(),
            mirror: conf.mirror.finish(),
        }
    }
}

/// `limit_except` of a location.
fn limit_except(location: &Block, path: &[u8]) -> Option<LimitExcept> {
    let (methods, block) = location.own.limit_except.as_ref()?;
    let mut conf = block.conf.clone();
    conf.inherit(&location.conf);
    let own = if block.own.pass.is_some() { &block.own } else { &location.own };
    let proxy = proxy(&conf, own, if block.own.pass.is_some() { b"" } else { path });
    Some(LimitExcept { methods: methods.clone(), access: conf.access.finish(), proxy })
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
