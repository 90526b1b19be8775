//! `docs/directives.md`, made from the table.

use std::fmt::Write as _;

use super::context::Contexts;
use super::directive::{Arity, Directive, Status};
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
    page
}

fn line(row: &Directive) -> String {
    let default = if row.default.is_empty() { String::new() } else { format!("`{}`", cell(row.default)) };
    let (status, reason) = match row.status {
        Status::Done => ("done", ""),
        Status::Accepted(reason) => ("accepted", reason),
        Status::Refused(reason) => ("refused", reason),
    };
    let doc = match (row.doc, reason) {
        (doc, "") => doc.to_owned(),
        ("", reason) => format!("{reason}."),
        (doc, reason) => format!("{doc} {status}: {reason}."),
    };
    let (name, places, arity) = (row.name, places(row.contexts), arguments(row.arity));
    format!("| `{name}` | {places} | {arity} | {default} | {status} | {} |\n", cell(&doc))
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
