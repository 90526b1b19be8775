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
    of_connection: bool,
    arguments: Asked,
}

/// How often arguments of the request line were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// In all.
    pub times: u32,
    /// And were there.
    pub found: u32,
}

/// A value, or that there is none.
pub type Value = Option<Box<[u8]>>;

#[derive(Clone, Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Known(Value),
    /// By `set`, from the `$arg_NAME` that has this index.
    Copied(Box<[u8]>, usize),
}

impl Values {
    /// Nothing known of `count` variables.
    pub fn new(count: usize) -> Self {
        Self(Mutex::new(Inner {
            captures: Vec::new(),
            named: vec![Slot::Empty; count],
            volatile: false,
            of_connection: false,
            arguments: Asked::default(),
        }))
    }

    /// What is known of a variable: its value, or that it has none. Who asks for the copy of an argument asks for the argument.
    pub fn get(&self, index: usize) -> Option<Value> {
        let mut inner = self.lock();
        match inner.named.get(index)? {
            Slot::Empty => None,
            Slot::Known(value) => Some(value.clone()),
            Slot::Copied(value, _) => {
                let value = value.clone();
                inner.arguments.note(true);
                Some(Some(value))
            }
        }
    }

    /// Whether anything is known of a variable.
    pub fn is_known(&self, index: usize) -> bool {
        matches!(self.lock().named.get(index), Some(Slot::Known(_) | Slot::Copied(..)))
    }

    /// Sets a variable.
    pub fn set(&self, index: usize, value: Value) {
        if let Some(slot) = self.lock().named.get_mut(index) {
            *slot = Slot::Known(value);
        }
    }

    /// Sets a variable to the value of the `$arg_NAME` that has the index `from`. That alone asks for nothing.
    pub fn copy(&self, index: usize, value: Box<[u8]>, from: usize) {
        if let Some(slot) = self.lock().named.get_mut(index) {
            *slot = Slot::Copied(value, from);
        }
    }

    /// The index of the `$arg_NAME` that a variable was copied from, if it was.
    pub fn copied_from(&self, index: usize) -> Option<usize> {
        match self.lock().named.get(index)? {
            Slot::Copied(_, from) => Some(*from),
            _ => None,
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

    /// Something was asked for that the same request finds otherwise if it comes from somebody else.
    pub fn note_connection(&self) {
        self.lock().of_connection = true;
    }

    /// Whether such a thing was asked for.
    pub fn is_of_connection(&self) -> bool {
        self.lock().of_connection
    }

    /// Arguments of the request line were asked for, or one that may not be there.
    pub fn note_arguments(&self, found: bool) {
        self.lock().arguments.note(found);
    }

    /// How often.
    pub fn arguments_asked(&self) -> Asked {
        self.lock().arguments
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn note(&mut self, found: bool) {
        self.times = self.times.saturating_add(1);
        self.found = self.found.saturating_add(u32::from(found));
    }
}

impl Clone for Values {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }
}
