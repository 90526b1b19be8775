//! An answer on its way to a parked socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};

use crate::config::model::{ConnectionConf, LocationConf};
use crate::push::again::Repeat;
use crate::request::answer::{Rendered, Sent};
use crate::request::evaluation::AnswerSoFar;
use crate::request::limits::Limits;
use crate::request::log_line::PendingLog;

/// An answer, and what goes with it.
pub(super) struct Outgoing {
    pub(super) rendered: Rendered,
    pub(super) conf: Arc<LocationConf>,
    pub(super) log: Option<Box<PendingLog>>,
    pub(super) limits: Option<Arc<Limits>>,
    pub(super) published: Option<Instant>,
    pub(super) repeat: Option<Repeat>,
}

impl Outgoing {
    /// The way on, once so many bytes are written.
    pub(super) fn into_writing(self, written: usize) -> Writing {
        let Self { rendered, conf, log, limits, published, repeat } = self;
        let mut parts = match rendered.whole() {
            Some(whole) => [whole.clone(), Bytes::new()],
            None => [rendered.head(), rendered.in_memory()],
        };
        advance(&mut parts, written);
        Writing {
            parts,
            keep_alive: rendered.keep_alive,
            sent: rendered.sent(),
            head: rendered.head(),
            last_chunk: rendered.last_chunk(),
            log,
            _limits: limits,
            keepalive_timeout: conf.core.keepalive_timeout,
            send_timeout: conf.core.send_timeout,
            connection: conf.connection,
            slow: false,
            published,
            repeat,
        }
    }
}

/// An answer that its socket did not take at once, or has yet to.
pub(super) struct Writing {
    pub(super) parts: [Bytes; 2],
    pub(super) keep_alive: bool,
    pub(super) sent: Sent,
    /// The head once more, for the log, and the last chunk.
    pub(super) head: Bytes,
    pub(super) last_chunk: Bytes,
    pub(super) log: Option<Box<PendingLog>>,
    /// Held until the answer is written.
    _limits: Option<Arc<Limits>>,
    pub(super) keepalive_timeout: Duration,
    pub(super) send_timeout: Duration,
    pub(super) connection: ConnectionConf,
    /// The socket did not take all of it at once.
    pub(super) slow: bool,
    /// When the message was published that this is about.
    pub(super) published: Option<Instant>,
    /// Its request, if that may come again.
    pub(super) repeat: Option<Repeat>,
}

impl Writing {
    /// Logs an answer of which the rest will not be sent.
    pub(super) fn log_broken_off(&self) {
        let Some(log) = &self.log else { return };
        let length = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let left: u64 = self.parts.iter().map(length).sum();
        let written = (self.sent.head_bytes + self.sent.body_bytes).saturating_sub(left);
        let head_bytes = self.sent.head_bytes.min(written);
        let sent = Sent { head_bytes, body_bytes: written - head_bytes, complete: false, ..self.sent };
        log.write(&AnswerSoFar { sent, head: &self.head, last_chunk: &[] });
    }
}

/// Drops the first `written` bytes of two stretches.
pub(super) fn advance(parts: &mut [Bytes; 2], mut written: usize) {
    for part in parts {
        let step = written.min(part.len());
        part.advance(step);
        written -= step;
    }
}
