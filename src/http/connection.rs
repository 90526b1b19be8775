//! A connection's http phase: hyper reads requests, the service answers them, and a subscriber that has to wait
//! takes the connection out of hyper and into the worker's parking.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_local;

use crate::config::model::{ConnectionConf, Lingering, Server};
use crate::metrics;
use crate::push::again::Repeat;
use crate::push::waiting::ParkSlot;
use crate::request::evaluation::AnswerSoFar;
use crate::store::WorkerId;

use super::gate::{ClientWatch, Gate, GateState, Phase};
use super::head_room::{HeadRoom, TooLarge};
use super::origin::Origin;
use super::parking::{Parking, Resumed};
use super::proxy_protocol;
use super::reuse::{self, Idle};
use super::screen::{self, Refusal};
use super::service::{self, Abandoned, Exchange, Raw};
use super::site::Site;
use super::stream::{IdleStream, Stream};
use super::target;
use super::transfer;
use super::tunnel::{self, Opened};

/// What the connections of a worker share.
#[derive(Debug)]
pub struct Shared {
    /// The worker.
    pub worker: WorkerId,
    /// The current generation of the configuration.
    pub site: RefCell<Arc<Site>>,
    /// Where waiting connections go.
    pub parking: Rc<RefCell<Parking>>,
    /// Connections that may be closed to make room.
    pub idle: Rc<RefCell<Idle>>,
    /// Told to every connection when the worker stops taking requests.
    pub pace: tokio::sync::watch::Receiver<Pace>,
    /// Requests that are being handled, or whose answers still come in pieces.
    pub busy: Cell<usize>,
}

/// What a worker wants of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All that they want themselves.
    Serving,
    /// To go to the parking between two requests: the process is about to hand them over.
    Resting,
    /// To end after the request that they have.
    Draining,
    /// To end at once, without an answer: another process has taken the store over, and this one's answers would be
    /// about nothing. What was answered already is still sent.
    Gone,
}

/// A request that is being handled or answered.
struct Busy<'a>(&'a Cell<usize>);

impl<'a> Busy<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// How an http phase ended.
enum End {
    Closed(Result<(), hyper::Error>),
    TimedOut,
    /// Closed to make room for others.
    MadeRoom,
    /// The head of a request does not fit.
    TooLarge(TooLarge),
    Parked(usize),
    Tunnel(Opened),
    /// It is between two requests, and the parking is where it is wanted; perhaps the last request comes again.
    Resting(Option<Repeat>),
}

type HyperConnection<S> = http1::Connection<TokioIo<Gate>, S>;

/// A connection on its way to hyper.
struct Next {
    stream: Stream,
    /// Bytes that were read from it already.
    readahead: Bytes,
    /// They came together with the request before.
    pipelined: bool,
    /// When its first request began, if that is known.
    since: Option<Instant>,
    /// The target of its first request, if hyper is to be given another one.
    target: Option<Bytes>,
    /// If it is between requests: `keepalive_timeout`, and the settings of the answer before.
    idle: Option<(Duration, ConnectionConf)>,
    /// Its first request has more headers than hyper takes by itself.
    many_headers: bool,
}

impl Next {
    fn new(stream: Stream, readahead: Bytes) -> Self {
        let pipelined = !readahead.is_empty();
        Self { stream, readahead, pipelined, since: None, target: None, idle: None, many_headers: false }
    }
}

/// Serves a connection that was just accepted.
pub fn begin(shared: &Rc<Shared>, stream: IdleStream, origin: Origin) {
    let resumed = if proxy_protocol::is_awaited(&origin) {
        Some(Resumed::new(stream.into(), Bytes::new(), origin))
    } else {
        shared.parking.borrow_mut().greet(stream, origin)
    };
    if let Some(resumed) = resumed {
        resume(shared, resumed);
    }
}

/// Serves a connection that comes from the parking.
pub fn resume(shared: &Rc<Shared>, resumed: Resumed) {
    // A large future, which would be moved several times.
    spawn_local(Box::pin(serve(Rc::clone(shared), resumed)));
}

