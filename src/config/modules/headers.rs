//! `add_header` and `expires`.

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{AddHeader, Expires, HeadersConf};
use super::super::value;
use super::{HSLI, Module, done};

draft! {
    /// Headers added to answers.
    HeadersDraft {
        add: Vec<AddHeader>,
        expires: Expires,
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
        "Sends `Expires` and `Cache-Control`: a time, `@` a time of day, `modified` and a time, `epoch`, `max` or `off`.",
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
    if call.args().any(|arg| arg.starts_with(b"$")) {
        return Err(Diagnostic::emerg("a variable in \"expires\" directive is not supported yet"));
    }
    call.fill(&mut b.block().conf.headers.expires, |call| {
        if call.count() == 2 {
            return if call.arg(0) == b"modified" { modified(call) } else { Err(call.invalid_value()) };
        }
        match call.arg(0) {
            b"off" => Ok(Expires::Off),
            b"epoch" => Ok(Expires::Epoch),
            b"max" => Ok(Expires::Max),
            [b'@', time @ ..] => daily(call, time),
            time => signed(time).map(Expires::In).ok_or_else(|| call.invalid_value()),
        }
    })
}

fn modified(call: &Call<'_>) -> Outcome<Expires> {
    if call.arg(1).starts_with(b"@") {
        let problem = "\"expires\" directive daily time cannot be used with \"modified\" parameter";
        return Err(Diagnostic::emerg(problem));
    }
    signed(call.arg(1)).map(Expires::Modified).ok_or_else(|| call.invalid_value())
}

fn daily(call: &Call<'_>, time: &[u8]) -> Outcome<Expires> {
    let seconds = value::seconds(time).ok_or_else(|| call.invalid_value())?;
    let of_a_day = u32::try_from(seconds).ok().filter(|seconds| *seconds <= 86_400);
    let problem = "\"expires\" directive daily time value must be less than 24 hours";
    of_a_day.map(Expires::At).ok_or_else(|| Diagnostic::emerg(problem))
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
        HeadersConf { add: self.add.clone().unwrap_or_default(), expires: self.expires.unwrap_or_default() }
    }
}
