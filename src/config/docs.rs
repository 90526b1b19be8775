//! `docs/directives.md`, made from the table.

use std::fmt::Write as _;

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

/// The status in a word, and its reason.
fn status(row: &Directive) -> (&'static str, &'static str) {
    match row.status {
        Status::Done => ("done", ""),
        Status::Accepted(reason) => ("accepted", reason),
        Status::Refused(reason) => ("refused", reason),
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
