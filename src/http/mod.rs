//! The web server around the push locations.

pub mod access;
pub mod auth_request;
pub mod chunks;
pub mod connection;
pub mod gate;
pub mod htpasswd;
pub mod location;
pub mod mirror;
pub mod origin;
pub mod parking;
pub mod proxy;
pub mod router;
pub mod screen;
pub mod service;
pub mod site;
pub mod stream;
pub mod subrequest;
pub mod target;
pub mod transfer;
pub mod tunnel;
pub mod upstream;
pub mod vhost;
