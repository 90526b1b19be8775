//! The body of an answer on its way from a server behind to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::config::model::{ProxyConf, Severity};
use crate::request::RequestCtx;

use super::super::upstream::Chosen;
use super::super::upstream::connect::Link;

/// The largest piece that hyper reads at once, bytes.
const PIECE: usize = 8192;

/// A body that is being read from a server behind.
pub struct Passing {
    incoming: Incoming,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    rate: Option<Rate>,
    lease: Lease,
}

/// What a request holds of a server behind, until its answer has come.
pub struct Lease {
    ctx: Arc<RequestCtx>,
    link: Option<Link>,
    chosen: Chosen,
    since: Instant,
    url: String,
    /// The server keeps the connection open.
    reusable: bool,
    /// The body is wanted: it counts.
    read: bool,
}

/// `proxy_limit_rate`.
struct Rate {
    bytes_per_second: u64,
    since: Instant,
    passed: u64,
}

impl Lease {
    /// For an answer of which the head has come.
    pub fn new(
        ctx: Arc<RequestCtx>,
        link: Link,
        chosen: Chosen,
        since: Instant,
        url: String,
        reusable: bool,
    ) -> Self {
        Self { ctx, link: Some(link), chosen, since, url, reusable, read: false }
    }

    /// All has come: the connection may serve again.
    pub fn finish(&mut self) {
        if let Some(link) = self.link.take() {
            self.note(&link);
            if self.reusable
                && let Some(pool) = &self.chosen.group.pool
            {
                pool.put(self.chosen.address().clone(), link);
            }
        }
    }

    fn note(&self, link: &Link) {
        let (received, head) = {
            let traffic = link.wire.lock();
            (traffic.received, u64::try_from(traffic.head.len()).unwrap_or(0))
        };
        let spent = self.since.elapsed();
        self.ctx.upstream.update(|last| {
            last.received = received;
            last.length = if self.read { received.saturating_sub(head) } else { 0 };
            last.response = Some(spent);
        });
    }

    fn fail(&self, message: &str) -> std::io::Error {
        self.ctx.log_upstream(Severity::Error, message, Some(&self.url));
        std::io::Error::other(message.to_owned())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            self.note(link);
        }
    }
}

impl Passing {
    /// The body of an answer.
    pub fn new(incoming: Incoming, conf: &ProxyConf, mut lease: Lease) -> Self {
        lease.read = true;
        let rate = |bytes_per_second| Rate { bytes_per_second, since: Instant::now(), passed: 0 };
        Self {
            incoming,
            timeout: conf.read_timeout,
            timer: Box::pin(tokio::time::sleep(conf.read_timeout)),
            rate: conf.limit_rate.filter(|_| conf.buffering).map(rate),
            lease,
        }
    }

    /// The body as the client's side takes it: with `buffers`, so many bytes are read ahead.
    pub fn into_body(self, buffers: Option<usize>) -> Body {
        let Some(buffers) = buffers else { return Body::new(self) };
        let (mut sender, body) = Channel::<Bytes, std::io::Error>::new((buffers / PIECE).max(1));
        let (wanted, unwanted) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let (mut passing, mut unwanted) = (self, unwanted);
            loop {
                // Whoever dropped the body does not wait for what comes next, and neither does the server behind.
                let frame = tokio::select! {
                    frame = passing.frame() => frame,
                    _ = &mut unwanted => return,
                };
                let Some(frame) = frame else { return };
                let sent = match frame {
                    Ok(frame) => sender.send(frame).await,
                    Err(error) => return sender.abort(error),
                };
                if sent.is_err() {
                    return;
                }
            }
        });
        Body::new(body.map_frame(move |frame| {
            let _ = &wanted;
            frame
        }))
    }
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let passing = self.get_mut();
        if let Some(delay) = passing.rate.as_ref().and_then(Rate::delay) {
            let until = Instant::now() + delay;
            passing.timer.as_mut().reset(until.into());
            ready!(passing.timer.as_mut().poll(cx));
        }
        let Poll::Ready(frame) = Pin::new(&mut passing.incoming).poll_frame(cx) else {
            ready!(passing.timer.as_mut().poll(cx));
            let message = "upstream timed out (110: Connection timed out) while reading upstream";
            return Poll::Ready(Some(Err(passing.lease.fail(message))));
        };
        if let Some(until) = Instant::now().checked_add(passing.timeout) {
            passing.timer.as_mut().reset(until.into());
        }
        match frame {
            None => {
                passing.lease.finish();
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                passing.see(&frame);
                if passing.incoming.is_end_stream() {
                    passing.lease.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(_)) => {
                let message = "upstream prematurely closed connection while reading upstream";
                Poll::Ready(Some(Err(passing.lease.fail(message))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }
}

impl Passing {
    fn see(&mut self, frame: &Frame<Bytes>) {
        let upstream = &self.lease.ctx.upstream;
        if let (Some(data), Some(rate)) = (frame.data_ref(), &mut self.rate) {
            rate.passed += u64::try_from(data.len()).unwrap_or(0);
        }
        if let Some(trailers) = frame.trailers_ref() {
            let trailers =
                trailers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
            upstream.lock().trailers.extend(trailers);
        }
    }
}

impl Rate {
    /// How long to wait before more is read.
    fn delay(&self) -> Option<Duration> {
        // As nginx counts: the first second's worth may come at once.
        let due = Duration::from_millis(self.passed.saturating_mul(1000) / self.bytes_per_second);
        let delay = due.checked_sub(self.since.elapsed() + Duration::from_secs(1))?;
        (!delay.is_zero()).then_some(delay)
    }
}
