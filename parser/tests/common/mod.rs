//! What several test programs need.

use std::path::PathBuf;

/// The case files, as paths relative to the package, where cargo runs tests.
pub(crate) fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("tests/cases").expect("cargo runs tests in the package directory");
    let paths = entries.map(|entry| entry.expect("the directory can be listed").path());
    let mut cases: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ext| ext == "conf")).collect();
    cases.sort();
    assert!(cases.len() > 40, "case files are missing");
    cases
}
