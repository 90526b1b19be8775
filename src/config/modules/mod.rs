//! The table: every directive, one file per nginx module.

pub mod accept;
pub mod access;
pub mod auth_basic;
pub mod auth_request;
pub mod catalogue;
pub mod charset;
pub mod core;
pub mod gzip;
pub mod headers;
pub mod http_core;
pub mod listen;
pub mod location;
pub mod log;
pub mod mirror;
pub mod nchan;
pub mod proxy;
pub mod push;
pub mod push_names;
pub mod rewrite;
pub mod server_name;
pub mod upstream;

use super::context::Contexts;
use super::directive::{Arity, Directive, Setter, Status};

/// A group of directives, named like nginx's module.
pub struct Module {
    /// The module's name.
    pub name: &'static str,
    /// Its rows.
    pub directives: &'static [Directive],
}

/// All modules.
pub fn all() -> impl Iterator<Item = &'static Module> {
    MODULES.iter().chain(catalogue::MODULES)
}

const MODULES: &[Module] = &[
    core::MODULE,
    http_core::MODULE,
    listen::MODULE,
    location::MODULE,
    rewrite::MODULE,
    access::MODULE,
    auth_basic::MODULE,
    headers::MODULE,
    log::MODULE,
    charset::MODULE,
    gzip::MODULE,
    push::MODULE,
    push_names::MODULE,
    nchan::MODULE,
    proxy::MODULE,
    upstream::MODULE,
    upstream::RESOLVER,
    auth_request::MODULE,
    mirror::MODULE,
    auth_request::LOG_SUBREQUEST,
];

/// No arguments.
const NONE: Arity = Arity::exactly(0);
/// One argument.
const ONE: Arity = Arity::exactly(1);
/// `http` and `server`.
const HS: Contexts = Contexts::HTTP.or(Contexts::SERVER);
/// `http`, `server`, `location`.
const HSL: Contexts = Contexts::HSL;
/// `http`, `server`, `location` and `if` in a location.
const HSLI: Contexts = HSL.or(Contexts::LOCATION_IF);

/// A directive that works.
const fn done(
    name: &'static str,
    contexts: Contexts,
    arity: Arity,
    default: &'static str,
    doc: &'static str,
    set: Setter,
) -> Directive {
    Directive { name, contexts, arity, status: Status::Done, default, doc, set }
}

/// A directive whose value is checked by `set` and then has no effect.
const fn accepted(
    name: &'static str,
    contexts: Contexts,
    arity: Arity,
    reason: &'static str,
    set: Setter,
) -> Directive {
    Directive { name, contexts, arity, status: Status::Accepted(reason), default: "", doc: "", set }
}

/// A directive that stops the start.
const fn refused(name: &'static str, contexts: Contexts, arity: Arity, reason: &'static str) -> Directive {
    let (status, set) = (Status::Refused(reason), accept::any as Setter);
    Directive { name, contexts, arity, status, default: "", doc: "", set }
}
