//! Requests made inside the server: the trait by which handlers of this layer ask other locations.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::body::RequestBody;

/// A request to be made inside the server, with the headers of the one it is made for.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Its method.
    pub method: Method,
    /// Its path, decoded.
    pub path: Box<[u8]>,
    /// Its arguments.
    pub args: Box<[u8]>,
    /// Its body; `None` for one that has none though the headers may speak of the parent's.
    pub body: Option<Bytes>,
    /// The longest body of an answer that is kept, bytes; 0: nobody looks at it.
    pub most_body: usize,
}

/// What a request inside came to.
#[derive(Clone, Debug)]
pub struct InsideAnswer {
    /// The answer: status and headers. Its body is in `body`.
    pub answer: Answer,
    /// The body, if it was asked for.
    pub body: Bytes,
    /// The request as its location left it: what variables tell of it, `$upstream_*` included.
    pub ctx: Arc<RequestCtx>,
}

impl InsideAnswer {
    /// The first header of that name in the answer.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let own = self.answer.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        let passed = self.answer.passed.iter().flat_map(|passed| &passed.headers);
        let passed = || passed.clone().find(|(header, _)| header.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.as_slice()).or_else(|| passed().map(|(_, value)| value.as_slice()))
    }
}

/// Who makes requests inside: through the server's rewrite directives, locations, limits and error pages, but past their
/// access rules, as in nginx: who asks was let in already. The layer above implements it; handlers find it among the
/// extensions of their request as `Arc<dyn Subrequest>`.
pub trait Subrequest: fmt::Debug + Send + Sync {
    /// Makes a request for `parent`. A location that would make it wait (a subscriber's) answers an error.
    fn request<'a>(
        &'a self,
        parent: &'a RequestCtx,
        inside: Inside,
    ) -> Pin<Box<dyn Future<Output = InsideAnswer> + Send + 'a>>;

    /// The same for requests that are made whether the client is still there or not.
    fn detached(&self) -> Arc<dyn Subrequest>;
}

/// A copy of a request for others that are made on its behalf when it is over: what it holds of limits is not held, nor
/// the buffer that it was read into.
pub fn keepsake(ctx: &RequestCtx) -> RequestCtx {
    let mut kept = ctx.clone();
    kept.limits = Arc::new(ctx.limits.decided());
    kept.body = RequestBody::default();
    kept.headers = copied(&ctx.headers);
    for bytes in [&mut kept.line, &mut kept.target, &mut kept.raw_target, &mut kept.head] {
        *bytes = Bytes::copy_from_slice(bytes);
    }
    kept
}

fn copied(headers: &HeaderMap) -> HeaderMap {
    let mut copied = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or_else(|_| name.clone());
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
        copied.append(name, value);
    }
    copied
}
