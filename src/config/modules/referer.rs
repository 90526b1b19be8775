//! `valid_referers`.

use encke_parser::Span;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::model::RefererConf;
use super::super::regex::Regex;
use super::map::refused_key;
use super::server_name::{NameKind, ServerName};
use super::{Module, ONE, accept, accepted, done};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_referer_module", directives: DIRECTIVES };

const SL: Contexts = Contexts::SERVER.or(Contexts::LOCATION);
const HASHES: &str = "it sizes a hash table of nginx; Encke's tables grow as needed";

const DIRECTIVES: &[Directive] = &[
    done(
        "valid_referers",
        SL,
        Arity::at_least(1),
        "",
        "Values of Referer that leave `$invalid_referer` empty: `none`, `blocked`, `server_names`, hosts and masks with or \
         without the beginning of a path, `~` expressions.",
        valid_referers,
    ),
    accepted("referer_hash_bucket_size", SL, ONE, HASHES, accept::number),
    accepted("referer_hash_max_size", SL, ONE, HASHES, accept::number),
];

/// Referers of a block.
#[derive(Clone, Debug, Default)]
pub struct RefererDraft(Option<Lists>);

#[derive(Clone, Debug, Default)]
struct Lists {
    conf: RefererConf,
    /// `server_names` of this block.
    server_names: bool,
    /// `server_names` of this block or, if it has none, of the one around it: as in nginx, only for expressions.
    server_regexes: bool,
}

fn valid_referers(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let lists = b.block().conf.referer.0.get_or_insert_default();
    call.args().try_for_each(|word| add(lists, word))
}

fn add(lists: &mut Lists, word: &[u8]) -> Outcome {
    let conf = &mut lists.conf;
    match word {
        b"" => return Err(Diagnostic::emerg("invalid referer \"\"")),
        b"none" => conf.none = true,
        b"blocked" => conf.blocked = true,
        b"server_names" => (lists.server_names, lists.server_regexes) = (true, true),
        b"~" => return Err(Diagnostic::emerg("empty regex in \"~\"")),
        [b'~', pattern @ ..] => {
            conf.regexes.push(Regex::nameless(pattern, true).map_err(Diagnostic::emerg)?);
        }
        _ => {
            let slash = word.iter().position(|byte| *byte == b'/').unwrap_or(word.len());
            let (host, path) = word.split_at(slash);
            conf.hosts.insert(host, path.into()).map_err(|refused| refused_key(refused, host))?;
        }
    }
    Ok(())
}

impl RefererDraft {
    /// Takes what is unset from the enclosing block. Expressions count one by one: who lists none has those around it.
    pub fn inherit(&mut self, parent: &Self) {
        let Some(outer) = &parent.0 else { return };
        let Some(own) = &mut self.0 else {
            self.0 = Some(outer.clone());
            return;
        };
        if own.conf.regexes.is_empty() {
            own.conf.regexes.clone_from(&outer.conf.regexes);
        }
        own.server_regexes |= outer.server_regexes;
    }

    /// The referers in force, in a server of these names; `end` is where `http` ends.
    ///
    /// # Errors
    /// A name that is listed, too; only `none` or `blocked`.
    pub fn finish(&self, names: &[ServerName], end: Option<Span>) -> Outcome<Option<RefererConf>> {
        let Some(lists) = &self.0 else { return Ok(None) };
        let mut conf = lists.conf.clone();
        for name in names {
            let text = name.text.as_bytes();
            match &name.kind {
                NameKind::Regex(regex) if lists.server_regexes => conf.server_regexes.push(regex.clone()),
                NameKind::Regex(_) | NameKind::Invalid => {}
                _ if lists.server_names => {
                    conf.hosts
                        .insert(text, Box::default())
                        .map_err(|refused| Diagnostic { span: end, ..refused_key(refused, text) })?;
                }
                _ => {}
            }
        }
        if (conf.none || conf.blocked) && conf.hosts.is_empty() {
            return Err(Diagnostic::emerg(
                "the \"none\" or \"blocked\" referers are specified in the \"valid_referers\" directive without any \
                 valid referer",
            ));
        }
        Ok(Some(conf))
    }
}
