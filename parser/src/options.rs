//! Limits and choices of the parser.

use std::path::PathBuf;

/// How to read a config. The default fits a web server's own config files.
///
/// The limits are far above what configs need and far below what hurts: a config that includes
/// itself in a roundabout way must end in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many blocks may be open inside one another, over all files. Values above 512 count as
    /// 512: dropping and comparing the tree takes one stack frame per level.
    pub max_depth: usize,
    /// How many files may be open inside one another, not counting the main file.
    pub max_include_depth: usize,
    /// How many files may be included in all, counting a file again each time.
    pub max_files: usize,
    /// How many bytes may be read in all, counting a file again each time.
    pub max_total_bytes: usize,
    /// The directory that relative includes start from. The directory of the main file if `None`.
    pub include_base: Option<PathBuf>,
    /// Names of directives whose block is Lua code, kept as [`Body::Raw`](crate::Body::Raw).
    pub raw_blocks: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_depth: MAX_DEPTH,
            max_include_depth: 32,
            max_files: 10_000,
            max_total_bytes: 64 << 20,
            include_base: None,
            raw_blocks: &[],
        }
    }
}

/// The largest depth that [`Options::max_depth`] can ask for.
pub(crate) const MAX_DEPTH: usize = 512;
