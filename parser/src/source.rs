//! The text of every file that was read, and how to show a place in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::span::{FileId, Span};

/// All files read by one call of [`parse`](crate::parse), in the order they were first opened.
///
/// A file that is included several times is listed once, as in the output of `nginx -T`.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

#[derive(Debug, Clone)]
struct Source {
    name: PathBuf,
    bytes: Arc<Vec<u8>>,
    /// Offsets at which lines start. Filled on the first question about a line: most files never
    /// get one, and a file that gets many must not be scanned each time.
    lines: OnceLock<Vec<u32>>,
}

impl SourceMap {
    /// The files in the order they were first opened: id, name and text.
    ///
    /// The name of the main file is the path as it was given; an included file is named by the
    /// joined path (see [`Options::include_base`](crate::Options::include_base)).
    pub fn files(&self) -> impl Iterator<Item = (FileId, &Path, &[u8])> {
        (0..)
            .zip(&self.sources)
            .map(|(index, source)| (FileId(index), source.name.as_path(), source.bytes.as_slice()))
    }

    /// The name of `file`; empty when the id is from another map.
    pub fn name(&self, file: FileId) -> &Path {
        self.source(file).map_or(Path::new(""), |source| &source.name)
    }

    /// The bytes of `span`, or `None` when it is not a place in this map.
    pub fn text(&self, span: Span) -> Option<&[u8]> {
        self.source(span.file)?.bytes.get(span.start as usize..span.end as usize)
    }

    /// Line and column of a byte, both from 1. Columns count bytes.
    ///
    /// An offset past the end is on the last line, as nginx counts the end of a file.
    pub fn line_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        let Some(source) = self.source(file) else { return (1, 1) };
        let (line, start) = source.line_at(offset);
        (line, offset - start + 1)
    }

    /// The line on which `span` **ends**, from 1: the line of its last byte.
    ///
    /// This is the line nginx names in its messages, because it reports a directive when it has
    /// read its `;` or `{`.
    pub fn line_of(&self, span: Span) -> u32 {
        let last = if span.end > span.start { span.end - 1 } else { span.start };
        self.line_column(span.file, last).0
    }

    /// The source line on which `span` ends, with the span underlined, for people.
    ///
    /// ```text
    ///    8 | push_subscribe long-poll;
    ///      | ^^^^^^^^^^^^^^^^^^^^^^^^^
    /// ```
    ///
    /// Bytes that are not UTF-8 show as U+FFFD, tabs and control characters as one blank (a config
    /// must not be able to steer the terminal it is shown on), and a long line is cut around the
    /// place. The underline counts characters, so it is off by the extra width of wide ones. Empty
    /// when the span is not a place in this map.
    pub fn excerpt(&self, span: Span) -> String {
        let Some(source) = self.source(span.file) else { return String::new() };
        let line = self.line_of(span);
        let (text, start) = source.line(line);
        let place =
            Marked::new(text, (span.start as usize).saturating_sub(start), (span.end as usize) - start);
        let width = line.to_string().len().max(4);
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{line:>width$} | {}", place.text);
        let _ = writeln!(out, "{:width$} | {}{}", "", " ".repeat(place.indent), "^".repeat(place.carets));
        out
    }

    /// Adds a file. The caller has made sure that its length fits an offset.
    pub(crate) fn add(&mut self, name: PathBuf, bytes: Vec<u8>) -> FileId {
        let id = FileId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source { name, bytes: Arc::new(bytes), lines: OnceLock::new() });
        id
    }

    /// The text of a file, shared: the lexer keeps it while the map grows.
    pub(crate) fn shared(&self, file: FileId) -> Arc<Vec<u8>> {
        self.source(file).map(|source| Arc::clone(&source.bytes)).unwrap_or_default()
    }

    fn source(&self, file: FileId) -> Option<&Source> {
        self.sources.get(file.index())
    }
}

// === impl Source ===

impl Source {
    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let after_breaks =
                (1..).zip(self.bytes.iter()).filter(|(_, byte)| **byte == b'\n').map(|(next, _)| next);
            std::iter::once(0).chain(after_breaks).collect()
        })
    }

    /// Number and start of the line that holds `offset`.
    fn line_at(&self, offset: u32) -> (u32, u32) {
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= offset);
        (u32::try_from(line).unwrap_or(u32::MAX), starts[line - 1])
    }

    /// The text of a line without its line break, and the offset it starts at.
    fn line(&self, number: u32) -> (&[u8], usize) {
        let starts = self.line_starts();
        let start = starts[number as usize - 1] as usize;
        let end = starts.get(number as usize).map_or(self.bytes.len(), |next| *next as usize - 1);
        let text = &self.bytes[start..end];
        (text.strip_suffix(b"\r").unwrap_or(text), start)
    }
}

