//! `add_header`, `add_trailer`, `expires`: what is added to answers.

use super::super::template::Template;

/// Headers added to answers.
#[derive(Clone, Debug, Default)]
pub struct HeadersConf {
    /// `add_header`, in order.
    pub add: Vec<AddHeader>,
    /// `add_trailer`, in order.
    pub trailers: Vec<AddHeader>,
    /// `expires`.
    pub expires: ExpiresSetting,
}

/// One `add_header`.
#[derive(Clone, Debug)]
pub struct AddHeader {
    /// The name as written.
    pub name: Box<str>,
    /// The value; empty values are not sent.
    pub value: Template,
    /// `always`: for every status.
    pub always: bool,
}

/// `expires` as written.
#[derive(Clone, Debug)]
pub enum ExpiresSetting {
    /// Without variables.
    Fixed(Expires),
    /// `expires [modified] $variable`.
    Variable {
        /// What is read as a time or a word.
        value: Template,
        /// `modified`.
        modified: bool,
    },
}

/// `expires`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expires {
    /// Not set, or `off`.
    #[default]
    Off,
    /// `epoch`.
    Epoch,
    /// `max`.
    Max,
    /// Seconds from now; negative: in the past, `no-cache`.
    In(i64),
    /// `modified`: seconds from Last-Modified.
    Modified(i64),
    /// `@TIME`: seconds after local midnight.
    At(u32),
}

impl Default for ExpiresSetting {
    fn default() -> Self {
        Self::Fixed(Expires::Off)
    }
}
