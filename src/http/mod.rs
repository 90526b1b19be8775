//! The web server around the push locations.

pub mod access;
pub mod chunks;
pub mod connection;
pub mod files;
pub mod gate;
pub mod head_room;
pub mod htpasswd;
pub mod limits;
pub mod location;
pub mod origin;
pub mod parking;
pub mod proxy_protocol;
pub mod real_ip;
pub mod reuse;
pub mod router;
pub mod screen;
pub mod service;
pub mod site;
pub mod status;
pub mod stream;
pub mod target;
pub mod transfer;
pub mod vhost;
