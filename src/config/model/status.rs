//! Pages about the server itself.

/// A page about the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPage {
    /// `stub_status`.
    Stub,
    /// `encke_metrics`.
    Metrics,
}
