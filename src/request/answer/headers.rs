//! Headers and trailers that a handler, a server behind, `expires` and `add_header` give an answer.

use std::borrow::Cow;

use bytes::Bytes;

use crate::config::model::AddHeader;

use super::super::date;
use super::super::evaluation::AnswerSoFar;
use super::super::userid::UidCookie;
use super::expires::Freshness;
use super::head::Head;
use super::responder::{OwnValue, write_value};
use super::{Answer, Ranges, Responder};

impl Responder {
    /// Headers of the handler, of `expires` and of `add_header`. One that `add_header` sets replaces a
    /// cross-origin header of ours: two of them make browsers refuse the answer.
    pub(super) fn further_headers(
        &self,
        head: &mut Head,
        answer: &Answer,
        expires: Option<Freshness>,
        compressed: bool,
    ) {
        let replaced = |name: &str| {
            let starts_so = name.starts_with("Access-Control-") || name == "ETag";
            starts_so && self.sets(answer.status, name)
        };
        for (name, value) in answer.passed.iter().flat_map(|passed| &passed.headers) {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let stands_in = expires.is_some() && (is("expires") || is("cache-control"));
            let added = (is("etag") || is("last-modified")) && self.sets(answer.status, name);
            let untrue = is("accept-ranges") && (compressed || self.changes_length(answer));
            if !(stands_in || added || untrue) {
                head.line(name, weakened(name, value, compressed));
            }
        }
        let etag = answer.etag.iter().filter(|_| !answer.etag_written).map(|etag| ("ETag", etag));
        let headers = answer.headers.iter().map(|(name, value)| (&**name, value));
        for (name, value) in etag.chain(headers) {
            if !replaced(name) {
                head.line(name, weakened(name, value, compressed));
            }
        }
        if let Some(Freshness { expires, cache_control }) = expires {
            head.line("Expires", expires);
            head.line("Cache-Control", cache_control);
        }
        if let (416, Ranges::Content(range)) = (answer.status, &answer.ranges) {
            // nginx has added headers to the whole file already when it finds that there is no such range.
            for (name, value) in self.added(200, &head.0) {
                head.line(name, value);
            }
            head.line("Content-Range", &**range);
        }
        for (name, value) in self.added(answer.status, &head.0) {
            head.line(name, weakened(name, &value, compressed));
        }
        for (name, value) in self.own.iter().filter_map(|own| own.uid.as_ref()).flat_map(UidCookie::headers) {
            head.line(name, value);
        }
    }

    /// `add_header Last-Modified` replaces the answer's own, as in nginx. Error pages have none.
    pub(super) fn last_modified(&self, head: &mut Head, answer: &Answer) {
        let sent = matches!(answer.status, 200 | 206 | 304) && !self.sets(answer.status, "last-modified");
        if let Some(seconds) = answer.last_modified.filter(|_| sent) {
            head.line("Last-Modified", date::format(seconds));
        }
    }

    /// The end of a body in chunks, with what `add_trailer` adds to an answer that has this head.
    pub(super) fn last_chunk(&self, status: u16, head: &[u8]) -> Bytes {
        let own = self.own.as_ref().map_or(&[][..], |own| &own.trailers);
        let mut last = Head(b"0\r\n".to_vec());
        for (name, value) in values(&self.conf.headers.trailers, own, status, head) {
            last.line(name, value);
        }
        last.finish()
    }

    /// Whether `add_trailer` adds to an answer with this status.
    pub(super) fn has_trailers(&self, status: u16) -> bool {
        self.conf.headers.trailers.iter().any(|row| row.always || is_plain(status))
    }

    /// What `add_header` adds to an answer that has this head so far; empty values are not sent.
    pub(super) fn added(&self, status: u16, head: &[u8]) -> Vec<(&str, Cow<'_, [u8]>)> {
        let own = self.own.as_ref().map_or(&[][..], |own| &own.added);
        values(&self.conf.headers.add, own, status, head)
    }

    /// Whether `add_header` sets this header of such an answer.
    pub(super) fn sets(&self, status: u16, name: &str) -> bool {
        let plain = is_plain(status);
        let mut rows = self.conf.headers.add.iter().filter(|row| plain || row.always);
        rows.any(|row| row.name.eq_ignore_ascii_case(name))
    }
}

/// Values of `add_header` or `add_trailer` for an answer that has this head so far; empty ones are not sent.
fn values<'a>(
    rows: &'a [AddHeader],
    own: &'a [OwnValue],
    status: u16,
    head: &[u8],
) -> Vec<(&'a str, Cow<'a, [u8]>)> {
    let fitting = rows.iter().enumerate().filter(|(_, row)| row.always || is_plain(status));
    let values = fitting.filter_map(|(at, row)| {
        let value = match row.value.as_literal() {
            Some(bytes) => Cow::Borrowed(bytes),
            None => {
                let pending = own.iter().find(|(place, _)| *place == at);
                Cow::Owned(pending?.1.finish(&so_far(status, head), None, write_value))
            }
        };
        (!value.is_empty()).then_some((&*row.name, value))
    });
    values.collect()
}

/// An answer of which there is only a part of its head.
pub(super) fn so_far(status: u16, head: &[u8]) -> AnswerSoFar<'_> {
    AnswerSoFar { head, ..AnswerSoFar::of_status(status) }
}

/// A header of an answer; the ETag of a compressed one is weak, since its bytes are others.
fn weakened<'a>(name: &str, value: &'a [u8], compressed: bool) -> Cow<'a, [u8]> {
    if compressed && name.eq_ignore_ascii_case("etag") && value.starts_with(b"\"") {
        return Cow::Owned([b"W/", value].concat());
    }
    Cow::Borrowed(value)
}

/// Statuses that get `expires`, and every `add_header`.
pub(super) fn is_plain(status: u16) -> bool {
    matches!(status, 200 | 201 | 204 | 206 | 301..=304 | 307 | 308)
}
