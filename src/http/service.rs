//! A request's way through nginx's phases: server, location, access, content, error page, log.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Version, header};
use tower::ServiceExt as _;

use crate::config::model::{
    ErrorPage, ErrorTarget, Location, LocationConf, PushHandler, Replacement, Severity,
};
use crate::push::dispatch::{self, Task};
use crate::push::hooks::Subrequest;
use crate::push::waiting::ParkSlot;
use crate::request::answer::{Answer, Ranges, Rendered, Responder};
use crate::request::body::{self, RequestBody};
use crate::request::channel_facts::ChannelFacts;
use crate::request::content::{Content, InternalRedirect};
use crate::request::evaluation::AnswerSoFar;
use crate::request::limits::Limits;
use crate::request::log_line::PendingLog;
use crate::request::rewrite::Outcome;
use crate::request::upstream::UpstreamRecord;
use crate::request::userid::UidState;
use crate::request::values::Values;
use crate::request::{Connection, RequestCtx, pages, uri};

use super::gate::ClientWatch;
use super::screen::{self, Refusal};
use super::site::Site;
use super::{files, location, real_ip, router, vhost};

/// How often a request may be sent to another location, as in nginx; the next time is an error.
pub const MOST_REDIRECTS: u8 = 10;

/// What a request needs of its connection.
#[derive(Clone)]
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
    /// Tells when the client has gone.
    pub client: ClientWatch,
    /// The worker is about to end: the connection is closed behind the answer.
    pub is_last: bool,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What hyper does not tell of a request.
pub struct Raw {
    /// Its target, if hyper was given another one.
    pub target: Option<Bytes>,
    /// Its head as it came.
    pub head: Vec<u8>,
    /// Whether some of it came together with the request before.
    pub pipelined: bool,
    /// When it began, as far as its log lines tell.
    pub started: Instant,
}

/// A finished answer.
pub struct Reply {
    /// Its bytes; `None` to close without any.
    pub rendered: Option<Rendered>,
    /// Settings of the location it came from.
    pub conf: Arc<LocationConf>,
    /// There may be more of the request to come: read it before closing.
    pub linger: bool,
    /// Its lines in access logs, to be written once it was sent.
    pub log: Option<Box<PendingLog>>,
    /// What its request holds until then.
    pub limits: Arc<Limits>,
    /// The client waits for `100 Continue` first.
    pub continues: bool,
    /// What nobody read of the request's body: to be dropped after the answer.
    pub unread: Option<Body>,
    /// Servers behind were asked for it.
    pub passed: bool,
    /// The body, which may be on its way to a server behind.
    pub body: RequestBody,
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
    ctx.debug("http request line", [&*ctx.line]);
    ctx.debug("http header", screen::head_lines(&ctx.head));
    let routed = match &refusal {
        Some(Refusal { status, message }) => {
            ctx.log(Severity::Info, message);
            Routed::Answer(Answer::error(*status))
        }
        None => {
            // What follows a head that was refused is not known to be its body.
            ctx.body = RequestBody::new(Body::new(incoming));
            real_ip::apply(&mut ctx);
            route(&mut ctx)
        }
    };
    answer(exchange, ctx, routed, refusal.is_some()).await
}

/// Answers a request from outside. With `lingering`, it was refused before its end.
async fn answer(exchange: &Exchange, mut ctx: RequestCtx, routed: Routed, lingering: bool) -> Reply {
    ctx.keep_alive &= !(lingering || exchange.is_last);
    let (ctx, answer, unfinished) = settle(exchange, ctx, routed).await;
    finish(ctx, answer, lingering || unfinished).await
}

/// Answers a request that is made inside.
pub async fn answer_inside(exchange: &Exchange, mut ctx: RequestCtx) -> (RequestCtx, Answer) {
    let routed = route(&mut ctx);
    let (ctx, answer, _) = settle(exchange, ctx, routed).await;
    (ctx, answer)
}

