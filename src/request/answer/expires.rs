//! What `expires` says of an answer.

use std::cell::LazyCell;

use crate::config::model::{Expires, ExpiresSetting};

use super::super::date;
use super::head::Head;
use super::headers::{is_plain, so_far};
use super::responder::write_value;
use super::{Answer, Responder};

/// What `expires` adds to an answer.
pub(super) struct Freshness {
    pub(super) expires: String,
    pub(super) cache_control: String,
}

impl Responder {
    /// What `expires` says of an answer.
    pub(super) fn expires(&self, answer: &Answer) -> Option<Freshness> {
        if !is_plain(answer.status) {
            return None;
        }
        let expires = match &self.conf.headers.expires {
            ExpiresSetting::Fixed(expires) => *expires,
            ExpiresSetting::Variable { modified, .. } => {
                // What a value may depend on of what is still to be written.
                let mut head = Head::new(answer.status, answer.phrases);
                if let Some(content_type) = self.content_type(answer) {
                    head.line("Content-Type", content_type);
                }
                self.last_modified(&mut head, answer);
                let value = self.own.as_ref()?.expires.as_ref()?.finish(
                    &so_far(answer.status, &head.0),
                    None,
                    write_value,
                );
                Expires::parse(&value, *modified).ok()?
            }
        };
        Freshness::new(expires, answer.last_modified)
    }
}

impl Freshness {
    fn new(expires: Expires, last_modified: Option<i64>) -> Option<Self> {
        let fixed = |expires: &str, cache_control: &str| {
            Some(Self { expires: expires.to_owned(), cache_control: cache_control.to_owned() })
        };
        let now = LazyCell::new(date::now);
        let seconds = match expires {
            Expires::Off => return None,
            Expires::Epoch => return fixed("Thu, 01 Jan 1970 00:00:01 GMT", "no-cache"),
            Expires::Max => return fixed("Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"),
            Expires::In(seconds) => seconds,
            Expires::Modified(seconds) => last_modified.map_or(seconds, |modified| modified + seconds - *now),
            Expires::At(time) => date::until_local_time(time),
        };
        let age = if seconds < 0 { "no-cache".to_owned() } else { format!("max-age={seconds}") };
        fixed(date::format(now.saturating_add(seconds)).as_str(), &age)
    }
}
