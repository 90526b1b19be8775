//! `proxy_pass`: a request goes to a server behind, and what that answers to the client.

pub mod body;
pub mod change;
pub mod request;
pub mod response;
pub mod target;

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;

use crate::config::model::{Failure, PeerAddress, ProxyConf, Severity};
use crate::log;
use crate::request::RequestCtx;
use crate::request::answer::Answer;

use self::request::{Outgoing, Waiting};
use super::gate::ClientWatch;
use super::upstream::balance::Selection;
use super::upstream::connect::{self, Link, Patience, WireState};
use super::upstream::{Chosen, Upstreams};
use super::{files, screen};

/// The handler of a location with `proxy_pass`.
pub async fn pass(
    State(upstreams): State<Arc<Upstreams>>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(watch): Extension<ClientWatch>,
) -> Response {
    let Some(conf) = conf_of(&ctx) else {
        // Only requests that `limit_except` limits are passed on.
        return files::serve(Extension(ctx)).await;
    };
    if conf.ignore_client_abort {
        return go(&upstreams, ctx, conf, ClientWatch::default()).await;
    }
    let gone = watch.clone();
    let client = Arc::clone(&ctx);
    tokio::select! {
        biased;
        response = go(&upstreams, ctx, conf, watch) => response,
        () = gone.gone() => {
            client.log(
                Severity::Info,
                "client prematurely closed connection, so upstream connection is closed too while waiting for upstream",
            );
            client.upstream.update(|last| if last.status == 0 { last.status = 499 });
            Answer { silent: true, ..Answer::empty(499) }.into_response()
        }
    }
}

/// The settings for this request: those of `limit_except` for the methods that it limits.
pub fn conf_of(ctx: &RequestCtx) -> Option<Arc<ProxyConf>> {
    match &ctx.conf.limit_except {
        Some(limit) if limit.limits(ctx.method.as_str()) => limit.proxy.clone(),
        _ => ctx.conf.proxy.clone(),
    }
}

async fn go(
    upstreams: &Upstreams,
    ctx: Arc<RequestCtx>,
    conf: Arc<ProxyConf>,
    watch: ClientWatch,
) -> Response {
    let target = match target::find(upstreams, &ctx, &conf).await {
        Ok(target) => target,
        Err(answer) => return answer.into_response(),
    };
    let outgoing = match request::make(&ctx, &conf, &target).await {
        Ok(outgoing) => outgoing,
        Err(answer) => return answer.into_response(),
    };
    let selection = Selection::new(&target.group, &ctx, conf.next.tries);
    let started = Instant::now();
    let pass = Pass { ctx, conf, watch, selection, outgoing, started };
    pass.run(&target.group.name).await
}

/// A request on its way to servers behind.
struct Pass {
    ctx: Arc<RequestCtx>,
    conf: Arc<ProxyConf>,
    watch: ClientWatch,
    selection: Selection,
    outgoing: Outgoing,
    started: Instant,
}

/// Why a try came to nothing.
struct Failed {
    failure: Failure,
    severity: Severity,
    message: String,
    /// A kept connection that the server had closed meanwhile: it does not count as a try.
    stale: bool,
    /// The request, or some of it, was sent.
    sent: bool,
    /// The server is left out for a while because of this.
    disabled: bool,
}

/// An answer of which the head has come.
struct Arrived {
    response: hyper::Response<Incoming>,
    link: Link,
    chosen: Chosen,
    /// When the try began.
    since: Instant,
    /// The URL, for log lines.
    url: String,
}

impl Pass {
    async fn run(mut self, name: &str) -> Response {
        loop {
            let Some(chosen) = self.selection.advance() else { return self.nobody(name).into_response() };
            let since = Instant::now();
            self.ctx.upstream.begin(chosen.address().to_string());
            let url = self.outgoing.url(&chosen.address().to_string());
            match self.attempt(chosen, since, url.clone()).await {
                Ok(arrived) if self.goes_on(&arrived) => self.leave(arrived),
                Ok(arrived) => return response::make(self.ctx, &self.conf, &self.watch, arrived).await,
                Err(failed) => {
                    if let Some(answer) = self.failed(&failed, &url, since) {
                        return answer.into_response();
                    }
                }
            }
        }
    }

