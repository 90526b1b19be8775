//! `$modern_browser`, `$ancient_browser`, `$msie`.

use crate::config::model::{Browser, ModernBrowser};

use super::RequestCtx;

/// What nginx has for the shortest name of Netscape 4.
const NETSCAPE: &[u8] = b"Mozilla/4.72 ";

impl RequestCtx {
    /// Whether the client is a modern browser, by what the location lists.
    pub(super) fn is_modern_browser(&self) -> bool {
        let conf = &self.conf.browser;
        let Some(agent) = self.header("user-agent") else { return conf.unlisted };
        if let Some(is_modern) = conf.modern.iter().find_map(|row| judge(row, agent)) {
            return is_modern;
        }
        let is_ancient = conf.ancient.iter().any(|word| find(agent, word).is_some())
            || (conf.netscape4 && is_netscape4(agent));
        !is_ancient && conf.unlisted
    }

    /// `$msie`: Internet Explorer, or who claims to be it; not Opera, which once did.
    pub(super) fn is_msie(&self) -> bool {
        let agent = self.header("user-agent").unwrap_or_default();
        // A version follows.
        find(agent, b"MSIE ").is_some_and(|at| at + 7 < agent.len()) && find(agent, b"Opera").is_none()
    }
}

/// Whether the browser's version is modern; `None` if it is another browser.
fn judge(row: &ModernBrowser, agent: &[u8]) -> Option<bool> {
    // Where a name is looked for, the name, and how far behind its beginning the version is.
    let (skip, name, length): (&[u8], &[u8], usize) = match row.browser {
        Browser::Opera => (b"", b"Opera", 6),
        Browser::Msie => (b"Mozilla/4.0 (compatible; ", b"MSIE ", 5),
        Browser::Gecko => (b"Mozilla/5.0 (", b"rv:", 3),
        Browser::Safari => (b"Mozilla/5.0 (", b"Safari/", 7),
        Browser::Konqueror => (b"Mozilla/5.0 (compatible; ", b"Konqueror/", 10),
    };
    let rest = agent.get(skip.len()..)?;
    let at = find(rest, name)?;
    let behind = rest.get(at + length..).unwrap_or_default();
    let version = behind.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    Some(ModernBrowser::version(&behind[..version]) >= row.version)
}

fn is_netscape4(agent: &[u8]) -> bool {
    let version = agent.strip_prefix(b"Mozilla/").and_then(|rest| rest.first());
    agent.len() > NETSCAPE.len() && version.is_some_and(|version| (b'1'..=b'4').contains(version))
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    if word.is_empty() { Some(0) } else { text.windows(word.len()).position(|window| window == word) }
}
