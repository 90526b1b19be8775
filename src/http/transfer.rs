//! The way of an answer from the service to the gate: at once if it is in memory, else piece by piece, as the client
//! takes them; slower where `limit_rate` wants it.

use std::cell::RefCell;
use std::io;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::request::answer::{self, Framed, Rendered, Sent};
use crate::request::evaluation::AnswerSoFar;
use crate::request::gzip::Compressor;
use crate::request::log_line::PendingLog;
use crate::request::pace::Pace;
use crate::request::recode::Recoder;

use super::gate::{self, GateState};
use super::parking::Paced;
use super::stream::Stream;

/// The body broke off: all that can be done is to close the connection.
#[derive(Debug)]
pub struct BrokenOff;

/// Sends an answer. Its access log lines are written when it is sent, or when the connection ends before that.
///
/// # Errors
/// When the body's source fails in the middle, or ends before it should.
pub async fn send(
    state: &RefCell<GateState>,
    rendered: Rendered,
    log: Option<Box<PendingLog>>,
) -> Result<(), BrokenOff> {
    let sent = Sent { status: rendered.status, ..Sent::default() };
    let (head, last_chunk, pace) = (rendered.head(), rendered.last_chunk(), rendered.pace());
    let mut transfer = Transfer { state, sent, head, last_chunk, log, pace };
    if let (Some(whole), None) = (rendered.whole(), pace) {
        transfer.push_whole(whole.clone());
        return Ok(());
    }
    transfer.push(rendered.head(), Which::Head).await;
    match rendered.into_body() {
        Framed::Whole(bytes) => transfer.push(bytes, Which::Body).await,
        // The connection's driver sees to it.
        Framed::Tunnel(_) => {}
        Framed::Pieces { pieces, recoder, gzip, last_chunk } => {
            let length = pieces.length;
            let framing = Framing { recoder, compressor: gzip.map(Compressor::new), last_chunk };
            transfer.send_pieces(pieces.take(), length, framing).await?;
        }
    }
    transfer.sent.complete = true;
    Ok(())
}

/// Sends an answer that is in memory on a socket that no gate stands before.
///
/// # Errors
/// When the client goes away, or takes nothing for `send_timeout`.
pub async fn send_paced(stream: &mut Stream, paced: Paced) -> io::Result<()> {
    let Paced { rendered, log, send_timeout, connection, .. } = paced;
    if connection.tcp_nodelay {
        stream.send_at_once();
    }
    let mut bytes: Bytes = [rendered.head(), rendered.in_memory()].concat().into();
    let mut sent = 0;
    let result = loop {
        let allowed = match rendered.pace().map_or(Ok(u64::MAX), |pace| pace.allowance(sent)) {
            Ok(allowed) => usize::try_from(allowed).unwrap_or(usize::MAX),
            Err(wait) => {
                tokio::time::sleep(wait).await;
                continue;
            }
        };
        let now = bytes.split_to(allowed.min(bytes.len()));
        match tokio::time::timeout(send_timeout, stream.write_all(&now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break Err(error),
            Err(_) => break Err(io::ErrorKind::TimedOut.into()),
        }
        let before = sent;
        sent += length_of(&now);
        if bytes.is_empty() {
            break Ok(());
        }
        if let Some(pace) = rendered.pace() {
            tokio::time::sleep(pace.rest(before, sent)).await;
        }
    };
    if let Some(log) = log {
        let head_bytes = length_of(&rendered.head()).min(sent);
        let (status, complete) = (rendered.status, result.is_ok());
        let sent = Sent { status, head_bytes, body_bytes: sent - head_bytes, complete };
        log.write(&rendered.so_far(sent));
    }
    result
}

/// What bytes count as in the log.
#[derive(Clone, Copy)]
enum Which {
    Head,
    Body,
}

/// An answer that is being sent.
struct Transfer<'a> {
    state: &'a RefCell<GateState>,
    sent: Sent,
    head: Bytes,
    last_chunk: Bytes,
    log: Option<Box<PendingLog>>,
    pace: Option<Pace>,
}

