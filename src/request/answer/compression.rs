//! Whether an answer is compressed.

use std::borrow::Cow;

use super::super::gzip::{self, Acceptance, ProxiedAnswer};
use super::expires::Freshness;
use super::{Answer, Responder};

impl Responder {
    /// Whether an answer will be compressed: then no ranges of it can be given.
    pub fn compresses(&self, answer: &Answer) -> bool {
        self.compressible(answer) && self.gives_gzip(answer, self.expires(answer).as_ref())
    }

    /// Whether it is one of those that `gzip` compresses, whoever asks.
    pub(super) fn compressible(&self, answer: &Answer) -> bool {
        let (kind, length) = (answer.content_type.as_deref(), answer.body.length());
        !answer.is_encoded() && gzip::compressible(&self.conf.gzip, answer.status, kind, length)
    }

    /// Whether this client gets it compressed.
    pub(super) fn gives_gzip(&self, answer: &Answer, expires: Option<&Freshness>) -> bool {
        match self.gzip {
            Acceptance::Never => false,
            Acceptance::Always => true,
            Acceptance::Proxied => {
                let added = self.added(answer.status, &[]);
                let added = added.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cache-control"));
                let passed = answer.passed.as_deref();
                let behind = |name: &str| passed.and_then(|passed| passed.find(name));
                let own = match expires {
                    Some(freshness) => Some(freshness.cache_control.as_bytes()),
                    None => behind("cache-control"),
                };
                let own = own.map(Cow::Borrowed);
                let control: Vec<_> = own.into_iter().chain(added.map(|(_, value)| value.clone())).collect();
                let control = (!control.is_empty()).then(|| control.join(&b','));
                let proxied = ProxiedAnswer {
                    expires: match expires {
                        Some(freshness) => Some(freshness.expires.as_bytes()),
                        None => behind("expires"),
                    },
                    cache_control: control.as_deref(),
                    last_modified: self.sets(answer.status, "last-modified")
                        || behind("last-modified").is_some(),
                    etag: answer.etag.is_some() || behind("etag").is_some(),
                };
                gzip::proxied(&self.conf.gzip.proxied, &proxied)
            }
        }
    }
}
