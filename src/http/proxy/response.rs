//! The answer of a server behind, made into one for the client.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use http_body::Body as _;
use hyper_util::rt::TokioIo;

use crate::config::model::{ProxyConf, Severity};
use crate::request::answer::{Answer, charset};
use crate::request::content::{Content, InternalRedirect};
use crate::request::pages::reason;
use crate::request::passed::{Far, Passed, Tunnel};
use crate::request::payload::{Payload, Pieces};
use crate::request::{RequestCtx, uri};

use super::super::gate::ClientWatch;
use super::super::screen;
use super::body::{Lease, Passing};
use super::{Arrived, change};

/// Headers that only concern the connection, or that are written in a place of their own.
const OWN_PLACE: [&str; 5] =
    ["connection", "keep-alive", "transfer-encoding", "content-length", "content-type"];

/// Headers that an answer found elsewhere inside (`X-Accel-Redirect`) keeps.
const CARRIED: [&str; 6] =
    ["content-type", "set-cookie", "content-disposition", "cache-control", "expires", "accept-ranges"];

/// Makes the answer.
pub(super) async fn make(
    mut ctx: Arc<RequestCtx>,
    conf: &ProxyConf,
    watch: &ClientWatch,
    arrived: Arrived,
) -> Response {
    let Arrived { response, link, chosen, since, url } = arrived;
    let head = link.wire.lock().head.clone();
    let headers: Vec<(Box<str>, Vec<u8>)> = screen::headers_of(&head)
        .map(|(name, value)| (String::from_utf8_lossy(name).into(), value.to_vec()))
        .collect();
    let status = response.status().as_u16();
    let find = |name: &str| find(&headers, name);
    ctx.upstream.lock().headers =
        headers.iter().map(|(name, value)| (name.clone(), value.as_slice().into())).collect();
    let says_close = find("connection").is_some_and(|value| value.to_ascii_lowercase().ends_with(b"close"));
    let reusable = !says_close && response.version() == http::Version::HTTP_11;
    let acts = |name: &str| find(name).filter(|_| !conf.ignored.iter().any(|ignored| **ignored == *name));
    if status == 101 {
        return upgrade(ctx, conf, &headers, &head, response).await;
    }
    let rate = acts("x-accel-limit-rate").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    if rate.is_some() {
        Arc::make_mut(&mut ctx).limit_rate = rate;
    }
    let mut lease = Lease::new(Arc::clone(&ctx), link, chosen, since, url.clone(), reusable);
    if let Some(target) = acts("x-accel-redirect") {
        return redirect(&ctx, &headers, target, &url);
    }
    if let Some(answer) = intercepted(&ctx, conf, status, find("www-authenticate")) {
        return answer.into_response();
    }
    let kind = find("content-type").map(Into::into);
    let mut answer = Answer { status, content_type: kind, ..Answer::default() };
    pass_headers(&ctx, conf, &headers, &mut answer, status_line(&head, status));
    if let Some(charset) = acts("x-accel-charset") {
        name_charset(&ctx, charset, &mut answer);
    }
    let length = find("content-length").filter(|_| find("transfer-encoding").is_none());
    let length = length.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let incoming = response.into_body();
    let is_head = ctx.method == http::Method::HEAD;
    let pieces = if is_head || incoming.is_end_stream() {
        lease.finish();
        let length = if is_head || matches!(status, 204 | 304) { length } else { Some(0) };
        Pieces::new(super::empty(), length)
    } else {
        let buffers = is_buffered(conf, acts("x-accel-buffering")).then_some(conf.buffers);
        Pieces::new(watch.guard(Passing::new(incoming, conf, lease).into_body(buffers)), length)
    };
    answer.body = Payload::Pieces(pieces);
    let mut response = answer.into_response();
    if rate.is_some() {
        response.extensions_mut().insert(ctx);
    }
    response
}

/// `proxy_intercept_errors`: the answer that `error_page` replaces.
fn intercepted(ctx: &RequestCtx, conf: &ProxyConf, status: u16, asks: Option<&[u8]>) -> Option<Answer> {
    let mut pages = ctx.conf.core.error_pages.iter();
    if !conf.intercept_errors || status < 300 || !pages.any(|page| page.status == status) {
        return None;
    }
    let answer = Answer::error(status);
    Some(match asks.filter(|_| status == 401) {
        Some(value) => answer.with_header("WWW-Authenticate", value.to_vec()),
        None => answer,
    })
}

/// Whether an answer is read ahead of the client: `X-Accel-Buffering`, else `proxy_buffering`.
fn is_buffered(conf: &ProxyConf, wish: Option<&[u8]>) -> bool {
    match wish.map(<[u8]>::to_ascii_lowercase).as_deref() {
        Some(b"no") => false,
        Some(b"yes") => true,
        _ => conf.buffering,
    }
}

