//! What `limit_req` and `limit_conn` decided about a request, and what it holds for that until it is over.

use std::sync::{Mutex, OnceLock, PoisonError};

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
pub type Slot = Box<dyn std::any::Any + Send + Sync>;

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

    /// Whether the request holds slots.
    pub fn holds(&self) -> bool {
        !self.slots.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
