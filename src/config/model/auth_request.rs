//! `auth_request`: requests that are made to ask for leave.

use std::sync::Arc;

use super::super::template::Template;

/// `auth_request`.
#[derive(Clone, Debug, Default)]
pub struct AuthRequestConf {
    /// The URI that is asked for leave.
    pub uri: Option<Box<[u8]>>,
    /// `auth_request_set`: user variables and their values.
    pub set: Arc<[(AuthVariable, Template)]>,
    /// `log_subrequest`.
    pub log_subrequest: bool,
}

/// What `auth_request_set` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthVariable {
    /// A variable that can be redefined: an index into the configuration's variables.
    Named(usize),
    /// `$args`.
    Args,
    /// `$limit_rate`.
    LimitRate,
}
