//! `set_real_ip_from` and its kin: whom a client behind a proxy is taken for.

use super::access::AccessWho;

/// `set_real_ip_from` and its kin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealIpConf {
    /// `set_real_ip_from`: whose word is trusted.
    pub from: Vec<AccessWho>,
    /// `real_ip_header`.
    pub header: RealIpHeader,
    /// `real_ip_recursive`.
    pub recursive: bool,
}

/// Where a trusted proxy names the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RealIpHeader {
    /// `X-Forwarded-For`, of which there may be several.
    ForwardedFor,
    /// The PROXY protocol.
    ProxyProtocol,
    /// Another header, by its name in lower case.
    Named(Box<str>),
}
