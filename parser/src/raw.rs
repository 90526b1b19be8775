//! Blocks in another language: finds the `}` that ends them.

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_till, take_until, take_while, take_while1};
use nom::combinator::{cut, recognize};
use nom::error::Error;
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// The length of the text before the `}` that matches an already read `{`; `None` if there is none.
///
/// The language is Lua, the only one that comes in such blocks (`content_by_lua_block`): braces in
/// its strings, long strings and comments do not count. One of those without an end takes the rest
/// of the file, as in Lua; to try again behind each quote would take quadratic time.
pub(crate) fn body_len(input: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut rest = input;
    loop {
        rest = skip(rest)?;
        let (brace, after) = rest.split_first()?;
        match brace {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(input.len() - rest.len()),
            b'}' => depth -= 1,
            // A lone `-` or `[`.
            _ => {}
        }
        rest = after;
    }
}

/// What comes after everything that cannot hold a counting brace; `None` if it does not end.
fn skip(input: &[u8]) -> Option<&[u8]> {
    let opaque = alt((plain, comment, long_string, string(b"\""), string(b"'")));
    many0_count(opaque).parse_complete(input).ok().map(|(rest, _)| rest)
}

fn plain(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|byte| !matches!(byte, b'{' | b'}' | b'"' | b'\'' | b'-' | b'[')).parse_complete(input)
}

/// `--` to the end of the line, or `--[[ ... ]]`.
fn comment(input: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(tag("--"), alt((long_string, take_till(|byte| byte == b'\n')))).parse_complete(input)
}

/// `[[ ... ]]` or `[==[ ... ]==]`, with as many `=` at the end as at the start.
fn long_string(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (inside, level) =
        delimited(tag("["), take_while(|byte| byte == b'='), tag("[")).parse_complete(input)?;
    let end = [b"]", level, b"]"].concat();
    cut(terminated(take_until(end.as_slice()), tag(end.as_slice()))).parse_complete(inside)
}

/// `"..."` or `'...'`, in which a backslash escapes the quote.
fn string(quote: &[u8]) -> impl Parser<&[u8], Output = &[u8], Error = Error<&[u8]>> {
    let text = take_while1(move |byte| byte != quote[0] && byte != b'\\');
    let escaped = preceded(tag("\\"), take(1_usize));
    let inside = recognize(many0_count(alt((text, escaped))));
    preceded(tag(quote), cut(terminated(inside, tag(quote))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(input: &str) -> Option<&str> {
        body_len(input.as_bytes()).map(|len| &input[..len])
    }

    #[test]
    fn braces_are_counted() {
        assert_eq!(body("a {b} }c}"), Some("a {b} "));
        assert_eq!(body("}"), Some(""));
        assert_eq!(body("a {}"), None);
    }

    #[test]
    fn strings_and_comments_are_skipped() {
        for text in
            ["'}'", "\"\\\"}\"", "-- }\n", "--[[ }\n} ]]", "[[ } ]]", "[=[ ]] } ]=]", "a[1] - b[\"}\"]"]
        {
            assert_eq!(body(&format!("{text}}} rest")), Some(text));
        }
    }

    #[test]
    fn a_string_without_end_takes_the_rest() {
        for text in ["' }", "\" }", "[[ }", "--[[ }"] {
            assert_eq!(body(text), None, "{text}");
        }
    }

    #[test]
    fn hostile_text_takes_linear_time() {
        for text in ["[", "\"\\\"", "--[[\n", "-", "[=", "--"] {
            assert_eq!(body(&text.repeat(200_000)), None);
        }
    }
}
