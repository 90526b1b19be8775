//! Groups of channels.

use super::setting::Setting;

/// What is counted and limited per group.
#[derive(Clone, Debug, Default)]
pub struct GroupConf {
    /// `nchan_channel_group_accounting`; no limit works without.
    pub accounting: bool,
    /// `nchan_group_max_channels`; 0 = no limit, `None`: not said here.
    pub max_channels: Option<Setting<u32>>,
    /// `nchan_group_max_subscribers`, likewise.
    pub max_subscribers: Option<Setting<u32>>,
    /// `nchan_group_max_messages`, likewise.
    pub max_messages: Option<Setting<u32>>,
    /// `nchan_group_max_messages_memory`, bytes, likewise.
    pub max_messages_memory: Option<Setting<u64>>,
    /// `nchan_group_max_messages_disk`, bytes, likewise.
    pub max_messages_disk: Option<Setting<u64>>,
}

/// What `nchan_group_location` lets clients do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupMethods {
    /// GET: what is in the group.
    pub get: bool,
    /// POST: set its limits.
    pub set: bool,
    /// DELETE: delete its channels.
    pub delete: bool,
}

impl GroupMethods {
    /// All of them.
    pub const ALL: Self = Self { get: true, set: true, delete: true };

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self { get: self.get || other.get, set: self.set || other.set, delete: self.delete || other.delete }
    }
}
