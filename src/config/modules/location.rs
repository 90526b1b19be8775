//! `location` and what stands only there.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::{Block, LocationHead};
use super::super::model::Matcher;
use super::super::regex::Regex;
use super::{Module, NONE, done};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_core_module: location", directives: DIRECTIVES };

const SL: Contexts = Contexts::SERVER.or(Contexts::LOCATION);

const DIRECTIVES: &[Directive] = &[
    done(
        "location",
        SL,
        Arity::between(1, 2).block(),
        "",
        "Settings for some URIs: `/begin`, `= /exact`, `^~ /begin`, `~ regex`, `~* regex` (ignoring case), `@name`.",
        location,
    ),
    done("internal", Contexts::LOCATION, NONE, "", "Answers 404 to requests from outside.", |b, call| {
        call.fill(&mut b.block().conf.core.internal, |_| Ok(true))
    }),
    done(
        "limit_except",
        Contexts::LOCATION,
        Arity::at_least(1).block(),
        "",
        "Access rules for all methods but those named. GET includes HEAD.",
        limit_except,
    ),
];

fn location(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let matcher = matcher(b, call)?;
    check_nesting(b, &matcher)?;
    let name: Vec<_> = call.args().map(String::from_utf8_lossy).collect();
    let head = LocationHead { name: name.join(" "), matcher, span: call.span() };
    let block = Block { location: Some(head), ..Block::new(Contexts::LOCATION).at(call.span()) };
    let block = b.descend(call, block)?;
    b.block().locations.push(block);
    Ok(())
}

fn matcher(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Matcher> {
    let (modifier, path) = if call.count() == 2 { (call.arg(0), call.arg(1)) } else { glued(call.arg(0)) };
    let prefix = |no_regex| Ok(Matcher::Prefix { path: path.into(), no_regex });
    match modifier {
        b"=" => Ok(Matcher::Exact(path.into())),
        b"^~" => prefix(true),
        b"~" => regex(b, path, false),
        b"~*" => regex(b, path, true),
        b"" if path.starts_with(b"@") => Ok(Matcher::Named(path[1..].into())),
        b"" => prefix(false),
        _ => Err(Diagnostic::emerg(format!(
            "invalid location modifier \"{}\"",
            String::from_utf8_lossy(modifier)
        ))),
    }
}

/// A modifier may stick to what follows it: `~^/x`, `=/x`.
fn glued(word: &[u8]) -> (&[u8], &[u8]) {
    let modifier = [&b"^~"[..], b"~*", b"~", b"="].into_iter().find(|modifier| word.starts_with(modifier));
    word.split_at(modifier.map_or(0, <[u8]>::len))
}

fn regex(b: &mut Builder<'_>, pattern: &[u8], caseless: bool) -> Outcome<Matcher> {
    Regex::new(pattern, caseless, &mut b.variables).map(Matcher::Regex).map_err(Diagnostic::emerg)
}

fn check_nesting(b: &mut Builder<'_>, matcher: &Matcher) -> Outcome {
    let Some(parent) = b.block().location.as_ref() else { return Ok(()) };
    let (inner, outer) = (shown(matcher), shown(&parent.matcher));
    let problem = match (matcher, &parent.matcher) {
        (_, Matcher::Exact(_)) => {
            format!("location \"{inner}\" cannot be inside the exact location \"{outer}\"")
        }
        (_, Matcher::Named(_)) => {
            format!("location \"{inner}\" cannot be inside the named location \"{outer}\"")
        }
        (Matcher::Named(_), _) => format!("named location \"{inner}\" can be on the server level only"),
        (Matcher::Regex(_), _) => return Ok(()),
        _ if inner.starts_with(&outer) => return Ok(()),
        _ => format!("location \"{inner}\" is outside location \"{outer}\""),
    };
    Err(Diagnostic::emerg(problem))
}

/// A location without its modifier, as nginx's messages name it.
pub fn shown(matcher: &Matcher) -> String {
    match matcher {
        Matcher::Exact(path) | Matcher::Prefix { path, .. } => String::from_utf8_lossy(path).into_owned(),
        Matcher::Regex(regex) => regex.pattern().to_owned(),
        Matcher::Named(name) => format!("@{}", String::from_utf8_lossy(name)),
    }
}

const METHODS: [&str; 14] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
];

fn limit_except(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().own.limit_except.is_some() {
        return Err(call.duplicate());
    }
    let methods = call.args().map(|method| {
        let method = String::from_utf8_lossy(method);
        let known = METHODS.iter().find(|known| known.eq_ignore_ascii_case(&method));
        known
            .map(|known| (*known).to_owned())
            .ok_or_else(|| Diagnostic::emerg(format!("invalid method \"{method}\"")))
    });
    let mut methods: Vec<String> = methods.collect::<Outcome<_>>()?;
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    let block = b.descend(call, Block::new(Contexts::LIMIT_EXCEPT).at(call.span()))?;
    b.block().own.limit_except = Some((methods, Box::new(block)));
    Ok(())
}
