//! `secure_link`, `secure_link_md5`, `secure_link_secret`.

use encke_parser::Span;

use super::super::builder::Outcome;
use super::super::diag::Diagnostic;
use super::super::directive::Directive;
use super::super::model::SecureLinkConf;
use super::super::template::Template;
use super::{HSL, Module, ONE, done};

/// Signed links of a block.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct SecureLinkDraft {
    pub link: Option<Template>,
    pub md5: Option<Template>,
    pub secret: Option<Box<[u8]>>,
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_secure_link_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "secure_link",
        HSL,
        ONE,
        "",
        "Where checksum and, behind a comma, end of lifetime are taken from.",
        |b, call| {
            let link = b.template(call, 0)?;
            call.fill(&mut b.block().conf.secure_link.link, |_| Ok(link))
        },
    ),
    done("secure_link_md5", HSL, ONE, "", "What the checksum is made of.", |b, call| {
        let md5 = b.template(call, 0)?;
        call.fill(&mut b.block().conf.secure_link.md5, |_| Ok(md5))
    }),
    done(
        "secure_link_secret",
        HSL,
        ONE,
        "",
        "Secret word of links in the older form, `/PREFIX/MD5/LINK`.",
        |b, call| call.fill(&mut b.block().conf.secure_link.secret, |call| Ok(call.arg(0).into())),
    ),
];

impl SecureLinkDraft {
    /// Takes what is unset from the enclosing block; the two forms exclude one another.
    pub fn inherit(&mut self, parent: &Self) {
        if self.secret.is_some() {
            return;
        }
        if self.link.is_none() && self.md5.is_none() {
            self.secret.clone_from(&parent.secret);
        }
        if self.link.is_none() {
            self.link.clone_from(&parent.link);
        }
        if self.md5.is_none() {
            self.md5.clone_from(&parent.md5);
        }
    }

    /// The links in force; `end` is where `http` ends.
    ///
    /// # Errors
    /// Both forms in one block.
    pub fn finish(&self, end: Option<Span>) -> Outcome<SecureLinkConf> {
        let problem = "\"secure_link_secret\" cannot be mixed with \"secure_link\" and \"secure_link_md5\"";
        match self {
            Self { secret: Some(_), link, md5 } if link.is_some() || md5.is_some() => {
                Err(Diagnostic { span: end, ..Diagnostic::emerg(problem) })
            }
            Self { secret: Some(secret), .. } => Ok(SecureLinkConf::Secret(secret.clone())),
            Self { link: Some(link), md5: Some(md5), .. } => {
                Ok(SecureLinkConf::Md5 { link: link.clone(), md5: md5.clone() })
            }
            _ => Ok(SecureLinkConf::Off),
        }
    }
}