// === impl Marked ===

/// One line ready to be shown, and where to underline it, in characters.
struct Marked {
    text: String,
    indent: usize,
    carets: usize,
}

impl Marked {
    /// Marks the bytes `from..to` of `line`; both may lie outside of it.
    fn new(line: &[u8], from: usize, to: usize) -> Marked {
        let from = from.min(line.len());
        let to = to.clamp(from, line.len());
        let (before, marked, after) =
            (printable(&line[..from]), printable(&line[from..to]), printable(&line[to..]));
        let cut = before.len().saturating_sub(EXCERPT_BEFORE);
        let mut text: String = before[cut..].iter().collect();
        if cut > 0 {
            text.insert_str(0, ELLIPSIS);
        }
        let indent = text.chars().count();
        let room = EXCERPT_WIDTH.saturating_sub(indent);
        let carets = marked.len().clamp(1, room);
        text.extend(marked.iter().chain(&after).take(room));
        if marked.len() + after.len() > room {
            text.push_str(ELLIPSIS);
        }
        Marked { text, indent, carets }
    }
}

fn printable(bytes: &[u8]) -> Vec<char> {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Characters of a line shown by [`SourceMap::excerpt`], without the ellipsis at its end.
const EXCERPT_WIDTH: usize = 100;
/// Characters shown before the marked place; must be well under [`EXCERPT_WIDTH`].
const EXCERPT_BEFORE: usize = 60;
const ELLIPSIS: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> (SourceMap, FileId) {
        let mut map = SourceMap::default();
        let file = map.add("t.conf".into(), text.into());
        (map, file)
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        let (map, file) = map("ab\n\ncd");
        let places = [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (4, (3, 1)), (6, (3, 3))];
        for (offset, expected) in places {
            assert_eq!(map.line_column(file, offset), expected, "offset {offset}");
        }
    }

    #[test]
    fn a_span_is_on_the_line_of_its_last_byte() {
        let (map, file) = map("a\nb;\n");
        assert_eq!(map.line_of(Span { file, start: 0, end: 4 }), 2);
        assert_eq!(
            map.line_of(Span { file, start: 5, end: 5 }),
            3,
            "the end of the file, after a line break"
        );
    }

    #[test]
    fn excerpt_underlines_the_span() {
        let (map, file) = map("x;\n\tpush  on;\r\n");
        assert_eq!(map.excerpt(Span { file, start: 4, end: 13 }), "   2 |  push  on;\n     |  ^^^^^^^^^\n");
    }

    #[test]
    fn excerpt_cuts_long_lines_and_hides_control_characters() {
        let (map, file) = map(&format!("{}\u{1b}[31m{}", "a".repeat(500), "b".repeat(500)));
        let excerpt = map.excerpt(Span { file, start: 500, end: 505 });
        let [line, carets] = excerpt.lines().collect::<Vec<_>>()[..] else { panic!("{excerpt}") };
        assert!(line.len() < 120 && line.contains("...aaa") && line.ends_with("bbb..."), "{line}");
        assert!(!line.contains('\u{1b}'));
        assert_eq!(carets.find('^'), line.find(" [31m"));
    }

    #[test]
    fn excerpt_of_a_span_over_lines_marks_the_last_one() {
        let (map, file) = map("a\n  b;");
        assert_eq!(map.excerpt(Span { file, start: 0, end: 6 }), "   2 |   b;\n     | ^^^^\n");
    }

    #[test]
    fn excerpt_of_the_end_of_a_file_has_one_caret() {
        let (map, file) = map("a {\n");
        assert_eq!(map.excerpt(Span { file, start: 4, end: 4 }), "   2 | \n     | ^\n");
    }

    #[test]
    fn a_foreign_span_is_harmless() {
        let (map, _) = map("a;");
        let foreign = Span { file: FileId(7), start: 3, end: 9 };
        assert_eq!((map.excerpt(foreign), map.line_of(foreign), map.text(foreign)), (String::new(), 1, None));
    }
}
