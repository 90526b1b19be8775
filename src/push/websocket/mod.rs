//! WebSocket (RFC 6455): the handshake, frames in and out, compression (RFC 7692). Bytes in, bytes out: no sockets.

pub mod deflate;
pub mod frame;
pub mod handshake;

pub use deflate::Deflate;
pub use frame::{Decoder, Incoming, Violation};
