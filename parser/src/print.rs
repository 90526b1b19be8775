//! The tree as text again.

use std::slice;

use crate::ast::{Block, Body, Comment, Directive, Quoting, Word};
use crate::source::SourceMap;
use crate::span::Span;
use crate::word::{self, is_blank};

/// Prints directives as a config: one per line, blocks indented by four blanks, comments and single
/// blank lines kept.
///
/// Reading the result gives the same words, and printing that gives the same text. A word is
/// printed as it is in `sources`; when its [`value`](Word::value) was changed, it is quoted afresh.
/// An `include` is printed as the directive it is; print [`Included`](crate::Included) on its own.
/// Blocks that an error left open are closed.
///
/// Comments after the last directive belong to the file, not to a directive: see
/// [`Parsed::to_text`](crate::Parsed::to_text).
pub fn print(directives: &[Directive], sources: &SourceMap) -> Vec<u8> {
    print_file(directives, &[], sources)
}

pub(crate) fn print_file(directives: &[Directive], comments: &[Comment], sources: &SourceMap) -> Vec<u8> {
    let mut printer = Printer { sources, out: Vec::new(), depth: 0 };
    printer.directives(directives);
    printer.comments(comments);
    printer.end_line();
    printer.out
}

struct Printer<'a> {
    sources: &'a SourceMap,
    /// The text so far. Ends without a line break, so that a comment can be put behind.
    out: Vec<u8>,
    depth: usize,
}

impl Printer<'_> {
    /// Walks with a stack of its own, so that depth costs no call stack.
    fn directives<'t>(&mut self, directives: &'t [Directive]) {
        let mut open: Vec<(slice::Iter<'t, Directive>, &'t Block)> = Vec::new();
        let mut current = directives.iter();
        loop {
            if let Some(directive) = current.next() {
                self.head(directive);
                if let Body::Block(block) = &directive.body {
                    self.depth += 1;
                    open.push((std::mem::replace(&mut current, block.directives.iter()), block));
                }
            } else if let Some((outer, block)) = open.pop() {
                self.close(block);
                current = outer;
            } else {
                return;
            }
        }
    }

    /// Comments, words, and what ends the line of the directive.
    fn head(&mut self, directive: &Directive) {
        self.comments(&directive.comments);
        self.start_line(Some(directive.name.span));
        self.word(&directive.name);
        for arg in &directive.args {
            self.out.push(b' ');
            self.word(arg);
        }
        match &directive.body {
            Body::None | Body::Include(_) => self.out.push(b';'),
            Body::Block(_) => self.out.extend_from_slice(b" {"),
            Body::Raw { inner } => {
                self.out.extend_from_slice(b" {");
                self.out.extend_from_slice(self.sources.text(*inner).unwrap_or_default());
                self.out.push(b'}');
            }
        }
    }

    fn close(&mut self, block: &Block) {
        self.comments(&block.comments);
        self.depth -= 1;
        if !block.directives.is_empty() || !block.comments.is_empty() {
            self.start_line(None);
        }
        self.out.push(b'}');
    }

    fn comments(&mut self, comments: &[Comment]) {
        for comment in comments {
            let Some(text) = self.sources.text(comment.span) else { continue };
            if comment.own_line || self.out.is_empty() {
                self.start_line(Some(comment.span));
            } else {
                self.out.push(b' ');
            }
            self.out.extend_from_slice(text.trim_ascii_end());
        }
    }

    fn word(&mut self, word: &Word) {
        match unchanged(word, self.sources) {
            Some(text) => self.out.extend_from_slice(text),
            None => word::encode(&word.value, word.quoting, &mut self.out),
        }
    }

    /// Starts a line, after a blank one if there is one before `place` in the source.
    fn start_line(&mut self, place: Option<Span>) {
        self.end_line();
        let opens_block = self.out.ends_with(b"{\n") || self.out.is_empty();
        if !opens_block && place.is_some_and(|span| self.has_blank_line_before(span)) {
            self.out.push(b'\n');
        }
        self.out.extend(std::iter::repeat_n(b' ', self.depth * INDENT));
    }

    fn end_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(b"\n") {
            self.out.push(b'\n');
        }
    }

    fn has_blank_line_before(&self, span: Span) -> bool {
        let before = self.sources.text(Span { start: 0, end: span.start, ..span }).unwrap_or_default();
        let blanks = before.iter().rev().take_while(|byte| is_blank(**byte));
        blanks.filter(|byte| **byte == b'\n').nth(1).is_some()
    }
}

/// The word as it is in the source, if it is still that word.
fn unchanged<'s>(word: &Word, sources: &'s SourceMap) -> Option<&'s [u8]> {
    let text = sources.text(word.span)?;
    let inside = match (word.quoting, text) {
        (Quoting::None, [first, ..]) if !matches!(first, b'"' | b'\'') => text,
        (Quoting::Single, [b'\'', inside @ .., b'\'']) | (Quoting::Double, [b'"', inside @ .., b'"']) => {
            inside
        }
        _ => return None,
    };
    (word::decode(inside) == word.value).then_some(text)
}

const INDENT: usize = 4;