    /// The answer where no server is to be had.
    fn nobody(&self, name: &str) -> Answer {
        let url = self.outgoing.url(name);
        let message = "no live upstreams while connecting to upstream";
        self.ctx.log_upstream(Severity::Error, message, Some(&url));
        self.ctx.upstream.begin(name.to_owned());
        self.ctx.upstream.update(|last| last.status = 502);
        Answer::error(502)
    }

    /// Whether an answer is a failure for which the request goes to another server; the last one's answer stands.
    fn goes_on(&self, arrived: &Arrived) -> bool {
        let status = arrived.response.status().as_u16();
        let received = arrived.link.wire.lock().received;
        let spent = arrived.since.elapsed();
        self.ctx.upstream.update(|last| {
            (last.status, last.header, last.received) = (status, Some(spent), received);
        });
        let failure = Failure::of_status(status).filter(|_| self.selection.tries > 1);
        failure.is_some_and(|failure| self.may_go_on(failure, true))
    }

    /// Leaves a server whose answer is a failure.
    fn leave(&mut self, mut arrived: Arrived) {
        self.ctx.upstream.update(|last| last.response = Some(arrived.since.elapsed()));
        if !matches!(arrived.response.status().as_u16(), 403 | 404) {
            arrived.chosen.fail();
        }
        self.selection.tries -= 1;
    }

    /// Notes a failure; the answer, if no other server is tried.
    fn failed(&mut self, failed: &Failed, url: &str, since: Instant) -> Option<Answer> {
        if let Some(answer) = self.outgoing.refused() {
            // It was the client's fault.
            return Some(answer);
        }
        self.ctx.log_upstream(failed.severity, &failed.message, Some(url));
        if failed.disabled {
            let doing = failed.message.rsplit(" while ").next().unwrap_or_default();
            let message = format!("upstream server temporarily disabled while {doing}");
            self.ctx.log_upstream(Severity::Warn, &message, Some(url));
        }
        let status = if failed.failure == Failure::Timeout { 504 } else { 502 };
        let spent = since.elapsed();
        self.ctx.upstream.update(|last| (last.status, last.response) = (status, Some(spent)));
        if !failed.stale {
            self.selection.tries = self.selection.tries.saturating_sub(1);
        }
        let ends = self.selection.tries == 0 || !self.may_go_on(failed.failure, failed.sent);
        ends.then(|| Answer::error(status))
    }

    /// Whether `proxy_next_upstream` lets the request go to another server.
    fn may_go_on(&self, failure: Failure, sent: bool) -> bool {
        let once = sent && matches!(self.ctx.method.as_str(), "POST" | "LOCK" | "PATCH");
        let failures = failure.bit() | if once { Failure::NonIdempotent.bit() } else { 0 };
        let in_time = self.conf.next.timeout.is_none_or(|timeout| self.started.elapsed() < timeout);
        self.conf.next.allows(failures) && in_time && !(sent && self.outgoing.is_consumed())
    }

    /// Sends the request to one server, and waits for the head of its answer.
    async fn attempt(&mut self, mut chosen: Chosen, since: Instant, url: String) -> Result<Arrived, Failed> {
        let kept = chosen.group.pool.as_ref().and_then(|pool| pool.take(chosen.address()));
        let reused = kept.is_some();
        let mut link = match kept {
            Some(link) => link,
            None => match connect(&self.ctx, &self.conf, chosen.address()).await {
                Ok(link) => link,
                Err(failed) => {
                    return Err(Failed { disabled: chosen.fail(), ..failed });
                }
            },
        };
        self.ctx.upstream.update(|last| last.connect = Some(since.elapsed()));
        link.requests += 1;
        let request = self.outgoing.hyper_request(&self.ctx);
        link.wire.begin(self.outgoing.head.clone(), self.conf.buffer_size);
        let wire = link.wire.clone();
        let answered = async {
            link.sender.ready().await?;
            link.sender.send_request(request).await
        };
        let waiting = self.outgoing.waiting();
        let patience = |sent| match waiting(sent) {
            Waiting::Client => Patience::Endless,
            Waiting::Sending => Patience::ForNow(self.conf.send_timeout),
            Waiting::Reading => Patience::Settled(self.conf.read_timeout),
        };
        let result = tokio::select! {
            biased;
            result = answered => match Failed::invalid_header(&wire) {
                Some(failed) => Err(failed),
                None => result.map_err(|error| broken(&error, &wire, reused)),
            },
            () = wire.silence(patience) => Err(Failed::timeout(match waiting(wire.lock().sent) {
                Waiting::Reading => "reading response header from upstream",
                _ => "sending request to upstream",
            })),
        };
        let (sent, received) = {
            let traffic = wire.lock();
            (traffic.sent, traffic.received)
        };
        self.ctx.upstream.update(|last| (last.sent, last.received) = (sent, received));
        match result {
            Ok(response) => Ok(Arrived { response, link, chosen, since, url }),
            Err(failed) => Err(Failed { disabled: !failed.stale && chosen.fail(), ..failed }),
        }
    }
}