impl Transfer<'_> {
    /// `length` is what the head has promised: a file may have grown or shrunk since.
    async fn send_pieces(
        &mut self,
        mut body: Body,
        length: Option<u64>,
        mut framing: Framing,
    ) -> Result<(), BrokenOff> {
        let mut missing = length;
        while missing != Some(0)
            && let Some(frame) = body.frame().await
        {
            let Ok(mut data) = frame.map_err(|_| BrokenOff)?.into_data() else { continue };
            if let Some(missing) = &mut missing {
                data.truncate(usize::try_from(*missing).unwrap_or(usize::MAX));
                *missing -= length_of(&data);
            }
            if let Some(bytes) = framing.feed(data) {
                gate::room(self.state).await;
                self.push(bytes, Which::Body).await;
            }
        }
        if missing.is_some_and(|missing| missing > 0) {
            return Err(BrokenOff);
        }
        for bytes in framing.finish() {
            self.push(bytes, Which::Body).await;
        }
        Ok(())
    }

    /// Queues all of a small answer.
    fn push_whole(&mut self, whole: Bytes) {
        self.sent.head_bytes = length_of(&self.head);
        self.sent.body_bytes = length_of(&whole) - self.sent.head_bytes;
        self.sent.complete = true;
        self.state.borrow_mut().push(whole);
    }

    /// Queues bytes for the client, those that may be sent now.
    async fn push(&mut self, mut bytes: Bytes, which: Which) {
        let Some(pace) = self.pace else { return self.queue(bytes, which) };
        while !bytes.is_empty() {
            let before = self.total();
            let allowed = match pace.allowance(before) {
                Ok(allowed) => usize::try_from(allowed).unwrap_or(usize::MAX),
                Err(wait) => {
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            self.queue(bytes.split_to(allowed.min(bytes.len())), which);
            gate::flushed(self.state).await;
            if !bytes.is_empty() {
                tokio::time::sleep(pace.rest(before, self.total())).await;
            }
        }
    }

    fn queue(&mut self, bytes: Bytes, which: Which) {
        *match which {
            Which::Head => &mut self.sent.head_bytes,
            Which::Body => &mut self.sent.body_bytes,
        } += length_of(&bytes);
        self.state.borrow_mut().push(bytes);
    }

    fn total(&self) -> u64 {
        self.sent.head_bytes + self.sent.body_bytes
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            let last_chunk = if self.sent.complete { &*self.last_chunk } else { &[] };
            log.write(&AnswerSoFar { sent: self.sent, head: &self.head, last_chunk });
        }
    }
}

/// What is done to each piece of a body.
struct Framing {
    recoder: Option<Recoder>,
    compressor: Option<Compressor>,
    /// What ends it, if each piece is a chunk.
    last_chunk: Option<Bytes>,
}

impl Framing {
    /// What goes over the wire for a piece; none while the compressor keeps it.
    fn feed(&mut self, piece: Bytes) -> Option<Bytes> {
        let piece = match &mut self.recoder {
            Some(recoder) => recoder.feed(&piece),
            None => piece,
        };
        let piece = match &mut self.compressor {
            Some(compressor) => compressor.feed(&piece),
            None => piece,
        };
        (!piece.is_empty()).then(|| self.frame(piece))
    }

    /// What goes over the wire at the end.
    fn finish(mut self) -> [Bytes; 3] {
        let tail = self.recoder.take().map(Recoder::finish).filter(|tail| !tail.is_empty());
        let tail = tail.and_then(|tail| self.feed(tail)).unwrap_or_default();
        let rest = self.compressor.take().map(Compressor::finish).filter(|rest| !rest.is_empty());
        let rest = rest.map_or_else(Bytes::new, |rest| self.frame(rest));
        [tail, rest, self.last_chunk.unwrap_or_default()]
    }

    fn frame(&self, piece: Bytes) -> Bytes {
        if self.last_chunk.is_some() { answer::chunk(&piece) } else { piece }
    }
}

fn length_of(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