/// Serves a connection until it closes or is parked.
async fn serve(shared: Rc<Shared>, resumed: Resumed) {
    let Resumed { mut stream, readahead, pipelined, since, mut origin, paced } = resumed;
    let Some(paced) = paced else {
        let mut next = Next { pipelined, since, ..Next::new(stream, readahead) };
        if proxy_protocol::is_awaited(&origin) {
            let Some(rest) = proxy_protocol::read(&mut next.stream, &mut origin).await else { return };
            (next.readahead, next.pipelined) = (rest, false);
        }
        return serve_from(shared, next, origin).await;
    };
    let (keep_alive, idle) = (paced.rendered.keep_alive, paced.keepalive_timeout);
    let conf = paced.connection;
    let busy = Busy::new(&shared.busy);
    let sent = transfer::send_paced(&mut stream, *paced).await;
    drop(busy);
    match sent {
        Ok(()) if keep_alive => {
            let next = Next { idle: Some((idle, conf)), ..Next::new(stream, readahead) };
            serve_from(shared, next, origin).await;
        }
        Ok(()) => close(stream, Some(&conf)).await,
        Err(_) => {}
    }
}

async fn serve_from(shared: Rc<Shared>, next: Next, origin: Origin) {
    let origin = Rc::new(RefCell::new(origin));
    let mut next = Some(next);
    while let Some(connection) = next {
        next = http_phase(&shared, connection, &origin).await;
    }
}

/// Serves a connection with one hyper. What it returns, if anything, is to be served with another one: a request whose
/// target hyper cannot read, with another target in its place, or one with more headers than it takes by itself.
async fn http_phase(shared: &Rc<Shared>, next: Next, origin: &Rc<RefCell<Origin>>) -> Option<Next> {
    let state = GateState::new(next.readahead, next.target.clone(), origin.borrow().default_server());
    if let Some(accepted) = origin.borrow().awaits_first() {
        state.borrow_mut().phase = Phase::Head(accepted);
    }
    state.borrow_mut().pipelined = next.pipelined;
    state.borrow_mut().since = next.since;
    if let Some((timeout, conf)) = next.idle {
        state.borrow_mut().rest(timeout, conf);
    }
    let slot = Arc::new(ParkSlot::new(shared.worker));
    let service = service_fn(|request| {
        let (shared, origin) = (Rc::clone(shared), Rc::clone(origin));
        let (state, slot) = (Rc::clone(&state), Arc::clone(&slot));
        Box::pin(async move { answer(&shared, &origin, &state, &slot, request).await })
    });
    let gate = Gate::new(next.stream, Rc::clone(&state));
    let mut builder = http1::Builder::new();
    builder
        .auto_date_header(false)
        .half_close(true)
        .ignore_invalid_headers(true)
        .max_buf_size(most_head(origin.borrow().default_server()));
    if next.many_headers {
        builder.max_headers(most_headers(origin.borrow().default_server()));
    }
    let mut connection = builder.serve_connection(TokioIo::new(gate), service);
    let end = Drive {
        connection: &mut connection,
        state: &state,
        slot: &slot,
        shared,
        origin,
        pace: Pace::Serving,
        change: Box::pin(change(shared.pace.clone(), Pace::Serving)),
        timer: pin!(tokio::time::sleep(Duration::ZERO)),
        expected: None,
        idle: reuse::Driven::new(&shared.idle),
    }
    .await;
    let mut stream = connection.into_parts().io.into_inner().into_inner();
    match end {
        End::MadeRoom => {}
        End::Tunnel(opened) => {
            let readahead = state.borrow_mut().take_readahead();
            tunnel::run(stream, readahead, opened).await;
        }
        End::TimedOut => {
            abandon(shared, origin, &state, Abandoned::TimedOut);
            if state.borrow().resets_after_timeout() {
                stream.reset_on_close();
            }
        }
        End::TooLarge(what) => {
            let bytes = state.borrow_mut().take_refused();
            send_refusal(shared, origin, stream, &bytes, what.into()).await;
        }
        End::Parked(id) => match stream.into_idle() {
            Ok(idle) => shared.parking.borrow_mut().adopt(id, idle, &state.borrow_mut().take_readahead()),
            Err(_) => shared.parking.borrow_mut().abandon(id),
        },
        End::Resting(repeat) => {
            if let Ok(idle) = stream.into_idle() {
                let origin = origin.borrow().clone();
                let left = Some(state.borrow().keepalive_timeout);
                shared.parking.borrow_mut().rest(idle, origin, left, repeat);
            }
        }
        End::Closed(Err(error)) if error.is_parse() => {
            let bytes = state.borrow_mut().take_refused();
            if let Some((target, readahead)) = target::replace(&bytes) {
                let (many_headers, pipelined) = (next.many_headers, state.borrow().pipelined);
                let next = Next { many_headers, pipelined, ..Next::new(stream, readahead) };
                return Some(Next { target: Some(target), ..next });
            }
            let too_large = error.is_parse_too_large();
            if too_large && !next.many_headers && screen::head_lines(&bytes).count() > FEW_HEADERS {
                let pipelined = state.borrow().pipelined;
                let target = next.target;
                return Some(Next { target, pipelined, many_headers: true, ..Next::new(stream, bytes) });
            }
            let refusal = screen::unparsable(&bytes, too_large, origin.borrow().default_server());
            if let Some(refusal) = refusal {
                send_refusal(shared, origin, stream, &bytes, refusal).await;
            }
        }
        End::Closed(_) => {
            abandon(shared, origin, &state, Abandoned::Closed);
            send_rest(&mut stream, &state).await;
            let (linger, conf) = (state.borrow().linger, state.borrow().conf);
            if state.borrow().silent && conf.reset_timedout {
                stream.reset_on_close();
            } else {
                close(stream, linger.then_some(&conf)).await;
            }
        }
    }
    None
}

