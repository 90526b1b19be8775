//! Who is in which channel, each with a line about itself: `nchan_subscriber_info`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::ChannelKey;

/// The lines of all subscribers that came while somebody might ask for them.
#[derive(Debug, Default)]
pub struct Roster {
    open: AtomicBool,
    last: AtomicU64,
    rooms: Mutex<Rooms>,
}

/// Lines by channel, and by the order in which their subscribers came.
type Rooms = HashMap<ChannelKey, BTreeMap<u64, Arc<[u8]>>>;

/// A subscriber's lines: one in each of its channels, taken out on drop.
#[derive(Debug)]
pub struct Entry {
    roster: Arc<Roster>,
    keys: Box<[ChannelKey]>,
    number: u64,
}

impl Roster {
    /// A location asks for lines: from now on they are kept.
    pub fn open(&self) {
        self.open.store(true, Relaxed);
    }

    /// Whether they are kept.
    pub fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// Enters a subscriber.
    pub fn enter(self: &Arc<Self>, keys: &[ChannelKey], line: Vec<u8>) -> Entry {
        let (number, line) = (self.last.fetch_add(1, Relaxed), Arc::<[u8]>::from(line));
        let mut rooms = self.lock();
        for key in keys {
            rooms.entry(key.clone()).or_default().insert(number, Arc::clone(&line));
        }
        drop(rooms);
        Entry { roster: Arc::clone(self), keys: keys.into(), number }
    }

    /// The lines of those who are in a channel, who came last coming first.
    pub fn lines(&self, key: &ChannelKey) -> Vec<Arc<[u8]>> {
        self.lock().get(key).map_or_else(Vec::new, |room| room.values().rev().cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut rooms = self.roster.lock();
        for key in &self.keys {
            let Some(room) = rooms.get_mut(key) else { continue };
            room.remove(&self.number);
            if room.is_empty() {
                rooms.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_there_as_long_as_their_subscribers() {
        let roster = Arc::new(Roster::default());
        let [a, b] = ["a", "b"].map(|id| ChannelKey::new(b"", id.as_bytes()));
        let lines = |key| roster.lines(key).iter().map(|line| line.to_vec()).collect::<Vec<_>>();
        let first = roster.enter(std::slice::from_ref(&a), b"1".to_vec());
        let both = roster.enter(&[a.clone(), b.clone()], b"2".to_vec());
        assert_eq!((lines(&a), lines(&b)), (vec![b"2".to_vec(), b"1".to_vec()], vec![b"2".to_vec()]));
        drop(first);
        assert_eq!(lines(&a), [b"2"]);
        drop(both);
        assert!(lines(&a).is_empty() && roster.lock().is_empty());
    }
}
