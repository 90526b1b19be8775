//! Bodies of requests in files: `client_body_in_file_only`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header;
use nix::unistd::{Gid, Uid, chown};
use tokio::task::spawn_blocking;

use crate::config::model::{BodyFiles, Severity, TempPath, User};
use crate::log;

use super::answer::Answer;
use super::{RequestCtx, stretch};

/// How much of a file is read at once, bytes.
const READ_AT_ONCE: usize = 64 * 1024;

/// Most bytes that wait to be written, whatever `client_body_buffer_size` says.
const MOST_UNWRITTEN: usize = 1 << 20;

/// How far the number jumps at most where a file of that name is there already.
const LONGEST_JUMP: u32 = 10_000_000;

/// The number of the last file. Files of all directories are numbered together, as in nginx.
static LAST: AtomicU32 = AtomicU32::new(0);

/// The body of a request in a file.
#[derive(Debug)]
pub struct BodyFile {
    file: Arc<File>,
    path: PathBuf,
    /// Bytes written so far.
    length: AtomicU64,
    /// It goes with the request.
    clean: bool,
}

impl BodyFile {
    /// `$request_body_file`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }

    /// The bytes as a body. Any number of them may be read at once.
    pub fn body(&self) -> Body {
        stretch::body(Arc::clone(&self.file), 0..self.length(), READ_AT_ONCE)
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if self.clean {
            let (path, file) = (std::mem::take(&mut self.path), Arc::clone(&self.file));
            off_the_thread(move || {
                // Whoever was told of it may have taken it away.
                if let Err(error) = fs::remove_file(&path)
                    && error.kind() != ErrorKind::NotFound
                {
                    let failure = Failure::new("unlink()", &path, &error);
                    log::event(Severity::Crit, &failure.0);
                }
                // The system frees its bytes now, which may take a while for many.
                drop(file);
            });
        }
    }
}

/// Does what may wait for the disk where nobody waits for it.
fn off_the_thread(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// nginx's words for what the system refused.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    fn new(call: &str, path: &Path, error: &io::Error) -> Self {
        Self(format!("{call} \"{}\" failed ({})", path.display(), log::os_error(error)))
    }
}

// === Writing ===

/// A body on its way into a file, which there is from the first write on.
#[derive(Debug)]
pub struct Writer {
    file: Option<Arc<BodyFile>>,
    unwritten: BytesMut,
}

impl Writer {
    /// For a request whose body belongs into a file.
    pub fn of(ctx: &RequestCtx) -> Option<Self> {
        let has_body =
            [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| ctx.header(name).is_some());
        let wanted = ctx.conf.bodies.files != BodyFiles::Off && has_body;
        wanted.then(|| Self { file: None, unwritten: BytesMut::new() })
    }

    /// The next piece of the body.
    ///
    /// # Errors
    /// 500 where it cannot be written, which is logged.
    pub async fn add(&mut self, ctx: &RequestCtx, data: &[u8]) -> Result<(), Answer> {
        self.unwritten.extend_from_slice(data);
        if self.unwritten.len() >= ctx.conf.connection.body_buffer_size.min(MOST_UNWRITTEN) {
            self.flush(ctx).await?;
        }
        Ok(())
    }

    /// All has come. There is a file of an empty body, too.
    ///
    /// # Errors
    /// As [`Writer::add`].
    pub async fn finish(mut self, ctx: &RequestCtx) -> Result<Arc<BodyFile>, Answer> {
        self.flush(ctx).await
    }

    async fn flush(&mut self, ctx: &RequestCtx) -> Result<Arc<BodyFile>, Answer> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(create(ctx).await?);
                self.file = Some(Arc::clone(&file));
                ctx.body.is_kept_in(&file);
                let path = file.path.display();
                ctx.log(
                    Severity::Notice,
                    &format!("a client request body is buffered to a temporary file {path}"),
                );
                file
            }
        };
        let piece = self.unwritten.split().freeze();
        if !piece.is_empty() {
            let writing = Arc::clone(&file);
            in_background(ctx, move || write(&writing, &piece)).await?;
        }
        Ok(file)
    }
}

/// Reads a whole file into memory.
///
/// # Errors
/// 500 where it cannot be read, which is logged.
pub async fn read(ctx: &RequestCtx, file: &Arc<BodyFile>) -> Result<Bytes, Answer> {
    let file = Arc::clone(file);
    in_background(ctx, move || {
        let length = usize::try_from(file.length()).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        let reserved = bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory.into());
        let read = reserved.and_then(|()| {
            bytes.resize(length, 0);
            file.file.read_exact_at(&mut bytes, 0)
        });
        read.map_err(|error: io::Error| Failure::new("pread()", &file.path, &error))?;
        Ok(bytes.into())
    })
    .await
}

async fn create(ctx: &RequestCtx) -> Result<BodyFile, Answer> {
    let (conf, temp_path) = (&ctx.conf.bodies, Arc::clone(&ctx.conf.bodies.temp_path));
    let clean = conf.files == BodyFiles::Clean;
    // It is complete where it is made: it goes, too, if nobody waits for it any more.
    in_background(ctx, move || {
        let (file, path) = create_in(&temp_path)?;
        Ok(BodyFile { file: Arc::new(file), path, length: AtomicU64::new(0), clean })
    })
    .await
}

