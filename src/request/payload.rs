//! Bodies of answers: in memory, piece by piece, or from something that can be read anywhere.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;

/// The body of an answer before it is compressed and framed.
#[derive(Clone, Debug)]
pub enum Payload {
    /// In memory: many answers can share it.
    Whole(Bytes),
    /// Comes piece by piece.
    Pieces(Pieces),
    /// A file, say: ranges of it may be asked for.
    Source(Arc<dyn Source>),
}

/// Bytes that can be read from anywhere in them.
pub trait Source: fmt::Debug + Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// Some of them. A body that ends early, or with an error, breaks the answer off.
    fn read(self: Arc<Self>, range: Range<u64>) -> Body;
}

/// A body that comes piece by piece. Clones are of one body, which is read once.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// All of its bytes, where that is known before.
    pub length: Option<u64>,
    body: Arc<Mutex<Option<Body>>>,
}

impl Payload {
    /// All of its bytes, where that is known before.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Pieces(pieces) => pieces.length,
            Self::Source(source) => Some(source.length()),
        }
    }

    /// All of them, if they are in memory.
    pub fn in_memory(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Pieces(_) | Self::Source(_) => None,
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl<T: Into<Bytes>> From<T> for Payload {
    fn from(bytes: T) -> Self {
        Self::Whole(bytes.into())
    }
}

impl Pieces {
    /// A body of that length.
    pub fn new(body: Body, length: Option<u64>) -> Self {
        Self { length, body: Arc::new(Mutex::new(Some(body))) }
    }

    /// All of a source.
    pub fn all(source: Arc<dyn Source>) -> Self {
        let length = source.length();
        Self::new(source.read(0..length), Some(length))
    }

    /// Stretches of a source with texts between them.
    pub fn composed(source: Arc<dyn Source>, parts: Vec<Part>) -> Self {
        let length = parts.iter().map(Part::length).sum();
        let composed = Composed { source, parts: parts.into(), current: None };
        Self::new(Body::new(composed), Some(length))
    }

    /// Takes the body; it is empty the second time.
    pub fn take(&self) -> Body {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// A part of a composed body.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes.
    Text(Bytes),
    /// A stretch of the source.
    Range(Range<u64>),
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Text(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Range(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// A body of parts; each stretch is read when it is its turn.
struct Composed {
    source: Arc<dyn Source>,
    parts: VecDeque<Part>,
    current: Option<Body>,
}

impl HttpBody for Composed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let composed = self.get_mut();
        loop {
            if let Some(body) = &mut composed.current {
                if let Some(frame) = ready!(Pin::new(body).poll_frame(cx)) {
                    return Poll::Ready(Some(frame));
                }
                composed.current = None;
            }
            match composed.parts.pop_front() {
                Some(Part::Text(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Part::Range(range)) => {
                    composed.current = Some(Arc::clone(&composed.source).read(range));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}
