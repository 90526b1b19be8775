//! Where files come from: loaders, and the patterns of `include`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::glob;
use crate::options::Options;
use crate::span::Span;

/// Gives the parser its files.
pub trait Loader {
    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be read. The operating system's error number is
    /// part of nginx's message; make errors with [`io::Error::from_raw_os_error`] if you can.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The paths that match a pattern, sorted by name; none is not an error.
    ///
    /// A pattern has `*`, `?`, `[ab]`, `[a-z]` or `[!a]` in one or more of its components. `*` and
    /// `?` do not match `/`, nor a dot at the start of a name.
    ///
    /// # Errors
    /// When the search had to be given up.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// Reads files from the file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsLoader;

/// Reads files from a map, for tests and for configs that are not on disk.
#[derive(Debug, Clone, Default)]
pub struct MemLoader {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

// === impl FsLoader ===

impl Loader for FsLoader {
    /// Reads at most 64 MiB, so that a device without end fails instead of filling the memory.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        glob::expand(pattern)
    }
}

const MAX_FILE_BYTES: u64 = 64 << 20;

// === impl MemLoader ===

impl MemLoader {
    /// A loader without files.
    pub fn new() -> MemLoader {
        MemLoader::default()
    }

    /// Adds a file, or replaces it.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> MemLoader {
        self.files.insert(path.into(), bytes.into());
        self
    }
}

impl Loader for MemLoader {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from_raw_os_error(NO_SUCH_FILE))
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.files.keys().filter(|path| glob::matches_path(pattern, path)).cloned().collect())
    }
}

/// `ENOENT`: the same number on every system we know.
const NO_SUCH_FILE: i32 = 2;

// === what the grammar asks for ===

/// The directory that relative includes start from.
pub(crate) fn base(main: &Path, options: &Options) -> PathBuf {
    match &options.include_base {
        Some(base) => base.clone(),
        None => main.parent().map_or_else(PathBuf::new, Path::to_path_buf),
    }
}

/// The files an `include` asks for: the matches of a pattern, or the one file it names.
///
/// A plain name is not checked here but when it is opened; a pattern is not opened when it matches
/// nothing, so that it cannot fail that way.
pub(crate) fn resolve(
    loader: &dyn Loader,
    base: &Path,
    pattern: &[u8],
    at: Span,
) -> Result<Vec<PathBuf>, Error> {
    let path = base.join(glob::path_from_bytes(pattern.to_vec()));
    if !glob::is_pattern(pattern) {
        return Ok(vec![path]);
    }
    loader.glob(&path).map_err(|error| Error::new(ErrorKind::from_io(path, &error), at))
}
