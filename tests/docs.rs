//! The documentation is whole: generated pages are fresh, links lead somewhere, and no file is forgotten.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::{env, fs};

/// Made by the configuration's table; `ENCKE_BLESS=1` writes it anew.
#[test]
fn directives_page_is_up_to_date() {
    page_is_up_to_date("docs/directives.md", &encke::config::docs::directives_markdown());
}

#[test]
fn variables_page_is_up_to_date() {
    page_is_up_to_date("docs/variables.md", &encke::config::docs::variables_markdown());
}

fn page_is_up_to_date(page: &str, fresh: &str) {
    let path = root().join(page);
    if env::var_os("ENCKE_BLESS").is_some() {
        fs::write(&path, fresh).expect("the page can be written");
        return;
    }
    let stale = fs::read_to_string(&path).unwrap_or_default() != fresh;
    assert!(!stale, "{page} is stale: run this test with ENCKE_BLESS=1");
}

/// Least share in percent of nginx's own names that are done. It may only be raised.
const LEAST_DONE: usize = 85;

#[test]
fn every_name_of_nginx_has_a_row_and_most_are_done() {
    let pages = encke::config::docs::directives_markdown() + &encke::config::docs::variables_markdown();
    let index = read(&root().join("tests/cases/nginx_index.txt"));
    let lists = index.lines().filter_map(|line| line.split_once(": "));
    let names: Vec<&str> = lists.flat_map(|(_, names)| names.split(' ')).collect();
    // A name may have several rows, for several contexts.
    let has_row = |name: &str, status: &str| {
        let begins = format!("| `{name}`");
        pages.lines().any(|row| row.starts_with(&begins) && row.contains(status))
    };
    let missing: Vec<&&str> = names.iter().filter(|name| !has_row(name, "")).collect();
    assert!(missing.is_empty(), "no row: {missing:?}");
    let (done, all) = (names.iter().filter(|name| has_row(name, "| done |")).count(), names.len());
    assert!(done * 100 >= all * LEAST_DONE, "{done} of {all} are done");
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(&page);
        for target in links(&text) {
            if !leads_somewhere(&page, &text, &target) {
                broken.push(format!("{}: {target}", shown(&page)));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_page_and_example_is_mentioned() {
    let pages: Vec<(PathBuf, String)> = pages().into_iter().map(|page| (page.clone(), read(&page))).collect();
    let files =
        files_below(&root().join("docs")).into_iter().chain(files_below(&root().join("conf-examples")));
    let forgotten: Vec<String> = files
        .filter(|file| {
            let name = mentioned_as(file);
            !pages.iter().any(|(page, text)| page != file && text.contains(&name))
        })
        .map(|file| shown(&file))
        .collect();
    assert!(forgotten.is_empty(), "mentioned nowhere:\n{}", forgotten.join("\n"));
}

/// `docs/differences.md` names the test that shows a difference in the last column of its tables.
#[test]
fn tests_named_in_the_differences_exist() {
    let sources: String = ["src", "tests", "parser/tests"]
        .iter()
        .flat_map(|folder| files_below(&root().join(folder)))
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs" || extension == "jsonl"))
        .map(|file| read(&file))
        .collect();
    let page = read(&root().join("docs/differences.md"));
    let missing: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_suffix('|')?.rsplit('|').next())
        .flat_map(code_spans)
        .filter(|name| !is_named_in(&sources, name))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

/// A function, a topic or a case of the agreement with nginx, a file of tests, or a recorded scenario.
fn is_named_in(sources: &str, name: &str) -> bool {
    let forms = [
        format!("fn {name}("),
        format!("{name}: compare_"),
        format!("mod {name};"),
        format!("\"name\": \"{name}\""),
        format!("\"name\":\"{name}\""),
    ];
    let case = || {
        let cases = files_below(&root().join("tests/agreement"));
        cases.iter().any(|file| file.file_stem().is_some_and(|stem| stem == name))
    };
    forms.iter().any(|form| sources.contains(form)) || case()
}

/// What stands between backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Runs of benchmarks are mentioned by their folder, everything else by its name.
fn mentioned_as(file: &Path) -> String {
    let shown = shown(file);
    match shown.strip_prefix("docs/benchmarks/") {
        Some(run) => run.split('/').next().unwrap_or_default().to_owned(),
        None => file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// Targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2);
    let spans = prose.flat_map(|prose| prose.split('`').step_by(2));
    let after = spans.flat_map(|span| span.split("](").skip(1));
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

fn leads_somewhere(page: &Path, text: &str, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = page.parent().map(|folder| folder.join(path)).filter(|_| !path.is_empty());
    match &file {
        Some(file) if !file.exists() => false,
        _ if anchor.is_empty() => true,
        Some(file) => has_anchor(&read(file), anchor),
        None => has_anchor(text, anchor),
    }
}

/// Whether a heading has that anchor, by GitHub's rule.
fn has_anchor(text: &str, anchor: &str) -> bool {
    let prose = text.split("```").step_by(2).flat_map(str::lines);
    prose.filter(|line| line.starts_with('#')).any(|heading| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept =
            title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>() == anchor
    })
}

/// Every Markdown page of ours.
fn pages() -> Vec<PathBuf> {
    let top = fs::read_dir(root()).expect("the repository can be read").flatten().map(|entry| entry.path());
    let all = top.filter(|path| path.is_file()).chain(files_below(&root().join("docs")));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files = Vec::new();
    for path in entries {
        match path.is_dir() {
            true if path.ends_with("target") => {}
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

fn shown(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    let parts = inside.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