/// Room for the longest head that `large_client_header_buffers` allows; hyper needs at least 8 KiB.
fn most_head(server: &Server) -> usize {
    HeadRoom::most(server).clamp(8192, 1 << 24)
}

/// So many headers hyper takes by itself. Room for more costs it some 50 KB of memory to fill with each request.
const FEW_HEADERS: usize = 100;

/// Room for the headers that `max_headers` allows, and for some that do not count.
fn most_headers(server: &Server) -> usize {
    server.max_headers.clamp(1000, 10_000)
}

/// Answers one request: the bytes go to the gate, and hyper gets what its own bookkeeping needs.
async fn answer(
    shared: &Shared,
    origin: &RefCell<Origin>,
    state: &RefCell<GateState>,
    slot: &Arc<ParkSlot>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Silence> {
    let head = state.borrow_mut().begin(request.body().size_hint().exact());
    let client = state.borrow().client.clone();
    let exchange = exchange(shared, &mut origin.borrow_mut(), slot, client);
    let raw = {
        let mut state = state.borrow_mut();
        let started = state.since.take().unwrap_or_else(Instant::now);
        Raw { target: state.target.take(), head, pipelined: state.pipelined, started }
    };
    // Until the last piece of the answer is with the gate.
    let _busy = Busy::new(&shared.busy);
    let reply = service::handle(&exchange, request, raw).await;
    state.borrow_mut().answer_under(&reply.conf, reply.linger);
    let Some(rendered) = reply.rendered else {
        state.borrow_mut().silent = true;
        return Err(Silence);
    };
    if *shared.pace.borrow() == Pace::Gone && !reply.passed {
        if let Some(log) = reply.log {
            log.write(&AnswerSoFar::of_status(rendered.status));
        }
        return Err(Silence);
    }
    let keep_alive = rendered.keep_alive;
    if let Some(tunnel) = rendered.tunnel() {
        let far = tunnel.take().ok_or(Silence)?;
        state.borrow_mut().open_tunnel(Opened { far, head: rendered.head(), log: reply.log });
        // The driver takes the connection away.
        std::future::pending::<()>().await;
        return Err(Silence);
    }
    if reply.continues {
        state.borrow_mut().push(Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
    }
    // What was sent of an answer that broke off reaches the client before the end does.
    let whole = transfer::send(state, rendered, reply.log).await.is_ok();
    if let Some(body) = reply.unread.filter(|_| whole) {
        drop_body(body, &reply.conf.connection).await.ok_or(Silence)?;
    }
    let is_coming = reply.body.is_coming();
    if is_coming {
        // The server behind did not wait for all of it.
        state.borrow_mut().answer_under(&reply.conf, true);
    }
    let keep_alive = keep_alive && whole && !is_coming;
    if !keep_alive && let Some(repeat) = slot.take_repeat() {
        // By another connection, if at all.
        shared.parking.borrow_mut().learn(&origin.borrow(), &repeat);
    }
    state.borrow_mut().end();
    if slot.has_repeat() {
        state.borrow_mut().hold_back();
    }
    state.borrow_mut().hold(reply.limits);
    let ends = matches!(*shared.pace.borrow(), Pace::Draining | Pace::Gone);
    let connection = if keep_alive && !ends { "keep-alive" } else { "close" };
    let mut response = Response::new(Empty::new());
    response.headers_mut().insert("connection", http::HeaderValue::from_static(connection));
    Ok(response)
}

/// Drops the rest of a body after the answer; `None` if it does not come to an end in time.
async fn drop_body(mut body: Body, conf: &ConnectionConf) -> Option<()> {
    let timeout = conf.lingering_timeout;
    let end = tokio::time::Instant::now() + conf.lingering_time;
    loop {
        let patience = end.saturating_duration_since(tokio::time::Instant::now()).min(timeout);
        match tokio::time::timeout(patience, body.frame()).await {
            Ok(None) => return Some(()),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(_))) | Err(_) => return None,
        }
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Silence;

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed without an answer")
    }
}

