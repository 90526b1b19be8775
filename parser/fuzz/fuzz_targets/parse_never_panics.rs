#![no_main]
//! Any bytes give a tree and perhaps an error, and everything can be asked about both.

use std::path::Path;

use encke_parser::{MemLoader, Options, interpolate, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The text is also the file it may include, so that includes nest.
    let loader = MemLoader::new().with("/a/b", input).with("/a/c", input);
    let options = Options { max_files: 100, raw_blocks: &["lua"], ..Options::default() };
    let parsed = parse(Path::new("/a/b"), &loader, &options);

    parsed.to_text();
    if let Some(error) = &parsed.error {
        error.in_place(&parsed.sources);
        error.span.map(|span| parsed.sources.excerpt(span));
    }
    for directive in &parsed.directives {
        parsed.sources.excerpt(directive.span);
        for word in &directive.args {
            let _ = interpolate::split(&word.value);
            assert!(parsed.sources.text(word.span).is_some());
        }
    }
});
