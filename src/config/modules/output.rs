//! How answers are put on the wire: their speed, their framing, and kindnesses to old browsers.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::directive::Directive;
use super::super::draft::draft;
use super::super::model::OutputConf;
use super::super::template::Template;
use super::super::value;
use super::{HSL, HSLI, Module, ONE, done};

draft! {
    /// Output of a block.
    OutputDraft {
        limit_rate: Template,
        limit_rate_after: Template,
        chunked_transfer_encoding: bool,
        msie_padding: bool,
        msie_refresh: bool,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_core_module: output", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "limit_rate",
        HSLI,
        ONE,
        "0",
        "How many bytes of an answer are sent per second; 0 is no limit. `set $limit_rate` overrides it.",
        |b, call| {
            let rate = rate(b, call)?;
            call.fill(&mut b.block().conf.output.limit_rate, |_| Ok(rate))
        },
    ),
    done(
        "limit_rate_after",
        HSLI,
        ONE,
        "0",
        "How many bytes are sent before limit_rate begins.",
        |b, call| {
            let rate = rate(b, call)?;
            call.fill(&mut b.block().conf.output.limit_rate_after, |_| Ok(rate))
        },
    ),
    done(
        "chunked_transfer_encoding",
        HSL,
        ONE,
        "on",
        "Whether answers of unknown length are sent in chunks; without, the connection's end is theirs.",
        |b, call| call.fill(&mut b.block().conf.output.chunked_transfer_encoding, Call::flag),
    ),
    done(
        "msie_padding",
        HSL,
        ONE,
        "on",
        "Whether error pages are filled up with comments for MSIE and Chrome, which would show pages of their own.",
        |b, call| call.fill(&mut b.block().conf.output.msie_padding, Call::flag),
    ),
    done(
        "msie_refresh",
        HSL,
        ONE,
        "off",
        "Whether MSIE is redirected by a page instead of a Location header.",
        |b, call| call.fill(&mut b.block().conf.output.msie_refresh, Call::flag),
    ),
];

/// A size, or a text with variables that will be one.
fn rate(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Template> {
    let rate = b.template(call, 0)?;
    if rate.as_literal().is_some_and(|text| value::size(text).is_none()) {
        return Err(call.invalid_value());
    }
    Ok(rate)
}

impl OutputDraft {
    /// The settings in force.
    pub fn finish(&self) -> OutputConf {
        OutputConf {
            limit_rate: self.limit_rate.clone().unwrap_or_default(),
            limit_rate_after: self.limit_rate_after.clone().unwrap_or_default(),
            chunked_transfer_encoding: self.chunked_transfer_encoding.unwrap_or(true),
            msie_padding: self.msie_padding.unwrap_or(true),
            msie_refresh: self.msie_refresh.unwrap_or(false),
        }
    }
}
