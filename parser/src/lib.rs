//! The nginx configuration language: bytes in, a tree with spans out.
//!
//! # The grammar
//!
//! ```text
//! file      = { statement }                  an included file is complete in itself
//! statement = name { argument } ( ";" | "{" { statement } "}" )
//! name      = word                           the only one known is "include"
//! argument  = word
//! word      = bare | "\"" text "\"" | "'" text "'"
//!
//! Blanks (space, tab, CR, LF) may stand between all of these, and must between two words. Comments
//! go from a "#" at the start of a word to the end of the line, and may stand where blanks may.
//!
//! bare    ends before a blank, ";" or "{". At its start "}", "#" and the quotes are special; inside
//!         they are letters. "{" directly after "$" belongs to the word: ${name}.
//! text    ends at the quote it started with, over lines if need be. A blank, ";", "{" or ")" must
//!         follow: if ($a = "b") {
//! escape  a backslash keeps the next byte from ending a word, quoted or not. When decoded,
//!         \" \' \\ become the bare character and \t \r \n the control character; every other pair
//!         keeps its backslash (\d in a regular expression). There is no escape for "$".
//! length  a word and the byte that ends it fit 4096 bytes.
//! ```
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use encke_parser::{Body, Options, parse_bytes};
//!
//! let text = b"location /activity {\n    push_subscriber \"long-poll\"; # clients\n";
//! let parsed = parse_bytes(Path::new("nginx.conf"), text, &Options::default());
//!
//! let location = &parsed.directives[0];
//! assert_eq!(location.name.value, b"location");
//! let Body::Block(block) = &location.body else { panic!("it has a block") };
//! assert_eq!(block.directives[0].args[0].value, b"long-poll");
//! assert_eq!(parsed.sources.line_of(block.directives[0].span), 2);
//!
//! // What was read before an error is there, with the blocks that were open.
//! assert!(!block.closed);
//! let error = parsed.error.unwrap();
//! assert_eq!(
//!     error.in_place(&parsed.sources),
//!     r#"unexpected end of file, expecting "}" in nginx.conf:3"#,
//! );
//! ```
//!
//! # Parts
//!
//! [`parse`] asks a [`Loader`] for files, keeps them in a [`SourceMap`] and gives [`Directive`]s.
//! [`mod@print`] turns them into text again. [`interpolate`] finds the variables in a word, for those
//! directives that take them. What names, argument counts and values are right is for the user of
//! the tree to say; so are defaults, inheritance and the order of directives.
//!
//! # Known differences from nginx
//!
//! The judge was nginx 1.22.1; the tests ask it again where it is installed.
//!
//! * nginx crashes on a file that includes itself and on 20,000 nested blocks. Here both are
//!   errors, and there are limits to the number and the size of files: see [`Options`].
//! * A comment may be of any length. nginx counts a comment as a parameter and refuses one of
//!   4096 bytes.
//! * Patterns of `include` have no character classes like `[[:digit:]]`, and are sorted by bytes.
//! * A device or a pipe is read to its end. nginx trusts its size, so that it is empty.
//! * A file name with a NUL byte is refused. nginx cuts it off there.
//! * In messages, control characters and bytes that are not UTF-8 are escaped (`\xff`). nginx writes
//!   them as they are.
//! * [`Options::raw_blocks`] are skipped by Lua's rules. For nginx, they are the business of the
//!   module that brings them.

#![warn(missing_docs)]

mod ast;
mod error;
mod glob;
mod grammar;
mod include;
pub mod interpolate;
mod lexer;
mod options;
pub mod print;
mod raw;
mod source;
mod span;
mod word;

use std::path::Path;

pub use ast::{Block, Body, Comment, Directive, Included, Quoting, Word};
pub use error::{Error, ErrorKind, Expected, IoReason};
pub use include::{FsLoader, Loader, MemLoader};
pub use options::Options;
pub use source::SourceMap;
pub use span::{FileId, Span};

/// Everything that was read.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The directives of the main file; those of included files are in [`Body::Include`].
    pub directives: Vec<Directive>,
    /// The comments of the main file after its last directive.
    pub comments: Vec<Comment>,
    /// The files, needed to turn a [`Span`] into a place.
    pub sources: SourceMap,
    /// What stopped the parser, if something did.
    ///
    /// `directives` then holds everything before it: nginx acts on a directive as soon as it has
    /// read it, so an error of meaning in an earlier line is reported first. Blocks that were open
    /// are there and not [`closed`](Block::closed); the directive that was being read is not.
    pub error: Option<Error>,
}

impl Parsed {
    /// Prints the main file with all of its comments, see [`print::print`].
    pub fn to_text(&self) -> Vec<u8> {
        print::print_file(&self.directives, &self.comments, &self.sources)
    }
}

/// Reads the config file at `path`, and what it includes.
///
/// Without the main file there is no tree, and the error has no place.
pub fn parse(path: &Path, loader: &dyn Loader, options: &Options) -> Parsed {
    grammar::Reader::new(path, loader, options).run(path)
}

/// Reads a config that is in memory already; `name` is what messages call it.
///
/// Includes fail as if no file existed. For more than one file use [`parse`] with a [`MemLoader`].
pub fn parse_bytes(name: &Path, bytes: &[u8], options: &Options) -> Parsed {
    parse(name, &MemLoader::new().with(name, bytes), options)
}

/// Keeps the example of the README working.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
