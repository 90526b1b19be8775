//! `split_clients`.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::computed::{Computed, Source, SplitClients};
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
    let mut shares: Vec<(Option<u64>, Box<[u8]>)> = Vec::new();
    each_line(b, call, &mut |_, words| {
        shares.push((
            share(words.first().copied().unwrap_or_default())?,
            words.get(1).copied().unwrap_or_default().into(),
        ));
        Ok(())
    })?;
    let parts = parts(shares)?;
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

/// The shares as ends of intervals of the hash.
fn parts(shares: Vec<(Option<u64>, Box<[u8]>)>) -> Outcome<Vec<(Option<u32>, Box<[u8]>)>> {
    let (mut sum, mut end) = (0u64, 0u64);
    let mut parts = Vec::new();
    for (share, value) in shares {
        sum = share.map_or(WHOLE, |share| sum.saturating_add(share));
        if sum > WHOLE {
            return Err(Diagnostic::emerg("percent total is greater than 100%"));
        }
        end += share.unwrap_or(0) * u64::from(u32::MAX) / WHOLE;
        parts.push((share.map(|_| u32::try_from(end).unwrap_or(u32::MAX)), value));
    }
    Ok(parts)
}
