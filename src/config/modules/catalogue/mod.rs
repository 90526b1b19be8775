//! Directives that do nothing here: those *accepted* because leaving them out is harmless, and those *refused*
//! because it is not. What protects, limits, encrypts, authenticates, routes or produces
//! content is refused until it works.
//!
//! A row whose directive gets done moves out of here, into the file of its module.

mod core;
mod fastcgi;
mod files;
mod filters;
mod limits;
mod misc;
mod openresty;
mod proxy;
mod push_stream;
mod scripts;
mod ssl;
#[cfg(test)]
mod tests;
mod third_party;
mod upstream;
mod values;

use super::super::context::Contexts;
use super::super::directive::{Arity, Directive};
use super::Module;

/// Rows: status (for accepted ones with the check of the value, a function of `values`), name, contexts, arity,
/// default and reason; then the doc. A reason is part of a sentence: `has no effect here: REASON in FILE:n`.
/// With a prefix in front (`"proxy" => ...`), names are put together from it and what the rows say.
macro_rules! rows {
    (@set) => { $crate::config::modules::catalogue::values::any };
    (@set $check:ident) => { $crate::config::modules::catalogue::values::$check };
    ($prefix:literal => $($status:ident $(($check:ident))? $name:literal, $contexts:expr, $arity:expr,
        $default:literal, $reason:expr, $doc:literal;)*) => {
        [$($crate::config::directive::Directive {
            name: concat!($prefix, $name),
            contexts: $contexts,
            arity: $arity,
            status: $crate::config::directive::Status::$status($reason),
            default: $default,
            doc: $doc,
            set: rows!(@set $($check)?),
        },)*]
    };
    ($($rows:tt)*) => { rows!["" => $($rows)*] };
}
use rows;

/// Every module of the catalogue.
pub(super) const MODULES: &[Module] = &join_modules::<{ count_modules(FILES) }>(FILES);

const FILES: &[&[Module]] = &[
    core::MODULES,
    files::MODULES,
    filters::MODULES,
    limits::MODULES,
    misc::MODULES,
    ssl::MODULES,
    upstream::MODULES,
    proxy::MODULES,
    fastcgi::MODULES,
    openresty::MODULES,
    third_party::MODULES,
    scripts::MODULES,
    push_stream::MODULES,
];

// === contexts ===

const M: Contexts = Contexts::MAIN;
const E: Contexts = Contexts::EVENTS;
const H: Contexts = Contexts::HTTP;
const S: Contexts = Contexts::SERVER;
const L: Contexts = Contexts::LOCATION;
const U: Contexts = Contexts::UPSTREAM;
const HS: Contexts = H.or(S);
const SL: Contexts = S.or(L);
const HSL: Contexts = Contexts::HSL;
const LI: Contexts = L.or(Contexts::LOCATION_IF);
const LX: Contexts = L.or(Contexts::LIMIT_EXCEPT);
const LIX: Contexts = LI.or(Contexts::LIMIT_EXCEPT);
const HSLI: Contexts = HSL.or(Contexts::LOCATION_IF);
const HSLX: Contexts = HSL.or(Contexts::LIMIT_EXCEPT);
/// Where the rewrite module's `set` stands.
const REWRITE: Contexts = SL.or(Contexts::SERVER_IF).or(Contexts::LOCATION_IF);
const HTTP_REWRITE: Contexts = H.or(REWRITE);

// === arities ===

const NONE: Arity = Arity::exactly(0);
const ONE: Arity = Arity::exactly(1);
const TWO: Arity = Arity::exactly(2);
const THREE: Arity = Arity::exactly(3);
const UP_TO_ONE: Arity = Arity::between(0, 1);
const ONE_OR_TWO: Arity = Arity::between(1, 2);
const ONE_TO_THREE: Arity = Arity::between(1, 3);
const ONE_TO_FOUR: Arity = Arity::between(1, 4);
const TWO_OR_THREE: Arity = Arity::between(2, 3);
const ANY: Arity = Arity::at_least(0);
const SOME: Arity = Arity::at_least(1);
const TWO_UP: Arity = Arity::at_least(2);
const BLOCK: Arity = NONE.block();
const ONE_BLOCK: Arity = ONE.block();

// === tables made of tables ===

/// How many rows the parts have together.
const fn count(parts: &[&[Directive]]) -> usize {
    let (mut total, mut part) = (0, 0);
    while part < parts.len() {
        total += parts[part].len();
        part += 1;
    }
    total
}

/// The parts as one table of `N` rows.
const fn join<const N: usize>(parts: &[&[Directive]]) -> [Directive; N] {
    let mut table = [parts[0][0]; N];
    let (mut filled, mut part) = (0, 0);
    while part < parts.len() {
        let mut row = 0;
        while row < parts[part].len() {
            table[filled] = parts[part][row];
            filled += 1;
            row += 1;
        }
        part += 1;
    }
    table
}

/// How many modules the parts have together.
const fn count_modules(parts: &[&[Module]]) -> usize {
    let (mut total, mut part) = (0, 0);
    while part < parts.len() {
        total += parts[part].len();
        part += 1;
    }
    total
}

/// The parts as one list of `N` modules.
const fn join_modules<const N: usize>(parts: &[&[Module]]) -> [Module; N] {
    let mut modules = [const { Module { name: "", directives: &[] } }; N];
    let (mut filled, mut part) = (0, 0);
    while part < parts.len() {
        let mut next = 0;
        while next < parts[part].len() {
            modules[filled] =
                Module { name: parts[part][next].name, directives: parts[part][next].directives };
            filled += 1;
            next += 1;
        }
        part += 1;
    }
    modules
}
