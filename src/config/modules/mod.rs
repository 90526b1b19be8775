//! The table: every directive, one file per nginx module.

pub mod accept;
pub mod access;
pub mod auth_basic;
pub mod auth_request;
pub mod bodies;
pub mod browser;
pub mod catalogue;
pub mod charset;
pub mod connections;
pub mod core;
pub mod encke;
pub mod files;
pub mod geo;
pub mod gzip;
pub mod headers;
pub mod http_core;
pub mod limit_conn;
pub mod limit_req;
pub mod listen;
pub mod location;
pub mod log;
pub mod map;
pub mod mirror;
pub mod nchan;
pub mod output;
pub mod proxy;
pub mod push;
pub mod push_names;
pub mod realip;
pub mod referer;
pub mod rewrite;
pub mod secure_link;
pub mod server_name;
pub mod split_clients;
pub mod status;
pub mod upstream;
pub mod userid;
pub mod zones;

use encke_parser::{Body, Directive as Node};

use super::builder::{Builder, Outcome};
use super::call::Call;
use super::context::Contexts;
use super::diag::Diagnostic;
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
    connections::MODULE,
    bodies::MODULE,
    listen::MODULE,
    location::MODULE,
    rewrite::MODULE,
    access::MODULE,
    auth_basic::MODULE,
    limit_conn::MODULE,
    limit_req::MODULE,
    realip::MODULE,
    status::MODULE,
    files::CORE,
    files::TRY_FILES,
    files::INDEX,
    files::AUTOINDEX,
    files::RANDOM_INDEX,
    files::EMPTY_GIF,
    output::MODULE,
    headers::MODULE,
    log::MODULE,
    charset::MODULE,
    gzip::MODULE,
    map::MODULE,
    geo::MODULE,
    split_clients::MODULE,
    browser::MODULE,
    referer::MODULE,
    secure_link::MODULE,
    userid::MODULE,
    files::GZIP_STATIC,
    push::MODULE,
    push_names::MODULE,
    nchan::ROLES,
    nchan::MESSAGES,
    nchan::SUBSCRIBERS,
    nchan::ACCESS,
    nchan::GROUPS,
    nchan::BENCHMARK,
    nchan::REDIS,
    encke::MODULE,
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

// === blocks with lines of their own ===

/// Runs `each` on the words of every line of a block that holds no directives, files that it includes too.
fn each_line(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    each: &mut dyn FnMut(&mut Builder<'_>, &[&[u8]]) -> Outcome,
) -> Outcome {
    lines(b, call.node.block().map_or(&[][..], |block| &block.directives), each)
}

fn lines(
    b: &mut Builder<'_>,
    nodes: &[Node],
    each: &mut dyn FnMut(&mut Builder<'_>, &[&[u8]]) -> Outcome,
) -> Outcome {
    for node in nodes {
        let outcome = match &node.body {
            Body::Include(files) => files.iter().try_for_each(|file| lines(b, &file.directives, each)),
            Body::Block(_) | Body::Raw { .. } => Err(Diagnostic::emerg("unexpected \"{\"")),
            Body::None => {
                let name = node.name.value.as_slice();
                let words: Vec<&[u8]> =
                    std::iter::once(name).chain(node.args.iter().map(|word| word.value.as_slice())).collect();
                each(b, &words)
            }
        };
        b.settle(outcome.map_err(|error| error.or_at(node.span)))?;
    }
    Ok(())
}

/// The name of a variable that a directive defines: what follows the `$`.
fn variable_name(word: &[u8]) -> Outcome<String> {
    let name = word.strip_prefix(b"$").filter(|name| !name.is_empty());
    let invalid =
        || Diagnostic::emerg(format!("invalid variable name \"{}\"", String::from_utf8_lossy(word)));
    name.map(|name| String::from_utf8_lossy(name).into_owned()).ok_or_else(invalid)
}
