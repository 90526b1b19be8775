//! The way of an answer from the service to the gate: at once if it is in memory, else piece by piece, as the client
//! takes them.

use std::cell::RefCell;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::request::answer::{self, Framed, Rendered, Sent};
use crate::request::gzip::Compressor;
use crate::request::log_line::PendingLog;

use super::gate::{self, GateState};

/// The body broke off: all that can be done is to close the connection.
#[derive(Debug)]
pub struct BrokenOff;

/// Sends an answer. Its access log lines are written when it is sent, or when the connection ends before that.
///
/// # Errors
/// When the body's source fails in the middle.
pub async fn send(
    state: &RefCell<GateState>,
    rendered: Rendered,
    log: Option<Box<PendingLog>>,
) -> Result<(), BrokenOff> {
    let sent = Sent { status: rendered.status, ..Sent::default() };
    let mut transfer = Transfer { state, sent, head: rendered.head.clone(), log };
    state.borrow_mut().push(rendered.head);
    transfer.sent.head_bytes = length_of(&transfer.head);
    match rendered.body {
        Framed::Whole(bytes) => transfer.push(bytes),
        // The connection's driver sees to it.
        Framed::Tunnel(_) => {}
        Framed::Pieces { pieces, gzip, chunked } => {
            let framing = Framing { compressor: gzip.map(Compressor::new), chunked };
            transfer.send_pieces(pieces.take(), framing).await?;
        }
    }
    transfer.sent.complete = true;
    Ok(())
}

/// An answer that is being sent.
struct Transfer<'a> {
    state: &'a RefCell<GateState>,
    sent: Sent,
    head: Bytes,
    log: Option<Box<PendingLog>>,
}

impl Transfer<'_> {
    async fn send_pieces(&mut self, mut body: Body, mut framing: Framing) -> Result<(), BrokenOff> {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BrokenOff)?.into_data() else { continue };
            if let Some(bytes) = framing.feed(data) {
                gate::room(self.state).await;
                self.push(bytes);
            }
        }
        framing.finish().into_iter().for_each(|bytes| self.push(bytes));
        Ok(())
    }

    fn push(&mut self, bytes: Bytes) {
        self.sent.body_bytes += length_of(&bytes);
        self.state.borrow_mut().push(bytes);
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            log.write(&self.sent, &self.head);
        }
    }
}

/// What is done to each piece of a body.
struct Framing {
    compressor: Option<Compressor>,
    chunked: bool,
}

impl Framing {
    /// What goes over the wire for a piece; none while the compressor keeps it.
    fn feed(&mut self, piece: Bytes) -> Option<Bytes> {
        let piece = match &mut self.compressor {
            Some(compressor) => compressor.feed(&piece),
            None => piece,
        };
        (!piece.is_empty()).then(|| self.frame(piece))
    }

    /// What goes over the wire at the end.
    fn finish(mut self) -> [Bytes; 2] {
        let rest = self.compressor.take().map(Compressor::finish).filter(|rest| !rest.is_empty());
        let rest = rest.map_or_else(Bytes::new, |rest| self.frame(rest));
        [rest, Bytes::from_static(if self.chunked { answer::LAST_CHUNK } else { b"" })]
    }

    fn frame(&self, piece: Bytes) -> Bytes {
        if self.chunked { answer::chunk(&piece) } else { piece }
    }
}

fn length_of(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