/// Goes through handlers and error pages until there is an answer. Also tells whether the client may still be sending
/// what nobody will read.
async fn settle(exchange: &Exchange, mut ctx: RequestCtx, mut routed: Routed) -> (RequestCtx, Answer, bool) {
    let mut pages = Pages::default();
    let mut lingering = false;
    let answer = loop {
        let answer = match routed {
            Routed::Content => {
                let (back, content) = content(exchange, ctx).await;
                ctx = back;
                match content {
                    Content::Answer(answer) => answer,
                    Content::Redirect(redirect) => {
                        routed = follow(&mut ctx, redirect);
                        continue;
                    }
                }
            }
            Routed::Answer(answer) => answer,
            Routed::Close(status) => break Answer { silent: true, ..Answer::empty(status) },
        };
        if answer.special && ends_connection(answer.status) {
            // Even if an error page turns it into something else: there may be a body that nobody read.
            ctx.keep_alive = false;
            lingering = true;
            ctx.body = ctx.body.given_up();
        }
        if answer.special
            && let Some(page) = error_page(&ctx, answer.status, &pages)
        {
            routed = turn_page(&mut ctx, &mut pages, answer, &page);
            continue;
        }
        let mut answer = pages.complete(answer);
        carry_headers(&mut ctx, &mut answer);
        if ctx.depth > 0 {
            // Conditions and ranges are those of the request from outside.
            break answer;
        }
        let filtered = files::ranges::apply(&ctx, files::conditions::apply(&ctx, answer));
        if filtered.special
            && matches!(filtered.status, 412 | 416)
            && let Some(page) = error_page(&ctx, filtered.status, &pages)
        {
            routed = turn_page(&mut ctx, &mut pages, filtered, &page);
            continue;
        }
        break filtered;
    };
    (ctx, answer, lingering)
}

/// What is left of answers that `error_page` replaced.
#[derive(Default)]
struct Pages {
    /// The last was replaced where `recursive_error_pages` is off: there will be no other.
    last: bool,
    /// The status of the answer in the end, if it is not to have its own.
    status: Option<u16>,
    headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    location: Option<Box<[u8]>>,
}

impl Pages {
    fn replace(&mut self, answer: Answer, status: Option<u16>) {
        self.status = status;
        if let Ranges::Content(range) = answer.ranges {
            // nginx has written these for the file already when it finds that there is no such range.
            self.headers.extend(answer.etag.map(|etag| ("ETag".into(), etag)));
            self.headers.push(("Content-Range".into(), String::from(range).into_bytes()));
        }
        self.headers.extend(answer.headers);
        self.location = answer.location.or(self.location.take());
    }

    /// Headers stay: without `WWW-Authenticate`, no browser would ask for the password.
    fn complete(&mut self, mut answer: Answer) -> Answer {
        // An error in the place of an error page speaks for itself.
        if let Some(status) = self.status.filter(|_| !answer.special) {
            answer.status = status;
        }
        let mut headers = std::mem::take(&mut self.headers);
        if headers.iter().any(|(name, _)| *name == "ETag") {
            headers.extend(answer.etag.clone().filter(|_| !answer.special).map(|etag| ("ETag".into(), etag)));
            answer.etag_written = true;
        }
        headers.append(&mut answer.headers);
        answer.headers = headers;
        answer.location = answer.location.or(self.location.take());
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

/// How a request ended before its head did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// The client closed the connection.
    Closed,
    /// `client_header_timeout` passed.
    TimedOut,
}

/// Logs a request of which only these bytes came.
pub fn abandon(exchange: &Exchange, bytes: &[u8], pipelined: bool, how: Abandoned) {
    let ctx = unreadable(exchange, bytes);
    let (what, status) = match how {
        Abandoned::Closed => ("client prematurely closed connection", 400),
        Abandoned::TimedOut => ("client timed out (110: Connection timed out)", 408),
    };
    let part = match (screen::has_first_line(bytes), pipelined) {
        (true, _) => "request headers",
        (false, true) => "pipelined request line",
        (false, false) => "request line",
    };
    ctx.log(Severity::Info, &format!("{what} while reading client {part}"));
    if let Some(log) = PendingLog::new(&ctx) {
        log.write(&AnswerSoFar::of_status(status));
    }
}

/// What is known of bytes that are no request.
fn unreadable(exchange: &Exchange, bytes: &[u8]) -> RequestCtx {
    let (parts, ()) = Request::new(()).into_parts();
    let raw = Raw { target: None, head: Vec::new(), pipelined: false, started: Instant::now() };
    let (mut ctx, _) = context(exchange, parts, raw);
    ctx.line = Bytes::copy_from_slice(screen::first_line(bytes));
    ctx.unreadable = true;
    ctx.keep_alive = false;
    ctx.head_length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    (ctx.target, ctx.uri, ctx.pipelined) = (Bytes::new(), Box::default(), false);
    // The last line may go on.
    let lines = &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)];
    for name in [http::header::HOST, http::header::REFERER] {
        let value = screen::header(lines, name.as_str().as_bytes());
        if let Some(value) = value.and_then(|value| http::HeaderValue::from_bytes(value).ok()) {
            ctx.headers.insert(name, value);
        }
    }
    ctx
}

