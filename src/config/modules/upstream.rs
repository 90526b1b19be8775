//! `upstream`, what stands in it, and `resolver`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use encke_parser::Span;

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::{Block, draft};
use super::super::host_port::HostPort;
use super::super::model::{Balance, KeepAlivePool, PeerAddress, ResolverConf, Upstream, UpstreamServer};
use super::super::value;
use super::{HSL, Module, NONE, ONE, done};

/// A group of servers while the configuration is being read.
#[derive(Debug)]
pub struct UpstreamDraft {
    host: HostPort,
    /// Where it was first named.
    span: Span,
    /// What its block says, if it has one.
    block: Option<GroupDraft>,
}

/// What an `upstream` block says.
#[derive(Debug, Default)]
pub struct GroupDraft {
    servers: Vec<UpstreamServer>,
    balance: Option<Balance>,
    connections: Option<usize>,
    requests: Option<u64>,
    timeout: Option<Duration>,
    time: Option<Duration>,
}

draft! {
    /// `resolver` and `resolver_timeout` of a block.
    ResolverDraft {
        servers: ResolverConf,
        timeout: Duration,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_upstream_module", directives: DIRECTIVES };

/// `resolver`, which nginx's core has.
pub const RESOLVER: Module = Module {
    name: "ngx_http_core_module: resolver",
    directives: &[
        done(
            "resolver",
            HSL,
            Arity::at_least(1),
            "",
            "Name servers for names that are looked up while serving: addresses, `valid=TIME`, `ipv6=on|off`.",
            resolver,
        ),
        done("resolver_timeout", HSL, ONE, "30s", "How long to wait for a name server.", |b, call| {
            call.fill(&mut b.block().conf.resolver.timeout, Call::millis)
        }),
    ],
};

const U: Contexts = Contexts::UPSTREAM;

const DIRECTIVES: &[Directive] = &[
    done("upstream", Contexts::HTTP, ONE.block(), "", "Names a group of servers for `proxy_pass`.", upstream),
    done(
        "server",
        U,
        Arity::at_least(1),
        "",
        "A server of the group: `weight=`, `max_fails=`, `fail_timeout=`, `max_conns=`, `backup`, `down`.",
        server,
    ),
    done("least_conn", U, NONE, "", "Chooses the server with the fewest connections.", |b, call| {
        balance(b, call, Balance::LeastConn)
    }),
    done("ip_hash", U, NONE, "", "Chooses the server by the client's address.", |b, call| {
        balance(b, call, Balance::IpHash)
    }),
    done(
        "hash",
        U,
        Arity::between(1, 2),
        "",
        "Chooses the server by a key; `consistent` moves few keys when servers come and go.",
        |b, call| {
            let key = b.template(call, 0)?;
            match call.arg(1) {
                _ if call.count() == 1 => balance(b, call, Balance::Hash(key)),
                b"consistent" => balance(b, call, Balance::Consistent(key)),
                other => Err(invalid_parameter(other)),
            }
        },
    ),
    done(
        "random",
        U,
        Arity::between(0, 2),
        "",
        "Chooses any server; with `two`, of any two the one with fewer connections.",
        |b, call| match (call.arg(0), call.arg(1)) {
            (b"", b"") => balance(b, call, Balance::Random),
            (b"two", b"" | b"least_conn") => balance(b, call, Balance::RandomTwo),
            (b"two", other) | (other, _) => Err(invalid_parameter(other)),
        },
    ),
    done(
        "keepalive",
        U,
        ONE,
        "",
        "How many idle connections to the servers each worker keeps.",
        |b, call| {
            let count = value::number(call.arg(0)).and_then(|count| usize::try_from(count).ok());
            if group(b).is_some_and(|group| group.connections.is_some()) {
                return Err(call.duplicate());
            }
            let Some(count) = count.filter(|count| *count > 0) else {
                let given = call.text(0);
                return Err(Diagnostic::emerg(format!(
                    "invalid value \"{given}\" in \"keepalive\" directive"
                )));
            };
            set(b, |group| group.connections = Some(count));
            Ok(())
        },
    ),
    done(
        "keepalive_requests",
        U,
        ONE,
        "1000",
        "How many requests one kept connection may make.",
        |b, call| {
            let mut field = group(b).and_then(|group| group.requests);
            call.fill(&mut field, Call::number)?;
            set(b, |group| group.requests = field);
            Ok(())
        },
    ),
    done("keepalive_timeout", U, ONE, "60s", "How long a kept connection may be idle.", |b, call| {
        let mut field = group(b).and_then(|group| group.timeout);
        call.fill(&mut field, Call::millis)?;
        set(b, |group| group.timeout = field);
        Ok(())
    }),
    done("keepalive_time", U, ONE, "1h", "How old a kept connection may get.", |b, call| {
        let mut field = group(b).and_then(|group| group.time);
        call.fill(&mut field, Call::millis)?;
        set(b, |group| group.time = field);
        Ok(())
    }),
    super::accepted(
        "zone",
        U,
        Arity::between(1, 2),
        "the state of a group is shared by all workers without it",
        zone,
    ),
];

/// The group whose block is being read.
fn group<'b>(b: &'b Builder<'_>) -> Option<&'b GroupDraft> {
    b.http.open_upstream.as_ref()
}

fn set(b: &mut Builder<'_>, change: impl FnOnce(&mut GroupDraft)) {
    if let Some(group) = &mut b.http.open_upstream {
        change(group);
    }
}

fn upstream(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let name = call.text(0).into_owned();
    let known = b.http.upstreams.iter().position(|known| known.host.host.eq_ignore_ascii_case(&name));
    if known.is_some_and(|at| b.http.upstreams[at].block.is_some()) {
        return Err(Diagnostic::emerg(format!("duplicate upstream \"{name}\"")));
    }
    if let Some(used) = known.map(|at| &b.http.upstreams[at])
        && let Some(port) = used.host.port
    {
        let error = Diagnostic::emerg(format!("upstream \"{name}\" may not have port {port}"));
        return Err(error.at(used.span));
    }
    b.http.open_upstream = Some(GroupDraft::default());
    let described = b.descend(call, Block::new(U).at(call.span()))?;
    let block = b.http.open_upstream.take();
    if block.as_ref().is_none_or(|group| group.servers.is_empty()) {
        // One of Redis servers may be there as long as nothing uses it.
        if described.seen.contains("nchan_redis_server") {
            return Ok(());
        }
        let end = call.node.block().map_or(call.span(), |body| body.span);
        return Err(Diagnostic::emerg("no servers are inside upstream").at(end));
    }
    match known {
        Some(at) => b.http.upstreams[at].block = block,
        None => {
            let text: Box<str> = name.into();
            let host = HostPort { host: text.clone(), port: None, literal: None, uri: Box::default(), text };
            b.http.upstreams.push(UpstreamDraft { host, span: call.span(), block });
        }
    }
    Ok(())
}

/// The group that a `proxy_pass` names, noted to be resolved if no `upstream` has that name.
///
/// # Errors
/// A port behind the name of an `upstream`.
pub fn reference(b: &mut Builder<'_>, call: &Call<'_>, host: &HostPort) -> Outcome<usize> {
    let same_host = |known: &UpstreamDraft| known.host.host.eq_ignore_ascii_case(&host.host);
    let same_port = |known: &UpstreamDraft| known.host.port.unwrap_or(80) == host.port.unwrap_or(80);
    let found = b
        .http
        .upstreams
        .iter()
        .position(|known| same_host(known) && (known.block.is_some() || same_port(known)));
    if let Some(at) = found {
        if let (Some(port), Some(_)) = (host.port, &b.http.upstreams[at].block) {
            let name = &host.host;
            return Err(Diagnostic::emerg(format!("upstream \"{name}\" may not have port {port}")));
        }
        return Ok(at);
    }
    b.http.upstreams.push(UpstreamDraft { host: host.clone(), span: call.span(), block: None });
    Ok(b.http.upstreams.len() - 1)
}

// === server ===

fn server(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let text = call.text(0);
    let mut row = UpstreamServer::new(PeerAddress::Unix(std::path::PathBuf::new()), text.as_ref());
    for parameter in call.args().skip(1) {
        parse_parameter(b, parameter, &mut row)?;
    }
    let host = HostPort::parse(&text).and_then(|host| {
        if host.uri.is_empty() || text.starts_with("unix:") { Ok(host) } else { Err("invalid host") }
    });
    let host = host.map_err(|problem| {
        // `http://a` has a colon that no port follows.
        let problem = if text.contains('/') && !text.starts_with("unix:") { "invalid host" } else { problem };
        Diagnostic::emerg(format!("{problem} in upstream \"{text}\""))
    })?;
    for address in addresses(&host, &text)? {
        let row = UpstreamServer { address, ..row.clone() };
        set(b, |group| group.servers.push(row));
    }
    Ok(())
}

fn parse_parameter(b: &Builder<'_>, parameter: &[u8], row: &mut UpstreamServer) -> Outcome {
    let invalid = || invalid_parameter(parameter);
    let text = String::from_utf8_lossy(parameter);
    let (name, given) = text.split_once('=').unwrap_or((&text, ""));
    let number = || value::number(given.as_bytes()).ok_or_else(invalid);
    match (name, text.contains('=')) {
        ("weight", true) => {
            row.weight = i64::try_from(number()?).ok().filter(|weight| *weight > 0).ok_or_else(invalid)?;
        }
        ("max_fails", true) => row.max_fails = number()?,
        ("max_conns", true) => row.max_conns = number()?,
        ("fail_timeout", true) => {
            let seconds = value::seconds(given.as_bytes()).ok_or_else(invalid)?;
            row.fail_timeout = Duration::from_secs(seconds);
        }
        ("down", false) => row.down = true,
        ("backup", false) => {
            let method = group(b).and_then(|group| group.balance.as_ref());
            if !matches!(method, None | Some(Balance::LeastConn | Balance::RoundRobin)) {
                return Err(Diagnostic::emerg("balancing method does not support parameter \"backup\""));
            }
            row.backup = true;
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

/// Looks a host up.
fn addresses(host: &HostPort, shown: &str) -> Outcome<Vec<PeerAddress>> {
    if let Some(address) = host.address(80) {
        return Ok(vec![address]);
    }
    let found = (&*host.host, host.port.unwrap_or(80)).to_socket_addrs();
    let mut found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
    // As nginx: IPv4 first, each address once.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    if found.is_empty() {
        return Err(Diagnostic::emerg(format!("host not found in upstream \"{shown}\"")));
    }
    Ok(found.into_iter().map(PeerAddress::Inet).collect())
}

// === balancing ===

fn balance(b: &mut Builder<'_>, call: &Call<'_>, method: Balance) -> Outcome {
    let redefined = group(b).is_some_and(|group| group.balance.is_some() || group.connections.is_some());
    set(b, |group| group.balance = Some(method));
    if redefined {
        b.warn(call, "load balancing method redefined");
    }
    Ok(())
}

fn zone(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let name = call.text(0);
    if name.is_empty() {
        return Err(Diagnostic::emerg("invalid zone name \"\""));
    }
    if call.count() == 1 {
        // nginx allows it where another group has given the zone its size.
        return Ok(());
    }
    match value::size(call.arg(1)) {
        None | Some(0) => Err(Diagnostic::emerg(format!("invalid zone size \"{}\"", call.text(1)))),
        Some(..32_768) => Err(Diagnostic::emerg(format!("zone \"{name}\" is too small"))),
        Some(_) => Ok(()),
    }
}

/// The groups of the configuration, once all of it was read.
///
/// # Errors
/// A host that cannot be found; a group with nothing but backups.
pub fn finish(b: &mut Builder<'_>) -> Outcome<Vec<Upstream>> {
    let drafts = std::mem::take(&mut b.http.upstreams);
    let mut groups = Vec::new();
    for draft in drafts {
        let span = draft.span;
        let group = finish_group(draft).map_err(|error| error.or_at(span))?;
        groups.push(group);
    }
    Ok(groups)
}

fn finish_group(draft: UpstreamDraft) -> Outcome<Upstream> {
    let Some(block) = draft.block else {
        let shown = draft.host.host.clone();
        let servers = addresses(&draft.host, &shown)?
            .into_iter()
            .map(|address| UpstreamServer::new(address, draft.host.text.clone()));
        return Ok(Upstream {
            name: draft.host.host.clone(),
            port: Some(draft.host.port.unwrap_or(80)),
            servers: servers.collect(),
            balance: Balance::RoundRobin,
            keepalive: None,
        });
    };
    let name = draft.host.host;
    if block.servers.iter().all(|server| server.backup) {
        return Err(Diagnostic::emerg(format!("no servers in upstream \"{name}\"")));
    }
    let keepalive = block.connections.map(|connections| KeepAlivePool {
        connections,
        requests: block.requests.unwrap_or(1000),
        timeout: block.timeout.unwrap_or(Duration::from_secs(60)),
        time: block.time.unwrap_or(Duration::from_secs(3600)),
    });
    let (servers, balance) = (block.servers.into(), block.balance.unwrap_or_default());
    Ok(Upstream { name, port: None, servers, balance, keepalive })
}

// === resolver ===

fn resolver(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.resolver.servers.is_some() {
        return Err(call.duplicate());
    }
    let mut conf =
        ResolverConf { servers: Box::default(), valid: None, ipv6: true, timeout: Duration::from_secs(30) };
    let mut servers = Vec::new();
    for n in 0..call.count() {
        let text = call.text(n);
        let invalid = || Diagnostic::emerg(format!("invalid parameter: {text}"));
        match text.split_once('=') {
            Some(("valid", given)) => {
                let seconds = value::seconds(given.as_bytes()).ok_or_else(invalid)?;
                conf.valid = Some(Duration::from_secs(seconds));
            }
            Some(("ipv6", given)) => conf.ipv6 = value::flag(given.as_bytes()).ok_or_else(invalid)?,
            _ => servers.extend(name_servers(&text)?),
        }
    }
    if servers.is_empty() {
        return Err(Diagnostic::emerg("no name servers defined"));
    }
    conf.servers = servers.into();
    b.block().conf.resolver.servers = Some(conf);
    Ok(())
}

fn name_servers(text: &str) -> Outcome<Vec<SocketAddr>> {
    let host = HostPort::parse(text);
    let host = host.map_err(|problem| Diagnostic::emerg(format!("{problem} in resolver \"{text}\"")))?;
    let not_found = || Diagnostic::emerg(format!("host not found in resolver \"{text}\""));
    let bare = host.host.trim_start_matches('[').trim_end_matches(']');
    let found = (bare, host.port.unwrap_or(53)).to_socket_addrs().map_err(|_| not_found())?;
    Ok(found.collect())
}

impl ResolverDraft {
    /// The resolver in force, if there is one.
    pub fn finish(&self) -> Option<Arc<ResolverConf>> {
        let conf = self.servers.clone()?;
        Some(Arc::new(ResolverConf { timeout: self.timeout.unwrap_or(Duration::from_secs(30)), ..conf }))
    }
}
