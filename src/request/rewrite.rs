//! Runs the rewrite module's directives for a request.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use crate::config::model::{Condition, FileTest, Instruction, Return, Rewrite, RewriteFlag, Severity};
use crate::config::regex::Regex;
use crate::config::template::{Part, Template};
use crate::config::value;
use crate::config::variable::Variable;

use super::answer::Answer;
use super::evaluation::{AnswerSoFar, Evaluation};
use super::path::as_path;
use super::{RequestCtx, open, uri};

/// What a program came to.
#[derive(Debug)]
pub enum Outcome {
    /// It ran through, or met `break`: on with the same location.
    Continue,
    /// A `rewrite` changed the URI: look for a location again.
    Search,
    /// `return`, or a redirect.
    Answer(Box<Answer>),
    /// `return 444`: close without an answer. The status is for the log.
    Close(u16),
}

/// How one instruction ended.
enum Step {
    Next,
    Leave(Outcome),
}

/// A program on its way.
struct Run {
    /// A `rewrite` changed the URI.
    changed: bool,
    /// `rewrite_log`.
    log: bool,
}

impl Run {
    fn log(&self, ctx: &RequestCtx, message: &[&[u8]]) {
        if self.log && ctx.logs(Severity::Notice) {
            ctx.log_bytes(Severity::Notice, &message.concat());
        }
    }
}

impl RequestCtx {
    /// Runs the rewrite directives of a server or a location.
    pub fn run(&mut self, program: &[Instruction]) -> Outcome {
        // An `if` does not change it on the way.
        let mut run = Run { changed: false, log: self.conf.log.rewrite };
        match self.run_block(program, &mut run) {
            Step::Leave(outcome) => outcome,
            Step::Next if run.changed => Outcome::Search,
            Step::Next => Outcome::Continue,
        }
    }

    fn run_block(&mut self, program: &[Instruction], run: &mut Run) -> Step {
        for instruction in program {
            let step = match instruction {
                Instruction::Set { variable, value } => {
                    self.set(*variable, value);
                    Step::Next
                }
                Instruction::SetArgs(value) => {
                    self.args = self.render(value).into();
                    self.changed = true;
                    Step::Next
                }
                Instruction::SetLimitRate(value) => {
                    let value = self.render(value);
                    self.set_limit_rate(&value);
                    Step::Next
                }
                Instruction::If { condition, body, conf } => {
                    if self.holds(condition, run) {
                        if let Some(conf) = conf {
                            self.conf = Arc::clone(conf);
                        }
                        self.run_block(body, run)
                    } else {
                        Step::Next
                    }
                }
                Instruction::Return(directive) => Step::Leave(self.answer_return(directive)),
                Instruction::Rewrite(rewrite) => self.rewrite(rewrite, run),
                Instruction::Break => Step::Leave(Outcome::Continue),
            };
            if matches!(step, Step::Leave(_)) {
                return step;
            }
        }
        Step::Next
    }

    fn set(&self, variable: usize, value: &Template) {
        match self.argument_in(value) {
            Some((from, name)) => {
                self.values.copy(variable, self.arg(name).unwrap_or_default().into(), from);
            }
            None => self.values.set(variable, Some(self.render(value).into())),
        }
    }

    /// `set $limit_rate`: a size; anything else changes nothing.
    pub fn set_limit_rate(&mut self, value: &[u8]) {
        match value::size(value) {
            Some(rate) => self.limit_rate = Some(rate),
            None => {
                let value = String::from_utf8_lossy(value);
                self.log(Severity::Error, &format!("invalid $limit_rate \"{value}\""));
            }
        }
    }

    /// Whether `regex` matches; its groups become `$1`... and its named variables.
    pub fn match_regex(&self, regex: &Regex, subject: &[u8]) -> bool {
        let Some(captures) = regex.captures(subject) else { return false };
        for &(group, named) in regex.named_groups() {
            self.values.set(named, Some(captures.get(group).cloned().unwrap_or_default()));
        }
        self.values.set_captures(captures);
        true
    }

    /// The same for a condition or a `rewrite`: groups of an earlier match are gone if it does not match.
    fn match_or_forget(&mut self, regex: &Regex, subject: &[u8], run: &Run) -> bool {
        let matches = self.match_regex(regex, subject);
        let verb = if matches { "matches" } else { "does not match" };
        run.log(self, &[b"\"", regex.pattern().as_bytes(), b"\" ", verb.as_bytes(), b" \"", subject, b"\""]);
        if !matches {
            self.values.set_captures(Vec::new());
        }
        matches
    }

    fn file_passes(&self, test: FileTest, path: &[u8]) -> bool {
        self.values.note_volatile();
        let path = as_path(path);
        let metadata = match open::metadata(self, path) {
            Ok(metadata) => metadata,
            Err(error) => {
                open::complain(self, path, &error);
                return false;
            }
        };
        match test {
            FileTest::File => metadata.is_file(),
            FileTest::Directory => metadata.is_dir(),
            FileTest::Exists => true,
            FileTest::Executable => metadata.permissions().mode() & 0o111 != 0,
        }
    }

