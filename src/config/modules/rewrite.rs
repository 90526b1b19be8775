//! `set`, `if`, `return`, `rewrite`, `break`: compiled into a program that runs before a location is chosen and again
//! inside it.

use super::super::builder::{Builder, Outcome};
use super::super::builtin::{self, Builtin};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::{Block, Op};
use super::super::model::{Condition, FileTest, Instruction, Return, Rewrite, RewriteFlag};
use super::super::regex::Regex;
use super::super::template::Template;
use super::super::value;
use super::super::variable::Variable;
use super::{Module, NONE, ONE, done};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_rewrite_module", directives: DIRECTIVES };

const SL: Contexts = Contexts::SERVER.or(Contexts::LOCATION);
const ALL: Contexts = SL.or(Contexts::SERVER_IF).or(Contexts::LOCATION_IF);
const WITH_HTTP: Contexts = ALL.or(Contexts::HTTP);

const DIRECTIVES: &[Directive] = &[
    done(
        "set",
        ALL,
        Arity::exactly(2),
        "",
        "Gives a variable a value. It exists, empty, everywhere else.",
        set,
    ),
    done(
        "if",
        SL,
        Arity::at_least(1).block(),
        "",
        "Runs its content when the condition holds; in a location its settings then become the request's.",
        if_block,
    ),
    done(
        "return",
        ALL,
        Arity::between(1, 2),
        "",
        "Answers with a status and a text, or redirects to a URL. 444 closes the connection.",
        return_,
    ),
    done(
        "rewrite",
        ALL,
        Arity::between(2, 3),
        "",
        "Changes the URI where the expression matches; then `last`, `break`, `redirect` (302) or `permanent` (301).",
        rewrite,
    ),
    done(
        "rewrite_log",
        WITH_HTTP,
        ONE,
        "off",
        "Writes a `notice` line for each expression that is tried and for what it made of the URI.",
        |b, call| call.fill(&mut b.block().conf.log.rewrite, Call::flag),
    ),
    done(
        "uninitialized_variable_warn",
        WITH_HTTP,
        ONE,
        "on",
        "Writes a `warn` line when a variable is used that no `set` has given a value.",
        |b, call| call.fill(&mut b.block().conf.log.uninitialized, Call::flag),
    ),
    done("break", ALL, NONE, "", "Ends the rewrite directives of this level.", |b, _| {
        push(b, Instruction::Break)
    }),
];

fn push(b: &mut Builder<'_>, instruction: Instruction) -> Outcome {
    b.block().ops.push(Op::Do(instruction));
    Ok(())
}

// === set ===

fn set(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let name = variable_name(call.arg(0))
        .ok_or_else(|| Diagnostic::emerg(format!("invalid variable name \"{}\"", call.text(0))))?;
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let instruction = match builtin::find(&name).map(|row| row.variable) {
        Some(Builtin::Args) => Instruction::SetArgs(b.template(call, 1)?),
        Some(Builtin::LimitRate) => Instruction::SetLimitRate(b.template(call, 1)?),
        None if matches!(name.as_bytes(), [b'1'..=b'9']) => {
            b.warn(
                call,
                format!("\"set ${name}\" has no effect: ${name} is what a regular expression captured"),
            );
            return b.template(call, 1).map(drop);
        }
        _ => {
            let variable = b.variables.define(&name).map_err(Diagnostic::emerg)?;
            Instruction::Set { variable, value: b.template(call, 1)? }
        }
    };
    push(b, instruction)
}

/// What follows the `$` of a variable.
fn variable_name(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"$").filter(|name| !name.is_empty())
}

// === if ===

fn if_block(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let condition = condition(b, call)?;
    let context = if b.context() == Contexts::SERVER { Contexts::SERVER_IF } else { Contexts::LOCATION_IF };
    let block = Box::new(b.descend(call, Block::new(context).at(call.span()))?);
    b.block().ops.push(Op::If { condition, block });
    Ok(())
}

fn invalid_condition(word: &[u8]) -> Diagnostic {
    Diagnostic::emerg(format!("invalid condition \"{}\"", String::from_utf8_lossy(word)))
}

