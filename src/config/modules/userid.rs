//! `userid` and what belongs to it.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{UseridConf, UseridExpires, UseridFlags, UseridMode};
use super::super::value;
use super::{HSL, Module, ONE, done};

draft! {
    /// The cookie of a block.
    UseridDraft {
        mode: UseridMode,
        name: Box<[u8]>,
        domain: Option<Box<[u8]>>,
        path: Box<[u8]>,
        expires: UseridExpires,
        p3p: Box<[u8]>,
        mark: Option<u8>,
        service: u32,
        flags: UseridFlags,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_userid_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "userid",
        HSL,
        ONE,
        "off",
        "Gives each browser a cookie with a number: `on`, `v1` (the older form), `log` (reads it only), `off`.",
        |b, call| {
            call.fill(&mut b.block().conf.userid.mode, |call| {
                call.one_of(&[
                    ("off", UseridMode::Off),
                    ("log", UseridMode::Log),
                    ("v1", UseridMode::V1),
                    ("on", UseridMode::On),
                ])
            })
        },
    ),
    done("userid_domain", HSL, ONE, "none", "Domain of the cookie.", |b, call| {
        call.fill(&mut b.block().conf.userid.domain, |call| Ok(unless_none(call)))
    }),
    done("userid_expires", HSL, ONE, "off", "Lifetime of the cookie: a time, `max`, `off`.", |b, call| {
        call.fill(&mut b.block().conf.userid.expires, expires)
    }),
    done(
        "userid_flags",
        HSL,
        Arity::between(1, 3),
        "off",
        "Flags of the cookie: `secure`, `httponly`, `samesite=strict`, `lax` or `none`.",
        flags,
    ),
    done(
        "userid_mark",
        HSL,
        ONE,
        "off",
        "A letter, a digit or `=` that keeps a cookie of before as it is.",
        |b, call| call.fill(&mut b.block().conf.userid.mark, mark),
    ),
    done("userid_name", HSL, ONE, "uid", "Name of the cookie.", |b, call| {
        call.fill(&mut b.block().conf.userid.name, |call| Ok(call.arg(0).into()))
    }),
    done("userid_p3p", HSL, ONE, "none", "`P3P` header that goes with the cookie.", |b, call| {
        call.fill(&mut b.block().conf.userid.p3p, |call| Ok(unless_none(call).unwrap_or_default()))
    }),
    done("userid_path", HSL, ONE, "/", "Path of the cookie.", |b, call| {
        call.fill(&mut b.block().conf.userid.path, |call| Ok(call.arg(0).into()))
    }),
    done(
        "userid_service",
        HSL,
        ONE,
        "",
        "Number of this server within the cookie; else its address.",
        |b, call| {
            // nginx keeps the lower 32 bits.
            let lower = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
            call.fill(&mut b.block().conf.userid.service, |call| call.number().map(lower))
        },
    ),
];

/// The argument, unless it is `none`.
fn unless_none(call: &Call<'_>) -> Option<Box<[u8]>> {
    (call.arg(0) != b"none").then(|| call.arg(0).into())
}

fn expires(call: &Call<'_>) -> Outcome<UseridExpires> {
    match call.arg(0) {
        b"off" => Ok(UseridExpires::Off),
        b"max" => Ok(UseridExpires::Max),
        time => {
            let seconds = value::seconds(time).and_then(|seconds| i64::try_from(seconds).ok());
            seconds.map(UseridExpires::In).ok_or_else(|| call.invalid_value())
        }
    }
}

fn mark(call: &Call<'_>) -> Outcome<Option<u8>> {
    match call.arg(0) {
        b"off" => Ok(None),
        [mark] if mark.is_ascii_alphanumeric() || *mark == b'=' => Ok(Some(*mark)),
        _ => Err(Diagnostic::emerg(
            "\"userid_mark\" directive value must be \"off\" or a single letter, digit or \"=\"",
        )),
    }
}

/// Several directives add to one another, as in nginx.
fn flags(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let flags = b.block().conf.userid.flags.get_or_insert_default();
    for word in call.args() {
        match &*word.to_ascii_lowercase() {
            b"off" => {}
            b"secure" => flags.secure = true,
            b"httponly" => flags.httponly = true,
            b"samesite=strict" => flags.samesite = Some("strict"),
            b"samesite=lax" => flags.samesite = Some("lax"),
            b"samesite=none" => flags.samesite = Some("none"),
            _ => {
                return Err(Diagnostic::emerg(format!(
                    "invalid value \"{}\"",
                    String::from_utf8_lossy(word)
                )));
            }
        }
    }
    Ok(())
}

impl UseridDraft {
    /// The cookie in force.
    pub fn finish(&self) -> UseridConf {
        UseridConf {
            mode: self.mode.unwrap_or_default(),
            name: self.name.clone().unwrap_or_else(|| (*b"uid").into()),
            domain: self.domain.clone().flatten(),
            path: self.path.clone().unwrap_or_else(|| (*b"/").into()),
            expires: self.expires.unwrap_or_default(),
            p3p: self.p3p.clone().unwrap_or_default(),
            mark: self.mark.flatten(),
            service: self.service,
            flags: self.flags.unwrap_or_default(),
        }
    }
}
