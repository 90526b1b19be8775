//! What a directive is: one row in one table.

use super::builder::Builder;
use super::call::Call;
use super::context::Contexts;
use super::diag::Diagnostic;
use super::modules;

/// One directive: where it may stand, what it takes, what becomes of it.
#[derive(Clone, Copy)]
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand.
    pub contexts: Contexts,
    /// How many arguments it takes, and whether a block follows.
    pub arity: Arity,
    /// What becomes of it.
    pub status: Status,
    /// The default as nginx's documentation writes it; empty for none.
    pub default: &'static str,
    /// What it does, one or two sentences for `docs/directives.md`.
    pub doc: &'static str,
    /// Checks its values and writes them down.
    pub set: Setter,
}

/// Checks a directive's values and writes them into the draft of the block it stands in.
pub type Setter = fn(&mut Builder<'_>, &Call<'_>) -> Result<(), Diagnostic>;

/// How many arguments, and whether a block follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    /// Fewest arguments.
    pub min: usize,
    /// Most arguments.
    pub max: usize,
    /// Whether it is a block.
    pub block: bool,
}

impl Arity {
    /// Just `n` arguments.
    pub const fn exactly(n: usize) -> Self {
        Self::between(n, n)
    }

    /// `min` to `max` arguments.
    pub const fn between(min: usize, max: usize) -> Self {
        Self { min, max, block: false }
    }

    /// `min` arguments or more.
    pub const fn at_least(min: usize) -> Self {
        Self::between(min, usize::MAX)
    }

    /// The same with a block behind the arguments.
    #[must_use]
    pub const fn block(self) -> Self {
        Self { block: true, ..self }
    }
}

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It works as documented.
    Done,
    /// It is checked and has no effect; why that is harmless.
    Accepted(&'static str),
    /// It stops the start; why.
    Refused(&'static str),
}

/// Every directive, module by module.
pub fn all() -> impl Iterator<Item = &'static Directive> {
    modules::all().flat_map(|module| module.directives)
}

/// The row of that name. A name may have several rows with different contexts (`server`, `if`).
pub fn find(name: &[u8]) -> impl Iterator<Item = &'static Directive> {
    all().filter(move |row| row.name.as_bytes() == name)
}

/// Directives whose block is not nginx's language but Lua.
pub const RAW_BLOCKS: &[&str] = &[
    "access_by_lua_block",
    "balancer_by_lua_block",
    "body_filter_by_lua_block",
    "content_by_lua_block",
    "exit_worker_by_lua_block",
    "header_filter_by_lua_block",
    "init_by_lua_block",
    "init_worker_by_lua_block",
    "log_by_lua_block",
    "rewrite_by_lua_block",
    "server_rewrite_by_lua_block",
    "set_by_lua_block",
    "ssl_certificate_by_lua_block",
    "ssl_client_hello_by_lua_block",
    "ssl_session_fetch_by_lua_block",
    "ssl_session_store_by_lua_block",
];
