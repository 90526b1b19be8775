//! An answer as bytes.

use bytes::Bytes;

use super::super::evaluation::AnswerSoFar;
use super::super::gzip;
use super::super::pace::Pace;
use super::super::passed::Tunnel;
use super::super::payload::{Payload, Pieces};
use super::super::recode::Recoder;

/// An answer as bytes.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The status.
    pub status: u16,
    /// Status line and headers, with the empty line.
    pub head: Bytes,
    /// The body as framed; empty for HEAD.
    pub body: Framed,
    /// Both in one piece, of a small answer.
    pub whole: Option<Bytes>,
    /// The last chunk once more, for the access log. An answer without chunks has it for its trailers, as in nginx.
    pub last_chunk: Bytes,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// How fast it is sent, if there is a limit.
    pub pace: Option<Pace>,
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
    /// What an access log says once all of an answer in memory is sent.
    pub fn sent(&self) -> Sent {
        let length = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Sent {
            status: self.status,
            head_bytes: length(&self.head),
            body_bytes: length(&self.in_memory()),
            complete: true,
        }
    }

    /// What there is of it for an access log, when so much was sent.
    pub fn so_far(&self, sent: Sent) -> AnswerSoFar<'_> {
        AnswerSoFar { sent, head: &self.head, last_chunk: &self.last_chunk }
    }

    /// The body, if it is in memory: pages, messages and whatever else a subscriber that waited gets.
    pub fn in_memory(&self) -> Bytes {
        match &self.body {
            Framed::Whole(bytes) => bytes.clone(),
            Framed::Pieces { .. } | Framed::Tunnel(_) => Bytes::new(),
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
