//! Who may import whom: each module only from those before it.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the library, in the order of their dependencies.
const ORDER: [&str; 9] = ["store", "config", "log", "metrics", "request", "push", "http", "runtime", "cli"];

/// Every module of the library that a file names with `crate::`.
fn imports(text: &str) -> Vec<&str> {
    let named = text.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    });
    named.filter(|name| ORDER.contains(name)).collect()
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { source_files(&path) } else { vec![path] }).collect()
}

/// Files of the library with the module they belong to.
fn modules() -> Vec<(usize, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let module = |path: &Path| {
        let first = path.strip_prefix(&root).ok()?.components().next()?;
        let name = Path::new(first.as_os_str()).file_stem()?.to_str()?.to_owned();
        ORDER.iter().position(|module| *module == name)
    };
    source_files(&root).into_iter().filter_map(|path| Some((module(&path)?, path))).collect()
}

#[test]
fn modules_import_only_from_those_before_them() {
    let modules = modules();
    assert!(modules.len() > 40, "the test looks at the library");
    for (position, path) in modules {
        let text = fs::read_to_string(&path).expect("a source file");
        for name in imports(&text) {
            let imported = ORDER.iter().position(|module| *module == name);
            assert!(imported <= Some(position), "{} imports {name}", path.display());
        }
    }
}

#[test]
fn only_the_router_builds_routers_and_only_the_runtime_binds() {
    for (position, path) in modules() {
        let text = fs::read_to_string(&path).expect("a source file");
        if !path.ends_with("http/router.rs") {
            assert!(!text.contains("Router::new"), "{}", path.display());
        }
        // A connection to a server behind may have a local address of its own.
        if ORDER[position] != "runtime" && !path.ends_with("http/upstream/connect.rs") {
            for call in ["::bind(", ".listen(1", ".bind("] {
                assert!(!text.contains(call), "{} calls {call}", path.display());
            }
        }
    }
}
