//! One word: quotes, escapes, and the `{` that belongs to a variable.
//!
//! The rules were found by feeding nginx 1.22.1 with `nginx -t`; the tests below and the files in
//! `tests/cases` keep what it answered.

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while, take_while1};
use nom::combinator::recognize;
use nom::multi::many0_count;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::ast::Quoting;
use crate::error::{ErrorKind, Expected};

/// nginx reads through a window of this size. A word, with the byte that ends it, must fit.
pub(crate) const WINDOW: usize = 4096;

/// A word as written, before it is decoded.
pub(crate) struct RawWord<'a> {
    /// The text without its quotes.
    pub(crate) text: &'a [u8],
    pub(crate) quoting: Quoting,
    /// Bytes taken from the input, quotes included.
    pub(crate) len: usize,
}

/// Why there is no word, and the offset from where it started.
#[derive(Debug, PartialEq)]
pub(crate) struct WordFault {
    pub(crate) kind: ErrorKind,
    pub(crate) at: usize,
}

/// Reads the word at the start of `input`.
///
/// The caller has made sure that the first byte is not a blank, `;`, `{`, `}` or `#`: those are
/// special at the start of a word, and (but for blank, `;` and `{`) only there.
pub(crate) fn word(input: &[u8]) -> Result<RawWord<'_>, WordFault> {
    match input.first() {
        Some(b'"') => quoted(input, b'"', Quoting::Double),
        Some(b'\'') => quoted(input, b'\'', Quoting::Single),
        _ => bare(input),
    }
}

fn bare(input: &[u8]) -> Result<RawWord<'_>, WordFault> {
    let window = &input[..input.len().min(WINDOW)];
    let (rest, text) = bare_text(window).unwrap_or((window, &[]));
    // An escape cut off by the end of the window counts as no end, too.
    if matches!(rest, [] | [b'\\']) {
        return Err(endless(input, input, ErrorKind::WordTooLong { start: beginning(input) }));
    }
    Ok(RawWord { text, quoting: Quoting::None, len: text.len() })
}

/// Plain bytes, `\` with whatever follows it, and `$` with any `{` right behind it.
fn bare_text(input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize(many0_count(alt((
        take_while1(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b'\\' | b'$')),
        preceded(tag("\\"), take(1_usize)),
        preceded(tag("$"), take_while(|byte| byte == b'{')),
    ))))
    .parse_complete(input)
}

fn quoted(input: &[u8], quote: u8, quoting: Quoting) -> Result<RawWord<'_>, WordFault> {
    let inside = &input[1..];
    let window = &inside[..inside.len().min(WINDOW)];
    let (rest, text) = quoted_text(quote, window).unwrap_or((window, &[]));
    if rest.first() != Some(&quote) {
        return Err(endless(input, inside, ErrorKind::UnterminatedQuote(char::from(quote))));
    }
    let len = text.len() + 2;
    match input.get(len) {
        // The window is full and the byte after the quote does not fit any more.
        Some(_) if text.len() + 1 == WINDOW => {
            Err(WordFault { kind: ErrorKind::WordTooLong { start: beginning(inside) }, at: 0 })
        }
        Some(byte) if !may_follow_quote(*byte) => {
            Err(WordFault { kind: ErrorKind::Unexpected(*byte), at: len })
        }
        _ => Ok(RawWord { text, quoting, len }),
    }
}

fn quoted_text(quote: u8, input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize(many0_count(alt((
        take_while1(move |byte| byte != quote && byte != b'\\'),
        preceded(tag("\\"), take(1_usize)),
    ))))
    .parse_complete(input)
}

/// `)` is for `if ($a = "b") {`.
fn may_follow_quote(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b';' | b'{' | b')')
}

/// The fault of a word whose end is not in its window: `too_long`, or just the end of the file.
/// `text` is `input` without the opening quote.
fn endless(input: &[u8], text: &[u8], too_long: ErrorKind) -> WordFault {
    if text.len() > WINDOW {
        WordFault { kind: too_long, at: 0 }
    } else {
        WordFault { kind: ErrorKind::UnexpectedEnd(Expected::DirectiveEnd), at: input.len() }
    }
}

fn beginning(text: &[u8]) -> Vec<u8> {
    text.iter().take(10).copied().collect()
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Removes the escapes: `\"` `\'` `\\` become the bare character, `\t` `\r` `\n` the control
/// character. Every other pair keeps its backslash, which is what regular expressions need.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let decoded = rest.get(at + 1).and_then(|byte| unescape(*byte));
        let (piece, skip) = match decoded {
            Some(_) => (decoded.as_slice(), at + 2),
            // The pair may be an escaped multi-byte character; only its first byte is passed here.
            None => (&rest[at..rest.len().min(at + 2)], rest.len().min(at + 2)),
        };
        out.extend_from_slice(piece);
        rest = &rest[skip..];
    }
    out.extend_from_slice(rest);
    out
}

