//! `userid`: a cookie that tells clients apart.

use serde::{Deserialize, Serialize};

/// `userid`.
#[derive(Clone, Debug)]
pub struct UseridConf {
    /// `userid`.
    pub mode: UseridMode,
    /// `userid_name`.
    pub name: Box<[u8]>,
    /// `userid_domain`.
    pub domain: Option<Box<[u8]>>,
    /// `userid_path`.
    pub path: Box<[u8]>,
    /// `userid_expires`.
    pub expires: UseridExpires,
    /// `userid_p3p`; empty: none.
    pub p3p: Box<[u8]>,
    /// `userid_mark`.
    pub mark: Option<u8>,
    /// `userid_service`.
    pub service: Option<u32>,
    /// `userid_flags`.
    pub flags: UseridFlags,
}

/// What is done about the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UseridMode {
    /// Nothing.
    #[default]
    Off,
    /// It is read.
    Log,
    /// It is given in the form of old.
    V1,
    /// It is given.
    On,
}

/// Lifetime of the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UseridExpires {
    /// The browser's session.
    #[default]
    Off,
    /// Until the end of 2037.
    Max,
    /// Seconds.
    In(i64),
}

/// Flags of the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UseridFlags {
    /// `secure`.
    pub secure: bool,
    /// `httponly`.
    pub httponly: bool,
    /// `samesite=`.
    pub samesite: Option<&'static str>,
}
