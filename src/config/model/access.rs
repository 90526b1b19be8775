//! `allow`, `deny`, `auth_basic`, `satisfy`: who may come in.

use std::net::IpAddr;
use std::time::Duration;

use super::super::template::Template;

/// Access rules.
#[derive(Clone, Debug, Default)]
pub struct AccessConf {
    /// `allow` and `deny`, in order; the first that fits decides.
    pub rules: Vec<AccessRule>,
    /// `satisfy any`.
    pub satisfy_any: bool,
    /// `auth_basic`: the realm.
    pub auth_basic: Option<Template>,
    /// `auth_basic_user_file`.
    pub auth_basic_user_file: Option<Template>,
    /// `auth_delay`.
    pub auth_delay: Duration,
}

/// One `allow` or `deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// `allow`?
    pub allow: bool,
    /// Whom.
    pub who: AccessWho,
}

/// Whom an access rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessWho {
    /// `all`.
    All,
    /// `unix:`.
    Unix,
    /// An address or a network: address and prefix length.
    Net(IpAddr, u8),
}
