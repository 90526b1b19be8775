//! Encke: a comet (HTTP push) server that reads the nginx configuration its users already have.
//!
//! Modules in the order of their dependencies; each imports only from those above it.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | the configuration: text tree in, typed and merged data out; no sockets |
//! | [`store`] | channels and messages; knows bytes, ids and time, not HTTP |
//! | [`request`] | one request as directives see it: variables, rewrite, the bytes of an answer |
//! | [`log`] | error log and access logs |
//! | [`metrics`] | what is counted |
//! | [`push`] | what publishing and subscribing mean: axum handlers over the store |
//! | [`http`] | the web server around them: hyper, location choice, access, parked connections |
//! | [`runtime`] | the process: sockets, worker threads, signals, reload |
//! | [`cli`] | the command line |
//!
//! `docs/architecture.md` has the picture and the reasons.

pub mod cli;
pub mod config;
pub mod http;
pub mod log;
pub mod metrics;
pub mod push;
pub mod request;
pub mod runtime;
pub mod store;
