//! `add_header` and `expires`.

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{AddHeader, Expires, ExpiresConf, HeadersConf};
use super::super::value;
use super::{HSLI, Module, done};

draft! {
    /// Headers added to answers.
    HeadersDraft {
        add: Vec<AddHeader>,
        expires: ExpiresConf,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_headers_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "add_header",
        HSLI,
        Arity::between(2, 3),
        "",
        "Adds a header to successful answers and redirects, with `always` to all. One of an inner level replaces all \
         of the outer ones.",
        add_header,
    ),
    done(
        "expires",
        HSLI,
        Arity::between(1, 2),
        "off",
        "Sends `Expires` and `Cache-Control`: a time, `@` a time of day, `modified` and a time, `epoch`, `max` or `off`; variables.",
        expires,
    ),
];

fn add_header(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let always = call.count() > 2;
    let value = b.template(call, 1)?;
    if always && call.arg(2) != b"always" {
        return Err(invalid_parameter(call.arg(2)));
    }
    let header = AddHeader { name: call.text(0).into(), value, always };
    b.block().conf.headers.add.get_or_insert_default().push(header);
    Ok(())
}

fn expires(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.headers.expires.is_some() {
        return Err(call.duplicate());
    }
    let modified = match (call.count(), call.arg(0)) {
        (1, _) => false,
        (_, b"modified") => true,
        _ => return Err(call.invalid_value()),
    };
    let text = call.arg(usize::from(modified));
    let value = b.compile(text)?;
    let conf = match value.as_literal() {
        None => ExpiresConf::Computed { value, modified },
        Some(_) => ExpiresConf::Fixed(parse_expires(text, modified).map_err(|wrong| match wrong {
            WrongExpires::Value => call.invalid_value(),
            WrongExpires::DailyModified => Diagnostic::emerg(
                "\"expires\" directive daily time cannot be used with \"modified\" parameter",
            ),
            WrongExpires::LateDaily => {
                Diagnostic::emerg("\"expires\" directive daily time value must be less than 24 hours")
            }
        })?),
    };
    b.block().conf.headers.expires = Some(conf);
    Ok(())
}

/// What is wrong with a value of `expires`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongExpires {
    /// It is no time.
    Value,
    /// `modified @TIME`.
    DailyModified,
    /// `@TIME` of a later day.
    LateDaily,
}

/// A value of `expires`, as it is written or as variables come to it.
///
/// # Errors
/// What nginx does not take.
pub fn parse_expires(text: &[u8], modified: bool) -> Result<Expires, WrongExpires> {
    match text {
        b"off" if !modified => Ok(Expires::Off),
        b"epoch" if !modified => Ok(Expires::Epoch),
        b"max" if !modified => Ok(Expires::Max),
        [b'@', ..] if modified => Err(WrongExpires::DailyModified),
        [b'@', time @ ..] => {
            let seconds = value::seconds(time).ok_or(WrongExpires::Value)?;
            let of_a_day = u32::try_from(seconds).ok().filter(|seconds| *seconds <= 86_400);
            of_a_day.map(Expires::At).ok_or(WrongExpires::LateDaily)
        }
        time => {
            let seconds = signed(time).ok_or(WrongExpires::Value)?;
            Ok(if modified { Expires::Modified(seconds) } else { Expires::In(seconds) })
        }
    }
}

/// A time with an optional sign.
fn signed(text: &[u8]) -> Option<i64> {
    let (negative, time) = match text {
        [b'-', time @ ..] => (true, time),
        [b'+', time @ ..] => (false, time),
        _ => (false, text),
    };
    let seconds = i64::try_from(value::seconds(time)?).ok()?;
    Some(if negative { -seconds } else { seconds })
}

impl HeadersDraft {
    /// The headers in force.
    pub fn finish(&self) -> HeadersConf {
        HeadersConf {
            add: self.add.clone().unwrap_or_default(),
            expires: self.expires.clone().unwrap_or_default(),
        }
    }
}