/// Answers bytes that are no request, or only the beginning of one.
pub async fn refuse(exchange: &Exchange, bytes: &[u8], refusal: Refusal) -> Reply {
    let line = screen::first_line(bytes);
    let mut ctx = match request_of(line).filter(|_| refusal.status == 494) {
        Some((parts, target)) => {
            let (target, started) = (Some(target), Instant::now());
            let raw = Raw { target, head: bytes.to_vec(), pipelined: false, started };
            context(exchange, parts, raw).0
        }
        None => unreadable(exchange, bytes),
    };
    ctx.line = Bytes::copy_from_slice(line);
    ctx.head_length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    ctx.log(Severity::Info, &refusal.message);
    answer(exchange, ctx, Routed::Answer(Answer::error(refusal.status)), true).await
}

/// What a request line says, and its target.
fn request_of(line: &[u8]) -> Option<(Parts, Bytes)> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let version = if version == b"HTTP/1.0" { Version::HTTP_10 } else { Version::HTTP_11 };
    let request = Request::builder().method(method).version(version).body(()).ok()?;
    Some((request.into_parts().0, Bytes::copy_from_slice(target)))
}

/// The request as directives see it, in its server and before its location, and why it is refused, if it is.
pub fn context(exchange: &Exchange, parts: Parts, raw: Raw) -> (RequestCtx, Option<Refusal>) {
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
        remote: exchange.connection.remote.clone(),
        remote_replaced: false,
        limits: Arc::default(),
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
        store: Arc::clone(&exchange.site.store),
        open_files: Arc::clone(&exchange.site.open_files),
        facts: ChannelFacts::default(),
        changed: false,
        depth: 0,
        client_method: None,
        upstream: UpstreamRecord::default(),
        carried: Vec::new(),
        head: raw.head.into(),
        values: Values::new(config.variables.names().len()),
        limit_rate: None,
        uid: UidState::default(),
        error_status: 0,
        internal: false,
        rewritten_in_place: false,
        uri_behind_alias: false,
        uri_changes: MOST_REDIRECTS + 1,
        body: RequestBody::default(),
        head_length: u64::try_from(head_length).unwrap_or(u64::MAX),
        pipelined: raw.pipelined,
        body_length: Arc::default(),
        credentials: OnceLock::new(),
        id: OnceLock::new(),
        started: raw.started,
        uninitialized: OnceLock::new(),
        config: Arc::clone(&config),
    };
    if let Err(refusal) = screen::request_line(&ctx.method, &ctx.raw_target) {
        return (ctx, Some(refusal));
    }
    let Some(target) = target else {
        let message = "client sent invalid request while reading client request line";
        return (ctx, Some(Refusal { status: 400, message: message.into() }));
    };
    ctx.target = target.unparsed.into();
    ctx.uri = target.path;
    ctx.args = target.args;
    let raw_head = screen::raw_head(&ctx.head, default);
    if let Err(refusal) = raw_head.and_then(|()| screen::headers(version, &ctx.headers, &ctx.head)) {
        return (ctx, Some(refusal));
    }
    let host = target.host.as_deref().or_else(|| ctx.header(header::HOST)).map(uri::validate_host);
    let Some(host) = host.unwrap_or_else(|| Some(String::new())) else {
        let message = "client sent invalid host in request line";
        return (ctx, Some(Refusal { status: 400, message: message.into() }));
    };
    ctx.server = vhost::find(hosts, host.as_bytes(), &mut ctx);
    ctx.conf = Arc::clone(&ctx.server().conf);
    ctx.host = host.into();
    if ctx.logs(Severity::Info) {
        for line in screen::invalid_lines(&ctx.head, &config.servers[ctx.server]) {
            ctx.log_bytes(Severity::Info, &screen::invalid_header_line(line));
        }
    }
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
    for value in headers.get_all(header::CONNECTION) {
        let value = value.as_bytes().to_ascii_lowercase();
        let says = |word: &[u8]| value.windows(word.len()).any(|window| window == word);
        keep_alive = !says(b"close") && (keep_alive || says(b"keep-alive"));
    }
    keep_alive
}

