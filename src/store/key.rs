//! The name of a channel.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

/// Bytes in front of group and id: the length of the group, and a hash of all else.
const PREFIX: usize = WORD + WORD;

const WORD: usize = size_of::<u32>();

/// Most keys are shorter than that.
const USUAL: usize = 128;

/// The name of a channel: a group and an id, both any bytes.
///
/// The two stay a pair: group `a` with id `b/c` is not group `a/b` with id `c`. Cloning shares the
/// allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelKey(Arc<[u8]>);

impl ChannelKey {
    /// The channel `id` of `group`; no group is the empty group.
    pub fn new(group: &[u8], id: &[u8]) -> Self {
        // No request has room for longer ones.
        let group_len = u32::try_from(group.len()).unwrap_or(u32::MAX);
        let group = &group[..group_len as usize];
        let mut bytes = SmallVec::<[u8; USUAL]>::new();
        [&group_len.to_le_bytes(), &[0; WORD], group, id]
            .into_iter()
            .for_each(|part| bytes.extend_from_slice(part));
        sign(&mut bytes);
        Self(Arc::from(&*bytes))
    }

    /// Names the channel `id` of the same group from now on.
    pub fn rename(&mut self, id: &[u8]) {
        let start = self.group_end();
        match Arc::get_mut(&mut self.0) {
            Some(bytes) if bytes.len() == start + id.len() => {
                bytes[start..].copy_from_slice(id);
                sign(bytes);
            }
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

    /// A hash that nobody outside can foresee, made once. Its lower half tells all that it has to tell.
    #[inline]
    pub(super) fn digest(&self) -> u64 {
        let [_, hash] = self.prefix();
        u64::from(hash) << u32::BITS | u64::from(hash)
    }

    /// Bytes of the allocation behind the key, without the reference counts.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn group_end(&self) -> usize {
        let [group_len, _] = self.prefix();
        PREFIX + group_len as usize
    }

    #[inline]
    fn prefix(&self) -> [u32; 2] {
        let bytes = self.0.first_chunk::<PREFIX>().copied().unwrap_or_default();
        let [a, b, c, d, e, f, g, h] = bytes;
        [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
    }
}

/// Hashes a key. Strangers choose the ids, and must not be able to choose what becomes of them.
fn sign(key: &mut [u8]) {
    static RANDOM: OnceLock<RandomState> = OnceLock::new();
    let mut hasher = RANDOM.get_or_init(RandomState::new).build_hasher();
    key[WORD..PREFIX].fill(0);
    hasher.write(key);
    // The lower half of it.
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    key[WORD..PREFIX].copy_from_slice(&[a, b, c, d]);
}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"/\"{}\"", self.group().escape_ascii(), self.id().escape_ascii())
    }
}
