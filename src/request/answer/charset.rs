//! `charset`: which one an answer names, and how its text gets there.

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::model::{CharsetConf, Recoding};
use crate::config::template::Template;

use super::super::{RequestCtx, gzip, recode};
use super::{Answer, Responder};

/// Where the parameter begins that names a charset in front of its value.
const PARAMETER: &[u8] = b"charset=";

/// The charset that an answer gets.
struct Named<'s, 'a> {
    name: &'s [u8],
    /// What becomes of the text, if it is in another charset.
    recoding: Option<&'s Arc<Recoding>>,
    /// The type, without the charset that is replaced.
    kind: &'a [u8],
}

/// What variables made of `charset` and `source_charset` for one request.
pub(super) fn rendered(ctx: &RequestCtx) -> [Option<Vec<u8>>; 2] {
    let CharsetConf { charset, source, .. } = &ctx.conf.charset;
    let value = |name: &Option<Template>| {
        name.as_ref().filter(|name| name.as_literal().is_none()).map(|name| ctx.render(name))
    };
    [value(charset), value(source)]
}

impl Responder {
    /// `Content-Type` with its charset.
    pub(super) fn content_type<'a>(&self, answer: &'a Answer) -> Option<Cow<'a, [u8]>> {
        let kind = answer.content_type.as_deref()?;
        let sent = !kind.is_empty() && (answer.status != 204 || answer.passed.is_some());
        // Of redirects, Netscape 4 took the charset for that of the next page.
        let named = self.named(answer).filter(|_| !matches!(answer.status, 301 | 302));
        sent.then(|| match named {
            Some(named) => Cow::Owned([named.kind, b"; charset=", named.name].concat()),
            None => Cow::Borrowed(kind),
        })
    }

    /// How an answer's text is converted, if it is.
    pub(super) fn recoding(&self, answer: &Answer) -> Option<&Arc<Recoding>> {
        self.named(answer)?.recoding
    }

    /// Whether an answer's text is converted to one of another length: then no ranges of it can be given.
    pub fn changes_length(&self, answer: &Answer) -> bool {
        self.recoding(answer).is_some_and(|recoding| !recode::keeps_length(recoding))
    }

    /// The charset that is added to a type.
    pub fn charset(&self, content_type: &[u8]) -> Option<&[u8]> {
        let name = self.value(&self.conf.charset.charset, 0)?;
        let takes_one =
            parameter(content_type).is_none() && gzip::has_type(&self.conf.charset.types, content_type);
        (!name.is_empty() && takes_one).then_some(name)
    }

    fn named<'s, 'a>(&'s self, answer: &'a Answer) -> Option<Named<'s, 'a>> {
        let kind = answer.content_type.as_deref()?;
        let passed = answer.passed.as_ref();
        if passed.is_some_and(|passed| passed.charset_is_final) {
            return None;
        }
        let conf = &self.conf.charset;
        let from = |source: &[u8], name: &'s [u8], kind: &'a [u8]| {
            let recoding = match source.eq_ignore_ascii_case(name) {
                true => None,
                false => Some(conf.charsets.conversion(source, name)?),
            };
            Some(Named { name, recoding, kind })
        };
        if let Some(name) = self.charset(kind) {
            return match self.value(&conf.source, 1).filter(|_| !answer.is_encoded()) {
                Some(source) => from(source, name, kind),
                None => Some(Named { name, recoding: None, kind }),
            };
        }
        let open = conf.overrides && passed.is_some() && !answer.is_encoded();
        let (kind, source) = parameter(kind).filter(|_| open)?;
        from(source, self.value(&conf.charset, 0)?, kind)
    }

    /// A setting's value; `place` is that among those with variables.
    fn value<'a>(&'a self, setting: &'a Option<Template>, place: usize) -> Option<&'a [u8]> {
        match setting.as_ref()?.as_literal() {
            Some(value) => Some(value),
            None => self.own.as_ref()?.charsets[place].as_deref(),
        }
    }
}

/// A type that names another charset.
pub fn renamed(kind: &[u8], charset: &[u8]) -> Vec<u8> {
    let kind = parameter(kind).map_or(kind, |(front, _)| front);
    [kind, b"; charset=", charset].concat()
}

/// What stands in front of the parameter that names a type's charset, and the charset without quotes: all that follows, as
/// in nginx.
fn parameter(kind: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = kind.windows(PARAMETER.len()).position(|window| window.eq_ignore_ascii_case(PARAMETER))?;
    let value = &kind[at + PARAMETER.len()..];
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let value = value.strip_suffix(b"\"").unwrap_or(value);
    let front = kind[..at].trim_ascii_end();
    Some((front.strip_suffix(b";").unwrap_or(front).trim_ascii_end(), value))
}
