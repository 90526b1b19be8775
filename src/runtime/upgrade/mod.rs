//! A new program takes over from a running one: nginx's USR2, and beyond it also channels, messages and waiting
//! subscribers.
//!
//! The old process starts the new one with a socket as its standard input. The new one reads its configuration, takes
//! the listening sockets, and says that it is ready. Then all workers of the old one stand still, what they have is sent
//! ([`wire::Frame`]), and only when the new process has confirmed all of it does the old one give it away with
//! [`wire::Frame::Commit`]. Whatever fails before that leaves the old process as it was.

pub mod predecessor;
pub mod standstill;
pub mod successor;
pub mod wire;

pub use predecessor::{Predecessor, refuse};
pub use standstill::Standstill;
pub use successor::{Failure, Outcome, Successor};

/// Marks a process that is to take over from the one that started it.
const MARK: &str = "ENCKE_UPGRADE";

/// Whether this process is one.
pub fn is_under_way() -> bool {
    std::env::var_os(MARK).is_some()
}
