//! `encke check`: what becomes of every directive of a configuration, for somebody who thinks of moving.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use encke_parser::{SourceMap, Span};
use serde_json::{Value, json};

use super::Loaded;
use super::diag::{self, Diagnostic};

/// A directive and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name as written.
    pub name: String,
    /// Where it is.
    pub span: Span,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Honoured,
    /// It is read and has no effect; why that is harmless.
    WithoutEffect(String),
    /// It stops the start; why.
    Refused(String),
    /// It is known, but not like this; nginx's message.
    Wrong(String),
    /// No such directive; what may have been meant.
    Unknown(Option<String>),
}

impl Verdict {
    /// The word for it in the JSON report.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::WithoutEffect(_) => "without effect",
            Self::Refused(_) => "refused",
            Self::Wrong(_) => "wrong",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why, or what to do.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Honoured => None,
            Self::WithoutEffect(reason) | Self::Refused(reason) | Self::Wrong(reason) => Some(reason),
            Self::Unknown(help) => help.as_deref(),
        }
    }
}

/// Sections of the text report, the most important first.
const SECTIONS: [(&str, &str); 5] = [
    ("unknown", "Unknown: no module has such a directive"),
    ("wrong", "Wrong: nginx would not start with it either"),
    ("refused", "Refused: it would have to be taken out"),
    ("without effect", "Without effect: it may stay"),
    ("honoured", "Honoured"),
];

/// The report for people.
pub fn text(loaded: &Loaded) -> String {
    let mut report = String::new();
    for (verdict, title) in SECTIONS {
        let found: Vec<&Finding> =
            loaded.findings.iter().filter(|finding| finding.verdict.name() == verdict).collect();
        if !found.is_empty() {
            section(&mut report, title, &found, &loaded.sources);
        }
    }
    let others: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|said| !repeats(said, loaded))
        .map(|said| said.line(&loaded.sources))
        .collect();
    if !others.is_empty() {
        report.push_str("Notes\n");
        others.iter().for_each(|line| report.push_str(&format!("  {line}\n")));
        report.push('\n');
    }
    let verdict = match loaded.error() {
        None => "Encke would start with this configuration.",
        Some(_) => "Encke would not start with this configuration as it is.",
    };
    report.push_str(verdict);
    report.push('\n');
    report
}

/// Occurrences by name and reason, each with its places.
fn section(report: &mut String, title: &str, found: &[&Finding], sources: &SourceMap) {
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<String>> = BTreeMap::new();
    for finding in found {
        let key = (finding.name.as_str(), finding.verdict.reason());
        groups.entry(key).or_default().push(diag::place(sources, finding.span));
    }
    // Writing to a String cannot fail.
    let _ = writeln!(report, "{title} ({})", found.len());
    for ((name, reason), places) in groups {
        let _ = match reason {
            Some(reason) => writeln!(report, "  {name}: {reason}"),
            None => writeln!(report, "  {name}"),
        };
        places.iter().for_each(|place| report.push_str(&format!("      {place}\n")));
    }
    report.push('\n');
}

/// Whether the directive's finding says the same already.
fn repeats(said: &Diagnostic, loaded: &Loaded) -> bool {
    let same_place = |finding: &&Finding| Some(finding.span) == said.span;
    loaded.findings.iter().filter(same_place).any(|finding| match finding.verdict.reason() {
        Some(reason) => said.message.contains(reason) || finding.verdict.name() == "unknown",
        None => finding.verdict.name() == "unknown",
    })
}

/// The report for programs.
pub fn json(loaded: &Loaded) -> String {
    let place = |span: Span| {
        let file = loaded.sources.name(span.file).display().to_string();
        (file, loaded.sources.line_of(span))
    };
    let finding = |finding: &Finding| {
        let (file, line) = place(finding.span);
        let (verdict, reason) = (finding.verdict.name(), finding.verdict.reason());
        json!({ "directive": finding.name, "file": file, "line": line, "verdict": verdict, "reason": reason })
    };
    let message = |said: &Diagnostic| {
        let (file, line) = said.span.map(place).unzip();
        let level = said.severity.name();
        json!({ "level": level, "message": said.message, "file": file, "line": line, "help": said.help })
    };
    let report = json!({
        "starts": loaded.error().is_none(),
        "directives": loaded.findings.iter().map(finding).collect::<Vec<Value>>(),
        "messages": loaded.diagnostics.iter().map(message).collect::<Vec<Value>>(),
    });
    format!("{report:#}\n")
}
