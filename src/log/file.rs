//! A log file: buffers, compression, reopening, full disks.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::model::{LogBuffer, LogFile as Settings, Severity};

use super::complaint::Complaints;
use super::{open, os_error};

/// How many buffers a file has at most: each thread has its own, as nginx's workers have, unless there are more.
const SHARDS: usize = 16;

/// How many milliseconds a file is left alone after its disk was full: as nginx does, who found that even trying takes long.
const FULL_PAUSE: u64 = 1000;

/// An open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// Locked for writing only to exchange it.
    file: RwLock<File>,
    buffer: Option<Buffer>,
    /// Milliseconds of [`now`]: until then the disk counts as full.
    full_until: AtomicU64,
    complaints: Complaints,
}

#[derive(Debug)]
struct Buffer {
    settings: LogBuffer,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    lines: Vec<u8>,
    /// When the first of them came.
    since: Option<Instant>,
}

impl LogFile {
    /// Opens a file, made if missing.
    ///
    /// # Errors
    /// As [`open::append_to`].
    pub(super) fn open(settings: &Settings) -> io::Result<Self> {
        let buffer = |settings| Buffer { settings, shards: Default::default() };
        Ok(Self {
            path: settings.path.clone(),
            file: RwLock::new(open::append_to(&settings.path)?),
            buffer: settings.buffer.map(buffer),
            full_until: AtomicU64::new(0),
            complaints: Complaints::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How it is buffered.
    pub(super) fn buffering(&self) -> Option<LogBuffer> {
        self.buffer.as_ref().map(|buffer| buffer.settings)
    }

    /// Writes a line, or keeps it for later.
    pub(super) fn write(&self, line: &[u8]) {
        let Some(buffer) = &self.buffer else { return self.put(line) };
        let size = buffer.settings.size;
        let mut shard = buffer.own_shard();
        if shard.lines.len() + line.len() > size {
            self.empty(buffer, &mut shard);
        }
        if line.len() > size {
            return self.put_packed(buffer, line);
        }
        shard.lines.extend_from_slice(line);
        shard.since.get_or_insert_with(Instant::now);
    }

    /// Writes a line at once; whether it could be is nobody's concern, since this is where complaints go.
    pub(super) fn write_error(&self, line: &[u8]) {
        let _ = self.try_put(line);
    }

    /// Writes what is buffered.
    pub(super) fn flush(&self) {
        self.flush_if(|_, _| true);
    }

    /// Writes what was buffered for too long.
    pub(super) fn flush_due(&self, now: Instant) {
        self.flush_if(|flush, since| flush.is_some_and(|flush| since + flush <= now));
    }

    fn flush_if(&self, due: impl Fn(Option<Duration>, Instant) -> bool) {
        let Some(buffer) = &self.buffer else { return };
        for shard in &buffer.shards {
            let mut shard = lock(shard);
            if shard.since.is_some_and(|since| due(buffer.settings.flush, since)) {
                self.empty(buffer, &mut shard);
            }
        }
    }

    /// Opens the path anew; what is buffered goes to the file that was open so far.
    ///
    /// # Errors
    /// As [`open::append_to`]; the old file stays.
    pub(super) fn reopen(&self) -> io::Result<()> {
        self.flush();
        let new = open::append_to(&self.path)?;
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Gives the file to a user. Devices and pipes stay whose they are.
    pub(super) fn give_to(&self, uid: u32, gid: u32) {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            // Only root may, and only root needs to.
            let _ = std::os::unix::fs::fchown(&*file, Some(uid), Some(gid));
        }
    }

    fn empty(&self, buffer: &Buffer, shard: &mut Shard) {
        if !shard.lines.is_empty() {
            self.put_packed(buffer, &shard.lines);
        }
        shard.lines.clear();
        shard.since = None;
    }

    /// Writes lines in the file's form: each time, a whole gzip member.
    fn put_packed(&self, buffer: &Buffer, lines: &[u8]) {
        match buffer.settings.gzip {
            Some(level) => match compress(lines, level) {
                Ok(member) => self.put(&member),
                Err(error) => self.complain(&error),
            },
            None => self.put(lines),
        }
    }

    fn put(&self, bytes: &[u8]) {
        if let Err(error) = self.try_put(bytes) {
            self.complain(&error);
        }
    }

    fn try_put(&self, bytes: &[u8]) -> io::Result<()> {
        let full_until = self.full_until.load(Ordering::Relaxed);
        if full_until > 0 && now() < full_until {
            return Ok(());
        }
        let written = open::write_to(&self.file.read().unwrap_or_else(PoisonError::into_inner), bytes);
        let full = written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull);
        if full {
            self.full_until.store(now() + FULL_PAUSE, Ordering::Relaxed);
        }
        written
    }

    fn complain(&self, error: &io::Error) {
        if self.complaints.due() {
            let text = format!("write() to \"{}\" failed ({})", self.path.display(), os_error(error));
            super::event(Severity::Alert, &text);
        }
    }
}

/// A thread may have added a line after a reload had closed the file.
impl Drop for LogFile {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Buffer {
    /// The buffer of this thread.
    fn own_shard(&self) -> MutexGuard<'_, Shard> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        lock(&self.shards[NUMBER.get() % SHARDS])
    }
}

fn compress(lines: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::new(level));
    encoder.write_all(lines)?;
    encoder.finish()
}

/// Milliseconds since the first call.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;

