//! `split_clients`.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::computed::{Computed, Part, Source, SplitClients};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::value;
use super::{Module, done, each_line, variable_name};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_split_clients_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[done(
    "split_clients",
    Contexts::HTTP,
    Arity::exactly(2).block(),
    "",
    "A variable that splits clients into groups by a hash of a text: `12.5%` and a value, `*` for the rest.",
    split_clients,
)];

/// A whole, in hundredths of a percent.
const WHOLE: u64 = 10_000;

fn split_clients(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let key = b.template(call, 0)?;
    let name = variable_name(call.arg(1))?;
    let index = b.variables.define(&name).map_err(Diagnostic::emerg)?;
    let mut parts = Vec::new();
    let (mut sum, mut end, mut too_much) = (0u64, 0u64, false);
    each_line(b, call, &mut |_, words| {
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        let share = share(word(0))?;
        sum = share.map_or(WHOLE, |share| sum.saturating_add(share));
        end += share.unwrap_or(0).min(WHOLE) * u64::from(u32::MAX) / WHOLE;
        let end = share.map(|_| u32::try_from(end).unwrap_or(u32::MAX));
        parts.push(Part { end, value: word(1).into() });
        too_much |= sum > WHOLE;
        Ok(())
    })?;
    if too_much {
        return Err(Diagnostic::emerg("percent total is greater than 100%"));
    }
    let source = Source::SplitClients(SplitClients { key, parts });
    b.variables.compute(index, Computed { source, volatile: false });
    Ok(())
}

/// Hundredths of a percent; `None` for `*`.
fn share(text: &[u8]) -> Outcome<Option<u64>> {
    if text == b"*" {
        return Ok(None);
    }
    let percent =
        text.strip_suffix(b"%").and_then(|number| value::fixed(number, 2)).filter(|share| *share > 0);
    let invalid =
        || Diagnostic::emerg(format!("invalid percent value \"{}\"", String::from_utf8_lossy(text)));
    percent.map(Some).ok_or_else(invalid)
}
