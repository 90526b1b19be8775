//! What of an answer comes from a server behind, as it was spelled there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::RequestCtx;

/// What an answer keeps of the one it was made from.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// Status and reason; empty for the status of the answer.
    pub status_line: Box<[u8]>,
    /// Headers, as spelled, in order; without those that only concern the connection.
    pub headers: Vec<(Box<str>, Vec<u8>)>,
    /// The server behind has said of the charset all that there is to say (`X-Accel-Charset`).
    pub charset_is_final: bool,
    /// What follows the head is no body: bytes go both ways until somebody closes.
    pub tunnel: Option<Tunnel>,
}

impl Passed {
    /// Whether there is a header of that name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The first header of that name.
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        headers.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
}

/// A connection to a server behind that has changed its protocol. Clones are of one connection, which is taken once.
#[derive(Clone)]
pub struct Tunnel(Arc<Mutex<Option<Far>>>);

/// The far end of a tunnel.
pub struct Far {
    /// The connection.
    pub io: Box<dyn Io>,
    /// How long both sides may be silent.
    pub timeout: Duration,
    /// The request that opened it, for the log.
    pub ctx: Arc<RequestCtx>,
}

/// A connection of any kind.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Tunnel {
    /// To this far end.
    pub fn new(far: Far) -> Self {
        Self(Arc::new(Mutex::new(Some(far))))
    }

    /// Takes the far end; there is none the second time.
    pub fn take(&self) -> Option<Far> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tunnel")
    }
}