impl std::error::Error for Silence {}

/// Polls hyper's connection, and steps in when a subscriber waits or a timeout passed.
struct Drive<'a, S, T>
where
    S: hyper::service::HttpService<Incoming>,
{
    connection: &'a mut HyperConnection<S>,
    state: &'a RefCell<GateState>,
    slot: &'a ParkSlot,
    shared: &'a Shared,
    origin: &'a RefCell<Origin>,
    /// What the worker wants, as known here, and what tells when it is something else.
    pace: Pace,
    change: Pin<Box<dyn Future<Output = Pace>>>,
    timer: Pin<&'a mut T>,
    /// The subscriber that waits, once there is one: its place in the parking.
    expected: Option<usize>,
    /// Its place among those that may be closed to make room.
    idle: reuse::Driven,
}

impl<S, B> Future for Drive<'_, S, tokio::time::Sleep>
where
    S: hyper::service::HttpService<Incoming, ResBody = B> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let drive = self.get_mut();
        let polled = drive.connection.poll_without_shutdown(cx);
        // A subscriber counts as waiting from the moment its handler says so: an event may come before its socket
        // is free, and finds it in the parking.
        if let Some(waiting) = drive.slot.take() {
            let origin = drive.origin.borrow().clone();
            let mut parking = drive.shared.parking.borrow_mut();
            if let Some(repeat) = drive.slot.take_repeat() {
                parking.learn(&origin, &repeat);
            }
            drive.expected = Some(parking.expect(waiting, origin));
        }
        if let Some(id) = drive.expected {
            // Only once earlier answers have left: what hyper and the gate still hold would be lost.
            if drive.state.borrow().is_flushed() {
                return Poll::Ready(End::Parked(id));
            }
        }
        let opened = drive.state.borrow_mut().take_tunnel();
        if let Some(opened) = opened {
            return Poll::Ready(End::Tunnel(opened));
        }
        if let Poll::Ready(result) = polled {
            return Poll::Ready(drive.closed(result));
        }
        if let Some(end) = drive.cut_short(cx) {
            return Poll::Ready(end);
        }
        while let Poll::Ready(pace) = drive.change.as_mut().poll(cx) {
            drive.pace = pace;
            drive.change = Box::pin(change(drive.shared.pace.clone(), pace));
        }
        if matches!(drive.pace, Pace::Draining) && matches!(drive.state.borrow().phase, Phase::Handling) {
            Pin::new(&mut *drive.connection).graceful_shutdown();
        } else if let Some(end) = drive.stopped().or_else(|| drive.may_repeat()) {
            return Poll::Ready(end);
        }
        drive.read_on(cx);
        drive.poll_timer(cx)
    }
}