/// Runs what may wait for the disk, and makes an answer of its failure.
async fn in_background<T: Send + 'static>(
    ctx: &RequestCtx,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Answer> {
    let failed = |text: &str| {
        ctx.log(Severity::Crit, text);
        Answer::error(500)
    };
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|Failure(text)| failed(&text)),
        Err(error) => Err(failed(&error.to_string())),
    }
}

/// Files that are there already are left alone.
fn create_in(temp_path: &TempPath) -> Result<(File, PathBuf), Failure> {
    let mut number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    loop {
        let path = path_of(temp_path, number);
        let mut created = create_new(&path);
        if created.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
            && !temp_path.levels.is_empty()
        {
            make_levels(temp_path, &path)?;
            created = create_new(&path);
        }
        match created {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let jump = random_jump();
                number = LAST.fetch_add(jump, Ordering::Relaxed).wrapping_add(jump);
            }
            Err(error) => return Err(Failure::new("open()", &path, &error)),
        }
    }
}

/// Where a number's file is.
fn path_of(temp_path: &TempPath, number: u32) -> PathBuf {
    let name = format!("{number:010}");
    let mut path = temp_path.directory.clone();
    let mut rest = name.as_str();
    for level in &temp_path.levels {
        let (front, digits) = rest.split_at(rest.len().saturating_sub(*level));
        path.push(digits);
        rest = front;
    }
    path.push(name);
    path
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the directories between a temporary path and a file in it.
fn make_levels(temp_path: &TempPath, file: &Path) -> Result<(), Failure> {
    let mut levels: Vec<&Path> = file.ancestors().skip(1).take(temp_path.levels.len()).collect();
    levels.reverse();
    for level in levels {
        match make_directory(level) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Failure::new("mkdir()", level, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

fn random_jump() -> u32 {
    let mut random = [0; 4];
    // Without a source of randomness the next number is tried.
    let _ = getrandom::fill(&mut random);
    u32::from_ne_bytes(random) % LONGEST_JUMP + 1
}

fn write(file: &BodyFile, piece: &[u8]) -> Result<(), Failure> {
    let written = file.file.write_at(piece, file.length());
    match written.map_err(|error| Failure::new("pwrite()", &file.path, &error))? {
        length if length == piece.len() => {
            file.length.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
            Ok(())
        }
        length => {
            let path = file.path.display();
            Err(Failure(format!("pwrite() \"{path}\" has written only {length} of {}", piece.len())))
        }
    }
}

// === Before there are requests ===

/// Makes a directory for temporary files if it is missing, and gives it to the user whose rights the process will have.
///
/// # Errors
/// nginx's words.
pub fn prepare(directory: &Path, user: Option<&User>) -> Result<(), String> {
    let failed = |call: &str, error: &io::Error| Failure::new(call, directory, error).0;
    match make_directory(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed("mkdir()", &error)),
        _ => {}
    }
    let Some(user) = user.filter(|_| Uid::effective().is_root()) else { return Ok(()) };
    let metadata = fs::metadata(directory).map_err(|error| failed("stat()", &error))?;
    if metadata.uid() != user.uid {
        chown(directory, Some(Uid::from_raw(user.uid)), None::<Gid>)
            .map_err(|errno| failed("chown()", &errno.into()))?;
    }
    let mode = metadata.permissions().mode();
    if mode & 0o700 != 0o700 {
        fs::set_permissions(directory, fs::Permissions::from_mode(mode | 0o700))
            .map_err(|error| failed("chmod()", &error))?;
    }
    Ok(())
}

impl RequestCtx {
    /// `$request_body_file`: the file that the body was written to, if it was.
    pub(super) fn request_body_file(&self) -> Option<Vec<u8>> {
        self.body.file().map(|file| file.path().as_os_str().as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn levels_are_digits_from_the_end_of_the_number() {
        let path = |levels: &[usize], number| {
            let temp_path = TempPath { directory: "/t".into(), levels: levels.to_vec() };
            path_of(&temp_path, number).display().to_string()
        };
        assert_eq!(path(&[], 7), "/t/0000000007");
        assert_eq!(path(&[1, 2], 12_345), "/t/5/34/0000012345");
        assert_eq!(path(&[3, 3, 4], u32::MAX), "/t/295/967/4294/4294967295");
    }

    #[test]
    fn a_full_disk_is_told_in_nginxs_words() {
        let file = Arc::new(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let file = BodyFile { file, path: "/t/1".into(), length: AtomicU64::new(0), clean: false };
        let Failure(text) = write(&file, b"body").unwrap_err();
        assert_eq!(text, "pwrite() \"/t/1\" failed (28: No space left on device)");
        assert_eq!(file.length(), 0);
    }

    #[test]
    fn a_file_that_is_there_already_is_left_alone() {
        let dir = TempDir::new().unwrap();
        let temp_path = TempPath { directory: dir.path().to_owned(), levels: vec![1] };
        let next = LAST.load(Ordering::Relaxed).wrapping_add(1);
        // Other tests may take numbers meanwhile.
        for number in next..next + 20 {
            let path = path_of(&temp_path, number);
            make_levels(&temp_path, &path).unwrap();
            fs::write(&path, "old").unwrap();
        }
        let (file, path) = create_in(&temp_path).unwrap();
        assert_eq!((file.metadata().unwrap().len(), file.metadata().unwrap().mode() & 0o777), (0, 0o600));
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        assert_eq!(fs::read_to_string(path_of(&temp_path, next)).unwrap(), "old");
    }
}
