//! How often, and how many at once: `limit_req` and `limit_conn`, tower layers around a location that act before access.

pub mod connections;
pub mod requests;
pub mod slab;
pub mod zone;
