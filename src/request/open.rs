//! Opening files, and reading stretches of them.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use nix::errno::Errno;
use nix::fcntl::{self, OFlag, PosixFadviseAdvice};
use nix::sys::stat::{self, Mode};

use crate::config::model::{RefusedLinks, Severity, Symlinks};
use crate::log;

use super::open_files::{Found, Key, OpenFile};
use super::path::as_path;
use super::payload::Source;
use super::{RequestCtx, stretch};

/// Pipes do not block, and nobody inherits the file.
const READING: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_CLOEXEC);

/// Opens for reading, or finds it open in the location's `open_file_cache`. A pipe without a writer does not block.
///
/// # Errors
/// The system's; `ELOOP` for a link that `disable_symlinks` refuses.
pub fn open(ctx: &RequestCtx, path: &Path) -> io::Result<Found> {
    let links = Links::of(ctx);
    let Some(cache) = &ctx.conf.files.cache else { return open_anew(links.as_ref(), path) };
    let way = links.as_ref().map(|links| (links.refused, links.from.clone()));
    let key = Key { path: path.to_owned(), links: way };
    ctx.open_files.find(cache, key, Instant::now(), || open_anew(links.as_ref(), path))
}

fn open_anew(links: Option<&Links>, path: &Path) -> io::Result<Found> {
    let file = match links {
        None => OpenOptions::new().read(true).custom_flags(READING.bits()).open(path)?,
        Some(links) => links.open(path, OFlag::O_RDONLY | READING)?,
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Ok(Found::Directory(metadata));
    }
    Ok(Found::File(OpenFile { file: Arc::new(file), metadata }))
}

/// What is known of a file without opening it; with `open_file_cache` it is opened, as in nginx, since who asks for it
/// mostly wants it then.
///
/// # Errors
/// As [`open`].
pub fn metadata(ctx: &RequestCtx, path: &Path) -> io::Result<Metadata> {
    if ctx.conf.files.cache.is_some() {
        return open(ctx, path).map(Found::into_metadata);
    }
    match Links::of(ctx) {
        None => std::fs::metadata(path),
        Some(links) => links.open(path, OFlag::O_PATH | OFlag::O_CLOEXEC)?.metadata(),
    }
}

impl OpenFile {
    /// A file with content, and not a pipe or a device.
    pub fn is_regular(&self) -> bool {
        self.metadata.is_file()
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

/// The call that an error comes from, as nginx names it; `call` without `disable_symlinks` and `open_file_cache`.
pub fn call(ctx: &RequestCtx, call: &'static str) -> &'static str {
    match Links::of(ctx) {
        Some(_) => "openat()",
        None if ctx.conf.files.cache.is_some() => "open()",
        None => call,
    }
}

/// Logs why nothing is known of a file. That it is not there is no news.
pub fn complain(ctx: &RequestCtx, path: &Path, error: &io::Error) {
    let errno = error.raw_os_error().map(Errno::from_raw);
    if !matches!(errno, Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) | None) {
        let (call, path) = (call(ctx, "stat()"), path.display());
        ctx.log(Severity::Crit, &format!("{call} \"{path}\" failed ({})", log::os_error(error)));
    }
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

/// A file of which stretches are read.
#[derive(Debug)]
struct FileSource {
    file: Arc<File>,
    length: u64,
    /// How many bytes are read at once.
    at_once: usize,
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> Body {
        stretch::body(Arc::clone(&self.file), range, self.at_once)
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
