//! Where a directive may stand.

/// A set of contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contexts(u16);

impl Contexts {
    /// No context.
    pub const NONE: Self = Self(0);
    /// Outside of every block.
    pub const MAIN: Self = Self(1);
    /// `events { }`.
    pub const EVENTS: Self = Self(1 << 1);
    /// `http { }`.
    pub const HTTP: Self = Self(1 << 2);
    /// `server { }`.
    pub const SERVER: Self = Self(1 << 3);
    /// `location { }`.
    pub const LOCATION: Self = Self(1 << 4);
    /// `if { }` in a server.
    pub const SERVER_IF: Self = Self(1 << 5);
    /// `if { }` in a location.
    pub const LOCATION_IF: Self = Self(1 << 6);
    /// `limit_except { }`.
    pub const LIMIT_EXCEPT: Self = Self(1 << 7);
    /// `upstream { }`.
    pub const UPSTREAM: Self = Self(1 << 8);

    /// `http`, `server` and `location`: where most directives stand.
    pub const HSL: Self = Self::HTTP.or(Self::SERVER).or(Self::LOCATION);

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets share a context.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
