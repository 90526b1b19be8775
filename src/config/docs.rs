//! `docs/directives.md` and `docs/variables.md`, made from the tables.

use std::fmt::Write as _;

use super::builtin::{self, BuiltinRow, Family, FamilyRow, Kind, Support};
use super::context::Contexts;
use super::directive::{self, Arity, Directive, Status};
use super::modules;

/// The page: every directive, module by module.
pub fn directives_markdown() -> String {
    let mut page = String::from(
        "# Directives\n\nMade from the table in `src/config/modules`; a test keeps it up to date.\n\n\
         *Done*: works as described. *Accepted*: its value is checked and it has no effect, with a warning that says \
         why. *Refused*: Encke does not start with it.\n",
    );
    for module in modules::all() {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {}\n\n", module.name);
        page.push_str("| directive | where | arguments | default | status | |\n|---|---|---|---|---|---|\n");
        module.directives.iter().for_each(|row| page.push_str(&line(row)));
    }
    page + &nchan_names()
}

/// Every `nchan_*` name in the order of the alphabet, with what becomes of it.
fn nchan_names() -> String {
    let mut rows: Vec<&Directive> = directive::all().filter(|row| row.name.starts_with("nchan_")).collect();
    rows.sort_by_key(|row| row.name);
    let mut section = String::from(
        "\n## All names of Nchan\n\nThe tables above say more. A name with two rows is another thing in an `upstream` block.\n\n\
         | name | where | status |\n|---|---|---|\n",
    );
    for row in rows {
        let (name, places, status) = (row.name, places(row.contexts), status(row).0);
        // Writing to a String cannot fail.
        let _ = writeln!(section, "| `{name}` | {places} | {status} |");
    }
    section
}

fn line(row: &Directive) -> String {
    let default = if row.default.is_empty() { String::new() } else { format!("`{}`", cell(row.default)) };
    let (status, reason) = status(row);
    let doc = match (row.doc, reason) {
        (doc, "") => doc.to_owned(),
        ("", reason) => format!("{reason}."),
        (doc, reason) => format!("{doc} {status}: {reason}."),
    };
    let (name, places, arity) = (row.name, places(row.contexts), arguments(row.arity));
    format!("| `{name}` | {places} | {arity} | {default} | {status} | {} |\n", cell(&doc))
}

/// `docs/variables.md`: every variable, module by module.
pub fn variables_markdown() -> String {
    let mut page = String::from(
        "# Variables\n\nMade from the table in `src/config/builtin.rs`; a test keeps it up to date.\n\n\
         *Done*: holds what nginx's holds. *Empty*: exists, and has no value. *Set*: configurations may give it a value \
         with `set`, `map` and their kin; nginx refuses that for all others. *Late*: settled only with the answer; texts \
         of logs and of `add_header` wait for it, elsewhere it is what can be known then.\n\n\
         Besides these there are the groups `$1` to `$9` of the last regular expression, its named groups, and what \
         `set`, `map`, `geo` and `split_clients` define. Names ignore case. An unknown variable stops the start.\n",
    );
    let mut modules: Vec<&str> = builtin::all().map(|row| row.module).collect();
    modules.sort_unstable();
    modules.dedup();
    for module in modules {
        let _ = write!(
            page,
            "\n## ngx_http_{module}_module\n\n| variable | status | settled | |\n|---|---|---|---|\n"
        );
        let of_module = |row: &BuiltinRow| row.module == module;
        builtin::all().filter(of_module).for_each(|row| page.push_str(&variable_line(&row)));
        let families = builtin::FAMILIES.iter().filter(|row| row.module == module);
        families.for_each(|row| page.push_str(&family_line(row)));
    }
    page
}

fn variable_line(row: &BuiltinRow) -> String {
    let kind = match row.kind {
        Kind::Fixed => "",
        Kind::Late => "late",
        Kind::Open => "set",
    };
    let (status, doc) = support(row.support, row.doc);
    format!("| `${}` | {status} | {kind} | {} |\n", row.name, cell(&doc))
}

fn family_line(row: &FamilyRow) -> String {
    let kind = if matches!(row.family, Family::SentHttp | Family::SentTrailer) { "set, late" } else { "set" };
    format!("| `${}`*name* | done | {kind} | {} |\n", row.prefix, cell(row.doc))
}

fn support(support: Support, doc: &str) -> (&'static str, String) {
    match support {
        Support::Done => ("done", doc.to_owned()),
        Support::Empty(reason) => ("empty", reason.to_owned()),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

const CONTEXTS: [(Contexts, &str); 9] = [
    (Contexts::MAIN, "main"),
    (Contexts::EVENTS, "events"),
    (Contexts::HTTP, "http"),
    (Contexts::SERVER, "server"),
    (Contexts::LOCATION, "location"),
    (Contexts::SERVER_IF, "if in server"),
    (Contexts::LOCATION_IF, "if in location"),
    (Contexts::LIMIT_EXCEPT, "limit_except"),
    (Contexts::UPSTREAM, "upstream"),
];

fn places(contexts: Contexts) -> String {
    let names: Vec<&str> =
        CONTEXTS.iter().filter(|(context, _)| contexts.intersects(*context)).map(|(_, name)| *name).collect();
    names.join(", ")
}

fn arguments(arity: Arity) -> String {
    let count = match (arity.min, arity.max) {
        (min, max) if min == max => min.to_string(),
        (min, usize::MAX) => format!("{min} or more"),
        (min, max) => format!("{min} to {max}"),
    };
    if arity.block { format!("{count} and a block") } else { count }
}

/// The status in a word, and its reason.
fn status(row: &Directive) -> (&'static str, &'static str) {
    match row.status {
        Status::Done => ("done", ""),
        Status::Accepted(reason) => ("accepted", reason),
        Status::Refused(reason) => ("refused", reason),
    }
}