impl<S> Drive<'_, S, tokio::time::Sleep>
where
    S: hyper::service::HttpService<Incoming>,
{
    /// Ends the connection when a head does not fit, when the client of a request that rests has gone, or when others
    /// need its place.
    fn cut_short(&mut self, cx: &Context<'_>) -> Option<End> {
        let mut state = self.state.borrow_mut();
        if let Some(what) = state.too_large.filter(|_| state.is_flushed()) {
            return Some(End::TooLarge(what));
        }
        let resting = self.slot.is_resting();
        if resting && state.gone {
            return Some(End::Closed(Ok(())));
        }
        if resting && !state.watches {
            // The gate begins to watch when hyper comes by the next time.
            cx.waker().wake_by_ref();
        }
        (state.watches, state.gone) = (resting, false);
        self.idle.update(state.closable_from(), cx.waker());
        self.idle.must_close().then_some(End::MadeRoom)
    }

    fn closed(&self, result: Result<(), hyper::Error>) -> End {
        if let Some(id) = self.expected {
            self.shared.parking.borrow_mut().abandon(id);
        }
        End::Closed(result)
    }

    /// How the connection ends here, if that is what the worker wants.
    fn stopped(&self) -> Option<End> {
        let (flushed, rests, passes, kept) = {
            let state = self.state.borrow();
            // Before its first request, what a proxy says of the client would be asked for again.
            let fresh = proxy_protocol::is_awaited(&self.origin.borrow());
            (
                state.is_flushed(),
                state.is_at_rest() && self.expected.is_none() && !fresh,
                state.waits_for_others(),
                state.closable_from().is_some_and(|from| from > Instant::now()),
            )
        };
        match self.pace {
            Pace::Resting if rests => Some(End::Resting(None)),
            // What a server behind will say is true even where the store is gone.
            Pace::Gone if passes => None,
            Pace::Draining if kept || self.awaits_first() => None,
            Pace::Draining | Pace::Gone if flushed => Some(self.closed(Ok(()))),
            _ => None,
        }
    }

    /// Whether the first request has yet to come, or the rest of it.
    fn awaits_first(&self) -> bool {
        self.origin.borrow().awaits_first().is_some() && matches!(self.state.borrow().phase, Phase::Head(_))
    }

    /// Whether the request that was answered may come again, and is waited for in the parking. Not where others came instead a
    /// few times: the way there and back is not free.
    fn may_repeat(&self) -> Option<End> {
        const MOST_MISSES: u8 = 3;
        if self.pace != Pace::Serving || self.expected.is_some() || !self.state.borrow().is_at_rest() {
            return None;
        }
        let repeat = self.slot.take_repeat()?;
        (self.origin.borrow().misses < MOST_MISSES).then_some(End::Resting(Some(repeat)))
    }

    /// The connection stays: its next request may be read.
    fn read_on(&self, cx: &Context<'_>) {
        if self.state.borrow_mut().read_on() {
            cx.waker().wake_by_ref();
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Some(deadline) = self.deadline() else { return Poll::Pending };
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(id) = self.expected {
            self.shared.parking.borrow_mut().abandon(id);
        }
        Poll::Ready(End::TimedOut)
    }

    /// When the connection has taken too long over what it is doing.
    fn deadline(&self) -> Option<tokio::time::Instant> {
        let state = self.state.borrow();
        let (since, timeout) = match (state.blocked, state.phase) {
            (Some(since), _) => (since, state.send_timeout),
            (None, Phase::Head(since)) => {
                (since, self.origin.borrow().default_server().client_header_timeout)
            }
            (None, Phase::Idle(since)) if matches!(self.pace, Pace::Draining) => {
                (since, state.conf.keepalive_min_timeout.min(state.keepalive_timeout))
            }
            (None, Phase::Idle(since)) => (since, state.keepalive_timeout),
            (None, Phase::Handling) => return None,
        };
        since.checked_add(timeout).map(Into::into)
    }
}

/// Waits until the worker wants something else than `pace`, and says what.
async fn change(mut paces: tokio::sync::watch::Receiver<Pace>, pace: Pace) -> Pace {
    let changed = paces.wait_for(|new| *new != pace).await.map(|new| *new);
    match changed {
        Ok(new) => new,
        Err(_) => std::future::pending().await,
    }
}

/// Logs what came of a request that will not go on, if anything did.
fn abandon(shared: &Shared, origin: &RefCell<Origin>, state: &RefCell<GateState>, how: Abandoned) {
    let mut state = state.borrow_mut();
    // After an answer that closes the connection comes the rest of what was answered.
    if state.linger || !matches!(state.phase, Phase::Head(_)) {
        return;
    }
    let bytes = state.take_refused();
    if !bytes.is_empty() {
        let slot = Arc::new(ParkSlot::new(shared.worker));
        let exchange = exchange(shared, &mut origin.borrow_mut(), &slot, ClientWatch::default());
        service::abandon(&exchange, &bytes, state.pipelined, how);
    }
}

/// What the next request of a connection needs of it.
fn exchange(shared: &Shared, origin: &mut Origin, slot: &Arc<ParkSlot>, client: ClientWatch) -> Exchange {
    origin.requests += 1;
    metrics::count(|worker| worker.requests.add(1));
    origin.renew(&shared.site.borrow());
    Exchange {
        site: Arc::clone(&origin.site),
        listen: origin.listen,
        connection: Arc::clone(&origin.connection),
        number: origin.requests,
        slot: Arc::clone(slot),
        client,
        is_last: matches!(*shared.pace.borrow(), Pace::Draining | Pace::Gone),
    }
}

/// Answers what is no request, or only the beginning of one, and closes the connection.
async fn send_refusal(
    shared: &Shared,
    origin: &RefCell<Origin>,
    mut stream: Stream,
    bytes: &[u8],
    refusal: Refusal,
) {
    let slot = Arc::new(ParkSlot::new(shared.worker));
    let exchange = exchange(shared, &mut origin.borrow_mut(), &slot, ClientWatch::default());
    // An error page may be anywhere, even where subscribers wait.
    let patience = origin.borrow().default_server().client_header_timeout;
    // Boxed: every connection would hold room for it.
    let answer = Box::pin(service::refuse(&exchange, bytes, refusal));
    let Ok(reply) = tokio::time::timeout(patience, answer).await else { return };
    let Some(rendered) = reply.rendered else { return };
    let answer = [rendered.head(), rendered.in_memory()].concat();
    let sent = tokio::time::timeout(reply.conf.core.send_timeout, stream.write_all(&answer)).await;
    if let Some(log) = reply.log {
        log.write(&rendered.so_far(rendered.sent()));
    }
    if matches!(sent, Ok(Ok(()))) {
        let conf = reply.conf.connection;
        close(stream, Some(&conf).filter(|conf| conf.lingering_close != Lingering::Off)).await;
    }
}

/// Sends what is still queued: hyper does not wait for that where it is to be the last of a connection.
async fn send_rest(stream: &mut Stream, state: &RefCell<GateState>) {
    let send_timeout = state.borrow().send_timeout;
    let rest = state.borrow_mut().take_output();
    for bytes in rest {
        // Whoever takes nothing, or is gone, gets no more.
        if !matches!(tokio::time::timeout(send_timeout, stream.write_all(&bytes)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Closes a connection. With `linger`, what the client still sends is read and dropped for a while: closing a
/// socket with unread bytes resets it, and the reset may overtake the answer.
async fn close(mut stream: Stream, linger: Option<&ConnectionConf>) {
    let shut_down = stream.shutdown().await;
    let Some(conf) = linger.filter(|_| shut_down.is_ok()) else { return };
    let (time, timeout) = (conf.lingering_time, conf.lingering_timeout);
    let mut sink = vec![0; 4096];
    let drain =
        async { while let Ok(Ok(1..)) = tokio::time::timeout(timeout, stream.read(&mut sink)).await {} };
    let _ = tokio::time::timeout(time, drain).await;
}