fn unescape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\'' | b'\\' => Some(byte),
        b't' => Some(b'\t'),
        b'r' => Some(b'\r'),
        b'n' => Some(b'\n'),
        _ => None,
    }
}

/// Writes `value` as a word that reads back as the same value; quoted if it has to be.
pub(crate) fn encode(value: &[u8], quoting: Quoting, out: &mut Vec<u8>) {
    let quote = match quoting {
        Quoting::None if is_plain(value) => return out.extend_from_slice(value),
        Quoting::Single => b'\'',
        Quoting::None | Quoting::Double => b'"',
    };
    out.push(quote);
    for byte in value {
        if *byte == quote || *byte == b'\\' {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(quote);
}

/// Whether a value can stand without quotes whatever it means.
fn is_plain(value: &[u8]) -> bool {
    let special = |byte: &u8| is_blank(*byte) || matches!(byte, b';' | b'{' | b'\\');
    !value.is_empty() && !matches!(value[0], b'}' | b'#' | b'"' | b'\'') && !value.iter().any(special)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(input: &[u8]) -> &[u8] {
        &input[..word(input).map(|word| word.len).unwrap_or(0)]
    }

    fn fault(input: &[u8]) -> Option<ErrorKind> {
        word(input).err().map(|fault| fault.kind)
    }

    #[test]
    fn bare_words_end_at_blank_semicolon_or_brace() {
        for rest in [" x", "\tx", "\r\n", "\n", ";", "{"] {
            assert_eq!(taken(format!("a#b\"c}}{rest}").as_bytes()), b"a#b\"c}", "before {rest:?}");
        }
    }

    #[test]
    fn a_dollar_takes_the_braces_behind_it() {
        assert_eq!(taken(b"a${b};"), b"a${b}");
        assert_eq!(taken(b"${{ "), b"${{");
        assert_eq!(taken(b"a$${;"), b"a$${");
        assert_eq!(taken(b"a$;"), b"a$");
        assert_eq!(taken(b"a$b{"), b"a$b");
        assert_eq!(taken(b"a\\${"), b"a\\$", "an escaped dollar is no variable");
    }

    #[test]
    fn a_backslash_keeps_a_word_going() {
        assert_eq!(taken(b"a\\;b\\ c\\\n;"), b"a\\;b\\ c\\\n");
        assert_eq!(taken(br#""a\"b";"#), br#""a\"b""#);
    }

    #[test]
    fn the_window_is_4096_bytes() {
        let bare = |n: usize, rest: &str| ["a".repeat(n).as_bytes(), rest.as_bytes()].concat();
        let too_long = Some(ErrorKind::WordTooLong { start: b"aaaaaaaaaa".to_vec() });
        let end = Some(ErrorKind::UnexpectedEnd(Expected::DirectiveEnd));
        assert_eq!(fault(&bare(4095, ";")), None);
        assert_eq!(fault(&bare(4096, ";")), too_long);
        assert_eq!(fault(&bare(4096, "")), end);
        assert_eq!(fault(&bare(4097, "")), too_long);

        let quoted = |n: usize, rest: &str| [b"\"", bare(n, rest).as_slice()].concat();
        let unterminated = Some(ErrorKind::UnterminatedQuote('"'));
        assert_eq!(fault(&quoted(4094, "\";")), None);
        assert_eq!(fault(&quoted(4095, "\";")), too_long);
        assert_eq!(fault(&quoted(4096, "\";")), unterminated);
        assert_eq!(fault(&quoted(4096, "")), end);
        assert_eq!(fault(&quoted(4097, "")), unterminated);
    }

    #[test]
    fn escapes_are_decoded_as_nginx_does() {
        assert_eq!(decode(br#"\"\'\\"#), br#""'\"#);
        assert_eq!(decode(br"\t\r\n"), b"\t\r\n");
        assert_eq!(decode(br"\.\d\$\;\ \x"), br"\.\d\$\;\ \x");
        assert_eq!(decode(br"\\n"), br"\n");
        assert_eq!(decode(b"a\\"), b"a\\");
    }

    #[test]
    fn any_value_can_be_written_as_a_word() {
        let values: [&[u8]; 11] =
            [b"", b"a", b"a b", b"\\", b"\\d{2}", b"\"'", b"#", b"}", b"a$", b"${x}", b"\xff\n\t;"];
        for value in values {
            for quoting in [Quoting::None, Quoting::Single, Quoting::Double] {
                let mut text = Vec::new();
                encode(value, quoting, &mut text);
                text.push(b';');
                let word = word(&text).unwrap_or_else(|fault| panic!("{fault:?}"));
                assert_eq!(decode(word.text), value);
                assert_eq!(word.len, text.len() - 1);
            }
        }
    }
}
