//! `mirror`: requests whose answers nobody looks at.

use std::sync::Arc;

/// `mirror`.
#[derive(Clone, Debug, Default)]
pub struct MirrorConf {
    /// URIs to which requests are made.
    pub uris: Arc<[Box<[u8]>]>,
    /// `mirror_request_body`.
    pub request_body: bool,
}
