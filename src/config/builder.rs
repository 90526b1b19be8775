//! Goes through a tree, checks every directive against its row and collects what they set.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encke_parser::{Body, Directive as Node, SourceMap, Span};

use super::call::Call;
use super::check::{Finding, Verdict};
use super::context::Contexts;
use super::diag::{self, Diagnostic};
use super::directive::{self, Arity, Directive, Status};
use super::draft::{Block, HttpDraft, MainDraft};
use super::model::{LogFile, LogTarget, Severity, TempPath};
use super::template::Template;
use super::variable::Variables;
use super::{LoadOptions, Mode, syslog};

/// What a check or a setter comes to.
pub type Outcome<T = ()> = Result<T, Diagnostic>;

/// The configuration while it is being read.
pub struct Builder<'a> {
    /// How to read it.
    pub options: &'a LoadOptions,
    /// The files it is read from.
    pub sources: &'a SourceMap,
    /// The directory of the main file.
    pub config_directory: PathBuf,
    /// Its variables.
    pub variables: Variables,
    /// Every log file, in file order.
    pub log_files: Vec<LogFile>,
    /// How many `open_log_file_cache` there were so far.
    pub log_file_caches: usize,
    /// How many `open_file_cache` there were.
    pub file_caches: usize,
    /// Every `client_body_temp_path`, where it was first named.
    pub temp_paths: Vec<(TempPath, Span)>,
    /// What the main and `events` contexts set.
    pub main: MainDraft,
    /// The `http` block: what all servers share.
    pub http: HttpDraft,
    /// All that was said so far.
    pub diagnostics: Vec<Diagnostic>,
    /// Every directive met, in [`Mode::Collect`].
    pub findings: Vec<Finding>,
    blocks: Vec<Block>,
    without_effect: HashSet<&'static str>,
}

impl<'a> Builder<'a> {
    /// Nothing read yet.
    pub fn new(options: &'a LoadOptions, sources: &'a SourceMap, config_directory: PathBuf) -> Self {
        Self {
            options,
            sources,
            config_directory,
            variables: Variables::default(),
            log_files: Vec::new(),
            log_file_caches: 0,
            file_caches: 0,
            temp_paths: Vec::new(),
            main: MainDraft::default(),
            http: HttpDraft::default(),
            diagnostics: Vec::new(),
            findings: Vec::new(),
            blocks: vec![Block::new(Contexts::MAIN)],
            without_effect: HashSet::new(),
        }
    }

    /// The innermost open block.
    pub fn block(&mut self) -> &mut Block {
        // The main block is never closed, so there is always one.
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    /// Where we are.
    pub fn context(&self) -> Contexts {
        self.blocks.last().map_or(Contexts::MAIN, |block| block.context)
    }

    /// Opens `block`, runs `content` in it, closes it and hands it back.
    pub fn within(&mut self, block: Block, content: impl FnOnce(&mut Self) -> Outcome) -> Outcome<Block> {
        let depth = self.blocks.len();
        let context = block.context;
        self.blocks.push(block);
        let outcome = content(self);
        let block = self.blocks.drain(depth..).next().unwrap_or_else(|| Block::new(context));
        outcome.map(|()| block)
    }

    /// Reads the content of a block directive into `block`.
    pub fn descend(&mut self, call: &Call<'_>, block: Block) -> Outcome<Block> {
        let content = call.node.block().map_or(&[][..], |block| &block.directives);
        self.within(block, |builder| builder.walk(content))
    }

    /// Reads directives into the innermost block.
    pub fn walk(&mut self, directives: &[Node]) -> Outcome {
        directives.iter().try_for_each(|node| {
            let outcome = self.directive(node).map_err(|error| error.or_at(node.span));
            self.settle(outcome)
        })
    }

    /// Passes an error on, or notes it and goes on when all errors are wanted.
    pub fn settle(&mut self, outcome: Outcome) -> Outcome {
        match outcome {
            Err(error) if self.options.mode == Mode::Collect => {
                self.diagnostics.push(error);
                Ok(())
            }
            other => other,
        }
    }

    fn directive(&mut self, node: &Node) -> Outcome {
        let row = self.row(node).inspect_err(|error| self.find(node, || wrong_or_unknown(error)))?;
        let call = Call { row, node };
        match row.status {
            Status::Refused(reason) => {
                self.find(node, || Verdict::Refused(reason.to_owned()));
                Err(Diagnostic::emerg(format!("\"{}\" is not supported: {reason}", row.name)))
            }
            Status::Accepted(reason) => {
                (row.set)(self, &call).inspect_err(|error| self.find(node, || wrong_or_unknown(error)))?;
                self.find(node, || Verdict::WithoutEffect(reason.to_owned()));
                if self.without_effect.insert(row.name) {
                    self.warn(&call, format!("\"{}\" has no effect here: {reason}", row.name));
                }
                Ok(())
            }
            Status::Done => {
                let found = self.findings.len();
                self.find(node, || Verdict::Honoured);
                (row.set)(self, &call).inspect_err(|error| self.refind(found, error))
            }
        }
    }

    /// The row for a directive that stands here, after nginx's general checks in nginx's order.
    fn row(&self, node: &Node) -> Outcome<&'static Directive> {
        let name = String::from_utf8_lossy(&node.name.value);
        let rows: Vec<&'static Directive> = directive::find(&node.name.value).collect();
        if rows.is_empty() {
            return Err(unknown_directive(&name));
        }
        let here = self.context();
        let row = rows
            .into_iter()
            .find(|row| row.contexts.intersects(here))
            .ok_or_else(|| Diagnostic::emerg(format!("\"{name}\" directive is not allowed here")))?;
        check_shape(row.arity, node)
            .map_err(|problem| Diagnostic::emerg(problem.replace("{}", &format!("\"{name}\""))))?;
        Ok(row)
    }

