//! Places in the files that were read.

/// One file of a [`SourceMap`](crate::SourceMap).
///
/// A number, so that a [`Span`] stays twelve bytes. It means something only together with the map
/// it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(crate) u32);

impl FileId {
    /// The position of the file in [`SourceMap::files`](crate::SourceMap::files), from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A run of bytes in one file; `end` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file the bytes are in.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// From where `self` starts to where `last` ends. Both must be in the same file.
    pub(crate) fn to(self, last: Span) -> Span {
        Span { end: last.end, ..self }
    }
}
