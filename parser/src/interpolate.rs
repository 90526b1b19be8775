//! Variables in words: `$name`, `${name}` and `$1`.
//!
//! A [`Word`](crate::Word) keeps them as text, because only the directive knows whether its argument
//! takes variables: `location ~ a$` does not. Where it does, [`split`] finds them by nginx's rule,
//! checked with `return 200 "..."` on nginx 1.22.1.

use std::fmt;

/// A part of a text with variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stands for itself. There is no escape for `$`: a backslash before it stays and
    /// the variable is one all the same.
    Literal(&'a [u8]),
    /// `$name` or `${name}`, as written; nginx compares names without case. `${1}` is a variable
    /// named `1` (there is none), not a capture.
    Variable(&'a [u8]),
    /// `$1` to `$9`: a capture of the last regular expression. One digit only, `$12` is `$1` and
    /// the text `2`; `$0` is a variable named `0`.
    Capture(u8),
}

/// A `$` that starts no variable. Displays as nginx's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidVariable {
    /// Nothing that can be a name after `$` or in `${}`.
    NoName,
    /// `${name` without `}` right behind the name.
    NotClosed {
        /// What was read of the name.
        name: Vec<u8>,
    },
}

/// Cuts a decoded word at its variables.
///
/// ```
/// use encke_parser::interpolate::{Piece, split};
///
/// let pieces = split(b"/${arg_id}s?$1").unwrap();
/// assert_eq!(pieces, [
///     Piece::Literal(b"/"),
///     Piece::Variable(b"arg_id"),
///     Piece::Literal(b"s?"),
///     Piece::Capture(1),
/// ]);
/// assert_eq!(split(b"100$").unwrap_err().to_string(), "invalid variable name");
/// ```
///
/// # Errors
/// At the first `$` that is not followed by a name.
pub fn split(text: &[u8]) -> Result<Vec<Piece<'_>>, InvalidVariable> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
        if dollar > 0 {
            pieces.push(Piece::Literal(&rest[..dollar]));
        }
        let (piece, after) = variable(&rest[dollar + 1..])?;
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

/// Reads what follows a `$`.
fn variable(text: &[u8]) -> Result<(Piece<'_>, &[u8]), InvalidVariable> {
    match text {
        [digit @ b'1'..=b'9', after @ ..] => Ok((Piece::Capture(digit - b'0'), after)),
        [b'{'] => Err(InvalidVariable::NoName),
        [b'{', inside @ ..] => match split_name(inside) {
            (name, [b'}', after @ ..]) => Ok((Piece::Variable(non_empty(name)?), after)),
            (name, _) => Err(InvalidVariable::NotClosed { name: name.to_vec() }),
        },
        _ => {
            let (name, after) = split_name(text);
            Ok((Piece::Variable(non_empty(name)?), after))
        }
    }
}

fn split_name(text: &[u8]) -> (&[u8], &[u8]) {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.split_at(text.iter().position(|byte| !in_name(byte)).unwrap_or(text.len()))
}

fn non_empty(name: &[u8]) -> Result<&[u8], InvalidVariable> {
    if name.is_empty() { Err(InvalidVariable::NoName) } else { Ok(name) }
}

impl fmt::Display for InvalidVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidVariable::NoName => f.write_str("invalid variable name"),
            InvalidVariable::NotClosed { name } => {
                write!(f, r#"the closing bracket in "{}" variable is missing"#, String::from_utf8_lossy(name))
            }
        }
    }
}

impl std::error::Error for InvalidVariable {}

#[cfg(test)]
mod tests {
    use super::Piece::{Capture, Literal, Variable};
    use super::*;

    #[test]
    fn names_and_captures() {
        let cases: [(&[u8], &[Piece<'_>]); 12] = [
            (b"", &[]),
            (b"100%", &[Literal(b"100%")]),
            (b"$a-b", &[Variable(b"a"), Literal(b"-b")]),
            (b"${a}b", &[Variable(b"a"), Literal(b"b")]),
            (b"${a}}", &[Variable(b"a"), Literal(b"}")]),
            (b"{$a}", &[Literal(b"{"), Variable(b"a"), Literal(b"}")]),
            (b"$12", &[Capture(1), Literal(b"2")]),
            (b"$9a", &[Capture(9), Literal(b"a")]),
            (b"$0", &[Variable(b"0")]),
            (b"${12}", &[Variable(b"12")]),
            (b"\\$a", &[Literal(b"\\"), Variable(b"a")]),
            (b"$a\xc3", &[Variable(b"a"), Literal(b"\xc3")]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text).as_deref(), Ok(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn errors_have_the_words_of_nginx() {
        let cases: [(&[u8], &str); 10] = [
            (b"a$", "invalid variable name"),
            (b"$ x", "invalid variable name"),
            (b"$$uri", "invalid variable name"),
            (b"\\$", "invalid variable name"),
            (b"$\xc3\xa9", "invalid variable name"),
            (b"${", "invalid variable name"),
            (b"${}", "invalid variable name"),
            (b"${abc", "the closing bracket in \"abc\" variable is missing"),
            (b"${a-b}", "the closing bracket in \"a\" variable is missing"),
            (b"${ a}", "the closing bracket in \"\" variable is missing"),
        ];
        for (text, expected) in cases {
            let error = split(text).unwrap_err().to_string();
            assert_eq!(error, expected, "{}", text.escape_ascii());
        }
    }
}
