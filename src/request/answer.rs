//! Answers, and their bytes on the wire: the same for a request answered at once and for one that waited.
//!
//! A handler comes to an [`Answer`], a request to a [`Responder`]: together they make the bytes, [`Rendered`]. Nothing
//! else writes response heads.

pub mod charset;
mod compression;
mod expires;
mod head;
mod headers;
mod last_head;
mod render;
mod rendered;
mod responder;

use std::borrow::Cow;

use bytes::Bytes;

use super::pages::Phrases;
use super::passed::Passed;
use super::payload::Payload;

pub use self::last_head::LastHead;
pub use self::render::StreamHead;
pub use self::rendered::{Framed, Rendered, Sent, chunk};
pub use self::responder::{FrozenResponder, Responder};

/// The name and version in `Server` and on error pages.
pub const SERVER: &str = concat!("encke/", env!("CARGO_PKG_VERSION"));

/// An answer before the location's headers are added to it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Whose reason phrase it has.
    pub phrases: Phrases,
    /// `Content-Type`.
    pub content_type: Option<Box<[u8]>>,
    /// `Last-Modified`, seconds since 1970.
    pub last_modified: Option<i64>,
    /// `ETag`, with its quotes.
    pub etag: Option<Vec<u8>>,
    /// `ETag` is among the further headers already.
    pub etag_written: bool,
    /// `Location`; a path is completed to a URL.
    pub location: Option<Box<[u8]>>,
    /// Further headers, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// What is said of ranges, behind all other headers.
    pub ranges: Ranges,
    /// The body.
    pub body: Payload,
    /// `If-Modified-Since` and its like are looked at.
    pub conditional: bool,
    /// The body depends on `Accept-Encoding`.
    pub vary: bool,
    /// What of it is as a server behind sent it.
    pub passed: Option<Box<Passed>>,
    /// nginx's "special response": `error_page` applies, and its own page is the body.
    pub special: bool,
    /// The connection ends with this answer.
    pub close: bool,
    /// Close the connection without an answer (`return 444`).
    pub silent: bool,
}

/// What an answer says of ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ranges {
    /// Nothing.
    #[default]
    None,
    /// `Accept-Ranges: bytes`.
    Accepted,
    /// `Content-Range` with this value.
    Content(Box<str>),
}

impl Answer {
    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A status with nginx's page for it, unless `error_page` says otherwise.
    pub fn error(status: u16) -> Self {
        Self { status, special: true, ..Self::default() }
    }

    /// A redirect, with nginx's page.
    pub fn redirect(status: u16, location: Vec<u8>) -> Self {
        Self { location: Some(location.into()), ..Self::error(status) }
    }

    /// A text of some type.
    pub fn text(status: u16, content_type: impl Into<Box<[u8]>>, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: Some(content_type.into()),
            body: Payload::Whole(body.into()),
            ..Self::default()
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Whether the handler, or a server behind, compressed it already.
    fn is_encoded(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == "Content-Encoding")
            || self.passed.as_ref().is_some_and(|passed| passed.has("content-encoding"))
    }
}
