//! Text with variables in it, compiled once.

use encke_parser::interpolate::{self, Piece};

use super::variable::{Variable, Variables};

/// Text with variables in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

/// A stretch of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes as they are.
    Literal(Box<[u8]>),
    /// The value of a variable.
    Variable(Variable),
}

impl Template {
    /// Compiles `text`; variables are resolved in (and added to) `variables`.
    ///
    /// # Errors
    /// A `$` that no name follows: nginx's `invalid variable name`.
    pub fn compile(text: &[u8], variables: &mut Variables) -> Result<Self, interpolate::InvalidVariable> {
        let parts = interpolate::split(text)?.into_iter().map(|piece| match piece {
            Piece::Literal(bytes) => Part::Literal(bytes.into()),
            Piece::Capture(group) => Part::Variable(Variable::Capture(group)),
            Piece::Variable(name) => Part::Variable(variables.resolve(&String::from_utf8_lossy(name))),
        });
        Ok(Self { parts: parts.collect() })
    }

    /// Text without variables.
    pub fn literal(text: &[u8]) -> Self {
        let parts = if text.is_empty() { Box::default() } else { [Part::Literal(text.into())].into() };
        Self { parts }
    }

    /// The value of one variable.
    pub fn variable(variable: Variable) -> Self {
        Self { parts: [Part::Variable(variable)].into() }
    }

    /// Several texts one behind the other.
    pub fn concat(texts: impl IntoIterator<Item = Self>) -> Self {
        Self { parts: texts.into_iter().flat_map(|text| text.parts).collect() }
    }

    /// Its stretches, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The whole text if there is no variable in it.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(&[]),
            [Part::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }
}
