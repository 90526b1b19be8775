//! A request's way through nginx's phases: server, location, access, content, error page, log.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Version};
use tower::ServiceExt as _;

use crate::config::model::{ErrorPage, ErrorTarget, Location, LocationConf, Replacement, Severity};
use crate::push::body;
use crate::push::waiting::ParkSlot;
use crate::request::answer::{Answer, Rendered, Responder, Sent};
use crate::request::log_line::PendingLog;
use crate::request::rewrite::Outcome;
use crate::request::userid::UidState;
use crate::request::values::Values;
use crate::request::{Connection, RequestCtx, uri};

use super::screen::{self, Refusal};
use super::site::Site;
use super::{location, vhost};

/// How often a request may be sent to another location, as in nginx.
const MOST_REDIRECTS: usize = 10;

/// What a request needs of its connection.
pub struct Exchange {
    /// The generation of the configuration.
    pub site: Arc<Site>,
    /// The listening socket: an index into its configuration's.
    pub listen: usize,
    /// The connection.
    pub connection: Arc<Connection>,
    /// Which request of the connection this is, from 1.
    pub number: u64,
    /// Where a subscriber that has to wait is left.
    pub slot: Arc<ParkSlot>,
}

/// What hyper does not tell of a request.
pub struct Raw {
    /// Its target, if hyper was given another one.
    pub target: Option<Bytes>,
    /// Its head as it came.
    pub head: Vec<u8>,
    /// Whether some of it came together with the request before.
    pub pipelined: bool,
}

/// A finished answer.
pub struct Reply {
    /// Its bytes; `None` to close without any.
    pub rendered: Option<Rendered>,
    /// Settings of the location it came from.
    pub conf: Arc<LocationConf>,
    /// There may be more of the request to come: read it before closing.
    pub linger: bool,
}

/// Where the phases before content have led.
enum Routed {
    Content,
    Answer(Answer),
    /// Close without an answer; the status is for the log.
    Close(u16),
}

/// Answers a request. Does not return if its subscriber is left in the slot.
pub async fn handle(exchange: &Exchange, request: Request<hyper::body::Incoming>, raw: Raw) -> Reply {
    let (parts, incoming) = request.into_parts();
    let (mut ctx, refusal) = context(exchange, parts, raw);
    // What follows a head that was refused is not known to be its body.
    let mut body = refusal.is_none().then(|| Body::new(incoming));
    let mut routed = match refusal {
        Some(Refusal { status, message }) => {
            ctx.log(Severity::Info, message);
            Routed::Answer(Answer::error(status))
        }
        None => route(&mut ctx),
    };
    let mut pages = Pages::default();
    let mut lingering = refusal.is_some();
    ctx.keep_alive &= !lingering;
    let answer = loop {
        let answer = match routed {
            Routed::Content => {
                let (back, answer) = content(exchange, ctx, body.take().unwrap_or_default()).await;
                ctx = back;
                answer
            }
            Routed::Answer(answer) => answer,
            Routed::Close(status) => break Answer { silent: true, ..Answer::empty(status) },
        };
        if answer.special && ends_connection(answer.status) {
            // Even if an error page turns it into something else: there may be a body that nobody read.
            ctx.keep_alive = false;
            lingering = true;
        }
        if answer.special
            && let Some(page) = error_page(&ctx, answer.status, pages.followed > 0)
        {
            if pages.followed == MOST_REDIRECTS {
                ctx.log(
                    Severity::Error,
                    "rewrite or internal redirection cycle while internally redirecting",
                );
                ctx.keep_alive = false;
                break Answer::error(500);
            }
            let (next, status) = follow(&mut ctx, page, answer.status);
            pages.replace(answer, status);
            routed = next;
            continue;
        }
        break pages.complete(answer);
    };
    let body = body.filter(|_| !lingering);
    let reply = finish(ctx, answer, body).await;
    Reply { linger: lingering || reply.linger, ..reply }
}

/// What is left of answers that `error_page` replaced.
#[derive(Default)]
struct Pages {
    /// How many were replaced.
    followed: usize,
    /// The status of the answer in the end, if it is not to have its own.
    status: Option<u16>,
    headers: Vec<(&'static str, Vec<u8>)>,
    location: Option<Vec<u8>>,
}

impl Pages {
    fn replace(&mut self, answer: Answer, status: Option<u16>) {
        self.followed += 1;
        self.status = status.map(shown_status);
        self.headers.extend(answer.headers);
        self.location = answer.location.or(self.location.take());
    }

