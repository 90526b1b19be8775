#![no_main]
//! What was read and printed reads as the same words, and prints as the same text.

use std::path::Path;

use encke_parser::{Directive, Options, Parsed, parse_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let first = read(input);
    if first.error.is_some() {
        return;
    }
    let text = first.to_text();
    let second = read(&text);
    assert_eq!(second.error, None);
    assert_eq!(words(&second), words(&first));
    assert_eq!(second.to_text(), text);
});

fn read(text: &[u8]) -> Parsed {
    parse_bytes(Path::new("fuzz"), text, &Options { raw_blocks: &["lua"], ..Options::default() })
}

fn words(parsed: &Parsed) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut todo: Vec<&Directive> = parsed.directives.iter().rev().collect();
    while let Some(directive) = todo.pop() {
        found.push(&*directive.name.value);
        found.extend(directive.args.iter().map(|arg| &*arg.value));
        todo.extend(directive.block().into_iter().flat_map(|block| block.directives.iter().rev()));
    }
    found
}
