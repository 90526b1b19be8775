#![no_main]
//! Any bytes are a configuration, or say why not.

use std::path::Path;

use encke::config::{LoadOptions, Mode, load};
use encke_parser::MemLoader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The text is also the file it may include.
    let loader = MemLoader::new().with("/a/b", input).with("/a/c", input);
    for mode in [Mode::FirstError, Mode::Collect] {
        let loaded = load(Path::new("/a/b"), &loader, &LoadOptions { mode, ..LoadOptions::default() });
        assert_ne!(loaded.config.is_some(), loaded.error().is_some(), "a configuration, or an error");
    }
});
