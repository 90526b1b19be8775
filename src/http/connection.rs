//! A connection's http phase: hyper reads requests, the service answers them, and a subscriber that has to wait
//! takes the connection out of hyper and into the worker's parking.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::config::model::Server;
use crate::push::waiting::ParkSlot;
use crate::request::answer::Framed;
use crate::store::WorkerId;

use super::gate::{ClientWatch, Gate, GateState, Phase};
use super::origin::Origin;
use super::parking::Parking;
use super::screen;
use super::service::{self, Exchange, Raw};
use super::site::Site;
use super::stream::Stream;
use super::target;
use super::transfer;
use super::tunnel::{self, Opened};

/// How long a connection is read and dropped after an answer that closes it, and how long between two reads:
/// nginx's `lingering_time` and `lingering_timeout`.
const LINGERING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));

/// What the connections of a worker share.
#[derive(Debug)]
pub struct Shared {
    /// The worker.
    pub worker: WorkerId,
    /// The current generation of the configuration.
    pub site: RefCell<Arc<Site>>,
    /// Where waiting connections go.
    pub parking: Rc<RefCell<Parking>>,
    /// Told to every connection when the worker drains.
    pub draining: tokio::sync::watch::Receiver<bool>,
}

/// How an http phase ended.
enum End {
    Closed(Result<(), hyper::Error>),
    TimedOut,
    Parked(usize),
    Tunnel(Opened),
}

type HyperConnection<S> = http1::Connection<TokioIo<Gate>, S>;

/// A connection on its way to hyper.
struct Next {
    stream: Stream,
    /// Bytes that were read from it already.
    readahead: Bytes,
    /// The target of its first request, if hyper is to be given another one.
    target: Option<Bytes>,
}

/// Serves a connection until it closes or is parked.
pub async fn serve(shared: Rc<Shared>, stream: Stream, readahead: Bytes, origin: Origin) {
    let origin = Rc::new(RefCell::new(origin));
    let mut next = Some(Next { stream, readahead, target: None });
    while let Some(connection) = next {
        next = http_phase(&shared, connection, &origin).await;
    }
}

/// Serves a connection with one hyper. What it returns, if anything, is to be served with another one: a request whose
/// target hyper cannot read, with another target in its place.
async fn http_phase(shared: &Rc<Shared>, next: Next, origin: &Rc<RefCell<Origin>>) -> Option<Next> {
    let state = GateState::new(next.readahead, next.target);
    let slot = Arc::new(ParkSlot::new(shared.worker));
    let service = service_fn(|request| {
        let (shared, origin) = (Rc::clone(shared), Rc::clone(origin));
        let (state, slot) = (Rc::clone(&state), Arc::clone(&slot));
        Box::pin(async move { answer(&shared, &origin, &state, &slot, request).await })
    });
    let gate = Gate::new(next.stream, Rc::clone(&state));
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .half_close(true)
        .ignore_invalid_headers(true)
        .max_headers(1000)
        .max_buf_size(most_head(origin.borrow().default_server()))
        .serve_connection(TokioIo::new(gate), service);
    let end = Drive {
        connection: &mut connection,
        state: &state,
        slot: &slot,
        shared,
        origin,
        draining: pin!(draining(shared)),
        is_draining: false,
        timer: pin!(tokio::time::sleep(Duration::ZERO)),
        expected: None,
    }
    .await;
    let stream = connection.into_parts().io.into_inner().into_inner();
    match end {
        End::TimedOut => {}
        End::Tunnel(opened) => {
            let readahead = state.borrow_mut().take_readahead();
            tunnel::run(stream, readahead, opened).await;
        }
        End::Parked(id) => match stream.into_idle() {
            Ok(idle) => shared.parking.borrow_mut().adopt(id, idle, &state.borrow_mut().take_readahead()),
            Err(_) => shared.parking.borrow_mut().abandon(id),
        },
        End::Closed(Err(error)) if error.is_parse() => {
            let bytes = state.borrow_mut().take_refused();
            if let Some((target, readahead)) = target::replace(&bytes) {
                return Some(Next { stream, readahead, target: Some(target) });
            }
            let refused = refuse(shared, &mut origin.borrow_mut(), &bytes, error.is_parse_too_large());
            let send_timeout = state.borrow().send_timeout;
            let _ = tokio::time::timeout(send_timeout, send_and_close(stream, &refused)).await;
        }
        End::Closed(_) => {
            let linger = state.borrow().linger;
            close(stream, linger).await;
        }
    }
    None
}

/// Room for the longest head that `large_client_header_buffers` allows; hyper needs at least 8 KiB.
fn most_head(server: &Server) -> usize {
    let (count, size) = server.large_client_header_buffers;
    count.saturating_mul(size).saturating_add(size).clamp(8192, 1 << 24)
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
        Raw { target: state.target.take(), head, pipelined: state.pipelined }
    };
    let reply = service::handle(&exchange, request, raw).await;
    let rendered = reply.rendered.ok_or(Silence)?;
    let keep_alive = rendered.keep_alive && !*shared.draining.borrow();
    state.borrow_mut().answer_under(&reply.conf.core, reply.linger);
    if let Framed::Tunnel(tunnel) = &rendered.body {
        let far = tunnel.take().ok_or(Silence)?;
        open_tunnel(&mut state.borrow_mut(), Opened { far, head: rendered.head, log: reply.log });
        // The driver takes the connection away.
        std::future::pending::<()>().await;
        return Err(Silence);
    }
    // What was sent of an answer that broke off reaches the client before the end does.
    let keep_alive = transfer::send(state, rendered, reply.log).await.is_ok() && keep_alive;
    state.borrow_mut().end();
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let mut response = Response::new(Empty::new());
    response.headers_mut().insert("connection", http::HeaderValue::from_static(connection));
    Ok(response)
}