/// Server rewrite, then a location.
fn route(ctx: &mut RequestCtx) -> Routed {
    let program = Arc::clone(&ctx.server().rewrite);
    ctx.conf = Arc::clone(&ctx.server().conf);
    if let Some(settled) = settled(ctx.run(&program)) {
        return settled;
    }
    locate(ctx)
}

/// Location, location rewrite, until a location is settled.
fn locate(ctx: &mut RequestCtx) -> Routed {
    let config = Arc::clone(&ctx.config);
    loop {
        ctx.conf = Arc::clone(&ctx.server().conf);
        (ctx.rewritten_in_place, ctx.uri_behind_alias) = (false, false);
        let Some(found) = location::find(&config.servers[ctx.server].locations, ctx) else {
            return Routed::Content;
        };
        if found.lacks_slash(&ctx.uri) {
            ctx.conf = Arc::clone(&found.conf);
            return Routed::Answer(location::slash_redirect(ctx));
        }
        if let Some(routed) = enter(ctx, &found) {
            return routed;
        }
        let uri = ctx.uri.clone();
        if let Some(cycle) = change_uri(ctx, "processing", &uri) {
            return cycle;
        }
    }
}

/// Counts that the request is sent elsewhere; where that happens too often it is answered 500.
fn change_uri(ctx: &mut RequestCtx, doing: &str, target: &[u8]) -> Option<Routed> {
    ctx.uri_changes = ctx.uri_changes.saturating_sub(1);
    if ctx.uri_changes > 0 {
        return None;
    }
    let target = String::from_utf8_lossy(target);
    ctx.log(Severity::Error, &format!("rewrite or internal redirection cycle while {doing} \"{target}\""));
    Some(Routed::Answer(Answer::error(500)))
}

