//! `modern_browser`, `ancient_browser` and their values.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::model::{Browser, BrowserConf, ModernBrowser};
use super::{HSL, Module, ONE, done};

/// Browsers of a block.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct BrowserDraft {
    pub modern: Vec<ModernBrowser>,
    pub unlisted: bool,
    pub ancient: Vec<Box<[u8]>>,
    pub netscape4: bool,
    pub modern_value: Option<Box<[u8]>>,
    pub ancient_value: Option<Box<[u8]>>,
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_browser_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "modern_browser",
        HSL,
        Arity::between(1, 2),
        "",
        "A browser (`msie`, `gecko`, `opera`, `safari`, `konqueror`) that is modern from a version on; `unlisted`: all that \
         are not listed.",
        modern,
    ),
    done("modern_browser_value", HSL, ONE, "1", "Value of `$modern_browser`.", |b, call| {
        b.block().conf.browser.modern_value = Some(call.arg(0).into());
        Ok(())
    }),
    done(
        "ancient_browser",
        HSL,
        Arity::at_least(1),
        "",
        "Words in `User-Agent` of browsers that are not modern; `netscape4`.",
        ancient,
    ),
    done("ancient_browser_value", HSL, ONE, "1", "Value of `$ancient_browser`.", |b, call| {
        b.block().conf.browser.ancient_value = Some(call.arg(0).into());
        Ok(())
    }),
];

const NAMES: [(&[u8], Browser); 5] = [
    (b"opera", Browser::Opera),
    (b"msie", Browser::Msie),
    (b"gecko", Browser::Gecko),
    (b"safari", Browser::Safari),
    (b"konqueror", Browser::Konqueror),
];

fn modern(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if call.count() == 1 && call.arg(0) == b"unlisted" {
        b.block().conf.browser.unlisted = true;
        return Ok(());
    }
    let known = NAMES.iter().find(|(name, _)| *name == call.arg(0));
    let (_, browser) =
        known.ok_or_else(|| Diagnostic::emerg(format!("unknown browser name \"{}\"", call.text(0))))?;
    let version = version(call.arg(1))
        .ok_or_else(|| Diagnostic::emerg(format!("invalid browser version \"{}\"", call.text(1))))?;
    b.block().conf.browser.modern.push(ModernBrowser { browser: *browser, version });
    Ok(())
}

/// `1.2.3` as one number: two digits for each part behind the first.
fn version(text: &[u8]) -> Option<u64> {
    let is_version = !text.is_empty() && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    is_version.then(|| ModernBrowser::version(text))
}

fn ancient(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let browsers = &mut b.block().conf.browser;
    for word in call.args() {
        match word {
            b"netscape4" => browsers.netscape4 = true,
            _ => browsers.ancient.push(word.into()),
        }
    }
    Ok(())
}

impl BrowserDraft {
    /// Takes what is unset from the enclosing block.
    pub fn inherit(&mut self, parent: &Self) {
        if self.modern.is_empty() && !self.unlisted {
            self.modern.clone_from(&parent.modern);
            self.unlisted = parent.unlisted;
        }
        if self.ancient.is_empty() && !self.netscape4 {
            self.ancient.clone_from(&parent.ancient);
            self.netscape4 = parent.netscape4;
        }
        if self.modern_value.is_none() {
            self.modern_value.clone_from(&parent.modern_value);
        }
        if self.ancient_value.is_none() {
            self.ancient_value.clone_from(&parent.ancient_value);
        }
    }

    /// The browsers in force.
    pub fn finish(&self) -> BrowserConf {
        let mut modern = self.modern.clone();
        // Opera can call itself anything: unless it is listed, it is not modern.
        if !modern.is_empty() && !modern.iter().any(|row| row.browser == Browser::Opera) {
            modern.push(ModernBrowser { browser: Browser::Opera, version: u64::MAX });
        }
        modern.sort_by_key(|row| row.browser);
        let one = || Box::from(*b"1");
        BrowserConf {
            modern,
            unlisted: self.unlisted,
            ancient: self.ancient.clone(),
            netscape4: self.netscape4,
            modern_value: self.modern_value.clone().unwrap_or_else(one),
            ancient_value: self.ancient_value.clone().unwrap_or_else(one),
        }
    }
}
