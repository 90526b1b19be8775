//! `map`.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::computed::{Computed, Map, Source};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::hostnames::Refused;
use super::super::regex::Regex;
use super::super::template::Template;
use super::{Module, ONE, accept, accepted, done, each_line, variable_name};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_map_module", directives: DIRECTIVES };

const HASHES: &str = "it sizes a hash table of nginx; Encke's tables grow as needed";

const DIRECTIVES: &[Directive] = &[
    done(
        "map",
        Contexts::HTTP,
        Arity::exactly(2).block(),
        "",
        "A variable whose value is looked up by another text: strings, `~` and `~*` expressions, `default`, `hostnames`, \
         `volatile`, `include`.",
        map,
    ),
    accepted("map_hash_bucket_size", Contexts::HTTP, ONE, HASHES, accept::number),
    accepted("map_hash_max_size", Contexts::HTTP, ONE, HASHES, accept::number),
];

/// A `map` while it is read.
#[derive(Default)]
struct Draft {
    map: Map,
    default: Option<Template>,
    volatile: bool,
}

fn map(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let source = b.template(call, 0)?;
    let name = variable_name(call.arg(1))?;
    let index = b.variables.define(&name).map_err(Diagnostic::emerg)?;
    let mut draft = Draft { map: Map { source, ..Map::default() }, ..Draft::default() };
    each_line(b, call, &mut |b, words| line(b, &mut draft, words))?;
    let map = Map { default: draft.default.unwrap_or_default(), ..draft.map };
    b.variables.compute(index, Computed { source: Source::Map(map), volatile: draft.volatile });
    Ok(())
}

fn line(b: &mut Builder<'_>, draft: &mut Draft, words: &[&[u8]]) -> Outcome {
    let (key, value) = match words {
        [b"hostnames"] => {
            draft.map.hostnames = true;
            return Ok(());
        }
        [b"volatile"] => {
            draft.volatile = true;
            return Ok(());
        }
        [key, value] => (*key, b.compile(value)?),
        _ => return Err(Diagnostic::emerg("invalid number of the map parameters")),
    };
    match key {
        b"default" if draft.default.is_some() => Err(Diagnostic::emerg("duplicate default map parameter")),
        b"default" => {
            draft.default = Some(value);
            Ok(())
        }
        [b'~', pattern @ ..] => {
            let (pattern, caseless) = match pattern {
                [b'*', pattern @ ..] => (pattern, true),
                _ => (pattern, false),
            };
            let regex = Regex::new(pattern, caseless, &mut b.variables).map_err(Diagnostic::emerg)?;
            draft.map.regexes.push((regex, value));
            Ok(())
        }
        // A backslash in front takes its meaning from what follows.
        _ => add(&mut draft.map, key.strip_prefix(b"\\").unwrap_or(key), value),
    }
}

fn add(map: &mut Map, key: &[u8], value: Template) -> Outcome {
    let added = if map.hostnames { map.table.insert(key, value) } else { map.table.insert_exact(key, value) };
    added.map_err(|refused| refused_key(refused, key))
}

/// nginx's text for a key that a table does not take.
pub(super) fn refused_key(refused: Refused, key: &[u8]) -> Diagnostic {
    let key = String::from_utf8_lossy(key).to_ascii_lowercase();
    Diagnostic::emerg(match refused {
        Refused::Invalid => format!("invalid hostname or wildcard \"{key}\""),
        Refused::Conflict => format!("conflicting parameter \"{key}\""),
    })
}
