//! How messages look on the wire: one file per format.

pub mod eventsource;
pub mod multipart;
