//! Opening files, and reading stretches of them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use nix::errno::Errno;
use nix::fcntl::{self, OFlag, PosixFadviseAdvice};
use nix::sys::stat::{self, Mode};
use tokio::io::AsyncReadExt as _;
use tower_http::services::fs::AsyncReadBody;

use crate::config::model::{RefusedLinks, Symlinks};
use crate::request::RequestCtx;
use crate::request::path::as_path;
use crate::request::payload::Source;

/// Pipes do not block, and nobody inherits the file.
const READING: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_CLOEXEC);

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
    /// The system's; `ELOOP` for a link that `disable_symlinks` refuses.
    pub fn new(ctx: &RequestCtx, path: &Path) -> io::Result<Self> {
        let file = match Links::of(ctx) {
            None => OpenOptions::new().read(true).custom_flags(READING.bits()).open(path)?,
            Some(links) => links.open(path, OFlag::O_RDONLY | READING)?,
        };
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
    pub fn into_source(self, ctx: &RequestCtx) -> Arc<dyn Source> {
        if ctx.conf.files.read_ahead {
            // It is advice: without it the file is sent all the same.
            let _ = fcntl::posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL);
        }
        Arc::new(FileSource { length: self.length(), file: self.file, at_once: ctx.conf.files.read_at_once })
    }
}

/// What is known of a file without opening it.
///
/// # Errors
/// As [`Opened::new`].
pub fn metadata(ctx: &RequestCtx, path: &Path) -> io::Result<Metadata> {
    match Links::of(ctx) {
        None => std::fs::metadata(path),
        Some(links) => links.open(path, OFlag::O_PATH | OFlag::O_CLOEXEC)?.metadata(),
    }
}

/// The call that an error comes from, as nginx names it; `call` without `disable_symlinks`.
pub fn call(ctx: &RequestCtx, call: &'static str) -> &'static str {
    if Links::of(ctx).is_some() { "openat()" } else { call }
}

/// The status for an error of the system.
pub fn status(error: &io::Error) -> u16 {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => 404,
        Some(Errno::EACCES | Errno::ELOOP) => 403,
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
    /// How many bytes are read at once.
    at_once: usize,
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
        Body::new(AsyncReadBody::with_capacity(stretch, self.at_once))
    }
}

/// `disable_symlinks` for one request.
struct Links {
    refused: RefusedLinks,
    /// Links in this beginning of a path are not looked at.
    from: Vec<u8>,
}

impl Links {
    fn of(ctx: &RequestCtx) -> Option<Self> {
        let Symlinks { refused, from } = &ctx.conf.files.symlinks;
        let from = || from.as_ref().map(|from| ctx.render(from)).unwrap_or_default();
        (*refused != RefusedLinks::None).then(|| Self { refused: *refused, from: from() })
    }

    /// Goes down a path directory by directory, so that no link can be put in its way meanwhile.
    fn open(&self, path: &Path, flags: OFlag) -> io::Result<File> {
        let passing = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let bytes = path.as_os_str().as_bytes();
        let from = self.from.strip_suffix(b"/").unwrap_or(&self.from);
        let rest = bytes.strip_prefix(from).filter(|rest| !from.is_empty() && rest.starts_with(b"/"));
        let (start, rest) = match rest {
            Some(rest) => (from, rest),
            None => (&b"/"[..], bytes),
        };
        let mut directory = fcntl::open(as_path(start), passing, Mode::empty())?;
        let names: Vec<&[u8]> = rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let Some((last, names)) = names.split_last() else { return Ok(directory.into()) };
        for name in names {
            directory = self.step(&directory, as_path(name), passing)?;
        }
        let file = self.step(&directory, as_path(last), flags)?;
        let file = File::from(file);
        if bytes.ends_with(b"/") && !file.metadata()?.is_dir() {
            return Err(Errno::ENOTDIR.into());
        }
        Ok(file)
    }

    fn step(&self, directory: &OwnedFd, name: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        // What it is, without following it or asking for the right to read it.
        let looking = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let own = stat::fstat(fcntl::openat(directory, name, looking, Mode::empty())?)?;
        if !is_link(&own) {
            return fcntl::openat(directory, name, flags | OFlag::O_NOFOLLOW, Mode::empty());
        }
        if self.refused == RefusedLinks::All {
            // nginx passes through directories in a way in which a link is none.
            return Err(if flags.contains(OFlag::O_DIRECTORY) { Errno::ENOTDIR } else { Errno::ELOOP });
        }
        let target = fcntl::openat(directory, name, flags, Mode::empty())?;
        if stat::fstat(&target)?.st_uid == own.st_uid { Ok(target) } else { Err(Errno::ELOOP) }
    }
}

fn is_link(stat: &stat::FileStat) -> bool {
    stat.st_mode & stat::SFlag::S_IFMT.bits() == stat::SFlag::S_IFLNK.bits()
}
