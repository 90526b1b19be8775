//! Files that are kept open, and what is known of other paths: `open_file_cache`.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lru::LruCache;

use crate::config::model::{FileCache, RefusedLinks};

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Found {
    /// A directory, which is not kept open.
    Directory(Metadata),
    /// Anything else, open.
    File(OpenFile),
}

/// An open file, and what was known of it then. Others may read it at the same time: it is read by position only.
#[derive(Clone, Debug)]
pub struct OpenFile {
    /// The file.
    pub file: Arc<File>,
    /// What was known of it.
    pub metadata: Metadata,
}

/// A path, and how it was gone down: what one way allows another may refuse.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The path.
    pub path: PathBuf,
    /// `disable_symlinks`: which links are refused, and from where on.
    pub links: Option<(RefusedLinks, Vec<u8>)>,
}

/// The caches of one generation of the configuration, which all of its workers share.
#[derive(Debug, Default)]
pub struct OpenFiles(Mutex<HashMap<usize, Cache>>);

/// What is known, by path; the least recently used first out.
type Cache = LruCache<Key, Entry>;

#[derive(Debug)]
struct Entry {
    known: Known,
    /// How often it was asked for.
    uses: u64,
    used: Instant,
    /// When the system was asked.
    looked: Instant,
}

/// What was found, as far as it is kept.
#[derive(Debug)]
enum Known {
    Found(Found),
    /// A file that is not asked for often enough to be kept open.
    Closed,
    /// The system's error.
    Error(i32),
}

impl Found {
    /// What is known of it.
    pub fn into_metadata(self) -> Metadata {
        match self {
            Self::Directory(metadata) | Self::File(OpenFile { metadata, .. }) => metadata,
        }
    }
}

