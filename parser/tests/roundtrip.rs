//! Parse, print, parse, print: the second text is the first, and no word changes.

mod common;

use std::path::Path;

use common::cases;
use encke_parser::print::print;
use encke_parser::{Directive, ErrorKind, FsLoader, Options, Parsed, Quoting, parse, parse_bytes};

#[test]
fn case_files_survive_printing() {
    for case in cases() {
        let parsed = parse(&case, &FsLoader, &Options::default());
        if parsed.error.is_none() {
            check_round_trip(&parsed, &case.display().to_string());
        }
    }
}

#[test]
fn any_soup_of_tokens_survives_printing() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut valid = 0;
    for _ in 0..20_000 {
        let text: Vec<u8> =
            (0..random.below(12)).flat_map(|_| SOUP[random.below(SOUP.len())].bytes()).collect();
        let parsed = parse_bytes(Path::new("soup"), &text, &options());
        if parsed.error.is_none() {
            valid += 1;
            check_round_trip(&parsed, &text.escape_ascii().to_string());
        }
    }
    assert!(valid > 1000, "only {valid} texts were valid: the soup tests nothing");
}

#[test]
fn printing_is_canonical_and_keeps_comments() {
    let text =
        "# a\n\n\n\nevents{worker_connections 1 ;}# b\nhttp{ # c\nserver{\n# d\n}}user # e\n x;# f\n# g";
    let expected = "\
# a

events {
    worker_connections 1;
} # b
http { # c
    server {
        # d
    }
}
# e
user x; # f
# g
";
    let parsed = parse_bytes(Path::new("t"), text.as_bytes(), &options());
    assert_eq!(String::from_utf8_lossy(&parsed.to_text()), expected);
}

#[test]
fn raw_blocks_are_printed_as_they_were() {
    let text = "lua {\n  if x then print('}') end -- }\n}\nx {\n    lua {}\n}\n";
    let parsed = parse_bytes(Path::new("t"), text.as_bytes(), &options());
    assert_eq!(String::from_utf8_lossy(&parsed.to_text()), text);
}

#[test]
fn a_changed_word_is_quoted_afresh() {
    let mut parsed = parse_bytes(Path::new("t"), b"set $a b;", &options());
    parsed.directives[0].args[1].value = b"it's {new}".to_vec();
    assert_eq!(print(&parsed.directives, &parsed.sources), b"set $a \"it's {new}\";\n");
    parsed.directives[0].args[1].quoting = Quoting::Single;
    assert_eq!(
        print(&parsed.directives, &parsed.sources),
        br"set $a 'it\'s {new}';
"
    );
}

#[test]
fn blocks_cut_short_are_closed() {
    let parsed = parse_bytes(Path::new("t"), b"http { server { listen 80; root", &options());
    assert!(parsed.error.is_some());
    let expected = "http {\n    server {\n        listen 80;\n    }\n}\n";
    assert_eq!(String::from_utf8_lossy(&parsed.to_text()), expected);
}

/// Recursion would end the process here: nginx 1.22.1 itself crashes on 20,000 open braces.
#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    let options = Options { max_depth: usize::MAX, ..options() };
    for text in ["a{".repeat(100_000), "a{".repeat(100_000) + &"}".repeat(100_000)] {
        let parsed = parse_bytes(Path::new("t"), text.as_bytes(), &options);
        let kind = parsed.error.as_ref().map(|error| &error.kind);
        assert_eq!(kind, Some(&ErrorKind::BlocksTooDeep { limit: 512 }));
        assert!(parsed.to_text().starts_with(b"a {\n"));
        assert!(!format!("{parsed:?}").is_empty());
        assert_eq!(parsed.clone().directives, parsed.directives);
    }
}

#[track_caller]
fn check_round_trip(parsed: &Parsed, what: &str) {
    let once = parsed.to_text();
    // Where the files an include names are not there, the text alone is still the same.
    let again = parse_bytes(Path::new("printed"), &once, &options());
    if again.error.as_ref().is_some_and(|error| matches!(error.kind, ErrorKind::Open { .. })) {
        return;
    }
    assert_eq!(again.error, None, "{what}\nprinted as\n{}", once.escape_ascii());
    assert_eq!(words(&again.directives), words(&parsed.directives), "{what}");
    assert_eq!(again.to_text().escape_ascii().to_string(), once.escape_ascii().to_string(), "{what}");
}

/// All decoded words in reading order, includes left out: what printing must not change.
fn words(directives: &[Directive]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut todo: Vec<&Directive> = directives.iter().rev().collect();
    while let Some(directive) = todo.pop() {
        found.push(directive.name.value.clone());
        found.extend(directive.args.iter().map(|arg| arg.value.clone()));
        todo.extend(directive.block().into_iter().flat_map(|block| block.directives.iter().rev()));
    }
    found
}

fn options() -> Options {
    Options { raw_blocks: &["lua"], ..Options::default() }
}

/// Pieces that mean something to the lexer, most often as part of something valid.
const SOUP: &[&str] = &[
    "a",
    " ",
    "\n",
    ";",
    "{",
    "}",
    "a b;",
    "a {",
    "};",
    "\"",
    "'",
    "\"x y\" ",
    "'z'",
    "\\",
    "\\n",
    "\\\"",
    "$",
    "${b}",
    "#",
    "# c\n",
    "\t#d\n",
    "\r",
    ")",
    "a;\n",
    "\n\n",
    "b{}\n",
    "é",
    "lua {",
    "--",
    "[[",
    "\n\n# e\n",
    "lua {}",
];

/// xorshift64: enough to stir, and the same soup on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}
