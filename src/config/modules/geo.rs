//! `geo`.

use std::net::Ipv4Addr;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::computed::{Computed, Geo, GeoTable, Networks, Overlap, Ranges, Source};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::value::{self, Network};
use super::{Module, done, each_line, variable_name};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_geo_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[done(
    "geo",
    Contexts::HTTP,
    Arity::between(1, 2).block(),
    "",
    "A variable whose value is looked up by an address, the client's or that of a variable: networks or `ranges`, \
     `default`, `delete`, `include`, `proxy`, `proxy_recursive`.",
    geo,
)];

/// A `geo` while it is read.
#[derive(Default)]
struct Draft {
    geo: Geo,
    /// It has networks: too late for `ranges`.
    has_networks: bool,
}

fn geo(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let first = variable_name(call.arg(0))?;
    let (address, name) = match call.count() {
        2 => (Some(b.variables.resolve(&first)), variable_name(call.arg(1))?),
        _ => (None, first),
    };
    let index = b.variables.define(&name).map_err(Diagnostic::emerg)?;
    let mut draft = Draft { geo: Geo { address, ..Geo::default() }, ..Draft::default() };
    each_line(b, call, &mut |b, words| line(b, call, &mut draft, words))?;
    b.variables.compute(index, Computed { source: Source::Geo(draft.geo), volatile: false });
    Ok(())
}

fn line(b: &mut Builder<'_>, call: &Call<'_>, draft: &mut Draft, words: &[&[u8]]) -> Outcome {
    match words {
        [b"ranges"] if draft.has_networks => Err(Diagnostic::emerg(
            "the \"ranges\" directive must be the first directive inside \"geo\" block",
        )),
        [b"ranges"] => {
            if !matches!(draft.geo.table, GeoTable::Ranges(_)) {
                draft.geo.table = GeoTable::Ranges(Ranges::default());
            }
            Ok(())
        }
        [b"proxy_recursive"] => {
            draft.geo.recursive = true;
            Ok(())
        }
        [b"proxy", text] => {
            let network = network(b, call, text)?;
            draft.geo.proxies.push(network);
            Ok(())
        }
        [key, value] => match &mut draft.geo.table {
            GeoTable::Networks(networks) => {
                draft.has_networks = true;
                network_line(b, call, networks, key, value)
            }
            GeoTable::Ranges(ranges) => range_line(b, call, ranges, key, value),
        },
        _ => Err(Diagnostic::emerg("invalid number of the geo parameters")),
    }
}

fn shown(text: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(text)
}

// === networks ===

fn network(b: &mut Builder<'_>, call: &Call<'_>, text: &[u8]) -> Outcome<Network> {
    let found = value::network(text)
        .ok_or_else(|| Diagnostic::emerg(format!("invalid network \"{}\"", shown(text))))?;
    if found.low_bits {
        b.warn(call, format!("low address bits of {} are meaningless", shown(text)));
    }
    Ok(found)
}

fn network_line(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    networks: &mut Networks,
    key: &[u8],
    value: &[u8],
) -> Outcome {
    match key {
        b"delete" => {
            let network = network(b, call, value)?;
            if !networks.remove(network) {
                b.warn(call, format!("no network \"{}\" to delete", shown(value)));
            }
        }
        // For each family of addresses.
        b"default" => [&b"0.0.0.0/0"[..], b"::/0"]
            .into_iter()
            .filter_map(value::network)
            .for_each(|all| add_network(b, call, networks, all, key, value)),
        _ => {
            let network = network(b, call, key)?;
            add_network(b, call, networks, network, key, value);
        }
    }
    Ok(())
}

fn add_network(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    networks: &mut Networks,
    network: Network,
    key: &[u8],
    value: &[u8],
) {
    if let Some(old) = networks.insert(network, value) {
        let (key, value, old) = (shown(key), shown(value), shown(&old));
        b.warn(call, format!("duplicate network \"{key}\", value: \"{value}\", old value: \"{old}\""));
    }
}

// === ranges ===

fn range_line(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    ranges: &mut Ranges,
    key: &[u8],
    value: &[u8],
) -> Outcome {
    if key == b"default" {
        if let Some(old) = ranges.default.replace(value.into()) {
            let (value, old) = (shown(value), shown(&old));
            b.warn(call, format!("duplicate default geo range value: \"{value}\", old value: \"{old}\""));
        }
        return Ok(());
    }
    let deletes = key == b"delete";
    let text = if deletes { value } else { key };
    let (first, last) =
        range(text).ok_or_else(|| Diagnostic::emerg(format!("invalid range \"{}\"", shown(text))))?;
    if deletes {
        if !ranges.remove(first, last) {
            b.warn(call, format!("no address range \"{}\" to delete", shown(text)));
        }
        return Ok(());
    }
    let overlaps = |Overlap(start, end)| {
        Diagnostic::emerg(format!("range \"{}\" overlaps \"{start}-{end}\"", shown(text)))
    };
    for old in ranges.insert(first, last, value).map_err(overlaps)? {
        let (value, old) = (shown(value), shown(&old));
        b.warn(call, format!("duplicate range \"{}\", value: \"{value}\", old value: \"{old}\"", shown(key)));
    }
    Ok(())
}

/// `FIRST-LAST`; nginx does not take the last address of all.
fn range(text: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (first, last) = std::str::from_utf8(text).ok()?.split_once('-')?;
    let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last != Ipv4Addr::BROADCAST).then_some((first, last))
}