fn condition(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Condition> {
    let words = bare_words(call.args().collect())?;
    let (first, rest) = words.split_first().ok_or_else(|| invalid_condition(b")"))?;
    if let Some(name) = variable_name(first) {
        let left = b.variables.resolve(&String::from_utf8_lossy(name));
        return match rest {
            [] => Ok(Condition::Truthy(Template::variable(left))),
            [operator, right] => comparison(b, left, operator, right),
            _ => Err(invalid_condition(first)),
        };
    }
    let (test, negate) = file_test(first).ok_or_else(|| invalid_condition(first))?;
    let [path] = rest else { return Err(invalid_condition(first)) };
    Ok(Condition::File { test, path: b.compile(path)?, negate })
}

/// The words without the parentheses around them, which may stand alone or stick to a word.
fn bare_words(mut words: Vec<&[u8]>) -> Outcome<Vec<&[u8]>> {
    let first = words.first().copied().unwrap_or_default();
    let behind = first.strip_prefix(b"(").ok_or_else(|| invalid_condition(first))?;
    words[0] = behind;
    let last = words.last().copied().unwrap_or_default();
    let before = last.strip_suffix(b")").ok_or_else(|| invalid_condition(last))?;
    let end = words.len() - 1;
    words[end] = before;
    if words[end].is_empty() {
        words.pop();
    }
    if words.first().is_some_and(|word| word.is_empty()) {
        words.remove(0);
    }
    Ok(words)
}

fn comparison(b: &mut Builder<'_>, left: Variable, operator: &[u8], right: &[u8]) -> Outcome<Condition> {
    let left = Template::variable(left);
    let (operator_without, negate) = match operator.strip_prefix(b"!") {
        Some(rest) => (rest, true),
        None => (operator, false),
    };
    match operator_without {
        b"=" => Ok(Condition::Equals { left, right: b.compile(right)?, negate }),
        b"~" | b"~*" => {
            let caseless = operator_without == b"~*";
            let regex = Regex::new(right, caseless, &mut b.variables).map_err(Diagnostic::emerg)?;
            Ok(Condition::Matches { subject: left, regex, negate })
        }
        _ => {
            let operator = String::from_utf8_lossy(operator);
            Err(Diagnostic::emerg(format!("unexpected \"{operator}\" in condition")))
        }
    }
}

fn file_test(word: &[u8]) -> Option<(FileTest, bool)> {
    let (word, negate) = match word.strip_prefix(b"!") {
        Some(rest) => (rest, true),
        None => (word, false),
    };
    let test = match word {
        b"-f" => FileTest::File,
        b"-d" => FileTest::Directory,
        b"-e" => FileTest::Exists,
        b"-x" => FileTest::Executable,
        _ => return None,
    };
    Some((test, negate))
}

// === return, rewrite ===

/// Whether a text is a whole URL: then it is a redirect.
fn is_url(text: &[u8]) -> bool {
    [&b"http://"[..], b"https://", b"$scheme"].iter().any(|start| text.starts_with(start))
}

fn return_(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let first = call.arg(0);
    let (status, text) = match value::number(first).and_then(|code| u16::try_from(code).ok()) {
        Some(code @ ..=999) => (code, (call.count() > 1).then(|| call.arg(1))),
        None if call.count() == 1 && is_url(first) => (302, Some(first)),
        _ => return Err(Diagnostic::emerg(format!("invalid return code \"{}\"", call.text(0)))),
    };
    let text = text.map(|text| b.compile(text)).transpose()?;
    push(b, Instruction::Return(Return { status, text }))
}

fn rewrite(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let regex = Regex::new(call.arg(0), false, &mut b.variables).map_err(Diagnostic::emerg)?;
    let text = call.arg(1);
    if text.is_empty() {
        return Err(Diagnostic::emerg("empty replacement"));
    }
    let given = if call.count() > 2 { flag(call.arg(2))? } else { RewriteFlag::Continue };
    let flag = if is_url(text) && given != RewriteFlag::Permanent { RewriteFlag::Redirect } else { given };
    let (text, drop_args) = match text.strip_suffix(b"?") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (path, args) = match text.iter().position(|byte| *byte == b'?') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let replacement = b.compile(path)?;
    let args = args.map(|args| b.compile(args)).transpose()?;
    push(b, Instruction::Rewrite(Rewrite { regex, replacement, args, drop_args, flag }))
}

fn flag(word: &[u8]) -> Outcome<RewriteFlag> {
    match word {
        b"last" => Ok(RewriteFlag::Last),
        b"break" => Ok(RewriteFlag::Break),
        b"redirect" => Ok(RewriteFlag::Redirect),
        b"permanent" => Ok(RewriteFlag::Permanent),
        _ => Err(invalid_parameter(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_may_stick_or_stand_alone() {
        let words = |words: &[&'static str]| {
            let words = words.iter().map(|word| word.as_bytes()).collect();
            bare_words(words)
                .map(|words| words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        };
        let expected: Vec<String> = vec!["$a".into(), "=".into(), "b".into()];
        assert_eq!(words(&["($a", "=", "b)"]).as_ref(), Ok(&expected));
        assert_eq!(words(&["(", "$a", "=", "b", ")"]).as_ref(), Ok(&expected));
        assert_eq!(words(&["()"]), Ok(vec![]));
        assert_eq!(words(&["a"]).unwrap_err().message, "invalid condition \"a\"");
        assert_eq!(words(&["($a", "=", "b"]).unwrap_err().message, "invalid condition \"b\"");
    }
}
