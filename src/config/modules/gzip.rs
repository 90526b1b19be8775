//! `gzip` and what belongs to it.

use std::sync::Arc;

use super::super::builder::Outcome;
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::GzipConf;
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
];

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
        }
    }
}
