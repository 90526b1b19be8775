//! Files: `root`, `index`, `autoindex`, `try_files`, `open_file_cache`.

use std::sync::Arc;
use std::time::Duration;

use super::super::template::Template;

/// Which file a request is for, and how files are sent.
#[derive(Clone, Debug)]
pub struct FilesConf {
    /// `root` or `alias`.
    pub root: Root,
    /// `index`, in order.
    pub index: Arc<[Template]>,
    /// `etag`.
    pub etag: bool,
    /// `if_modified_since`.
    pub if_modified_since: IfModifiedSince,
    /// `log_not_found`.
    pub log_not_found: bool,
    /// `max_ranges`.
    pub max_ranges: usize,
    /// `gzip_static`.
    pub gzip_static: GzipStatic,
    /// `autoindex`.
    pub listing: Listing,
    /// `random_index`.
    pub random_index: bool,
    /// `disable_symlinks`.
    pub symlinks: Symlinks,
    /// `output_buffers`: how many bytes of a file are read at once.
    pub read_at_once: usize,
    /// `read_ahead`: whether the kernel is told to.
    pub read_ahead: bool,
    /// `open_file_cache`.
    pub cache: Option<FileCache>,
}

/// `root` or `alias`.
#[derive(Clone, Debug)]
pub struct Root {
    /// The directory; absolute, unless it begins with a variable.
    pub path: Template,
    /// What it is below if it is not absolute; ends with a slash.
    pub prefix: Arc<[u8]>,
    /// Of an `alias`: what of the URI it stands for.
    pub alias: Option<Alias>,
}

/// What of a URI an `alias` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// The location's path, of that length.
    Prefix(usize),
    /// All of it: the location has a regular expression.
    Whole,
}

/// `if_modified_since`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IfModifiedSince {
    Off,
    #[default]
    Exact,
    Before,
}

/// `gzip_static`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum GzipStatic {
    #[default]
    Off,
    On,
    Always,
}

/// `autoindex` and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// `autoindex`.
    pub enabled: bool,
    /// `autoindex_exact_size`.
    pub exact_size: bool,
    /// `autoindex_localtime`.
    pub local_time: bool,
    /// `autoindex_format`.
    pub format: ListingFormat,
}

/// `autoindex_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ListingFormat {
    #[default]
    Html,
    Json,
    Jsonp,
    Xml,
}

/// `disable_symlinks`.
#[derive(Clone, Debug, Default)]
pub struct Symlinks {
    /// Which links are refused.
    pub refused: RefusedLinks,
    /// `from=`: links in this beginning of a path are not looked at.
    pub from: Option<Template>,
}

/// Which symbolic links are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RefusedLinks {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those whose owner is another than that of what they lead to.
    OfOthers,
}

/// `open_file_cache` and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCache {
    /// Which of the configuration's caches it is: blocks that inherit one share it.
    pub number: usize,
    /// `max=`: most paths that are remembered.
    pub max: usize,
    /// `inactive=`: how long one is remembered after its last use.
    pub inactive: Duration,
    /// `open_file_cache_valid`: how long what is remembered is believed.
    pub valid: Duration,
    /// `open_file_cache_min_uses`: from which use on a file is kept open.
    pub min_uses: u64,
    /// `open_file_cache_errors`: whether errors are remembered, too.
    pub errors: bool,
}

/// `try_files`.
#[derive(Clone, Debug)]
pub struct TryFiles {
    /// Files that are looked for, in order.
    pub files: Vec<TriedFile>,
    /// What if none is there.
    pub fallback: FallbackTarget,
}

/// One file that `try_files` looks for.
#[derive(Clone, Debug)]
pub struct TriedFile {
    /// Its name.
    pub name: Template,
    /// It was written with a slash behind it: it must be a directory.
    pub directory: bool,
}

/// The last choice of `try_files`.
#[derive(Clone, Debug)]
pub enum FallbackTarget {
    /// `=CODE`.
    Code(u16),
    /// A URI with arguments, or `@name`.
    Uri(Template),
}
