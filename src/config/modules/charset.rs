//! `charset`: named in `Content-Type`.

use std::sync::Arc;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::CharsetConf;
use super::super::template::Template;
use super::{HSL, HSLI, Module, ONE, done};

draft! {
    /// `charset` of a block.
    CharsetDraft {
        charset: Option<Template>,
        types: Arc<Vec<Box<str>>>,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_charset_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "charset",
        HSLI,
        ONE,
        "off",
        "The charset added to text types, or `off`. Texts are not converted.",
        charset,
    ),
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
];

const DEFAULT_TYPES: [&str; 6] = [
    "text/html",
    "text/xml",
    "text/plain",
    "text/vnd.wap.wml",
    "application/javascript",
    "application/rss+xml",
];

fn charset(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    // A variable stands alone: elsewhere a dollar sign is one.
    let name = match call.arg(0) {
        name @ [b'$', ..] => b.compile(name)?,
        name => Template::literal(name),
    };
    call.fill(&mut b.block().conf.charset.charset, |call| Ok(Some(name).filter(|_| call.arg(0) != b"off")))
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

impl CharsetDraft {
    /// The charset in force.
    pub fn finish(&self) -> CharsetConf {
        let types = self.types.as_ref().map_or_else(
            || DEFAULT_TYPES.map(Into::into).to_vec(),
            |types| std::iter::once("text/html".into()).chain(types.iter().cloned()).collect(),
        );
        CharsetConf { charset: self.charset.clone().flatten(), types: Arc::new(types) }
    }
}
