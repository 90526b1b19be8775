//! What of a request decides how its answer is written; and how that gets to another process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::model::{AddHeader, ExpiresSetting, LocationConf};
use crate::config::template::Template;

use super::super::RequestCtx;
use super::super::gzip::{self, Acceptance};
use super::super::late::{Frozen, Pending};
use super::super::pace::Pace;
use super::super::userid::UidCookie;
use super::charset;

/// What of a request decides how its answer is written.
#[derive(Clone, Debug)]
pub struct Responder {
    /// Settings of the location.
    pub conf: Arc<LocationConf>,
    /// Keep the connection open afterwards.
    pub keep_alive: bool,
    /// The request was HTTP/1.0.
    pub http10: bool,
    /// The request was HEAD.
    pub head_only: bool,
    /// Whether the client takes gzip, and the location gives it.
    pub gzip: Acceptance,
    /// What its variables made of the settings.
    pub(super) own: Option<Box<Own>>,
}

/// Values of settings with variables for one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    /// `add_header`s with variables.
    pub(super) added: Box<[OwnValue]>,
    /// `add_trailer`s with variables.
    pub(super) trailers: Box<[OwnValue]>,
    /// `expires` with variables.
    pub(super) expires: Option<Pending>,
    /// `charset` and `source_charset` with variables.
    pub(super) charsets: [Option<Vec<u8>>; 2],
    /// `limit_rate`.
    pub(super) pace: Option<Pace>,
    /// The cookie of `userid`.
    pub(super) uid: Option<UidCookie>,
}

/// The place of a row in its list, and its value for one request.
pub(super) type OwnValue = (usize, Pending);

/// A [`Responder`] on its way to another process, which has to know the location.
#[derive(Debug, Serialize, Deserialize)]
pub struct FrozenResponder {
    keep_alive: bool,
    http10: bool,
    head_only: bool,
    gzip: Acceptance,
    own: Option<FrozenOwn>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FrozenOwn {
    added: Vec<(usize, Frozen)>,
    trailers: Vec<(usize, Frozen)>,
    expires: Option<Frozen>,
    charsets: [Option<Vec<u8>>; 2],
    pace: Option<Pace>,
    uid: Option<UidCookie>,
}

impl Responder {
    /// For the answer of this request, as it stands now.
    pub fn new(ctx: &RequestCtx) -> Self {
        let conf = Arc::clone(&ctx.conf);
        Self {
            keep_alive: ctx.keeps_alive(),
            http10: ctx.is_http10(),
            head_only: ctx.method == http::Method::HEAD,
            gzip: if conf.gzip.enabled { gzip::acceptance(ctx) } else { Acceptance::Never },
            own: Own::new(ctx),
            conf,
        }
    }

    /// Whether no variable has a say in its answers.
    pub fn is_plain(&self) -> bool {
        self.own.is_none()
    }

    /// `limit_rate` for this answer.
    pub fn pace(&self) -> Option<Pace> {
        self.own.as_ref().and_then(|own| own.pace)
    }

    /// For another process.
    pub fn freeze(&self) -> FrozenResponder {
        let Self { keep_alive, http10, head_only, gzip, .. } = *self;
        FrozenResponder { keep_alive, http10, head_only, gzip, own: self.own.as_deref().map(Own::freeze) }
    }

    /// From another process, for the same location.
    pub fn thaw(frozen: FrozenResponder, conf: Arc<LocationConf>) -> Self {
        let FrozenResponder { keep_alive, http10, head_only, gzip, own } = frozen;
        Self { conf, keep_alive, http10, head_only, gzip, own: own.map(Own::thaw).map(Box::new) }
    }

    /// Whether an answer rendered for `self` has the same bytes for `other`.
    pub fn same_bytes(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.conf, &other.conf)
            && (self.keep_alive, self.http10, self.head_only, self.gzip)
                == (other.keep_alive, other.http10, other.head_only, other.gzip)
            && self.own.is_none()
            && other.own.is_none()
    }
}

impl Own {
    /// `None` where no setting has variables.
    fn new(ctx: &RequestCtx) -> Option<Box<Self>> {
        let headers = &ctx.conf.headers;
        let pending = |value: &Template| Pending::new(ctx, value, write_value);
        let values = |rows: &[AddHeader]| -> Box<[OwnValue]> {
            let with_variables = rows.iter().enumerate().filter(|(_, row)| row.value.as_literal().is_none());
            with_variables.map(|(at, row)| (at, pending(&row.value))).collect()
        };
        let expires = match &headers.expires {
            ExpiresSetting::Fixed(_) => None,
            ExpiresSetting::Variable { value, .. } => Some(pending(value)),
        };
        let own = Self {
            added: values(&headers.add),
            trailers: values(&headers.trailers),
            expires,
            charsets: charset::rendered(ctx),
            pace: Pace::of(ctx),
            uid: ctx.uid_cookie(),
        };
        let Self { added, trailers, expires, charsets, pace, uid } = &own;
        let empty = added.is_empty() && trailers.is_empty() && expires.is_none();
        let empty = empty && charsets.iter().all(Option::is_none);
        (!empty || pace.is_some() || uid.is_some()).then(|| Box::new(own))
    }

    fn freeze(&self) -> FrozenOwn {
        let freeze = |pending: &Pending| pending.freeze(None, write_value);
        let rows = |values: &[OwnValue]| values.iter().map(|(at, value)| (*at, freeze(value))).collect();
        FrozenOwn {
            added: rows(&self.added),
            trailers: rows(&self.trailers),
            expires: self.expires.as_ref().map(freeze),
            charsets: self.charsets.clone(),
            pace: self.pace,
            uid: self.uid.clone(),
        }
    }

    fn thaw(frozen: FrozenOwn) -> Self {
        let rows = |values: Vec<(usize, Frozen)>| {
            values.into_iter().map(|(at, value)| (at, Pending::thaw(value))).collect()
        };
        Self {
            added: rows(frozen.added),
            trailers: rows(frozen.trailers),
            expires: frozen.expires.map(Pending::thaw),
            charsets: frozen.charsets,
            pace: frozen.pace,
            uid: frozen.uid,
        }
    }
}

/// A value as it is; none is nothing.
pub(super) fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(value.unwrap_or_default());
}
