//! `gzip` and what belongs to it.

use std::sync::Arc;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{GzipConf, GzipDisable, GzipProxied};
use super::super::regex::Regex;
use super::charset::add_types;
use super::{HSL, HSLI, Module, ONE, done};

draft! {
    /// `gzip` of a block.
    GzipDraft {
        enabled: bool,
        types: Arc<Vec<Box<str>>>,
        min_length: u64,
        level: u32,
        vary: bool,
        http10: bool,
        proxied: GzipProxied,
        disable: GzipDisable,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_gzip_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done("gzip", HSLI, ONE, "off", "Compresses answers for clients that ask for it.", |b, call| {
        call.fill(&mut b.block().conf.gzip.enabled, Call::flag)
    }),
    done(
        "gzip_types",
        HSL,
        Arity::at_least(1),
        "text/html",
        "Types that are compressed, besides text/html; `*` is all.",
        |b, call| {
            let mut types = b.block().conf.gzip.types.take().unwrap_or_default();
            add_types(b, call, &mut types);
            b.block().conf.gzip.types = Some(types);
            Ok(())
        },
    ),
    done("gzip_min_length", HSL, ONE, "20", "Answers shorter than this are not compressed.", |b, call| {
        call.fill(&mut b.block().conf.gzip.min_length, Call::size)
    }),
    done("gzip_comp_level", HSL, ONE, "1", "From 1 (fast) to 9 (small).", |b, call| {
        call.fill(&mut b.block().conf.gzip.level, level)
    }),
    done("gzip_vary", HSL, ONE, "off", "Whether `Vary: Accept-Encoding` is sent.", |b, call| {
        call.fill(&mut b.block().conf.gzip.vary, Call::flag)
    }),
    done("gzip_http_version", HSL, ONE, "1.1", "The oldest HTTP version whose clients get it.", |b, call| {
        call.fill(&mut b.block().conf.gzip.http10, |call| call.one_of(&[("1.0", true), ("1.1", false)]))
    }),
    done(
        "gzip_proxied",
        HSL,
        Arity::at_least(1),
        "off",
        "Which answers to requests of proxies (with a `Via` header) are compressed.",
        proxied,
    ),
    done(
        "gzip_disable",
        HSL,
        Arity::at_least(1),
        "",
        "Expressions for the `User-Agent` of clients that get nothing compressed; `msie6` is MSIE 4 to 6.",
        disable,
    ),
];

fn proxied(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let mut flags = b.block().conf.gzip.proxied.unwrap_or_default();
    for word in call.args() {
        let flag = match &*word.to_ascii_lowercase() {
            b"off" => &mut flags.off,
            b"any" => &mut flags.any,
            b"auth" => &mut flags.auth,
            b"expired" => &mut flags.expired,
            b"no-cache" => &mut flags.no_cache,
            b"no-store" => &mut flags.no_store,
            b"private" => &mut flags.private,
            b"no_last_modified" => &mut flags.no_last_modified,
            b"no_etag" => &mut flags.no_etag,
            _ => {
                let word = String::from_utf8_lossy(word);
                return Err(Diagnostic::emerg(format!("invalid value \"{word}\"")));
            }
        };
        if *flag {
            b.warn(call, format!("duplicate value \"{}\"", String::from_utf8_lossy(word)));
        }
        *flag = true;
    }
    b.block().conf.gzip.proxied = Some(flags);
    Ok(())
}

fn disable(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let mut disable = b.block().conf.gzip.disable.take().unwrap_or_default();
    for pattern in call.args() {
        if pattern == b"msie6" {
            disable.msie6 = true;
        } else {
            let regex = Regex::new(pattern, true, &mut b.variables).map_err(Diagnostic::emerg)?;
            Arc::make_mut(&mut disable.regexes).push(regex);
        }
    }
    b.block().conf.gzip.disable = Some(disable);
    Ok(())
}

fn level(call: &Call<'_>) -> Outcome<u32> {
    match call.number()? {
        level @ 1..=9 => Ok(level as u32),
        _ => Err(Diagnostic::emerg("value must be between 1 and 9")),
    }
}

impl GzipDraft {
    /// The settings in force.
    pub fn finish(&self) -> GzipConf {
        GzipConf {
            enabled: self.enabled.unwrap_or(false),
            types: self.types.clone().unwrap_or_default(),
            min_length: self.min_length.unwrap_or(20),
            level: self.level.unwrap_or(1),
            vary: self.vary.unwrap_or(false),
            http10: self.http10.unwrap_or(false),
            proxied: self.proxied.unwrap_or(GzipProxied { off: true, ..GzipProxied::default() }),
            disable: self.disable.clone().unwrap_or_default(),
        }
    }
}