    use tempfile::TempDir;

    use super::*;

    fn file(dir: &TempDir, buffer: LogBuffer) -> LogFile {
        LogFile::open(&Settings { path: dir.path().join("log"), buffer: Some(buffer) }).unwrap()
    }

    fn content(dir: &TempDir) -> Vec<u8> {
        fs::read(dir.path().join("log")).unwrap()
    }

    const PLAIN: LogBuffer = LogBuffer { size: 10, flush: None, gzip: None };

    #[test]
    fn lines_wait_until_the_next_does_not_fit() {
        let dir = TempDir::new().unwrap();
        let file = file(&dir, PLAIN);
        file.write(b"1234\n");
        file.write(b"5678\n");
        assert_eq!(content(&dir), b"");
        file.write(b"9\n");
        assert_eq!(content(&dir), b"1234\n5678\n");
        file.flush();
        assert_eq!(content(&dir), b"1234\n5678\n9\n");
    }

    #[test]
    fn a_line_larger_than_the_buffer_is_written_behind_those_before() {
        let dir = TempDir::new().unwrap();
        let file = file(&dir, PLAIN);
        file.write(b"1\n");
        file.write(b"0123456789abc\n");
        assert_eq!(content(&dir), b"1\n0123456789abc\n");
    }

    #[test]
    fn lines_are_flushed_when_their_time_has_come() {
        let dir = TempDir::new().unwrap();
        let file = file(&dir, LogBuffer { flush: Some(Duration::from_secs(5)), ..PLAIN });
        file.write(b"1\n");
        file.flush_due(Instant::now() + Duration::from_secs(4));
        assert_eq!(content(&dir), b"");
        file.flush_due(Instant::now() + Duration::from_secs(6));
        assert_eq!(content(&dir), b"1\n");
    }

    #[test]
    fn every_flush_is_a_gzip_member() {
        let dir = TempDir::new().unwrap();
        let file = file(&dir, LogBuffer { gzip: Some(1), ..PLAIN });
        for line in [&b"1\n"[..], b"0123456789abc\n", b"2\n"] {
            file.write(line);
        }
        drop(file);
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&*content(&dir)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "1\n0123456789abc\n2\n");
    }

    #[test]
    fn reopening_leaves_buffered_lines_in_the_old_file() {
        let dir = TempDir::new().unwrap();
        let file = file(&dir, PLAIN);
        file.write(b"old\n");
        fs::rename(dir.path().join("log"), dir.path().join("log.1")).unwrap();
        file.reopen().unwrap();
        file.write(b"new\n");
        file.flush();
        assert_eq!(fs::read(dir.path().join("log.1")).unwrap(), b"old\n");
        assert_eq!(content(&dir), b"new\n");
    }

    #[test]
    fn a_folder_that_vanished_keeps_the_old_file() {
        let dir = TempDir::new().unwrap();
        let file = file(&dir, PLAIN);
        fs::remove_file(dir.path().join("log")).unwrap();
        fs::remove_dir(dir.path()).unwrap();
        assert_eq!(file.reopen().unwrap_err().kind(), io::ErrorKind::NotFound);
        file.write(b"0123456789abc\n");
    }

    #[test]
    fn a_pipe_without_a_reader_takes_what_fits_and_never_blocks() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let file = LogFile::open(&Settings { path, buffer: None }).unwrap();
        (0..100).for_each(|_| file.write(&[b'x'; 4000]));
    }

    #[test]
    fn a_full_disk_is_left_alone_for_a_while() {
        let full = Settings { path: "/dev/full".into(), buffer: None };
        let Ok(file) = LogFile::open(&full) else { return };
        file.write(b"x\n");
        assert!(file.full_until.load(Ordering::Relaxed) > 0);
    }
}
