//! What can be wrong with a config, in nginx's words.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::source::SourceMap;
use crate::span::Span;

/// Why reading a config stopped.
///
/// Displays as nginx's text without the place, such as `unexpected end of file, expecting "}"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where, unless nginx names no place for this error.
    pub span: Option<Span>,
}

/// What is wrong.
///
/// The first group are nginx's own errors, with texts checked against nginx 1.22.1. The second
/// group are limits nginx does not have: it crashes, or works until memory ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file ends inside a directive, a word or a block.
    UnexpectedEnd(Expected),
    /// A byte that cannot stand here: `;` or `{` without a name before it, `}` too many or inside a
    /// directive, anything glued to a closing quote.
    Unexpected(u8),
    /// A quoted word goes on for over 4096 bytes; the quote is `"` or `'`.
    UnterminatedQuote(char),
    /// A word is longer than 4096 bytes; `start` is its beginning.
    WordTooLong {
        /// The first ten bytes of the word.
        start: Vec<u8>,
    },
    /// A file cannot be opened.
    Open {
        /// The file, as nginx would name it.
        path: PathBuf,
        /// Why not.
        reason: IoReason,
    },
    /// A file can be opened but not read: a directory. nginx logs this one as `[crit]`, not
    /// `[emerg]`, and without a place.
    Read {
        /// The file, as nginx would name it.
        path: PathBuf,
        /// Why not.
        reason: IoReason,
    },

    /// A file includes itself, directly or through others.
    IncludeCycle {
        /// The file that is being read already.
        path: PathBuf,
    },
    /// More files open inside one another than `max_include_depth`.
    IncludesTooDeep {
        /// The limit.
        limit: usize,
    },
    /// More includes than `max_files`.
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
    /// More blocks open inside one another than `max_depth`.
    BlocksTooDeep {
        /// The limit.
        limit: usize,
    },
    /// More text than `max_total_bytes`.
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// What the end of a file came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The `}` of an open block.
    BlockEnd,
    /// The `;` (or, as nginx has it, the `}`) of a started directive.
    DirectiveEnd,
}

/// Why the system refused a file: the comparable part of an [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoReason {
    /// The system's error number, when it was the system.
    pub code: Option<i32>,
    /// The text that belongs to it.
    pub message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, span: impl Into<Option<Span>>) -> Error {
        Error { kind, span: span.into() }
    }

    /// The text as nginx logs it, with the place if there is one: `… in FILE:LINE`.
    ///
    /// `sources` must be those of the same [`Parsed`](crate::Parsed).
    pub fn in_place(&self, sources: &SourceMap) -> String {
        match self.span {
            Some(span) => {
                format!("{self} in {}:{}", sources.name(span.file).display(), sources.line_of(span))
            }
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {}

// === impl ErrorKind ===

impl ErrorKind {
    /// The kind for a file that the loader could not deliver.
    ///
    /// A directory opens like a file and fails on the first read; nginx words the two differently.
    pub(crate) fn from_io(path: PathBuf, error: &io::Error) -> ErrorKind {
        let reason = IoReason::from(error);
        match error.kind() {
            io::ErrorKind::IsADirectory => ErrorKind::Read { path, reason },
            _ => ErrorKind::Open { path, reason },
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::UnexpectedEnd(Expected::BlockEnd) => {
                f.write_str(r#"unexpected end of file, expecting "}""#)
            }
            ErrorKind::UnexpectedEnd(Expected::DirectiveEnd) => {
                f.write_str(r#"unexpected end of file, expecting ";" or "}""#)
            }
            ErrorKind::Unexpected(byte) => write!(f, r#"unexpected "{}""#, Visible(&[*byte])),
            ErrorKind::UnterminatedQuote(quote) => {
                write!(f, r#"too long parameter, probably missing terminating "{quote}" character"#)
            }
            ErrorKind::WordTooLong { start } => {
                write!(f, r#"too long parameter "{}..." started"#, Visible(start))
            }
            ErrorKind::Open { path, reason } => write!(f, r#"open() "{}" failed ({reason})"#, path.display()),
            ErrorKind::Read { path, reason } => {
                write!(f, r#"pread() "{}" failed ({reason})"#, path.display())
            }
            ErrorKind::IncludeCycle { path } => write!(f, r#"file "{}" includes itself"#, path.display()),
            ErrorKind::IncludesTooDeep { limit } => {
                write!(f, "included files nested too deep, the limit is {limit}")
            }
            ErrorKind::TooManyFiles { limit } => write!(f, "too many included files, the limit is {limit}"),
            ErrorKind::BlocksTooDeep { limit } => write!(f, "blocks nested too deep, the limit is {limit}"),
            ErrorKind::TooLarge { limit } => write!(f, "configuration too large, the limit is {limit} bytes"),
        }
    }
}

/// Bytes for a message: what is text stays text, the rest shows as `\xNN`.
///
/// nginx writes the bytes as they are; a log line of ours is always UTF-8 on one line.
struct Visible<'a>(&'a [u8]);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                if char.is_control() { write!(f, "{}", char.escape_default())? } else { write!(f, "{char}")? }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

// === impl IoReason ===

impl From<&io::Error> for IoReason {
    fn from(error: &io::Error) -> IoReason {
        let code = error.raw_os_error();
        let mut message = error.to_string();
        // std appends the number; nginx puts it in front, which is done when displaying.
        if let Some(suffix) = code.map(|code| format!(" (os error {code})")) {
            message.truncate(message.strip_suffix(&suffix).map_or(message.len(), str::len));
        }
        IoReason { code, message }
    }
}

impl fmt::Display for IoReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
