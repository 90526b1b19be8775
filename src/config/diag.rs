//! What there is to say about a configuration, with its place.

use std::fmt;

use encke_parser::{SourceMap, Span};

use super::model::Severity;

impl Severity {
    /// All levels, most severe first.
    pub const ALL: [Self; 8] = [
        Self::Emerg,
        Self::Alert,
        Self::Crit,
        Self::Error,
        Self::Warn,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// nginx's name of the level.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().as_bytes() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing to say about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is; `Emerg` stops the start.
    pub severity: Severity,
    /// nginx's words, without level and place.
    pub message: String,
    /// Where; the line reported is the one where the span ends.
    pub span: Option<Span>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something of that level, without a place.
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), span: None, help: None }
    }

    /// An error that stops the start.
    pub fn emerg(message: impl Into<String>) -> Self {
        Self::new(Severity::Emerg, message)
    }

    /// A warning.
    pub fn warn(message: impl Into<String>) -> Self {
        Self::new(Severity::Warn, message)
    }

    /// A notice.
    pub fn notice(message: impl Into<String>) -> Self {
        Self::new(Severity::Notice, message)
    }

    /// Whether it stops the start.
    pub fn is_error(&self) -> bool {
        self.severity <= Severity::Crit
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same at a place, unless it has one.
    #[must_use]
    pub fn or_at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Message and place as nginx writes them behind the level: `message in FILE:LINE`.
    pub fn text(&self, sources: &SourceMap) -> String {
        match self.span {
            Some(span) => format!("{} in {}", self.message, place(sources, span)),
            None => self.message.clone(),
        }
    }

    /// One line: `[emerg] message in FILE:LINE`.
    pub fn line(&self, sources: &SourceMap) -> String {
        format!("[{}] {}", self.severity, self.text(sources))
    }

    /// For a terminal: the line, the source with a caret under the culprit, the advice.
    pub fn long(&self, sources: &SourceMap) -> String {
        let mut text = self.line(sources);
        if let Some(span) = self.span {
            text.push('\n');
            text.push_str(sources.excerpt(span).trim_end());
        }
        if let Some(help) = &self.help {
            text.push_str("\n  help: ");
            text.push_str(help);
        }
        text
    }
}

/// `FILE:LINE` of the end of a span: where nginx says a directive is.
pub fn place(sources: &SourceMap, span: Span) -> String {
    format!("{}:{}", sources.name(span.file).display(), sources.line_of(span))
}

/// The candidate that looks most like `name`, if one is close.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.len() / 3).clamp(1, 4);
    candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= allowed)
        .map(|candidate| (distance(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_a_misspelling_and_nothing_far_away() {
        let names = ["push_subscriber", "push_publisher", "listen"];
        assert_eq!(nearest("push_subscribe", names.into_iter()), Some("push_subscriber"));
        assert_eq!(nearest("PUSH_PUBLISHER", names.into_iter()), Some("push_publisher"));
        assert_eq!(nearest("bogus", names.into_iter()), None);
        assert_eq!(nearest("2}$", names.into_iter()), None);
    }

    #[test]
    fn a_diagnostic_without_a_place_is_one_line() {
        let sources = SourceMap::default();
        let warning = Diagnostic::warn("unknown \"x\" variable").with_help("set it");
        assert_eq!(warning.line(&sources), "[warn] unknown \"x\" variable");
        assert_eq!(warning.long(&sources), "[warn] unknown \"x\" variable\n  help: set it");
    }
}
