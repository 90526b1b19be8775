//! What `limit_req` and `limit_conn` decided about a request, and what it holds for that until it is over.

use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

/// What became of a request at a limit: `$limit_req_status`, `$limit_conn_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LimitStatus {
    Passed,
    Delayed,
    Rejected,
    DelayedDryRun,
    RejectedDryRun,
}

impl LimitStatus {
    /// Its name in variables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Delayed => "DELAYED",
            Self::Rejected => "REJECTED",
            Self::DelayedDryRun => "DELAYED_DRY_RUN",
            Self::RejectedDryRun => "REJECTED_DRY_RUN",
        }
    }
}

/// A slot of `limit_conn`, given back when it is dropped.
pub type Slot = Box<dyn Held>;

/// What is held of a zone.
pub trait Held: std::fmt::Debug + Send + Sync {
    /// What it is, for another process.
    fn name(&self) -> SlotName;
}

/// A slot on its way to another process.
#[derive(Debug, Serialize, Deserialize)]
pub struct SlotName {
    /// The zone's name.
    pub zone: String,
    /// The key that counts.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
}

/// Limits of one request. Each limit looks at a request once, wherever it is sent afterwards.
#[derive(Debug, Default)]
pub struct Limits {
    /// What `limit_req` decided, once it did.
    pub requests: OnceLock<LimitStatus>,
    /// What `limit_conn` decided, once it did.
    pub connections: OnceLock<LimitStatus>,
    slots: Mutex<Vec<Slot>>,
}

impl Limits {
    /// Keeps slots for as long as the request lasts.
    pub fn hold(&self, slots: Vec<Slot>) {
        *self.slots.lock().unwrap_or_else(PoisonError::into_inner) = slots;
    }

    /// The same decisions, without the slots.
    pub fn decided(&self) -> Self {
        let (requests, connections) = (self.requests.clone(), self.connections.clone());
        Self { requests, connections, ..Self::default() }
    }

    /// For another process: the slots that are held.
    pub fn freeze(&self) -> Vec<SlotName> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().map(|slot| slot.name()).collect()
    }

    /// From another process. `None` if nothing is held.
    pub fn thaw(slots: Vec<Slot>) -> Option<Self> {
        (!slots.is_empty()).then(|| Self { slots: Mutex::new(slots), ..Self::default() })
    }

    /// Whether the request holds slots.
    pub fn holds(&self) -> bool {
        !self.slots.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
