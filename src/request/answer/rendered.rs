//! An answer as bytes.

use bytes::Bytes;

use super::super::evaluation::AnswerSoFar;
use super::super::gzip;
use super::super::pace::Pace;
use super::super::passed::Tunnel;
use super::super::payload::{Payload, Pieces};
use super::super::recode::Recoder;
use super::head::Head;

/// An answer as bytes.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The status.
    pub status: u16,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// Status line and headers, with the empty line; of a small answer the body, too: one piece takes the system less time
    /// than two.
    front: Bytes,
    head_length: usize,
    rest: Option<Box<Rest>>,
}

/// What small answers do not have.
#[derive(Clone, Debug)]
struct Rest {
    /// The body, if it does not stand behind the head.
    body: Option<Framed>,
    last_chunk: Bytes,
    pace: Option<Pace>,
}

/// The body of an answer as it goes over the wire.
#[derive(Clone, Debug)]
pub enum Framed {
    /// Ready.
    Whole(Bytes),
    /// Still to be compressed and framed, piece by piece.
    Pieces {
        /// Where they come from.
        pieces: Pieces,
        /// What converts them to the answer's charset, if they are in another.
        recoder: Option<Recoder>,
        /// `gzip_comp_level`, if they are to be compressed.
        gzip: Option<u32>,
        /// If each becomes a chunk: what comes behind the last.
        last_chunk: Option<Bytes>,
    },
    /// None: the connection goes on as a tunnel.
    Tunnel(Tunnel),
}

/// What went over the wire, for the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The status.
    pub status: u16,
    /// Bytes of the status line and headers.
    pub head_bytes: u64,
    /// Bytes of the body, framing included.
    pub body_bytes: u64,
    /// Whether all of it was sent.
    pub complete: bool,
}

impl Rendered {
    pub(super) fn new(
        (status, keep_alive): (u16, bool),
        head: Head,
        body: Framed,
        last_chunk: Bytes,
        pace: Option<Pace>,
    ) -> Self {
        let (front, head_length, body) = head.finish_with(body);
        let is_small = body.is_none() && last_chunk.is_empty() && pace.is_none();
        let rest = (!is_small).then(|| Box::new(Rest { body, last_chunk, pace }));
        Self { status, keep_alive, front, head_length, rest }
    }

    /// A small one, whose connection stays open: the head is so long.
    pub(super) fn small(status: u16, whole: Bytes, head_length: usize) -> Self {
        Self { status, keep_alive: true, front: whole, head_length, rest: None }
    }

    /// Head and body in one piece, of a small answer.
    pub fn whole(&self) -> Option<&Bytes> {
        let is_whole = self.rest.as_ref().is_none_or(|rest| rest.body.is_none());
        is_whole.then_some(&self.front)
    }

    /// Status line and headers, with the empty line.
    pub fn head(&self) -> Bytes {
        self.front.slice(..self.head_length)
    }

    /// The last chunk once more, for the access log. An answer without chunks has it for its trailers, as in nginx.
    pub fn last_chunk(&self) -> Bytes {
        self.rest.as_ref().map_or_else(Bytes::new, |rest| rest.last_chunk.clone())
    }

    /// How fast it is sent, if there is a limit.
    pub fn pace(&self) -> Option<Pace> {
        self.rest.as_ref().and_then(|rest| rest.pace)
    }

    /// The body as framed; empty for HEAD.
    pub fn into_body(self) -> Framed {
        let body = self.rest.and_then(|rest| rest.body);
        body.unwrap_or_else(|| Framed::Whole(self.front.slice(self.head_length..)))
    }

    /// What the connection goes on as, if there is no body because of that.
    pub fn tunnel(&self) -> Option<&Tunnel> {
        match &self.rest.as_ref()?.body {
            Some(Framed::Tunnel(tunnel)) => Some(tunnel),
            _ => None,
        }
    }

    /// What an access log says once all of an answer in memory is sent.
    pub fn sent(&self) -> Sent {
        let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        Sent {
            status: self.status,
            head_bytes: length(self.head_length),
            body_bytes: length(self.in_memory().len()),
            complete: true,
        }
    }

    /// What there is of it for an access log, when so much was sent.
    pub fn so_far(&self, sent: Sent) -> AnswerSoFar<'_> {
        let last_chunk = self.rest.as_ref().map_or(&[][..], |rest| &rest.last_chunk);
        AnswerSoFar { sent, head: &self.front[..self.head_length], last_chunk }
    }

    /// The body, if it is in memory: pages, messages and whatever else a subscriber that waited gets.
    pub fn in_memory(&self) -> Bytes {
        match self.rest.as_ref().and_then(|rest| rest.body.as_ref()) {
            None => self.front.slice(self.head_length..),
            Some(Framed::Whole(bytes)) => bytes.clone(),
            Some(Framed::Pieces { .. } | Framed::Tunnel(_)) => Bytes::new(),
        }
    }
}

/// Compresses and frames what is in memory; what is not has that before it.
pub(super) fn frame(
    body: Payload,
    recoder: Option<Recoder>,
    gzip: Option<u32>,
    last_chunk: Option<Bytes>,
) -> Framed {
    match body {
        Payload::Pieces(pieces) => Framed::Pieces { pieces, recoder, gzip, last_chunk },
        Payload::Source(source) => Framed::Pieces { pieces: Pieces::all(source), recoder, gzip, last_chunk },
        Payload::Whole(bytes) => {
            let bytes = match recoder {
                Some(mut recoder) => [recoder.feed(&bytes), recoder.finish()].concat().into(),
                None => bytes,
            };
            let bytes = match gzip {
                Some(level) if !bytes.is_empty() => gzip::compress(&bytes, level),
                _ => bytes,
            };
            Framed::Whole(match last_chunk {
                Some(last) if bytes.is_empty() => last,
                Some(last) => [&chunk(&bytes)[..], &last].concat().into(),
                None => bytes,
            })
        }
    }
}

/// A stretch of a body as a chunk.
pub fn chunk(bytes: &[u8]) -> Bytes {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat().into()
}