/// Sends the head of an answer behind which the connection is a tunnel.
fn open_tunnel(state: &mut GateState, opened: Opened) {
    state.push(opened.head.clone());
    state.tunnel = Some(opened);
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
struct Drive<'a, S, D, T>
where
    S: hyper::service::HttpService<Incoming>,
{
    connection: &'a mut HyperConnection<S>,
    state: &'a RefCell<GateState>,
    slot: &'a ParkSlot,
    shared: &'a Shared,
    origin: &'a RefCell<Origin>,
    draining: Pin<&'a mut D>,
    is_draining: bool,
    timer: Pin<&'a mut T>,
    /// The subscriber that waits, once there is one: its place in the parking.
    expected: Option<usize>,
}

impl<S, B, D> Future for Drive<'_, S, D, tokio::time::Sleep>
where
    S: hyper::service::HttpService<Incoming, ResBody = B> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    D: Future<Output = ()>,
{
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let drive = self.get_mut();
        let polled = drive.connection.poll_without_shutdown(cx);
        // A subscriber counts as waiting from the moment its handler says so: an event may come before its socket
        // is free, and finds it in the parking.
        if let Some(waiting) = drive.slot.take() {
            let origin = drive.origin.borrow().clone();
            drive.expected = Some(drive.shared.parking.borrow_mut().expect(waiting, origin));
        }
        if let Some(id) = drive.expected {
            // Only once earlier answers have left: what hyper and the gate still hold would be lost.
            if drive.state.borrow().is_flushed() {
                return Poll::Ready(End::Parked(id));
            }
        }
        if drive.state.borrow().tunnel.is_some() && drive.state.borrow().is_flushed() {
            let opened = drive.state.borrow_mut().tunnel.take();
            if let Some(opened) = opened {
                return Poll::Ready(End::Tunnel(opened));
            }
        }
        if let Poll::Ready(result) = polled {
            return Poll::Ready(drive.closed(result));
        }
        drive.is_draining = drive.is_draining || drive.draining.as_mut().poll(cx).is_ready();
        if drive.is_draining {
            if matches!(drive.state.borrow().phase, Phase::Handling) {
                Pin::new(&mut *drive.connection).graceful_shutdown();
            } else if drive.state.borrow().is_flushed() {
                return Poll::Ready(drive.closed(Ok(())));
            }
        }
        drive.poll_timer(cx)
    }
}

impl<S, D> Drive<'_, S, D, tokio::time::Sleep>
where
    S: hyper::service::HttpService<Incoming>,
{
    fn closed(&self, result: Result<(), hyper::Error>) -> End {
        if let Some(id) = self.expected {
            self.shared.parking.borrow_mut().abandon(id);
        }
        End::Closed(result)
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
            (None, Phase::Idle(since)) => (since, state.keepalive_timeout),
            (None, Phase::Handling) => return None,
        };
        since.checked_add(timeout).map(Into::into)
    }
}

async fn draining(shared: &Shared) {
    let mut draining = shared.draining.clone();
    if draining.wait_for(|draining| *draining).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// nginx's answer to bytes that hyper could not read as a request.
fn refuse(shared: &Shared, origin: &mut Origin, bytes: &[u8], too_large: bool) -> Vec<u8> {
    let refusal = screen::unparsable(bytes, too_large, origin.default_server());
    let Some(refusal) = refusal else { return Vec::new() };
    let slot = Arc::new(ParkSlot::new(shared.worker));
    let rendered = service::refuse(&exchange(shared, origin, &slot, ClientWatch::default()), bytes, refusal);
    [rendered.head.clone(), rendered.in_memory()].concat()
}

/// What the next request of a connection needs of it.
fn exchange(shared: &Shared, origin: &mut Origin, slot: &Arc<ParkSlot>, client: ClientWatch) -> Exchange {
    origin.requests += 1;
    origin.renew(&shared.site.borrow());
    Exchange {
        site: Arc::clone(&origin.site),
        listen: origin.listen,
        connection: Arc::clone(&origin.connection),
        number: origin.requests,
        slot: Arc::clone(slot),
        client,
    }
}

async fn send_and_close(mut stream: Stream, bytes: &[u8]) {
    if stream.write_all(bytes).await.is_ok() {
        close(stream, true).await;
    }
}

/// Closes a connection. With `linger`, what the client still sends is read and dropped for a while: closing a
/// socket with unread bytes resets it, and the reset may overtake the answer.
async fn close(mut stream: Stream, linger: bool) {
    if stream.shutdown().await.is_err() || !linger {
        return;
    }
    let (time, timeout) = LINGERING;
    let mut sink = [0; 4096];
    let drain =
        async { while let Ok(Ok(1..)) = tokio::time::timeout(timeout, stream.read(&mut sink)).await {} };
    let _ = tokio::time::timeout(time, drain).await;
}
