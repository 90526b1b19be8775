//! Regular expressions of a configuration: PCRE2's, as in nginx.

use pcre2::bytes::{Regex as Pcre, RegexBuilder};

use super::variable::Variables;

/// A compiled expression; its named groups are user variables.
#[derive(Clone, Debug)]
pub struct Regex {
    pattern: Box<str>,
    compiled: Pcre,
    named: Box<[(usize, usize)]>,
}

impl Regex {
    /// Compiles `pattern`; each named group becomes a user variable.
    ///
    /// # Errors
    /// nginx's text: `pcre2_compile() failed: ... in "PATTERN" at "REST"`.
    pub fn new(pattern: &[u8], caseless: bool, variables: &mut Variables) -> Result<Self, String> {
        let mut regex = Self::nameless(pattern, caseless)?;
        let names = regex.compiled.capture_names();
        let mut named = Vec::new();
        for (group, name) in names.iter().enumerate() {
            if let Some(name) = name {
                named.push((group, variables.define_group(name)?));
            }
        }
        regex.named = named.into();
        Ok(regex)
    }

    /// Compiles `pattern`; its groups are no variables.
    ///
    /// # Errors
    /// As [`Regex::new`].
    pub fn nameless(pattern: &[u8], caseless: bool) -> Result<Self, String> {
        let text = String::from_utf8_lossy(pattern);
        let compiled = RegexBuilder::new()
            .caseless(caseless)
            .jit_if_available(true)
            .build(&format!("{STEPS}{text}"))
            .map_err(|error| compile_error(&text, &error))?;
        Ok(Self { pattern: text.into(), compiled, named: Box::default() })
    }

    /// As written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether `subject` matches. An expression that runs into PCRE2's limits does not.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.compiled.is_match(subject).unwrap_or(false)
    }

    /// The groups of the first match, the whole match first; a group that took no part is empty.
    pub fn captures(&self, subject: &[u8]) -> Option<Vec<Box<[u8]>>> {
        let captures = self.compiled.captures(subject).ok().flatten()?;
        let group = |n| captures.get(n).map_or_else(Box::default, |group| group.as_bytes().into());
        Some((0..captures.len()).map(group).collect())
    }

    /// Pairs of a group's number and the user variable of its name.
    pub fn named_groups(&self) -> &[(usize, usize)] {
        &self.named
    }
}

/// How many steps a match may take: an expression that backtracks without end must not stop a worker.
const STEPS: &str = "(*LIMIT_MATCH=1000000)";

/// nginx quotes the whole expression and, unless the error is at its end, the rest from there on.
fn compile_error(pattern: &str, error: &pcre2::Error) -> String {
    let full = error.to_string();
    let reason = full.rsplit_once(": ").map_or(full.as_str(), |(_, reason)| reason);
    match error.offset().map(|at| at.saturating_sub(STEPS.len())) {
        Some(at) if at < pattern.len() => {
            let rest = String::from_utf8_lossy(&pattern.as_bytes()[at..]);
            format!("pcre2_compile() failed: {reason} in \"{pattern}\" at \"{rest}\"")
        }
        _ => format!("pcre2_compile() failed: {reason} in \"{pattern}\""),
    }
}
