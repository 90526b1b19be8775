//! How answers are put on the wire.

use super::super::template::Template;

/// How answers are put on the wire.
#[derive(Clone, Debug)]
pub struct OutputConf {
    /// `limit_rate`: bytes per second.
    pub limit_rate: Template,
    /// `limit_rate_after`: bytes.
    pub limit_rate_after: Template,
    /// `chunked_transfer_encoding`.
    pub chunked_transfer_encoding: bool,
    /// `msie_padding`.
    pub msie_padding: bool,
    /// `msie_refresh`.
    pub msie_refresh: bool,
}
