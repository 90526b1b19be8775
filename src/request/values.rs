//! What variables hold so far in one request. A value may be computed where the request is shared, and computing one may set
//! others (groups of a `map`'s expression): so they are behind a lock, which nobody holds while something is computed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values that were set or computed, and groups of the last regular expression that matched.
#[derive(Debug, Default)]
pub struct Values(Mutex<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    captures: Vec<Box<[u8]>>,
    named: Vec<Slot>,
    volatile: bool,
    arguments_asked: u32,
}

/// A value, or that there is none.
pub type Value = Option<Box<[u8]>>;

#[derive(Clone, Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Known(Value),
}

impl Values {
    /// Nothing known of `count` variables.
    pub fn new(count: usize) -> Self {
        Self(Mutex::new(Inner {
            captures: Vec::new(),
            named: vec![Slot::Empty; count],
            volatile: false,
            arguments_asked: 0,
        }))
    }

    /// What is known of a variable: its value, or that it has none.
    pub fn get(&self, index: usize) -> Option<Value> {
        match self.lock().named.get(index)? {
            Slot::Empty => None,
            Slot::Known(value) => Some(value.clone()),
        }
    }

    /// Whether anything is known of a variable.
    pub fn is_known(&self, index: usize) -> bool {
        matches!(self.lock().named.get(index), Some(Slot::Known(_)))
    }

    /// Sets a variable.
    pub fn set(&self, index: usize, value: Value) {
        if let Some(slot) = self.lock().named.get_mut(index) {
            *slot = Slot::Known(value);
        }
    }

    /// Group `number` of the last expression that matched.
    pub fn capture(&self, number: u8) -> Option<Vec<u8>> {
        self.lock().captures.get(usize::from(number)).map(|group| group.to_vec())
    }

    /// Keeps the groups of an expression that matched, the whole match first.
    pub fn set_captures(&self, captures: Vec<Box<[u8]>>) {
        self.lock().captures = captures;
    }

    /// Something was asked for that another request with the same bytes on the same connection may find otherwise.
    pub fn note_volatile(&self) {
        self.lock().volatile = true;
    }

    /// Whether such a thing was asked for.
    pub fn is_volatile(&self) -> bool {
        self.lock().volatile
    }

    /// Arguments of the request line were asked for.
    pub fn note_arguments(&self) {
        let mut inner = self.lock();
        inner.arguments_asked = inner.arguments_asked.saturating_add(1);
    }

    /// How often.
    pub fn arguments_asked(&self) -> u32 {
        self.lock().arguments_asked
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Values {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }
}
