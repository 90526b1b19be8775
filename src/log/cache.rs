//! Access logs with variables in their paths: opened for each line, or kept open by `open_log_file_cache`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use lru::LruCache;

use crate::config::model::{LogFileCache, Severity};

use super::{event, failed_to_open, open, os_error};

/// Files that were used lately, by the number of their `open_log_file_cache`.
static CACHES: LazyLock<Mutex<HashMap<usize, Cache>>> = LazyLock::new(Mutex::default);

/// The least recently used first out.
type Cache = LruCache<PathBuf, Entry>;

#[derive(Debug)]
struct Entry {
    /// Open, once it was used often enough.
    file: Option<Arc<File>>,
    uses: u64,
    used: Instant,
    checked: Instant,
}

/// Writes a line, its end included, to the file of that path, made if missing.
pub fn write_to_path(path: &Path, settings: Option<&LogFileCache>, line: &[u8]) {
    let file = match settings {
        Some(settings) => cached(path, settings, Instant::now()),
        None => open::append_to(path).map(Arc::new),
    };
    match file {
        Ok(file) => {
            if let Err(error) = open::write_to(&file, line) {
                let text = format!("write() to \"{}\" failed ({})", path.display(), os_error(&error));
                event(Severity::Alert, &text);
            }
        }
        Err(error) => event(Severity::Crit, &failed_to_open(path, &error).0),
    }
}

/// Forgets every file: they are opened again by the next lines.
pub(super) fn clear() {
    CACHES.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn cached(path: &Path, settings: &LogFileCache, now: Instant) -> io::Result<Arc<File>> {
    let mut caches = CACHES.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = caches.entry(settings.number).or_insert_with(LruCache::unbounded);
    while cache.peek_lru().is_some_and(|(_, entry)| now - entry.used > settings.inactive) {
        cache.pop_lru();
    }
    if let Some(entry) = cache.get_mut(path) {
        return entry.open(path, settings, now);
    }
    let mut entry = Entry { file: None, uses: 0, used: now, checked: now };
    let file = entry.open(path, settings, now)?;
    if cache.len() >= settings.max {
        cache.pop_lru();
    }
    cache.put(path.to_owned(), entry);
    Ok(file)
}

impl Entry {
    /// The file, opened anew where it must be.
    fn open(&mut self, path: &Path, settings: &LogFileCache, now: Instant) -> io::Result<Arc<File>> {
        (self.uses, self.used) = (self.uses + 1, now);
        if now - self.checked > settings.valid {
            self.checked = now;
            self.file.take_if(|file| !is_still(path, file));
        }
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(open::append_to(path)?);
        if self.uses >= settings.min_uses {
            self.file = Some(Arc::clone(&file));
        }
        Ok(file)
    }
}

/// Whether the path still leads to this file.
fn is_still(path: &Path, file: &File) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let there = fs::metadata(path).map(identity).ok();
    there.is_some() && there == file.metadata().map(identity).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// Each test has a cache of its own.
    fn settings(number: usize) -> LogFileCache {
        let (inactive, valid) = (Duration::from_secs(10), Duration::from_secs(60));
        LogFileCache { number: usize::MAX - number, max: 2, inactive, min_uses: 1, valid }
    }

    #[test]
    fn files_stay_open_until_they_are_not_used() {
        let (dir, settings, now) = (TempDir::new().unwrap(), settings(1), Instant::now());
        let path = dir.path().join("a");
        let first = cached(&path, &settings, now).unwrap();
        assert!(Arc::ptr_eq(&first, &cached(&path, &settings, now + Duration::from_secs(9)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &cached(&path, &settings, now + Duration::from_secs(20)).unwrap()));
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let (dir, settings, now) = (TempDir::new().unwrap(), settings(2), Instant::now());
        let open = |name: &str| cached(&dir.path().join(name), &settings, now).unwrap();
        let (a, b) = (open("a"), open("b"));
        assert!(Arc::ptr_eq(&a, &open("a")));
        open("c");
        assert!(Arc::ptr_eq(&a, &open("a")));
        assert!(!Arc::ptr_eq(&b, &open("b")));
    }

    #[test]
    fn a_file_is_kept_open_from_its_min_uses_on() {
        let (dir, settings, now) = (TempDir::new().unwrap(), settings(3), Instant::now());
        let open = || cached(&dir.path().join("a"), &LogFileCache { min_uses: 2, ..settings }, now).unwrap();
        let (first, second, third) = (open(), open(), open());
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &third));
    }

    #[test]
    fn a_file_that_was_moved_away_is_noticed_in_time() {
        let (dir, settings, now) = (TempDir::new().unwrap(), settings(4), Instant::now());
        let settings = LogFileCache { inactive: Duration::from_secs(1000), ..settings };
        let path = dir.path().join("a");
        let first = cached(&path, &settings, now).unwrap();
        fs::rename(&path, dir.path().join("b")).unwrap();
        assert!(Arc::ptr_eq(&first, &cached(&path, &settings, now + Duration::from_secs(60)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &cached(&path, &settings, now + Duration::from_secs(61)).unwrap()));
        assert!(path.exists());
    }

    #[test]
    fn a_path_that_is_no_path_is_an_error() {
        let (settings, now) = (settings(5), Instant::now());
        for bad in ["/nonexistent/a", "a\0b", ""] {
            assert!(cached(Path::new(bad), &settings, now).is_err(), "{bad:?}");
        }
    }
}
