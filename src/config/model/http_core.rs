//! What nginx's core module knows of a location; `types` and `error_page`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::template::Template;

/// What nginx's core module knows of a location.
#[derive(Clone, Debug)]
pub struct CoreConf {
    /// `internal`.
    pub internal: bool,
    /// `default_type`; empty when it was set to nothing.
    pub default_type: Box<[u8]>,
    /// `types`: by extension in lower case.
    pub types: Arc<Types>,
    /// `client_max_body_size` in bytes; `None` = no limit (written as 0).
    pub client_max_body_size: Option<u64>,
    /// `client_body_timeout`.
    pub client_body_timeout: Duration,
    /// `send_timeout`.
    pub send_timeout: Duration,
    /// `keepalive_timeout`; zero switches keep-alive off.
    pub keepalive_timeout: Duration,
    /// Second argument of `keepalive_timeout`: the `Keep-Alive` header, whole seconds.
    pub keepalive_header: Option<u64>,
    /// `keepalive_requests`.
    pub keepalive_requests: u64,
    /// `server_tokens`.
    pub server_tokens: bool,
    /// `absolute_redirect`.
    pub absolute_redirect: bool,
    /// `server_name_in_redirect`.
    pub server_name_in_redirect: bool,
    /// `port_in_redirect`.
    pub port_in_redirect: bool,
    /// `error_page`, in order.
    pub error_pages: Vec<ErrorPage>,
    /// `recursive_error_pages`.
    pub recursive_error_pages: bool,
}

/// MIME types by extension.
pub type Types = HashMap<Box<[u8]>, Box<[u8]>>;

/// One `error_page`.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// The status it is for.
    pub status: u16,
    /// What is answered instead.
    pub replacement: Replacement,
    /// Where to.
    pub target: ErrorTarget,
}

/// The status an `error_page` answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// No `=`: the status stays.
    Keep,
    /// `=`: whatever the target answers.
    FromTarget,
    /// `=CODE`.
    Code(u16),
}

/// Where an `error_page` leads.
#[derive(Clone, Debug)]
pub enum ErrorTarget {
    /// A URI with its arguments, looked up inside (starts with `/`).
    Uri(Template),
    /// `@name`.
    Named(Box<[u8]>),
    /// Anything else: the client is redirected there.
    Redirect(Template),
}
