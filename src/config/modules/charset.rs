//! `charset`: named in `Content-Type`; `source_charset` and `charset_map`: from which texts are converted to it.

use std::sync::Arc;

use encke_parser::Directive as Node;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{CharsetConf, Charsets, Conversion, Recoding};
use super::super::template::Template;
use super::{HSL, HSLI, Module, ONE, done};

draft! {
    /// `charset` of a block.
    CharsetDraft {
        charset: Option<Template>,
        source: Template,
        overrides: bool,
        types: Arc<Vec<Box<str>>>,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_charset_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done("charset", HSLI, ONE, "off", "The charset added to text types, or `off`.", charset),
    done(
        "charset_types",
        HSL,
        Arity::at_least(1),
        "text/html text/xml text/plain text/vnd.wap.wml application/javascript application/rss+xml",
        "Types `charset` is added to, besides text/html.",
        |b, call| {
            let mut types = b.block().conf.charset.types.take().unwrap_or_default();
            add_types(b, call, &mut types);
            b.block().conf.charset.types = Some(types);
            Ok(())
        },
    ),
    done(
        "source_charset",
        HSLI,
        ONE,
        "",
        "The charset that texts are in; where `charset` is another one, they are converted.",
        |b, call| {
            let name = name(b, call)?;
            call.fill(&mut b.block().conf.charset.source, |_| Ok(name))
        },
    ),
    done(
        "override_charset",
        HSLI,
        ONE,
        "off",
        "Texts of servers behind are converted to `charset` from the charset that they name.",
        |b, call| call.fill(&mut b.block().conf.charset.overrides, Call::flag),
    ),
    done(
        "charset_map",
        Contexts::HTTP,
        Arity::exactly(2).block(),
        "",
        "How bytes of one charset become those of another, or UTF-8: `C0 D18E;`. The way back follows from it.",
        charset_map,
    ),
];

/// A `charset_map`.
#[derive(Debug)]
pub struct CharsetMap {
    from: String,
    to: String,
    pairs: Vec<(u8, Box<[u8]>)>,
}

impl CharsetMap {
    fn is_between(&self, from: &str, to: &str) -> bool {
        self.from.eq_ignore_ascii_case(from) && self.to.eq_ignore_ascii_case(to)
    }

    fn forward(&self) -> Recoding {
        if is_utf8(&self.to) {
            let ascii = (0..=u8::MAX).map(|byte| [if byte.is_ascii() { byte } else { b'?' }].into());
            let mut letters: Vec<Box<[u8]>> = ascii.collect();
            for (byte, letter) in &self.pairs {
                letters[usize::from(*byte)].clone_from(letter);
            }
            return Recoding::ToUtf8(letters.into());
        }
        self.bytes(|byte, other| (byte, other))
    }

    fn backward(&self) -> Recoding {
        if is_utf8(&self.to) {
            let letters = self.pairs.iter().filter_map(|(byte, letter)| Some((first_letter(letter)?, *byte)));
            return Recoding::FromUtf8(letters.collect());
        }
        self.bytes(|byte, other| (other, byte))
    }

    /// What is in no pair is a question mark, unless it is ASCII.
    fn bytes(&self, direction: impl Fn(u8, u8) -> (u8, u8)) -> Recoding {
        let mut table = Box::new([b'?'; 256]);
        for byte in 0..=u8::MAX {
            if byte.is_ascii() {
                table[usize::from(byte)] = byte;
            }
        }
        for (byte, other) in &self.pairs {
            let (from, to) = direction(*byte, other.first().copied().unwrap_or(b'?'));
            table[usize::from(from)] = to;
        }
        Recoding::Bytes(table)
    }
}

fn is_utf8(name: &str) -> bool {
    name.eq_ignore_ascii_case("utf-8")
}

fn first_letter(bytes: &[u8]) -> Option<char> {
    std::str::from_utf8(bytes).ok()?.chars().next()
}

fn charset_map(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let (from, to) = (call.text(0).into_owned(), call.text(1).into_owned());
    if from.eq_ignore_ascii_case(&to) {
        let text = format!("\"charset_map\" between the same charsets \"{from}\" and \"{to}\"");
        return Err(Diagnostic::emerg(text));
    }
    if b.http.charset_maps.iter().any(|map| map.is_between(&from, &to) || map.is_between(&to, &from)) {
        return Err(Diagnostic::emerg(format!("duplicate \"charset_map\" between \"{from}\" and \"{to}\"")));
    }
    let mut pairs = Vec::new();
    for line in call.node.block().map_or(&[][..], |block| &block.directives) {
        pairs.push(pair(line, is_utf8(&to)).map_err(|error| error.or_at(line.span))?);
    }
    b.http.charset_maps.push(CharsetMap { from, to, pairs });
    Ok(())
}

/// `C0 D18E;`
fn pair(line: &Node, utf8: bool) -> Outcome<(u8, Box<[u8]>)> {
    let invalid =
        |given: &[u8]| Diagnostic::emerg(format!("invalid value \"{}\"", String::from_utf8_lossy(given)));
    let given = &line.name.value;
    let [other] = &line.args[..] else { return Err(Diagnostic::emerg("invalid parameters number")) };
    let byte = byte(given).ok_or_else(|| invalid(given))?;
    let other = &other.value;
    let bytes: Option<Vec<u8>> = if utf8 {
        other.chunks(2).map(self::byte).collect()
    } else {
        self::byte(other).map(|byte| vec![byte])
    };
    let letter = |bytes: &Vec<u8>| first_letter(bytes).is_some_and(|letter| letter.len_utf8() == bytes.len());
    let bytes = bytes.filter(|bytes| !utf8 || letter(bytes)).ok_or_else(|| invalid(other))?;
    Ok((byte, bytes.into()))
}

/// One or two hexadecimal digits.
fn byte(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(text, 16).ok()
}

const DEFAULT_TYPES: [&str; 6] = [
    "text/html",
    "text/xml",
    "text/plain",
    "text/vnd.wap.wml",
    "application/javascript",
    "application/rss+xml",
];

fn charset(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let name = if call.arg(0) == b"off" { None } else { Some(name(b, call)?) };
    call.fill(&mut b.block().conf.charset.charset, |_| Ok(name))
}

/// The name of a charset. A variable stands alone: elsewhere a dollar sign is one.
fn name(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Template> {
    match call.arg(0) {
        name @ [b'$', ..] => b.compile(name),
        name => {
            let known = String::from_utf8_lossy(name).into_owned().into();
            b.http.charsets.push(known);
            Ok(Template::literal(name))
        }
    }
}

/// Adds the arguments to a list of MIME types, which several directives of a block may share. text/html is always one
/// of them; repetitions are warned of.
pub(super) fn add_types(b: &mut Builder<'_>, call: &Call<'_>, list: &mut Arc<Vec<Box<str>>>) {
    let list = Arc::make_mut(list);
    for given in call.args() {
        let name: Box<str> = String::from_utf8_lossy(given).to_ascii_lowercase().into();
        if list.contains(&name) || &*name == "text/html" {
            b.warn(call, format!("duplicate MIME type \"{name}\""));
        } else {
            list.push(name);
        }
    }
}

/// What directives name besides the maps, and what the maps make possible.
pub fn charsets(named: &[Box<str>], maps: &[CharsetMap]) -> Charsets {
    let conversions = maps.iter().flat_map(|map| {
        let conversion = |from: &str, to: &str, recoding| Conversion {
            from: from.into(),
            to: to.into(),
            recoding: Arc::new(recoding),
        };
        [conversion(&map.from, &map.to, map.forward()), conversion(&map.to, &map.from, map.backward())]
    });
    let of_maps = maps.iter().flat_map(|map| [map.from.as_str().into(), map.to.as_str().into()]);
    Charsets { names: named.iter().cloned().chain(of_maps).collect(), conversions: conversions.collect() }
}

impl CharsetDraft {
    /// The charset in force.
    ///
    /// # Errors
    /// When nothing leads from `source_charset` to it.
    pub fn finish(&self, charsets: &Arc<Charsets>) -> Outcome<CharsetConf> {
        let types = self.types.as_ref().map_or_else(
            || DEFAULT_TYPES.map(Into::into).to_vec(),
            |types| std::iter::once("text/html".into()).chain(types.iter().cloned()).collect(),
        );
        let conf = CharsetConf {
            charset: self.charset.clone().flatten(),
            source: self.source.clone(),
            overrides: self.overrides.unwrap_or(false),
            charsets: Arc::clone(charsets),
            types: Arc::new(types),
        };
        let known = |name: &Option<Template>| Some(name.as_ref()?.as_literal()?.to_vec());
        let Some((source, charset)) = known(&conf.source).zip(known(&conf.charset)) else { return Ok(conf) };
        if source.eq_ignore_ascii_case(&charset) || charsets.conversion(&source, &charset).is_some() {
            return Ok(conf);
        }
        let (source, charset) = (String::from_utf8_lossy(&source), String::from_utf8_lossy(&charset));
        Err(Diagnostic::emerg(format!(
            "no \"charset_map\" between the charsets \"{source}\" and \"{charset}\""
        )))
    }
}
