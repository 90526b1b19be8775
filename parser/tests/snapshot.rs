//! Every `tests/cases/*.conf` has its tree in an `.ast` file, or its partial tree and error in an
//! `.err` file. `UPDATE_EXPECT=1` writes them anew; review the diff.
//!
//! Where nginx is installed, it is asked for its opinion on each case, too.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::cases;
use encke_parser::{
    Block, Body, Comment, Directive, FsLoader, Included, Options, Parsed, Quoting, Span, Word, parse,
};

#[test]
fn trees_and_errors_are_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let parsed = read(&case);
        let (file, found) = (expectation(&case, &parsed), dump(&parsed));
        if update {
            let _ = std::fs::remove_file(case.with_extension("ast"));
            let _ = std::fs::remove_file(case.with_extension("err"));
            std::fs::write(&file, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}: expected\n{expected}\nfound\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same text and the same line as nginx's; where it sees no error of syntax, neither may we.
#[test]
fn errors_agree_with_nginx() {
    if Command::new("nginx").arg("-v").output().is_err() {
        eprintln!("skipped: nginx is not installed");
        return;
    }
    let mut wrong = Vec::new();
    for case in cases() {
        if is_our_own(&case) {
            continue;
        }
        let (ours, theirs) = (our_message(&read(&case)), nginx_message(&case));
        if ours != theirs {
            wrong.push(format!("{}:\n  ours   {ours:?}\n  nginx  {theirs:?}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn read(case: &Path) -> Parsed {
    let options = Options { raw_blocks: &["content_by_lua_block"], ..Options::default() };
    parse(case, &FsLoader, &options)
}

/// Cases about what nginx does not have: limits, and Lua without its module.
fn is_our_own(case: &Path) -> bool {
    case.file_name().is_some_and(|name| name.to_string_lossy().starts_with("own_"))
}

fn our_message(parsed: &Parsed) -> Option<String> {
    parsed.error.as_ref().map(|error| error.in_place(&parsed.sources))
}

/// What `nginx -t` says, if it is about syntax; complaints about meaning are not the parser's.
fn nginx_message(case: &Path) -> Option<String> {
    let home = std::env::current_dir().expect("there is a current directory");
    let pid = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nginx.pid");
    let output = Command::new("nginx")
        .args(["-t", "-q", "-e", "stderr", "-p"])
        .arg(&home)
        .arg("-g")
        .arg(format!("error_log stderr; pid {};", pid.display()))
        .arg("-c")
        .arg(home.join(case))
        .output()
        .expect("nginx -v could be started, so can this");
    let stderr = String::from_utf8_lossy(&output.stderr).replace(&format!("{}/", home.display()), "");
    let syntax = |line: &&str| SYNTAX_MESSAGES.iter().any(|message| line.contains(message));
    let line = stderr.lines().find(syntax)?;
    // "2026/11/23 06:16:48 [emerg] 1104#1104: message"
    line.split_once("] ")?.1.split_once(": ").map(|(_, message)| message.to_owned())
}

const SYNTAX_MESSAGES: [&str; 5] =
    ["unexpected end of file", ": unexpected \"", "too long parameter", "pread() ", ": open() \""];

// === the readable form of a tree ===

/// The file of expectations that belongs to a case.
fn expectation(case: &Path, parsed: &Parsed) -> PathBuf {
    case.with_extension(if parsed.error.is_some() { "err" } else { "ast" })
}

/// The tree as one line per directive: line number, words, and what ends it.
fn dump(parsed: &Parsed) -> String {
    let mut dump = Dump { parsed, out: String::new(), depth: 0 };
    dump.directives(&parsed.directives);
    dump.comments(&parsed.comments);
    if let Some(error) = &parsed.error {
        dump.out += &format!("error: {}\n", error.in_place(&parsed.sources));
    }
    dump.out
}

struct Dump<'a> {
    parsed: &'a Parsed,
    out: String,
    depth: usize,
}

impl Dump<'_> {
    fn directives(&mut self, directives: &[Directive]) {
        for directive in directives {
            self.comments(&directive.comments);
            let words = std::iter::once(&directive.name).chain(&directive.args).map(word);
            let line = self.parsed.sources.line_of(directive.span);
            self.line(&format!(
                "{line:>3} {}{}",
                words.collect::<Vec<_>>().join(" "),
                ending(&directive.body)
            ));
            match &directive.body {
                Body::None => {}
                Body::Block(block) => self.block(block),
                Body::Include(files) => files.iter().for_each(|file| self.included(file)),
                Body::Raw { inner } => {
                    self.line(&format!("    raw: {}", self.text(*inner)));
                }
            }
        }
    }

    fn block(&mut self, block: &Block) {
        self.depth += 1;
        self.directives(&block.directives);
        self.comments(&block.comments);
        self.depth -= 1;
        let line = self.parsed.sources.line_of(block.span);
        if block.closed {
            self.line(&format!("{line:>3} }}"));
        } else {
            self.line("    (not closed)");
        }
    }

    fn included(&mut self, included: &Included) {
        self.line(&format!("    from {}:", self.parsed.sources.name(included.file).display()));
        self.depth += 1;
        self.directives(&included.directives);
        self.comments(&included.comments);
        self.depth -= 1;
    }

    /// A comment behind something else on its line is marked with `<`.
    fn comments(&mut self, comments: &[Comment]) {
        for comment in comments {
            let text = self.text(comment.span);
            self.line(&format!("    {}{text}", if comment.own_line { "" } else { "< " }));
        }
    }

    fn text(&self, span: Span) -> String {
        let text = self.parsed.sources.text(span).expect("a span of the tree is in its sources");
        String::from_utf8_lossy(text).chars().map(visible).collect()
    }

    fn line(&mut self, text: &str) {
        let indent = "  ".repeat(self.depth.min(20));
        self.out += &format!("{indent}{text}\n");
    }
}

fn ending(body: &Body) -> &'static str {
    match body {
        Body::None => ";",
        Body::Block(_) => " {",
        Body::Include(_) => " -> include",
        Body::Raw { .. } => " { raw }",
    }
}

/// A word in the quotes it had; long ones as their length.
fn word(word: &Word) -> String {
    let text = if word.value.len() > 100 {
        format!("({} bytes)", word.value.len())
    } else {
        word.value.utf8_chunks().fold(String::new(), |text, chunk| {
            let valid: String = chunk.valid().chars().map(visible).collect();
            text + &valid + &chunk.invalid().escape_ascii().to_string()
        })
    };
    match word.quoting {
        Quoting::None => text,
        Quoting::Single => format!("'{text}'"),
        Quoting::Double => format!("\"{text}\""),
    }
}

fn visible(char: char) -> String {
    if char.is_control() || matches!(char, '\\' | '\u{a0}') {
        char.escape_default().to_string()
    } else {
        char.to_string()
    }
}