/// Runs a location's rewrite directives; `None` when they ask for another location.
fn enter(ctx: &mut RequestCtx, location: &Location) -> Option<Routed> {
    ctx.conf = Arc::clone(&location.conf);
    ctx.debug("using location", [ctx.conf.name.as_bytes()]);
    ctx.debug("http uri", [&*ctx.uri]);
    if ctx.conf.core.internal && !ctx.internal {
        return Some(Routed::Answer(Answer::error(404)));
    }
    // As nginx, not behind an internal redirect: an error page for 413 would never be shown.
    if !ctx.internal
        && let Some(refused) = body::refuse_announced(ctx)
    {
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
async fn content(exchange: &Exchange, mut ctx: RequestCtx) -> (RequestCtx, Content) {
    if ctx.depth > 0
        && router::push_handler(&ctx.conf) == PushHandler::Channel
        && matches!(dispatch::task(&ctx), Task::Subscribe(_) | Task::Socket)
    {
        ctx.log(Severity::Error, "a subscriber cannot wait in a request made inside");
        return (ctx, Content::Answer(Answer::error(500)));
    }
    real_ip::apply(&mut ctx);
    let Some(router) = exchange.site.router(&ctx.conf).cloned() else {
        return (ctx, Content::Answer(Answer::error(500)));
    };
    let mut request = Request::new(Body::empty());
    *request.method_mut() = ctx.method.clone();
    let shared = Arc::new(ctx);
    request.extensions_mut().insert(Arc::clone(&shared));
    request.extensions_mut().insert(Arc::clone(&exchange.slot));
    request.extensions_mut().insert(exchange.client.clone());
    request.extensions_mut().insert::<Arc<dyn Subrequest>>(Arc::new(exchange.clone()));
    let mut response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // A layer that changes the request puts the changed one into the response.
    let changed = response.extensions_mut().remove::<Arc<RequestCtx>>();
    ctx = Arc::unwrap_or_clone(changed.unwrap_or(shared));
    let content = response.extensions_mut().remove::<Content>();
    (ctx, content.unwrap_or_else(|| Content::Answer(Answer::error(500))))
}

/// The `error_page` for a status. Only the first error of a request has one, unless `recursive_error_pages`.
fn error_page(ctx: &RequestCtx, status: u16, pages: &Pages) -> Option<ErrorPage> {
    if status < 300 || ctx.uri_changes == 0 || pages.last {
        return None;
    }
    ctx.conf.core.error_pages.iter().find(|page| page.status == status).cloned()
}

/// Turns to the page for an answer, of which the rest is noted.
fn turn_page(ctx: &mut RequestCtx, pages: &mut Pages, answer: Answer, page: &ErrorPage) -> Routed {
    pages.last = !ctx.conf.core.recursive_error_pages;
    let (next, status) = turn(ctx, page, answer.status);
    pages.replace(answer, status);
    next
}

/// Turns to an `error_page`; the second value is the status the answer will have instead of its own.
fn turn(ctx: &mut RequestCtx, page: &ErrorPage, status: u16) -> (Routed, Option<u16>) {
    let overriding = match page.replacement {
        Replacement::Keep => Some(shown_status(status)),
        Replacement::FromTarget => None,
        Replacement::Code(code) => Some(code),
    };
    ctx.error_status = overriding.unwrap_or(0);
    let named = |name: &[u8]| InternalRedirect::Named(name.into());
    let target = match &page.target {
        ErrorTarget::Named(name) => return (follow(ctx, named(name)), overriding),
        ErrorTarget::Uri(target) | ErrorTarget::Redirect(target) => ctx.render(target),
    };
    // What a variable comes to decides, too.
    match &*target {
        [b'/', ..] => {
            if ctx.method != Method::HEAD {
                ctx.method = Method::GET;
            }
            let (path, args) = uri::split_args(&target);
            let redirect = InternalRedirect::Uri { path: path.into(), args: args.into() };
            (follow(ctx, redirect), overriding)
        }
        [b'@', name @ ..] => (follow(ctx, named(name)), overriding),
        _ => {
            let status = overriding.filter(|code| matches!(code, 301..=303 | 307 | 308)).unwrap_or(302);
            (Routed::Answer(Answer::redirect(status, target)), Some(status))
        }
    }
}

/// Sends a request elsewhere inside the server.
fn follow(ctx: &mut RequestCtx, redirect: InternalRedirect) -> Routed {
    ctx.internal = true;
    ctx.upstream.redirect();
    match redirect {
        InternalRedirect::Uri { path, args } => {
            if let Some(cycle) = change_uri(ctx, "internally redirecting to", &path) {
                return cycle;
            }
            (ctx.uri, ctx.args, ctx.changed) = (path, args, true);
            route(ctx)
        }
        InternalRedirect::Named(name) => {
            if let Some(cycle) = change_uri(ctx, "redirecting to named location", &name) {
                return cycle;
            }
            let Some(found) = ctx.server().locations.named.get(&name).cloned() else {
                let name = String::from_utf8_lossy(&name);
                ctx.log(Severity::Error, &format!("could not find named location \"@{name}\""));
                return Routed::Answer(Answer::error(500));
            };
            enter(ctx, &found).unwrap_or_else(|| {
                let uri = ctx.uri.clone();
                change_uri(ctx, "processing", &uri).unwrap_or_else(|| locate(ctx))
            })
        }
    }
}

/// Completes the answer and writes it down. What has not come of the body by now is left for the time after the
/// answer; with `lingering`, all of it.
async fn finish(mut ctx: RequestCtx, mut answer: Answer, lingering: bool) -> Reply {
    let conf = Arc::clone(&ctx.conf);
    let was_special = answer.special;
    if answer.special {
        answer = pages::complete(answer, &ctx);
    }
    // An error tells the client enough: it need not send the body.
    let expected = ctx.body.is_untouched() && expects_continue(&ctx);
    let continues = expected && !was_special;
    if !(expected || answer.close || answer.silent || lingering) && body::discard_early(&ctx).await.is_err() {
        answer.close = true;
    }
    complete_location(&ctx, &mut answer);
    let linger = answer.close || lingering || ctx.body.is_unread();
    ctx.keep_alive &= !answer.close;
    let log = PendingLog::new(&ctx);
    if answer.silent {
        if let Some(log) = log {
            log.write(&AnswerSoFar::of_status(answer.status));
        }
        return Reply {
            rendered: None,
            conf,
            linger: lingering,
            log: None,
            limits: ctx.limits,
            continues: false,
            unread: None,
            passed: false,
            body: ctx.body,
        };
    }
    let rendered = Responder::new(&ctx).render(answer);
    ctx.debug("http answer", [screen::first_line(&rendered.head())]);
    ctx.debug("http answer header", screen::head_lines(&rendered.head()));
    let unread = ctx.body.take_unread().filter(|_| rendered.keep_alive);
    let passed = !ctx.upstream.lock().tries.is_empty();
    let (limits, body) = (ctx.limits, ctx.body);
    Reply { rendered: Some(rendered), conf, linger, log, limits, continues, unread, passed, body }
}

/// `Expect: 100-continue`
fn expects_continue(ctx: &RequestCtx) -> bool {
    let expected = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    !ctx.is_http10() && ctx.header(header::EXPECT).is_some_and(expected)
}

/// Adds the headers of a server behind that sent the request elsewhere inside. nginx's own pages have their own type.
fn carry_headers(ctx: &mut RequestCtx, answer: &mut Answer) {
    if ctx.carried.is_empty() {
        return;
    }
    let behind = answer.passed.is_some();
    let mut carried = std::mem::take(&mut ctx.carried);
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    let kind = carried.iter().find(|(name, _)| is(name, "content-type"));
    let kind = kind.map(|(_, value)| value.as_slice().into());
    let dropped = |name: &str| is(name, "content-type") || (answer.special && is(name, "accept-ranges"));
    carried.retain(|(name, _)| !dropped(name));
    if let Some(kind) = kind.filter(|_| !answer.special && (!behind || answer.content_type.is_none())) {
        answer.content_type = Some(kind);
    }
    let passed = answer.passed.get_or_insert_default();
    carried.append(&mut passed.headers);
    passed.headers = carried;
}

/// Completes a redirect's path to a URL: `absolute_redirect`, `server_name_in_redirect`, `port_in_redirect`. Where
/// nothing is to be completed, nginx writes `Location` in another place: among the further headers.
fn complete_location(ctx: &RequestCtx, answer: &mut Answer) {
    let core = &ctx.conf.core;
    let Some(location) = &mut answer.location else { return };
    if !core.absolute_redirect || !location.starts_with(b"/") {
        answer.headers.insert(0, ("Location".into(), std::mem::take(location).into()));
        answer.location = None;
        return;
    }
    let host: &str = if core.server_name_in_redirect { &ctx.server().name } else { &ctx.host };
    let address = ctx.connection.local.ip().map(|ip| ip.to_string()).unwrap_or_default();
    let host = if host.is_empty() { &address } else { host };
    let port = ctx.connection.local.port().filter(|port| core.port_in_redirect && *port != 80);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let mut url = format!("http://{host}{port}").into_bytes();
    url.extend_from_slice(location);
    *location = url.into();
}