    fn holds(&mut self, condition: &Condition, run: &Run) -> bool {
        match condition {
            Condition::Truthy(value) => !matches!(&*self.render(value), b"" | b"0"),
            Condition::Equals { left, right, negate } => (self.render(left) == self.render(right)) != *negate,
            Condition::Matches { subject, regex, negate } => {
                let subject = self.render(subject);
                self.match_or_forget(regex, &subject, run) != *negate
            }
            Condition::File { test, path, negate } => self.file_passes(*test, &self.render(path)) != *negate,
        }
    }

    fn rewrite(&mut self, rewrite: &Rewrite, run: &mut Run) -> Step {
        let subject = self.uri.clone();
        if !self.match_or_forget(&rewrite.regex, &subject, run) {
            return Step::Next;
        }
        let redirect = match rewrite.flag {
            RewriteFlag::Redirect => Some(302),
            RewriteFlag::Permanent => Some(301),
            _ => None,
        };
        // What came without escapes goes without.
        let quoted = uri::split_args(&self.target).0.iter().any(|byte| matches!(byte, b'%' | b'+'));
        let path = self
            .render_escaped(&rewrite.replacement, redirect.filter(|_| quoted).map(|_| uri::escape as Escape));
        let mut args =
            rewrite.args.as_ref().map(|args| self.render_escaped(args, quoted.then_some(uri::escape_args)));
        if !rewrite.drop_args && !self.args.is_empty() {
            let args = args.get_or_insert_default();
            if !args.is_empty() {
                args.push(b'&');
            }
            args.extend_from_slice(&self.args);
        }
        if let Some(status) = redirect {
            let mut location = path;
            if let Some(args) = args.filter(|args| !args.is_empty()) {
                location.push(b'?');
                location.extend_from_slice(&args);
            }
            run.log(self, &[b"rewritten redirect: \"", &location, b"\""]);
            return Step::Leave(Outcome::Answer(Box::new(Answer::redirect(status, location))));
        }
        let args = args.unwrap_or_default();
        run.log(self, &[b"rewritten data: \"", &path, b"\", args: \"", &args, b"\""]);
        if path.is_empty() {
            self.log(Severity::Error, "the rewritten URI has a zero length");
            return Step::Leave(Outcome::Answer(Box::new(Answer::error(500))));
        }
        (self.internal, self.changed) = (true, true);
        self.uri = path.into();
        self.args = args.into();
        match rewrite.flag {
            RewriteFlag::Last => Step::Leave(Outcome::Search),
            RewriteFlag::Break => {
                self.rewritten_in_place = true;
                Step::Leave(Outcome::Continue)
            }
            _ => {
                run.changed = true;
                Step::Next
            }
        }
    }

    /// Renders a replacement; nginx escapes what captures bring into arguments and redirects.
    fn render_escaped(&self, template: &Template, escape: Option<Escape>) -> Vec<u8> {
        let Some(escape) = escape else { return self.render(template) };
        let mut out = Vec::new();
        for part in template.parts() {
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::Variable(variable) => {
                    let value = self.value(variable).unwrap_or_default();
                    if matches!(variable, Variable::Capture(_)) {
                        escape(&value, &mut out);
                    } else {
                        out.extend_from_slice(&value);
                    }
                }
            }
        }
        out
    }

    fn answer_return(&self, directive: &Return) -> Outcome {
        // What is evaluated here knows the status already.
        let evaluation = Evaluation::with_answer(self, AnswerSoFar::of_status(directive.status));
        let text = directive.text.as_ref().map(|text| evaluation.render(text));
        match (directive.status, text) {
            (status @ (408 | 444 | 499), None) => Outcome::Close(status),
            (status @ (301 | 302 | 303 | 307 | 308), location) => {
                Outcome::Answer(Box::new(Answer::redirect(status, location.unwrap_or_default())))
            }
            (status, Some(text)) => {
                let content_type = self.content_type_of_uri();
                Outcome::Answer(Box::new(conditional(Answer::text(status, content_type, text))))
            }
            (status @ ..400, None) => {
                let answer = Answer::text(status, self.content_type_of_uri(), Vec::new());
                Outcome::Answer(Box::new(conditional(answer)))
            }
            (status, None) => Outcome::Answer(Box::new(Answer::error(status))),
        }
    }

    /// The type of the URI's extension by `types`, else `default_type`.
    pub fn content_type_of_uri(&self) -> Box<[u8]> {
        let name = self.uri.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        // A dot at the beginning hides a file.
        let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
        let extension = dot.map(|dot| name[dot + 1..].to_ascii_lowercase());
        let known = extension.and_then(|extension| self.conf.core.types.get(&*extension));
        known.unwrap_or(&self.conf.core.default_type).clone()
    }
}

/// The same, if the request's conditions allow it.
fn conditional(answer: Answer) -> Answer {
    Answer { conditional: true, ..answer }
}

type Escape = fn(&[u8], &mut Vec<u8>);