impl OpenFiles {
    /// What is known of a path; else what `look` finds, which is remembered.
    ///
    /// # Errors
    /// The system's, remembered or new.
    pub fn find(
        &self,
        conf: &FileCache,
        key: Key,
        now: Instant,
        look: impl FnOnce() -> io::Result<Found>,
    ) -> io::Result<Found> {
        if let Some(known) = known(self.lock().entry(conf.number).or_insert_with(unbounded), conf, &key, now)
        {
            return known;
        }
        // The others do not wait for the disk.
        let found = look();
        remember(self.lock().entry(conf.number).or_insert_with(unbounded), conf, key, now, &found);
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Cache>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its bound is that of the directive.
fn unbounded() -> Cache {
    LruCache::unbounded()
}

/// What is known of a path and believed. As in nginx, what nobody used for long goes when something else is asked for.
fn known(cache: &mut Cache, conf: &FileCache, key: &Key, now: Instant) -> Option<io::Result<Found>> {
    let known = cache.get_mut(key).and_then(|entry| {
        (entry.uses, entry.used) = (entry.uses + 1, now);
        entry.believed(conf, now)
    });
    while cache.peek_lru().is_some_and(|(_, entry)| now.duration_since(entry.used) > conf.inactive) {
        cache.pop_lru();
    }
    known
}

fn remember(cache: &mut Cache, conf: &FileCache, key: Key, now: Instant, found: &io::Result<Found>) {
    let uses = cache.peek(&key).map_or(1, |entry| entry.uses);
    let known = match found {
        Ok(Found::File(_)) if uses < conf.min_uses => Known::Closed,
        Ok(found) => Known::Found(found.clone()),
        Err(error) => match error.raw_os_error().filter(|_| conf.errors) {
            Some(error) => Known::Error(error),
            None => {
                cache.pop(&key);
                return;
            }
        },
    };
    if !cache.contains(&key) && cache.len() >= conf.max {
        cache.pop_lru();
    }
    cache.put(key, Entry { known, uses, used: now, looked: now });
}

impl Entry {
    fn believed(&self, conf: &FileCache, now: Instant) -> Option<io::Result<Found>> {
        if now.duration_since(self.looked) >= conf.valid {
            return None;
        }
        match &self.known {
            Known::Found(found) => Some(Ok(found.clone())),
            Known::Closed => None,
            Known::Error(error) => Some(Err(io::Error::from_raw_os_error(*error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use nix::errno::Errno;
    use tempfile::TempDir;

    use super::*;

    /// A folder, a cache, and the time.
    struct Desk {
        dir: TempDir,
        files: OpenFiles,
        conf: FileCache,
        now: Instant,
    }

    impl Desk {
        fn new(change: impl FnOnce(&mut FileCache)) -> Self {
            let (inactive, valid) = (Duration::from_secs(60), Duration::from_secs(60));
            let mut conf = FileCache { number: 1, max: 100, inactive, valid, min_uses: 1, errors: false };
            change(&mut conf);
            Self { dir: TempDir::new().unwrap(), files: OpenFiles::default(), conf, now: Instant::now() }
        }

        /// Puts a file with that content in the place of an earlier one.
        fn write(&self, name: &str, content: &str) {
            let new = self.dir.path().join(".new");
            fs::write(&new, content).unwrap();
            fs::rename(new, self.dir.path().join(name)).unwrap();
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        /// What the cache gives: a file's content, or what there is instead.
        fn find(&self, name: &str) -> String {
            let path = self.dir.path().join(name);
            let key = Key { path: path.clone(), links: None };
            let found = self.files.find(&self.conf, key, self.now, || {
                let file = File::open(&path)?;
                let metadata = file.metadata()?;
                if metadata.is_dir() {
                    return Ok(Found::Directory(metadata));
                }
                Ok(Found::File(OpenFile { file: Arc::new(file), metadata }))
            });
            match found {
                Ok(Found::File(open)) => {
                    let mut bytes = [0; 64];
                    let length = std::os::unix::fs::FileExt::read_at(&*open.file, &mut bytes, 0).unwrap();
                    String::from_utf8_lossy(&bytes[..length]).into_owned()
                }
                Ok(Found::Directory(_)) => "directory".to_owned(),
                Err(error) => format!("{:?}", Errno::from_raw(error.raw_os_error().unwrap())),
            }
        }
    }

    #[test]
    fn a_file_is_believed_for_as_long_as_it_is_valid() {
        let mut desk = Desk::new(|conf| conf.valid = Duration::from_secs(10));
        desk.write("a", "old");
        assert_eq!(desk.find("a"), "old");
        desk.write("a", "new");
        desk.pass(9);
        assert_eq!(desk.find("a"), "old");
        desk.pass(1);
        assert_eq!(desk.find("a"), "new");
        fs::remove_file(desk.dir.path().join("a")).unwrap();
        desk.pass(9);
        assert_eq!(desk.find("a"), "new");
        desk.pass(1);
        assert_eq!(desk.find("a"), "ENOENT");
    }

    #[test]
    fn errors_are_remembered_where_that_is_wanted() {
        for (errors, second) in [(false, "there"), (true, "ENOENT")] {
            let mut desk = Desk::new(|conf| conf.errors = errors);
            assert_eq!(desk.find("a"), "ENOENT");
            desk.write("a", "there");
            assert_eq!(desk.find("a"), second, "{errors}");
            desk.pass(60);
            assert_eq!(desk.find("a"), "there");
        }
    }

    #[test]
    fn a_file_is_kept_open_from_its_min_uses_on() {
        let desk = Desk::new(|conf| conf.min_uses = 2);
        let found = ["first", "second", "third"].map(|content| {
            desk.write("a", content);
            desk.find("a")
        });
        assert_eq!(found, ["first", "second", "second"]);
    }

    #[test]
    fn a_directory_is_known_from_its_first_use_on() {
        let desk = Desk::new(|conf| conf.min_uses = 5);
        fs::create_dir(desk.dir.path().join("a")).unwrap();
        assert_eq!(desk.find("a"), "directory");
        fs::remove_dir(desk.dir.path().join("a")).unwrap();
        assert_eq!(desk.find("a"), "directory");
    }

    #[test]
    fn uses_are_counted_until_a_file_is_gone() {
        let mut desk = Desk::new(|conf| (conf.min_uses, conf.valid) = (2, Duration::from_secs(10)));
        desk.write("a", "1");
        assert_eq!([desk.find("a"), desk.find("a")], ["1", "1"]);
        desk.pass(10);
        desk.write("a", "2");
        assert_eq!(desk.find("a"), "2");
        desk.write("a", "3");
        assert_eq!(desk.find("a"), "2", "it was used often enough before");
        desk.pass(10);
        fs::remove_file(desk.dir.path().join("a")).unwrap();
        assert_eq!(desk.find("a"), "ENOENT");
        desk.write("a", "4");
        assert_eq!(desk.find("a"), "4");
        desk.write("a", "5");
        assert_eq!(desk.find("a"), "5");
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let desk = Desk::new(|conf| conf.max = 2);
        let names = ["a", "b", "c"];
        names.iter().for_each(|name| desk.write(name, "old"));
        assert_eq!(["a", "b", "a", "c"].map(|name| desk.find(name)), ["old"; 4]);
        names.iter().for_each(|name| desk.write(name, "new"));
        assert_eq!(["c", "a", "b"].map(|name| desk.find(name)), ["old", "old", "new"]);
    }

    #[test]
    fn what_nobody_uses_goes_when_something_else_is_asked_for() {
        let mut desk = Desk::new(|conf| conf.inactive = Duration::from_secs(10));
        ["a", "b"].iter().for_each(|name| desk.write(name, "old"));
        assert_eq!([desk.find("a"), desk.find("b")], ["old", "old"]);
        ["a", "b"].iter().for_each(|name| desk.write(name, "new"));
        desk.pass(11);
        assert_eq!([desk.find("a"), desk.find("b")], ["old", "new"]);
    }

    #[test]
    fn ways_of_going_down_a_path_are_told_apart() {
        let desk = Desk::new(|_| {});
        let find = |links| {
            let key = Key { path: "/a".into(), links };
            let found =
                desk.files.find(&desk.conf, key, desk.now, || Ok(Found::Directory(fs::metadata("/")?)));
            found.is_ok() && desk.files.lock()[&1].len() == 1
        };
        assert!(find(None));
        assert!(!find(Some((RefusedLinks::All, Vec::new()))));
    }
}
