//! Where a request is passed to: `proxy_pass`, its variables, and the URI on the other side.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::host_port::HostPort;
use crate::config::model::{PassTarget, PeerAddress, ProxyConf, Severity};
use crate::request::answer::Answer;
use crate::request::{RequestCtx, uri};

use super::super::upstream::{Group, Upstreams};

/// Where a request is passed to.
#[derive(Debug)]
pub struct Target {
    /// The servers.
    pub group: Arc<Group>,
    /// The URI they are asked for.
    pub uri: Vec<u8>,
}

/// Finds the servers, and makes the URI.
///
/// # Errors
/// The answer where `proxy_pass` comes to nothing that can be asked.
pub async fn find(upstreams: &Upstreams, ctx: &RequestCtx, conf: &ProxyConf) -> Result<Target, Answer> {
    match &conf.pass.target {
        PassTarget::Fixed { group, host, port, uri } => {
            {
                let mut record = ctx.upstream.lock();
                (record.host, record.port) = (Some(host.clone()), Some(port.clone()));
            }
            let group = upstreams.group(*group).ok_or_else(|| Answer::error(500))?;
            let uri = passed_uri(ctx, uri.as_deref(), conf.pass.prefix);
            Ok(Target { group: Arc::clone(group), uri })
        }
        PassTarget::Computed(template) => computed(upstreams, ctx, conf, &ctx.render(template)).await,
    }
}

async fn computed(
    upstreams: &Upstreams,
    ctx: &RequestCtx,
    conf: &ProxyConf,
    url: &[u8],
) -> Result<Target, Answer> {
    let text = String::from_utf8_lossy(url);
    let refuse = |message: String| {
        ctx.log(Severity::Error, &message);
        Answer::error(500)
    };
    let Some(rest) = url
        .get(..7)
        .filter(|start| start.eq_ignore_ascii_case(b"http://") && url.len() > 7)
        .map(|_| &url[7..])
    else {
        if url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"https://")) {
            return Err(refuse(format!("https protocol requires SSL support in \"{text}\"")));
        }
        return Err(refuse(format!("invalid URL prefix in \"{text}\"")));
    };
    // Hosts are text; what follows them may be any bytes.
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let end = if rest.starts_with(b"unix:") { rest.len() } else { end };
    let (authority, path) = rest.split_at(end);
    let shown = String::from_utf8_lossy(authority);
    let host =
        HostPort::parse(&shown).map_err(|problem| refuse(format!("{problem} in upstream \"{shown}\"")))?;
    let path = if host.uri.is_empty() { path.to_vec() } else { host.uri.as_bytes().to_vec() };
    {
        let mut record = ctx.upstream.lock();
        let is_unix = host.host.starts_with("unix:");
        record.host = Some(if is_unix { "localhost".into() } else { host.text.clone() });
        record.port = Some(if is_unix { "".into() } else { host.port.unwrap_or(80).to_string().into() });
    }
    let uri = match &path[..] {
        b"" => passed_uri(ctx, None, 0),
        [b'?', ..] => [b"/", &path[..]].concat(),
        _ => path,
    };
    let group = group(upstreams, ctx, conf, &host).await?;
    Ok(Target { group, uri })
}

async fn group(
    upstreams: &Upstreams,
    ctx: &RequestCtx,
    conf: &ProxyConf,
    host: &HostPort,
) -> Result<Arc<Group>, Answer> {
    if let Some(group) = upstreams.find(&host.host, host.port) {
        return Ok(Arc::clone(group));
    }
    let group = |addresses| Arc::new(Group::of_addresses(&host.host, addresses));
    if let Some(address) = host.address(80) {
        return Ok(group(vec![address]));
    }
    let Some(resolver) = &conf.resolver else {
        ctx.log(Severity::Error, &format!("no resolver defined to resolve {}", host.host));
        return Err(Answer::error(502));
    };
    let found = upstreams.names.look_up(resolver, &host.host).await.map_err(|why| {
        ctx.log(Severity::Error, &format!("{} could not be resolved ({why})", host.host));
        Answer::error(502)
    })?;
    let port = host.port.unwrap_or(80);
    Ok(group(found.into_iter().map(|ip| PeerAddress::Inet(SocketAddr::new(ip, port))).collect()))
}

/// The URI on the other side. Without one of its own, `proxy_pass` hands on what the client asked for, as it was
/// spelled if nothing changed it; with one, that replaces the location's path.
fn passed_uri(ctx: &RequestCtx, own: Option<&[u8]>, prefix: usize) -> Vec<u8> {
    if own.is_none() && !ctx.changed {
        return ctx.target.to_vec();
    }
    let (mut uri, rest) = match own {
        Some(own) if !ctx.rewritten_in_place => (own.to_vec(), ctx.uri.get(prefix..).unwrap_or_default()),
        _ => (Vec::new(), &*ctx.uri),
    };
    let quoted = ctx.changed || ctx.internal || uri::split_args(&ctx.target).0.contains(&b'%');
    if quoted {
        uri::escape_path(rest, &mut uri);
    } else {
        uri.extend_from_slice(rest);
    }
    if !ctx.args.is_empty() {
        uri.push(b'?');
        uri.extend_from_slice(&ctx.args);
    }
    uri
}
