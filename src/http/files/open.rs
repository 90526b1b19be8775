//! Opening files, and reading stretches of them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use tokio::io::AsyncReadExt as _;
use tower_http::services::fs::AsyncReadBody;

use crate::request::payload::Source;

/// How much of a file is read at once.
const AT_ONCE: usize = 64 * 1024;

/// An open file, and what was known of it then.
#[derive(Debug)]
pub struct Opened {
    file: File,
    metadata: Metadata,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A pipe, a device.
    Other,
}

impl Kind {
    /// The kind that the metadata tells.
    pub fn of(metadata: &Metadata) -> Self {
        let kind = metadata.file_type();
        match () {
            () if kind.is_dir() => Self::Directory,
            () if kind.is_file() => Self::File,
            () => Self::Other,
        }
    }
}

impl Opened {
    /// Opens for reading. A pipe without a writer does not block.
    ///
    /// # Errors
    /// The system's.
    pub fn new(path: &Path) -> io::Result<Self> {
        let flags = (OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        Ok(Self { file, metadata })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        debug_assert!(!self.metadata.file_type().is_socket(), "sockets cannot be opened");
        Kind::of(&self.metadata)
    }

    /// Seconds since 1970 of its last change.
    pub fn modified(&self) -> i64 {
        self.metadata.mtime()
    }

    /// Bytes.
    pub fn length(&self) -> u64 {
        self.metadata.len()
    }

    /// Its bytes as the body of an answer.
    pub fn into_source(self) -> Arc<dyn Source> {
        Arc::new(FileSource { length: self.length(), file: self.file })
    }
}

/// The status for an error of the system.
pub fn status(error: &io::Error) -> u16 {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => 404,
        Some(Errno::EACCES) => 403,
        // A path with a NUL: there can be no such file.
        None if error.kind() == io::ErrorKind::InvalidInput => 404,
        _ => 500,
    }
}

/// A file whose stretches are read one after another.
#[derive(Debug)]
struct FileSource {
    file: File,
    length: u64,
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> Body {
        // The clone shares its position with the file: only one stretch is read at a time.
        let positioned = (&self.file).seek(SeekFrom::Start(range.start)).and_then(|_| self.file.try_clone());
        let Ok(file) = positioned else { return Body::empty() };
        let stretch = tokio::fs::File::from_std(file).take(range.end.saturating_sub(range.start));
        Body::new(AsyncReadBody::with_capacity(stretch, AT_ONCE))
    }
}
