//! `set`, `if`, `return`, `rewrite`, `break`: compiled into a program.

use std::sync::Arc;

use super::super::regex::Regex;
use super::super::template::Template;
use super::location::LocationConf;

/// A compiled sequence of rewrite directives.
pub type Program = Arc<[Instruction]>;

/// One rewrite directive.
#[derive(Clone, Debug)]
pub enum Instruction {
    /// `set $user value`.
    Set {
        /// Which user variable.
        variable: usize,
        /// Its new value.
        value: Template,
    },
    /// `set $args value`.
    SetArgs(Template),
    /// `set $limit_rate value`.
    SetLimitRate(Template),
    /// `if (condition) { ... }`.
    If {
        /// When.
        condition: Condition,
        /// What then.
        body: Program,
        /// In a location: the settings that become the request's.
        conf: Option<Arc<LocationConf>>,
    },
    /// `return`.
    Return(Return),
    /// `rewrite`.
    Rewrite(Rewrite),
    /// `break`.
    Break,
}

/// The condition of an `if`.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `$v`: neither empty nor `0`.
    Truthy(Template),
    /// `=` and `!=`.
    Equals {
        /// Left of the operator.
        left: Template,
        /// Right of it.
        right: Template,
        /// `!=`.
        negate: bool,
    },
    /// `~`, `~*`, `!~`, `!~*`.
    Matches {
        /// What is looked at.
        subject: Template,
        /// The expression.
        regex: Regex,
        /// `!~`.
        negate: bool,
    },
    /// `-f`, `-d`, `-e`, `-x` and their opposites.
    File {
        /// Which test.
        test: FileTest,
        /// The path.
        path: Template,
        /// `!-f`.
        negate: bool,
    },
}

/// File tests of `if`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FileTest {
    File,
    Directory,
    Exists,
    Executable,
}

/// `return`.
#[derive(Clone, Debug)]
pub struct Return {
    /// The status; 302 for `return URL`.
    pub status: u16,
    /// The text, or the URL of a redirect.
    pub text: Option<Template>,
}

/// `rewrite REGEX REPLACEMENT [FLAG]`.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Looked for in the URI.
    pub regex: Regex,
    /// Its new path, or a whole URL for redirects.
    pub replacement: Template,
    /// Arguments of the replacement (what followed its `?`), to be put before the request's.
    pub args: Option<Template>,
    /// A trailing `?`: drop the request's arguments.
    pub drop_args: bool,
    /// What next.
    pub flag: RewriteFlag,
}

/// What follows a `rewrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RewriteFlag {
    /// No flag: the next directive, then a new location.
    Continue,
    Last,
    Break,
    /// 302
    Redirect,
    /// 301
    Permanent,
}
