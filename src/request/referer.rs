//! `$invalid_referer`.

use crate::config::model::RefererConf;

use super::RequestCtx;

/// The shortest URL of a host, `http://i.ru`; what is shorter is taken for blocked.
const SHORTEST_URL: usize = 11;
/// Longer names are of no host.
const LONGEST_HOST: usize = 256;

impl RequestCtx {
    /// Whether the `Referer` is none of `valid_referers`. Without that directive every one is valid.
    pub(super) fn has_invalid_referer(&self) -> bool {
        let Some(conf) = &self.conf.referer else { return false };
        let valid = match self.header("referer") {
            None => conf.none,
            Some(value) => match without_scheme(value) {
                None => conf.blocked,
                Some(url) => is_valid(conf, url),
            },
        };
        !valid
    }
}

/// What follows `http://` or `https://`; `None` if that is not how it begins.
fn without_scheme(value: &[u8]) -> Option<&[u8]> {
    let strip = |scheme: &[u8]| {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    if value.len() < SHORTEST_URL {
        return None;
    }
    strip(b"http://").or_else(|| strip(b"https://"))
}

fn is_valid(conf: &RefererConf, url: &[u8]) -> bool {
    let end = url.iter().position(|byte| matches!(byte, b'/' | b':')).unwrap_or(url.len());
    let (host, rest) = url.split_at(end);
    if host.len() > LONGEST_HOST {
        return false;
    }
    let host = host.to_ascii_lowercase();
    if let Some(path) = conf.hosts.find(&host) {
        // A port is not looked at.
        let slash = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        return rest[slash..].starts_with(path);
    }
    conf.server_regexes.iter().any(|regex| regex.is_match(&host))
        || conf.regexes.iter().any(|regex| regex.is_match(url))
}