async fn connect(ctx: &RequestCtx, conf: &ProxyConf, address: &PeerAddress) -> Result<Link, Failed> {
    let bind = conf.bind.as_ref().map(|bind| ctx.render(bind));
    let bind = bind.and_then(|text| connect::local_address(&String::from_utf8_lossy(&text)));
    let options = connect::Options { bind, keepalive: conf.socket_keepalive };
    match tokio::time::timeout(conf.connect_timeout, connect::connect(address, options)).await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(error)) => {
            let (to, severity) = match address {
                PeerAddress::Unix(_) => (format!(" to {address}"), Severity::Crit),
                PeerAddress::Inet(_) => (String::new(), Severity::Error),
            };
            let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
            let severity = if refused { Severity::Error } else { severity };
            let why = log::os_error(&error);
            let message = format!("connect(){to} failed ({why}) while connecting to upstream");
            Err(Failed {
                failure: Failure::Error,
                severity,
                message,
                stale: false,
                sent: false,
                disabled: false,
            })
        }
        Err(_) => Err(Failed { sent: false, ..Failed::timeout("connecting to upstream") }),
    }
}

impl Failed {
    /// What nginx says of a head that is none.
    fn invalid_header(wire: &WireState) -> Option<Self> {
        let traffic = wire.lock();
        let message = if !traffic.complete {
            return None;
        } else if !traffic.head.starts_with(b"HTTP/") {
            "upstream sent no valid HTTP/1.0 header".to_owned()
        } else {
            let (name, byte) = screen::invalid_name(&traffic.head)?;
            format!("upstream sent invalid header: \"{}\\x{byte:02x}...\"", String::from_utf8_lossy(name))
        };
        let message = format!("{message} while reading response header from upstream");
        Some(Self { failure: Failure::InvalidHeader, message, ..Self::timeout("") })
    }

    fn timeout(doing: &str) -> Self {
        let message = format!("upstream timed out (110: Connection timed out) while {doing}");
        Self {
            failure: Failure::Timeout,
            severity: Severity::Error,
            message,
            stale: false,
            sent: true,
            disabled: false,
        }
    }
}

/// What hyper's error means.
fn broken(error: &hyper::Error, wire: &WireState, reused: bool) -> Failed {
    let traffic = wire.lock();
    let stale = reused && traffic.received == 0;
    let (failure, message) = if traffic.too_big {
        (
            Failure::InvalidHeader,
            "upstream sent too big header while reading response header from upstream".to_owned(),
        )
    } else if error.is_parse() {
        (
            Failure::InvalidHeader,
            "upstream sent invalid header while reading response header from upstream".to_owned(),
        )
    } else {
        let message = match io_error(error) {
            Some(why) if why.raw_os_error().is_some() => {
                format!("recv() failed ({}) while reading response header from upstream", log::os_error(why))
            }
            _ => "upstream prematurely closed connection while reading response header from upstream"
                .to_owned(),
        };
        (Failure::Error, message)
    };
    Failed { failure, severity: Severity::Error, message, stale, sent: true, disabled: false }
}

/// The error of the system inside of hyper's.
fn io_error(error: &hyper::Error) -> Option<&std::io::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

/// An empty body.
fn empty() -> Body {
    Body::empty()
}
