//! How connections are kept and closed.

use std::time::Duration;

/// How connections are kept and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionConf {
    /// `keepalive_time`.
    pub keepalive_time: Duration,
    /// `keepalive_disable`.
    pub keepalive_disable: KeepAliveDisable,
    /// `client_body_buffer_size` in bytes.
    pub body_buffer_size: usize,
    /// `lingering_close`.
    pub lingering_close: Lingering,
    /// `lingering_time`.
    pub lingering_time: Duration,
    /// `lingering_timeout`.
    pub lingering_timeout: Duration,
    /// `reset_timedout_connection`.
    pub reset_timedout: bool,
    /// `tcp_nodelay`.
    pub tcp_nodelay: bool,
    /// `keepalive_min_timeout`.
    pub keepalive_min_timeout: Duration,
}

/// `keepalive_disable`: browsers whose connections are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAliveDisable {
    /// Old MSIE, after a POST.
    pub msie6: bool,
    /// Safari on macOS.
    pub safari: bool,
}

/// `lingering_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingering {
    /// Never.
    Off,
    /// Where the client still sends.
    On,
    /// Always.
    Always,
}
