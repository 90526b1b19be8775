//! One directive as written, and its arguments as values.

use std::borrow::Cow;
use std::time::Duration;

use encke_parser::{Directive as Node, Span};

use super::builder::Outcome;
use super::diag::Diagnostic;
use super::directive::Directive;
use super::value;

/// A directive whose row is known and whose place and number of arguments are right.
#[derive(Clone, Copy)]
pub struct Call<'c> {
    /// Its row.
    pub row: &'static Directive,
    /// The directive as written.
    pub node: &'c Node,
}

impl<'c> Call<'c> {
    /// How many arguments there are.
    pub fn count(&self) -> usize {
        self.node.args.len()
    }

    /// Argument `n`, from 0; empty if there are fewer.
    pub fn arg(&self, n: usize) -> &'c [u8] {
        self.node.args.get(n).map_or(&[], |word| &word.value)
    }

    /// All arguments.
    pub fn args(&self) -> impl DoubleEndedIterator<Item = &'c [u8]> + ExactSizeIterator + use<'c> {
        self.node.args.iter().map(|word| word.value.as_slice())
    }

    /// Argument `n` for people.
    pub fn text(&self, n: usize) -> Cow<'c, str> {
        String::from_utf8_lossy(self.arg(n))
    }

    /// Where it is.
    pub fn span(&self) -> Span {
        self.node.span
    }

    /// `"x" directive is duplicate`.
    pub fn duplicate(&self) -> Diagnostic {
        Diagnostic::emerg(format!("\"{}\" directive is duplicate", self.row.name))
    }

    /// `"x" directive invalid value`.
    pub fn invalid_value(&self) -> Diagnostic {
        Diagnostic::emerg(format!("\"{}\" directive invalid value", self.row.name))
    }

    /// `"x" directive invalid number`.
    pub fn invalid_number(&self) -> Diagnostic {
        Diagnostic::emerg(format!("\"{}\" directive invalid number", self.row.name))
    }

    /// The first argument as `on` or `off`.
    pub fn flag(&self) -> Outcome<bool> {
        value::flag(self.arg(0)).ok_or_else(|| {
            let (given, name) = (self.text(0), self.row.name);
            Diagnostic::emerg(format!(
                "invalid value \"{given}\" in \"{name}\" directive, it must be \"on\" or \"off\""
            ))
        })
    }

    /// The first argument as a number.
    pub fn number(&self) -> Outcome<u64> {
        value::number(self.arg(0)).ok_or_else(|| self.invalid_number())
    }

    /// The first argument as a size.
    pub fn size(&self) -> Outcome<u64> {
        value::size(self.arg(0)).ok_or_else(|| self.invalid_value())
    }

    /// The first argument as the size of something that could be a file.
    pub fn offset(&self) -> Outcome<u64> {
        value::offset(self.arg(0)).ok_or_else(|| self.invalid_value())
    }

    /// The first argument as a time in seconds.
    pub fn seconds(&self) -> Outcome<Duration> {
        value::seconds(self.arg(0)).map(Duration::from_secs).ok_or_else(|| self.invalid_value())
    }

    /// The first argument as a time in milliseconds.
    pub fn millis(&self) -> Outcome<Duration> {
        value::millis(self.arg(0)).map(Duration::from_millis).ok_or_else(|| self.invalid_value())
    }

    /// The first argument as one of `words`, in any case.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Outcome<T> {
        let given = self.arg(0);
        let found = words.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(given));
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| Diagnostic::emerg(format!("invalid value \"{}\"", self.text(0))))
    }

    /// Reads a value into a field that must be empty.
    pub fn fill<T>(&self, field: &mut Option<T>, read: impl FnOnce(&Self) -> Outcome<T>) -> Outcome {
        if field.is_some() {
            return Err(self.duplicate());
        }
        *field = Some(read(self)?);
        Ok(())
    }
}

/// `invalid parameter "x"`.
pub fn invalid_parameter(given: &[u8]) -> Diagnostic {
    Diagnostic::emerg(format!("invalid parameter \"{}\"", String::from_utf8_lossy(given)))
}