    /// Says something of no consequence for the start about a directive.
    pub fn warn(&mut self, call: &Call<'_>, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warn(message).at(call.node.span));
    }

    /// The same, less urgent.
    pub fn notice(&mut self, call: &Call<'_>, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(Severity::Notice, message).at(call.node.span));
    }

    /// Refuses a second directive of that name in the same block.
    pub fn once(&mut self, call: &Call<'_>) -> Outcome {
        if self.block().seen.insert(call.row.name) { Ok(()) } else { Err(call.duplicate()) }
    }

    /// Argument `n` as text with variables.
    pub fn template(&mut self, call: &Call<'_>, n: usize) -> Outcome<Template> {
        self.compile(call.arg(n))
    }

    /// Text with variables.
    pub fn compile(&mut self, text: &[u8]) -> Outcome<Template> {
        Template::compile(text, &mut self.variables).map_err(|error| Diagnostic::emerg(error.to_string()))
    }

    /// A path of the configuration: relative ones are below the prefix.
    pub fn path(&self, path: &[u8]) -> PathBuf {
        self.options.prefix.join(String::from_utf8_lossy(path).as_ref())
    }

    /// Where a log goes: `stderr` (which an empty path means, too), a syslog server, or a file.
    pub fn log_target(&mut self, path: &[u8]) -> Outcome<LogTarget> {
        if let Some(parameters) = path.strip_prefix(b"syslog:") {
            return syslog::parse(parameters).map(|syslog| LogTarget::Syslog(Arc::new(syslog)));
        }
        if matches!(path, b"" | b"stderr") {
            return Ok(LogTarget::Stderr);
        }
        let path = self.path(path);
        self.log_file(&path);
        Ok(LogTarget::File(path))
    }

    /// The log file of that path, which is new if nothing named it before.
    pub fn log_file(&mut self, path: &Path) -> &mut LogFile {
        let at = self.log_files.iter().position(|file| file.path == path).unwrap_or_else(|| {
            self.log_files.push(LogFile { path: path.to_owned(), buffer: None });
            self.log_files.len() - 1
        });
        &mut self.log_files[at]
    }

    fn find(&mut self, node: &Node, verdict: impl FnOnce() -> Verdict) {
        if self.options.mode == Mode::Collect {
            let name = String::from_utf8_lossy(&node.name.value).into_owned();
            self.findings.push(Finding { name, span: node.span, verdict: verdict() });
        }
    }

    /// Takes back that finding `index` was honoured.
    fn refind(&mut self, index: usize, error: &Diagnostic) {
        if let Some(finding) = self.findings.get_mut(index) {
            finding.verdict = wrong_or_unknown(error);
        }
    }
}

/// `unknown directive "x"`; if a name looks like it, preferably one that works, that is the advice.
fn unknown_directive(name: &str) -> Diagnostic {
    let works = directive::all().filter(|row| row.status == Status::Done);
    let near = diag::nearest(name, works.map(|row| row.name))
        .or_else(|| diag::nearest(name, directive::all().map(|row| row.name)));
    let error = Diagnostic::emerg(format!("unknown directive \"{name}\""));
    match near {
        Some(near) => error.with_help(format!("did you mean \"{near}\"?")),
        None => error,
    }
}

fn wrong_or_unknown(error: &Diagnostic) -> Verdict {
    if error.message.starts_with("unknown directive ") {
        Verdict::Unknown(error.help.clone())
    } else {
        Verdict::Wrong(error.message.clone())
    }
}

/// Whether the block and the number of arguments are as the row says; `{}` in the text stands for the name.
fn check_shape(arity: Arity, node: &Node) -> Result<(), &'static str> {
    let is_block = matches!(node.body, Body::Block(_) | Body::Raw { .. });
    if is_block && !arity.block {
        return Err("directive {} is not terminated by \";\"");
    }
    if !is_block && arity.block {
        return Err("directive {} has no opening \"{\"");
    }
    if (arity.min..=arity.max).contains(&node.args.len()) {
        Ok(())
    } else {
        Err("invalid number of arguments in {} directive")
    }
}
