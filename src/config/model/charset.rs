//! `charset`, and conversions between character sets.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::template::Template;

/// `charset`.
#[derive(Clone, Debug, Default)]
pub struct CharsetConf {
    /// The name added to text types; `None` = off.
    pub charset: Option<Template>,
    /// `source_charset`: what texts are in; `None` = they stay as they are.
    pub source: Option<Template>,
    /// `override_charset`: texts of servers behind are converted from the charset that they name.
    pub overrides: bool,
    /// Those that the configuration knows.
    pub charsets: Arc<Charsets>,
    /// `charset_types` in force (lower case).
    pub types: Arc<Vec<Box<str>>>,
}

/// The character sets that a configuration names.
#[derive(Clone, Debug, Default)]
pub struct Charsets {
    /// Their names.
    pub names: Vec<Box<str>>,
    /// What the `charset_map`s make possible, both ways.
    pub conversions: Vec<Conversion>,
}

/// From one character set to another.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The text's.
    pub from: Box<str>,
    /// What it becomes.
    pub to: Box<str>,
    /// How.
    pub recoding: Arc<Recoding>,
}

/// How texts get from one character set to another.
#[derive(Clone, Debug)]
pub enum Recoding {
    /// Each byte becomes another.
    Bytes(Box<[u8; 256]>),
    /// Each byte becomes a letter in UTF-8.
    ToUtf8(Box<[Box<[u8]>]>),
    /// Each letter in UTF-8 becomes a byte, if it is among these.
    FromUtf8(HashMap<char, u8>),
}

impl Charsets {
    /// Whether there is one of that name; case is ignored.
    pub fn knows(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// How texts get from one to the other, if they can; case is ignored.
    pub fn conversion(&self, from: &[u8], to: &[u8]) -> Option<&Arc<Recoding>> {
        let is = |name: &str, other: &[u8]| name.as_bytes().eq_ignore_ascii_case(other);
        let mut conversions = self.conversions.iter();
        conversions.find(|one| is(&one.from, from) && is(&one.to, to)).map(|one| &one.recoding)
    }
}
