//! Zones of `limit_req_zone` and `limit_conn_zone`: named memory that locations share.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::model::{ZoneConf, ZoneKind};
use super::super::template::Template;
use super::super::value;

/// nginx's smallest zone: eight pages.
const SMALLEST: u64 = 8 * 4096;

/// A zone that was declared, or only named so far.
#[derive(Clone, Debug)]
pub struct ZoneDraft {
    name: Box<str>,
    /// Whether it counts requests or connections.
    requests: bool,
    size: Option<u64>,
    declared: Option<Declared>,
}

#[derive(Clone, Debug)]
struct Declared {
    key: Key,
    rate: u64,
}

/// What a zone counts by.
#[derive(Clone, Debug)]
pub struct Key {
    template: Template,
    text: String,
}

/// The key that argument `n` is.
pub fn key(b: &mut Builder<'_>, call: &Call<'_>, n: usize) -> Outcome<Key> {
    Ok(Key { template: b.template(call, n)?, text: call.text(n).into_owned() })
}

/// `NAME:SIZE`, the value of a `zone=` parameter; `parameter` is all of it.
pub fn name_and_size<'a>(given: &'a str, parameter: &str) -> Outcome<(&'a str, u64)> {
    let invalid = || Diagnostic::emerg(format!("invalid zone size \"{parameter}\""));
    let (name, size) = given.split_once(':').ok_or_else(invalid)?;
    let size = value::size(size.as_bytes()).ok_or_else(invalid)?;
    if size < SMALLEST {
        return Err(Diagnostic::emerg(format!("zone \"{parameter}\" is too small")));
    }
    Ok((name, size))
}

/// Declares a zone. `rate` is in thousandths of a request per second.
pub fn declare(b: &mut Builder<'_>, call: &Call<'_>, name: &str, size: u64, rate: u64, key: Key) -> Outcome {
    let directive = call.row.name;
    let zone = find(b, name, directive == "limit_req_zone")?;
    let draft = &mut b.http.zones[zone];
    if let Some(known) = draft.size.filter(|known| *known != size) {
        return Err(Diagnostic::emerg(format!(
            "the size {size} of shared memory zone \"{name}\" conflicts with already declared size {known}"
        )));
    }
    if let Some(declared) = &draft.declared {
        let key = &declared.key.text;
        return Err(Diagnostic::emerg(format!("{directive} \"{name}\" is already bound to key \"{key}\"")));
    }
    draft.size = Some(size);
    draft.declared = Some(Declared { key, rate });
    Ok(())
}

/// The place of a zone among those of the configuration; it may be declared later.
pub fn find(b: &mut Builder<'_>, name: &str, requests: bool) -> Outcome<usize> {
    let zones = &mut b.http.zones;
    match zones.iter().position(|zone| &*zone.name == name) {
        Some(at) if zones[at].requests == requests => Ok(at),
        Some(_) => Err(Diagnostic::emerg(format!(
            "the shared memory zone \"{name}\" is already declared for a different use"
        ))),
        None => {
            zones.push(ZoneDraft { name: name.into(), requests, size: None, declared: None });
            Ok(zones.len() - 1)
        }
    }
}

/// All zones, in the order in which they were first named.
///
/// # Errors
/// A zone that was used and never declared.
pub fn finish(b: &mut Builder<'_>) -> Outcome<Vec<ZoneConf>> {
    let mut zones = Vec::new();
    for draft in std::mem::take(&mut b.http.zones) {
        let ZoneDraft { name, requests, size, declared } = draft;
        let Some((size, declared)) = size.zip(declared) else {
            b.settle(Err(Diagnostic::emerg(format!("zero size shared memory zone \"{name}\""))))?;
            continue;
        };
        let kind = if requests { ZoneKind::Requests { rate: declared.rate } } else { ZoneKind::Connections };
        zones.push(ZoneConf { name, size, key: declared.key.template, key_text: declared.key.text, kind });
    }
    Ok(zones)
}