    /// Headers stay: without `WWW-Authenticate`, no browser would ask for the password.
    fn complete(mut self, mut answer: Answer) -> Answer {
        // An error in the place of an error page speaks for itself.
        let own_status = answer.special && answer.location.is_none();
        if let Some(status) = self.status.filter(|_| !own_status) {
            answer.status = status;
        }
        self.headers.append(&mut answer.headers);
        answer.headers = self.headers;
        answer.location = answer.location.or(self.location);
        answer
    }
}

/// Four statuses are made up for the log.
fn shown_status(status: u16) -> u16 {
    if matches!(status, 494..=497) { 400 } else { status }
}

/// Statuses after which nginx does not trust the connection any more.
fn ends_connection(status: u16) -> bool {
    matches!(status, 400 | 413 | 414 | 495..=497 | 500 | 501)
}

/// Answers, and logs, bytes that are no request.
pub fn refuse(exchange: &Exchange, bytes: &[u8], refusal: Refusal) -> Rendered {
    let (parts, ()) = Request::new(()).into_parts();
    let (mut ctx, _) = context(exchange, parts, Raw { target: None, head: Vec::new(), pipelined: false });
    ctx.line = Bytes::copy_from_slice(screen::first_line(bytes));
    ctx.unreadable = true;
    ctx.keep_alive = false;
    ctx.head_length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    (ctx.target, ctx.uri, ctx.pipelined) = (Bytes::new(), Box::default(), false);
    ctx.log(Severity::Info, refusal.message);
    let answer = Answer::error(refusal.status).with_error_page(ctx.conf.core.server_tokens);
    let rendered = Responder::new(&ctx).render(answer);
    write_log(&ctx, &rendered.sent(), &rendered.head);
    rendered
}

/// The request as directives see it, and why it is refused, if it is.
fn context(exchange: &Exchange, parts: Parts, raw: Raw) -> (RequestCtx, Option<Refusal>) {
    let config = Arc::clone(&exchange.site.config);
    let hosts = exchange.site.hosts(exchange.listen, &exchange.connection.local);
    let default = &config.servers[hosts.default];
    let raw_target = raw.target.unwrap_or_else(|| parts.uri.to_string().into());
    let target = uri::parse_target(&raw_target, default.merge_slashes);
    let version = if parts.version == Version::HTTP_10 { Version::HTTP_10 } else { Version::HTTP_11 };
    let head_length = raw.head.len();
    let mut ctx = RequestCtx {
        server: hosts.default,
        conf: Arc::clone(&default.conf),
        connection: Arc::clone(&exchange.connection),
        number: exchange.number,
        keep_alive: keep_alive(version, &parts.headers),
        line: line(&raw.head, &raw_target),
        unreadable: false,
        method: parts.method,
        version,
        headers: parts.headers,
        target: Bytes::new(),
        raw_target,
        host: Box::default(),
        uri: Box::default(),
        args: Box::default(),
        values: Values::new(config.variables.names().len()),
        limit_rate: None,
        uid: UidState::default(),
        error_status: 0,
        internal: false,
        head_length: u64::try_from(head_length).unwrap_or(u64::MAX),
        pipelined: raw.pipelined,
        body_length: Arc::default(),
        body: OnceLock::new(),
        credentials: OnceLock::new(),
        id: OnceLock::new(),
        started: Instant::now(),
        config: Arc::clone(&config),
    };
    if let Err(refusal) = screen::request_line(&ctx.method, &ctx.raw_target, default) {
        return (ctx, Some(refusal));
    }
    let Some(target) = target else {
        let message = "client sent invalid request while reading client request line";
        return (ctx, Some(Refusal { status: 400, message }));
    };
    ctx.target = target.unparsed.into();
    ctx.uri = target.path;
    ctx.args = target.args;
    let raw_head = screen::raw_head(&raw.head, default);
    if let Err(refusal) = raw_head.and_then(|()| screen::headers(version, &ctx.headers, default)) {
        return (ctx, Some(refusal));
    }
    let host = target.host.as_deref().or_else(|| ctx.header("host")).map(uri::validate_host);
    let Some(host) = host.unwrap_or_else(|| Some(String::new())) else {
        let message = "client sent invalid host in request line";
        return (ctx, Some(Refusal { status: 400, message }));
    };
    ctx.server = vhost::find(hosts, host.as_bytes(), &mut ctx);
    ctx.conf = Arc::clone(&ctx.server().conf);
    ctx.host = host.into();
    screen::drop_invalid(&mut ctx.headers, &config.servers[ctx.server]);
    (ctx, None)
}

/// The request line as it came.
fn line(head: &[u8], raw_target: &[u8]) -> Bytes {
    let line = screen::first_line(head);
    let words = line.iter().position(|byte| *byte == b' ').zip(line.iter().rposition(|byte| *byte == b' '));
    match words {
        // hyper was given another target.
        Some((first, last)) if first < last && line[first + 1..last] != *raw_target => {
            [&line[..=first], raw_target, &line[last..]].concat().into()
        }
        _ => Bytes::copy_from_slice(line),
    }
}

/// HTTP/1.1 keeps the connection unless told to close, HTTP/1.0 only when asked to keep it.
fn keep_alive(version: Version, headers: &http::HeaderMap) -> bool {
    let mut keep_alive = version != Version::HTTP_10;
    for value in headers.get_all("connection") {
        let value = value.as_bytes().to_ascii_lowercase();
        let says = |word: &[u8]| value.windows(word.len()).any(|window| window == word);
        keep_alive = !says(b"close") && (keep_alive || says(b"keep-alive"));
    }
    keep_alive
}

/// Server rewrite, location, location rewrite, until a location is settled.
fn route(ctx: &mut RequestCtx) -> Routed {
    let program = Arc::clone(&ctx.server().rewrite);
    ctx.conf = Arc::clone(&ctx.server().conf);
    if let Some(settled) = settled(ctx.run(&program)) {
        return settled;
    }
    let config = Arc::clone(&ctx.config);
    for _ in 0..=MOST_REDIRECTS {
        ctx.conf = Arc::clone(&ctx.server().conf);
        let Some(found) = location::find(&config.servers[ctx.server].locations, ctx) else {
            return Routed::Content;
        };
        if let Some(routed) = enter(ctx, &found) {
            return routed;
        }
    }
    ctx.log(Severity::Error, "rewrite or internal redirection cycle while processing the request");
    Routed::Answer(Answer::error(500))
}

/// Runs a location's rewrite directives; `None` when they ask for another location.
fn enter(ctx: &mut RequestCtx, location: &Location) -> Option<Routed> {
    ctx.conf = Arc::clone(&location.conf);
    if ctx.conf.core.internal && !ctx.internal {
        return Some(Routed::Answer(Answer::error(404)));
    }
    if let Some(refused) = body::refuse_announced(ctx) {
        return Some(Routed::Answer(refused));
    }
    if ctx.conf.limit_except.as_ref().is_some_and(|limit| limit.limits(ctx.method.as_str())) {
        // nginx leaves the location for the block of `limit_except`, which has no rewrite directives.
        return Some(Routed::Content);
    }
    match ctx.run(&location.rewrite) {
        Outcome::Search => None,
        Outcome::Continue => Some(Routed::Content),
        other => settled(other),
    }
}

fn settled(outcome: Outcome) -> Option<Routed> {
    match outcome {
        Outcome::Answer(answer) => Some(Routed::Answer(*answer)),
        Outcome::Close(status) => Some(Routed::Close(status)),
        Outcome::Continue | Outcome::Search => None,
    }
}

/// Hands the request to its location's router, and takes it back.
async fn content(exchange: &Exchange, ctx: RequestCtx, body: Body) -> (RequestCtx, Answer) {
    let Some(router) = exchange.site.router(&ctx.conf).cloned() else { return (ctx, Answer::error(500)) };
    let ctx = Arc::new(ctx);
    let mut request = Request::new(body);
    *request.method_mut() = ctx.method.clone();
    request.extensions_mut().insert(Arc::clone(&ctx));
    request.extensions_mut().insert(Arc::clone(&exchange.slot));
    let answer = match router.oneshot(request).await {
        Ok(mut response) => response.extensions_mut().remove::<Answer>(),
        Err(never) => match never {},
    };
    (Arc::unwrap_or_clone(ctx), answer.unwrap_or_else(|| Answer::error(500)))
}

/// The `error_page` for a status. Only the first error of a request has one, unless `recursive_error_pages`.
fn error_page(ctx: &RequestCtx, status: u16, again: bool) -> Option<ErrorPage> {
    let core = &ctx.conf.core;
    if status < 300 || (again && !core.recursive_error_pages) {
        return None;
    }
    core.error_pages.iter().find(|page| page.status == status).cloned()
}

/// Goes where an `error_page` leads; the second value is the status the answer will have instead of its own.
fn follow(ctx: &mut RequestCtx, page: ErrorPage, status: u16) -> (Routed, Option<u16>) {
    let overriding = match page.replacement {
        Replacement::Keep => Some(status),
        Replacement::FromTarget => None,
        Replacement::Code(code) => Some(code),
    };
    ctx.internal = true;
    ctx.error_status = overriding.map_or(0, shown_status);
    let target = match page.target {
        ErrorTarget::Named(name) => return (enter_named(ctx, &name), overriding),
        ErrorTarget::Uri(target) | ErrorTarget::Redirect(target) => ctx.render(&target),
    };
    // What a variable comes to decides, too.
    match &*target {
        [b'/', ..] => {
            let (path, args) = uri::split_args(&target);
            ctx.uri = path.into();
            ctx.args = args.into();
            if ctx.method != Method::HEAD {
                ctx.method = Method::GET;
            }
            (route(ctx), overriding)
        }
        [b'@', name @ ..] => (enter_named(ctx, name), overriding),
        _ => {
            let status = overriding.filter(|code| matches!(code, 301..=303 | 307 | 308)).unwrap_or(302);
            (Routed::Answer(Answer::redirect(status, target)), Some(status))
        }
    }
}

/// Goes to a named location of the server.
fn enter_named(ctx: &mut RequestCtx, name: &[u8]) -> Routed {
    let config = Arc::clone(&ctx.config);
    match config.servers[ctx.server].locations.named.get(name) {
        Some(found) => enter(ctx, found).unwrap_or_else(|| route(ctx)),
        None => Routed::Answer(Answer::error(500)),
    }
}

/// Reads what is left of the body, completes the answer, writes it down and logs it.
async fn finish(mut ctx: RequestCtx, mut answer: Answer, body: Option<Body>) -> Reply {
    let conf = Arc::clone(&ctx.conf);
    if answer.special {
        answer = answer.with_error_page(conf.core.server_tokens);
    }
    let closing = answer.close || answer.silent;
    if let Some(body) = body.filter(|_| !closing)
        && let Err(failed) = body::discard(&ctx, body).await
    {
        answer.close = true;
        answer.silent = failed.silent;
    }
    complete_location(&ctx, &mut answer);
    let linger = answer.close;
    if answer.silent {
        write_log(&ctx, &Sent { status: answer.status, ..Sent::default() }, &[]);
        return Reply { rendered: None, conf, linger: false };
    }
    ctx.keep_alive &= !answer.close;
    let rendered = Responder::new(&ctx).render(answer);
    write_log(&ctx, &rendered.sent(), &rendered.head);
    Reply { rendered: Some(rendered), conf, linger }
}

fn write_log(ctx: &RequestCtx, sent: &Sent, head: &[u8]) {
    if let Some(log) = PendingLog::new(ctx) {
        log.write(sent, head);
    }
}

/// Completes a redirect's path to a URL: `absolute_redirect`, `server_name_in_redirect`, `port_in_redirect`. Where
/// nothing is to be completed, nginx writes `Location` in another place: among the further headers.
fn complete_location(ctx: &RequestCtx, answer: &mut Answer) {
    let core = &ctx.conf.core;
    let Some(location) = &mut answer.location else { return };
    if !core.absolute_redirect || !location.starts_with(b"/") {
        answer.headers.insert(0, ("Location", std::mem::take(location)));
        answer.location = None;
        return;
    }
    let host: &str = if core.server_name_in_redirect { &ctx.server().name } else { &ctx.host };
    let address = ctx.connection.local.ip().map(|ip| ip.to_string()).unwrap_or_default();
    let host = if host.is_empty() { &address } else { host };
    let port = ctx.connection.local.port().filter(|port| core.port_in_redirect && *port != 80);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let mut url = format!("http://{host}{port}").into_bytes();
    url.append(location);
    *location = url;
}
