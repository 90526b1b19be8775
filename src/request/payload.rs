//! Bodies of answers: in memory, or piece by piece.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;

/// The body of an answer before it is compressed and framed.
#[derive(Clone, Debug)]
pub enum Payload {
    /// In memory: many answers can share it.
    Whole(Bytes),
    /// Comes piece by piece, from a file say.
    Pieces(Pieces),
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

    /// Takes the body; it is empty the second time.
    pub fn take(&self) -> Body {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}
