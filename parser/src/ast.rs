//! The tree: directives, their words and blocks, and the comments between them.

use crate::span::{FileId, Span};

/// One argument or directive name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text as nginx sees it, quotes removed and escapes decoded. `${name}` and `$name` are
    /// still in it: which words take variables is the directive's business, see
    /// [`interpolate`](crate::interpolate).
    pub value: Vec<u8>,
    /// The quotes it was written with.
    pub quoting: Quoting,
    /// The word in the source, quotes included.
    pub span: Span,
}

/// The quotes around a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quoting {
    /// `word`
    None,
    /// `'word'`
    Single,
    /// `"word"`
    Double,
}

/// A name, its arguments, and a `;` or a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: Word,
    /// The other words.
    pub args: Vec<Word>,
    /// What follows them.
    pub body: Body,
    /// From the name to the `;` or `{`, inclusive. [`SourceMap::line_of`](crate::SourceMap::line_of)
    /// of it is the line nginx reports.
    pub span: Span,
    /// The comments before the name, and those between the words.
    pub comments: Vec<Comment>,
}

/// What a directive ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `;`
    None,
    /// `{ ... }`
    Block(Block),
    /// The files an `include` has put in its place, in reading order; none when a glob matches
    /// nothing.
    Include(Vec<Included>),
    /// `{ ... }` in another language, see [`Options::raw_blocks`](crate::Options::raw_blocks).
    Raw {
        /// The text between the braces.
        inner: Span,
    },
}

/// The directives between `{` and `}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The directives in reading order.
    pub directives: Vec<Directive>,
    /// From `{` to `}`, inclusive. The `{` alone when the block is not closed.
    pub span: Span,
    /// False when an error stopped the parser before the `}`.
    pub closed: bool,
    /// The comments after the last directive.
    pub comments: Vec<Comment>,
}

/// One file read in place of an `include` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Which file.
    pub file: FileId,
    /// Its directives in reading order.
    pub directives: Vec<Directive>,
    /// The comments after the last directive.
    pub comments: Vec<Comment>,
}

/// A `#` and the rest of its line.
///
/// A comment belongs to what comes after it: a directive, the end of a block, or the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    /// From the `#` to the end of the line, without the line break.
    pub span: Span,
    /// False when it stands behind something else on the same line, as in `listen 80; # default`.
    /// True for a comment between the words of a directive, which is printed before it.
    pub own_line: bool,
}

impl Directive {
    /// The directives of the block, if there is one and it was read as nginx config.
    pub fn block(&self) -> Option<&Block> {
        match &self.body {
            Body::Block(block) => Some(block),
            Body::None | Body::Include(_) | Body::Raw { .. } => None,
        }
    }
}
