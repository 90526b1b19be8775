//! `include`: patterns, places, limits; in memory and on disk.

use std::io;
use std::path::{Path, PathBuf};

use encke_parser::{
    Body, ErrorKind, FsLoader, Included, Loader, MemLoader, Options, Parsed, parse, parse_bytes,
};

#[test]
fn a_file_is_read_in_place_of_its_include() {
    let loader = MemLoader::new()
        .with("/etc/main.conf", "a;\nb {\n    include inc/x.conf;\n}\nc;\n")
        .with("/etc/inc/x.conf", "x1;\nx2 {}\n");
    let parsed = read(&loader);
    let [a, b, c] = &parsed.directives[..] else { panic!("{parsed:?}") };
    let [include] = &b.block().unwrap().directives[..] else { panic!("{b:?}") };
    let [file] = included(&include.body) else { panic!("{include:?}") };
    assert_eq!([&a.name.value[..], &include.name.value, &c.name.value], [&b"a"[..], b"include", b"c"]);
    assert_eq!(names(file), ["x1", "x2"]);
    assert_eq!(parsed.sources.name(file.file), Path::new("/etc/inc/x.conf"));
    assert_eq!(parsed.sources.line_of(file.directives[1].span), 2);
}

#[test]
fn matches_are_read_in_byte_order() {
    let loader = MemLoader::new()
        .with("/etc/main.conf", "include d/*.conf;")
        .with("/etc/d/b.conf", "b;")
        .with("/etc/d/a.conf", "a;")
        .with("/etc/d/B.conf", "B;")
        .with("/etc/d/.a.conf", "hidden;")
        .with("/etc/d/e/a.conf", "deeper;");
    let parsed = read(&loader);
    let files = included(&parsed.directives[0].body);
    assert_eq!(files.iter().flat_map(names).collect::<Vec<_>>(), ["B", "a", "b"]);
}

#[test]
fn sources_are_listed_once_in_reading_order() {
    let loader = MemLoader::new()
        .with("/etc/main.conf", "include z;\ninclude y;\ninclude z;\n")
        .with("/etc/y", "y;")
        .with("/etc/z", "z;");
    let parsed = read(&loader);
    let names: Vec<&Path> = parsed.sources.files().map(|(_, name, _)| name).collect();
    assert_eq!(names, [Path::new("/etc/main.conf"), Path::new("/etc/z"), Path::new("/etc/y")]);
    assert_eq!(included(&parsed.directives[2].body)[0].directives.len(), 1);
}

#[test]
fn the_base_directory_can_be_chosen() {
    let loader = MemLoader::new().with("/etc/main.conf", "include x;").with("/base/x", "x;");
    let options = Options { include_base: Some("/base".into()), ..Options::default() };
    let parsed = parse(Path::new("/etc/main.conf"), &loader, &options);
    assert_eq!(parsed.error, None);
}

#[test]
fn absolute_paths_are_taken_as_they_are() {
    let loader = MemLoader::new().with("/etc/main.conf", "include /x;").with("/x", "x;");
    assert_eq!(read(&loader).error, None);
}

#[test]
fn a_missing_main_file_has_no_place() {
    let parsed = read(&MemLoader::new());
    let text = "open() \"/etc/main.conf\" failed (2: No such file or directory)";
    assert_eq!(message(&parsed), text);
    assert_eq!((parsed.directives.len(), parsed.sources.files().count()), (0, 0));
}

#[test]
fn a_missing_file_is_an_error_where_it_is_included() {
    let loader = MemLoader::new().with("/etc/main.conf", "a;\ninclude\nx\n;\nb;");
    let parsed = read(&loader);
    let text = "open() \"/etc/x\" failed (2: No such file or directory) in /etc/main.conf:4";
    assert_eq!(message(&parsed), text);
    assert_eq!(parsed.directives.len(), 1, "what stands before is kept, the include and the rest are not");
}

#[test]
fn what_was_read_before_an_error_is_kept_through_all_levels() {
    let loader = MemLoader::new()
        .with("/etc/main.conf", "a { include d/*; }")
        .with("/etc/d/1", "one;")
        .with("/etc/d/2", "two;\nb { three;\n four } ");
    let parsed = read(&loader);
    assert_eq!(message(&parsed), "unexpected \"}\" in /etc/d/2:3");
    let a = parsed.directives[0].block().unwrap();
    let [one, two] = included(&a.directives[0].body) else { panic!("{a:?}") };
    let b = two.directives[1].block().unwrap();
    assert_eq!((a.closed, b.closed, names(one)), (false, false, vec!["one".to_owned()]));
    assert_eq!(b.directives[0].name.value, b"three");
}

#[test]
fn blocks_do_not_reach_over_the_end_of_a_file() {
    let loader = MemLoader::new().with("/etc/main.conf", "a { include x; }").with("/etc/x", "}");
    assert_eq!(message(&read(&loader)), "unexpected \"}\" in /etc/x:1");
    let loader = MemLoader::new().with("/etc/main.conf", "include x; }").with("/etc/x", "a {\n");
    assert_eq!(message(&read(&loader)), "unexpected end of file, expecting \"}\" in /etc/x:2");
}

