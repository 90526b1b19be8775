//! `add_header`, `add_trailer` and `expires`.

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::model::{AddHeader, Expires, ExpiresSetting, HeadersConf};
use super::super::value;
use super::{HSLI, Module, ONE, done};

/// Headers added to answers.
#[derive(Clone, Debug, Default)]
pub struct HeadersDraft {
    add: Added,
    trailers: Added,
    expires: Option<ExpiresSetting>,
}

/// What `add_header` or `add_trailer` says in a block, and what becomes of what the outer ones say.
#[derive(Clone, Debug, Default)]
struct Added {
    headers: Option<Vec<AddHeader>>,
    inheritance: Option<Inheritance>,
}

/// `add_header_inherit`, `add_trailer_inherit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inheritance {
    /// Where a block has none of its own.
    On,
    /// Never.
    Off,
    /// Behind the block's own.
    Merge,
}

const INHERITANCES: &[(&str, Inheritance)] =
    &[("on", Inheritance::On), ("off", Inheritance::Off), ("merge", Inheritance::Merge)];

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
        "add_trailer",
        HSLI,
        Arity::between(2, 3),
        "",
        "Adds a field after the end of an answer, which is sent in chunks for it. Otherwise like `add_header`.",
        add_trailer,
    ),
    done(
        "add_header_inherit",
        HSLI,
        ONE,
        "on",
        "What becomes of the outer levels' `add_header`s: `on`, they are in force where a level has none; `off`, they \
         are not; `merge`, they follow those of the level.",
        |b, call| call.fill(&mut b.block().conf.headers.add.inheritance, |call| call.one_of(INHERITANCES)),
    ),
    done("add_trailer_inherit", HSLI, ONE, "on", "The same for `add_trailer`.", |b, call| {
        call.fill(&mut b.block().conf.headers.trailers.inheritance, |call| call.one_of(INHERITANCES))
    }),
    done(
        "expires",
        HSLI,
        Arity::between(1, 2),
        "off",
        "Sends `Expires` and `Cache-Control`: a time, `@` a time of day, `modified` and a time, `epoch`, `max` or `off`; a variable may say it.",
        expires,
    ),
];

fn add_header(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let header = header(b, call)?;
    b.block().conf.headers.add.headers.get_or_insert_default().push(header);
    Ok(())
}

fn add_trailer(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let trailer = header(b, call)?;
    b.block().conf.headers.trailers.headers.get_or_insert_default().push(trailer);
    Ok(())
}

fn header(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<AddHeader> {
    let always = call.count() > 2;
    let value = b.template(call, 1)?;
    if always && call.arg(2) != b"always" {
        return Err(invalid_parameter(call.arg(2)));
    }
    Ok(AddHeader { name: call.text(0).into(), value, always })
}

fn expires(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.headers.expires.is_some() {
        return Err(call.duplicate());
    }
    let modified = call.count() == 2;
    if modified && call.arg(0) != b"modified" {
        return Err(call.invalid_value());
    }
    let text = call.arg(call.count() - 1);
    let value = b.compile(text)?;
    let setting = if value.as_literal().is_none() {
        ExpiresSetting::Variable { value, modified }
    } else {
        ExpiresSetting::Fixed(Expires::parse(text, modified).map_err(|problem| match problem {
            Some(problem) => Diagnostic::emerg(problem),
            None => call.invalid_value(),
        })?)
    };
    b.block().conf.headers.expires = Some(setting);
    Ok(())
}

impl Expires {
    /// Reads a time or a word; `modified`: it stands behind that word.
    ///
    /// # Errors
    /// What is wrong with it, where nginx says more than that it is invalid.
    pub fn parse(text: &[u8], modified: bool) -> Result<Self, Option<&'static str>> {
        match text {
            b"epoch" if !modified => Ok(Self::Epoch),
            b"max" if !modified => Ok(Self::Max),
            b"off" if !modified => Ok(Self::Off),
            [b'@', ..] if modified => {
                Err(Some("\"expires\" directive daily time cannot be used with \"modified\" parameter"))
            }
            [b'@', time @ ..] => {
                let seconds = value::seconds(time).ok_or(None)?;
                let of_a_day = u32::try_from(seconds).ok().filter(|seconds| *seconds <= 86_400);
                let problem = "\"expires\" directive daily time value must be less than 24 hours";
                of_a_day.map(Self::At).ok_or(Some(problem))
            }
            time if modified => signed(time).map(Self::Modified).ok_or(None),
            time => signed(time).map(Self::In).ok_or(None),
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

impl Added {
    fn inherit(&mut self, outer: &Self) {
        let inheritance = *self.inheritance.get_or_insert(outer.inheritance.unwrap_or(Inheritance::On));
        match (inheritance, &mut self.headers) {
            (Inheritance::Off, _) | (Inheritance::On, Some(_)) => {}
            (_, own @ None) => own.clone_from(&outer.headers),
            (Inheritance::Merge, Some(own)) => own.extend(outer.headers.iter().flatten().cloned()),
        }
    }
}

impl HeadersDraft {
    /// Takes from the enclosing block what it leaves to its inner ones.
    pub fn inherit(&mut self, outer: &Self) {
        self.add.inherit(&outer.add);
        self.trailers.inherit(&outer.trailers);
        if self.expires.is_none() {
            self.expires.clone_from(&outer.expires);
        }
    }

    /// The headers in force.
    pub fn finish(&self) -> HeadersConf {
        HeadersConf {
            add: self.add.headers.clone().unwrap_or_default(),
            trailers: self.trailers.headers.clone().unwrap_or_default(),
            expires: self.expires.clone().unwrap_or_default(),
        }
    }
}