/// Puts the headers that clients get into the answer.
fn pass_headers(
    ctx: &RequestCtx,
    conf: &ProxyConf,
    headers: &[(Box<str>, Vec<u8>)],
    answer: &mut Answer,
    status_line: Box<[u8]>,
) {
    let mut passed = Passed { status_line, ..Passed::default() };
    for (name, value) in headers {
        let Some(changed) = changed(ctx, conf, name, value) else { continue };
        // A path that `proxy_redirect` made is completed to a URL like nginx's own.
        let is_made = name.eq_ignore_ascii_case("location") && changed.starts_with(b"/") && changed != *value;
        if is_made && ctx.conf.core.absolute_redirect {
            answer.location = Some(changed.into());
        } else {
            passed.headers.push((name.clone(), changed));
        }
    }
    answer.passed = Some(Box::new(passed));
}

fn find<'a>(headers: &'a [(Box<str>, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
}

/// Status and reason as the server behind wrote them.
fn status_line(head: &[u8], status: u16) -> Box<[u8]> {
    let line = screen::first_line(head);
    let given = line.iter().position(|byte| *byte == b' ').map(|at| &line[at + 1..]);
    given.map_or_else(|| format!("{status} {}", reason(status)).into_bytes().into(), Into::into)
}

/// `X-Accel-Charset` says which charset an answer is in, if it is one that the configuration knows. Of another, nothing is
/// said.
fn name_charset(ctx: &RequestCtx, name: &[u8], answer: &mut Answer) {
    let (Some(kind), Some(passed)) = (&mut answer.content_type, &mut answer.passed) else { return };
    passed.charset_is_final = true;
    if !ctx.conf.charset.charsets.knows(name) {
        let name = String::from_utf8_lossy(name);
        return ctx.log(Severity::Error, &format!("unknown charset \"{name}\" to override"));
    }
    *kind = charset::renamed(kind, name).into();
}

/// A header as the client gets it; `None` for those it does not get.
fn changed(ctx: &RequestCtx, conf: &ProxyConf, name: &str, value: &[u8]) -> Option<Vec<u8>> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if OWN_PLACE.iter().any(|own| is(own)) || conf.hidden.iter().any(|hidden| is(hidden)) {
        return None;
    }
    Some(if is("location") {
        change::location(ctx, conf, value).unwrap_or_else(|| value.to_vec())
    } else if is("refresh") {
        change::refresh(ctx, conf, value)
    } else if is("set-cookie") {
        change::cookie(ctx, conf, value)
    } else {
        value.to_vec()
    })
}

/// `X-Accel-Redirect`: the answer is found elsewhere inside the server.
fn redirect(ctx: &RequestCtx, headers: &[(Box<str>, Vec<u8>)], target: &[u8], url: &str) -> Response {
    let mut ctx = ctx.clone();
    let carried = headers.iter().filter(|(name, _)| CARRIED.iter().any(|own| name.eq_ignore_ascii_case(own)));
    ctx.carried = carried.cloned().collect();
    let content = match target {
        [b'@', name @ ..] => Content::Redirect(InternalRedirect::Named(name.into())),
        _ => {
            if ctx.method != http::Method::HEAD {
                ctx.method = http::Method::GET;
            }
            let is_safe = !uri::split_args(target).0.split(|byte| *byte == b'/').any(|part| part == b"..");
            match uri::parse_target(target, false).filter(|_| is_safe && target.starts_with(b"/")) {
                Some(parsed) => {
                    Content::Redirect(InternalRedirect::Uri { path: parsed.path, args: parsed.args })
                }
                None => {
                    let target = String::from_utf8_lossy(target);
                    let message = format!(
                        "unsafe URI \"{target}\" was detected while reading response header from upstream"
                    );
                    ctx.log_upstream(Severity::Error, &message, Some(url));
                    Content::Answer(Answer::error(404))
                }
            }
        }
    };
    let mut response = content.into_response();
    response.extensions_mut().insert(Arc::new(ctx));
    response
}

/// 101: from now on bytes go both ways.
async fn upgrade(
    ctx: Arc<RequestCtx>,
    conf: &ProxyConf,
    headers: &[(Box<str>, Vec<u8>)],
    head: &[u8],
    response: hyper::Response<hyper::body::Incoming>,
) -> Response {
    if !ctx.headers.contains_key("upgrade") || ctx.depth > 0 {
        ctx.log(Severity::Error, "upstream switched protocols though the client did not ask for it");
        return Answer::error(502).into_response();
    }
    let Ok(upgraded) = hyper::upgrade::on(response).await else { return Answer::error(502).into_response() };
    let far = Far { io: Box::new(TokioIo::new(upgraded)), timeout: conf.read_timeout, ctx: Arc::clone(&ctx) };
    let kept =
        headers.iter().filter_map(|(name, value)| Some((name.clone(), changed(&ctx, conf, name, value)?)));
    let passed = Passed {
        status_line: status_line(head, 101),
        headers: kept.collect(),
        charset_is_final: true,
        tunnel: Some(Tunnel::new(far)),
    };
    Answer { passed: Some(Box::new(passed)), ..Answer::empty(101) }.into_response()
}
