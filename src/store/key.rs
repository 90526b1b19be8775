//! The name of a channel.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

/// Bytes of the length of the group, in front of group and id.
const PREFIX: usize = size_of::<u64>();

/// Most keys are shorter than that.
const USUAL: usize = 128;

/// The name of a channel: a group and an id, both any bytes.
///
/// The two stay a pair: group `a` with id `b/c` is not group `a/b` with id `c`. Cloning shares the
/// allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelKey(Arc<[u8]>);

impl ChannelKey {
    /// The channel `id` of `group`; no group is the empty group.
    pub fn new(group: &[u8], id: &[u8]) -> Self {
        let group_len = group.len() as u64;
        let mut bytes = SmallVec::<[u8; USUAL]>::new();
        [&group_len.to_le_bytes(), group, id].into_iter().for_each(|part| bytes.extend_from_slice(part));
        Self(Arc::from(&*bytes))
    }

    /// Names the channel `id` of the same group from now on.
    pub fn rename(&mut self, id: &[u8]) {
        let start = self.group_end();
        match Arc::get_mut(&mut self.0).and_then(|bytes| bytes.get_mut(start..)) {
            Some(place) if place.len() == id.len() => place.copy_from_slice(id),
            _ => *self = Self::new(self.group(), id),
        }
    }

    /// The group; empty when there is none.
    pub fn group(&self) -> &[u8] {
        &self.0[PREFIX..self.group_end()]
    }

    /// The id within the group.
    pub fn id(&self) -> &[u8] {
        &self.0[self.group_end()..]
    }

    /// Bytes of the allocation behind the key, without the reference counts.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn group_end(&self) -> usize {
        let group_len = self.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // Came from a `usize` in `new`.
        PREFIX + group_len as usize
    }
}

impl Hash for ChannelKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // A key has nothing beside it that it could be mistaken for: no need to tell how long it is.
        state.write(&self.0);
    }
}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"/\"{}\"", self.group().escape_ascii(), self.id().escape_ascii())
    }
}