#[test]
fn cycles_are_refused() {
    let loader =
        MemLoader::new().with("/etc/main.conf", "include x;").with("/etc/x", "\ninclude /etc/main.conf;");
    assert_eq!(message(&read(&loader)), "file \"/etc/main.conf\" includes itself in /etc/x:2");
}

/// A cycle that a comparison of names does not see.
#[test]
fn depth_is_limited() {
    let loader = Everywhere(b"include a/../x;");
    let parsed = parse(Path::new("main"), &loader, &Options::default());
    assert_eq!(kind(&parsed), &ErrorKind::IncludeCycle { path: "a/../x".into() });

    let chain = (0..50).fold(MemLoader::new().with("/etc/main.conf", "include 0;"), |loader, n| {
        loader.with(format!("/etc/{n}"), format!("include {};", n + 1))
    });
    assert_eq!(kind(&read(&chain)), &ErrorKind::IncludesTooDeep { limit: 32 });
}

#[test]
fn the_number_of_files_is_limited() {
    // 2 to the 20th files, none of them deep.
    let tree = (0..20).fold(MemLoader::new().with("/etc/main.conf", "include 0;"), |loader, n| {
        loader.with(format!("/etc/{n}"), format!("include {0};include {0};", n + 1))
    });
    let parsed = read(&tree.with("/etc/20", ""));
    assert_eq!(kind(&parsed), &ErrorKind::TooManyFiles { limit: 10_000 });
}

#[test]
fn the_size_is_limited_over_all_files() {
    let loader =
        MemLoader::new().with("/etc/main.conf", "include x;include x;").with("/etc/x", "1234567890;");
    let options = |limit| Options { max_total_bytes: limit, ..Options::default() };
    let parse = |limit| parse(Path::new("/etc/main.conf"), &loader, &options(limit));
    assert_eq!(parse(42).error, None);
    assert_eq!(kind(&parse(41)), &ErrorKind::TooLarge { limit: 41 });
    assert_eq!(message(&parse(19)), "configuration too large, the limit is 19 bytes");
}

#[test]
fn parse_bytes_finds_no_files() {
    let parsed = parse_bytes(Path::new("/etc/main.conf"), b"include passwd;", &Options::default());
    let text = "open() \"/etc/passwd\" failed (2: No such file or directory) in /etc/main.conf:1";
    assert_eq!(message(&parsed), text);
}

#[test]
fn a_search_given_up_is_an_error() {
    let parsed = parse(Path::new("main"), &Everywhere(b"include *;"), &Options::default());
    assert_eq!(message(&parsed), "open() \"*\" failed (too much) in main:1");
}

#[test]
fn the_file_system_is_searched_like_memory() {
    let found = |pattern: &str| FsLoader.glob(Path::new(pattern)).unwrap();
    let all = ["B.conf", "a.conf", "b.conf"].map(|name| Path::new("tests/cases/inc/glob").join(name));
    assert_eq!(found("tests/cases/inc/glob/*.conf"), all);
    assert_eq!(found("tests/c?ses/[i]nc/glob/[B-b].conf"), all);
    assert_eq!(found("tests/*/inc/glob/a.conf"), all[1..2]);
    assert_eq!(found("tests/cases/inc/glob/.h*"), [Path::new("tests/cases/inc/glob/.hidden.conf")]);
    assert_eq!(found("tests/cases/inc/none/*"), [] as [&Path; 0]);
    assert_eq!(found("tests/cases/*.conf/*"), [] as [&Path; 0]);
    assert_eq!(found("tests/*/none.conf"), [] as [&Path; 0]);
}

/// nginx shows the path the user wrote.
#[test]
fn matches_keep_the_way_the_pattern_is_written() {
    let found = FsLoader.glob(Path::new("./tests//cases/../cases/inc/ok.con?")).unwrap();
    assert_eq!(found[0].as_os_str(), "./tests//cases/../cases/inc/ok.conf");
}

#[test]
fn an_endless_device_is_refused() {
    let zero = Path::new("/dev/zero");
    if zero.exists() {
        assert_eq!(FsLoader.read(zero).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}

/// Has every file, always with the same text; finds too many to list.
struct Everywhere(&'static [u8]);

impl Loader for Everywhere {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.to_vec())
    }

    fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Err(io::Error::other("too much"))
    }
}

fn read(loader: &MemLoader) -> Parsed {
    parse(Path::new("/etc/main.conf"), loader, &Options::default())
}

fn message(parsed: &Parsed) -> String {
    parsed.error.as_ref().expect("an error").in_place(&parsed.sources)
}

fn kind(parsed: &Parsed) -> &ErrorKind {
    &parsed.error.as_ref().expect("an error").kind
}

fn included(body: &Body) -> &[Included] {
    match body {
        Body::Include(files) => files,
        other => panic!("{other:?}"),
    }
}

fn names(file: &Included) -> Vec<String> {
    file.directives
        .iter()
        .map(|directive| String::from_utf8_lossy(&directive.name.value).into_owned())
        .collect()
}
