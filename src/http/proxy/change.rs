//! What is changed of the headers of a server behind: redirects and cookies.

use crate::config::model::{CookieFlags, Pattern, ProxyConf, Replace};
use crate::request::RequestCtx;

/// `proxy_redirect` for `Location`; `None` where no rule fits.
pub fn location(ctx: &RequestCtx, conf: &ProxyConf, value: &[u8]) -> Option<Vec<u8>> {
    replace_start(ctx, &conf.redirects, value)
}

/// `proxy_redirect` for the URL of `Refresh`.
pub fn refresh(ctx: &RequestCtx, conf: &ProxyConf, value: &[u8]) -> Vec<u8> {
    let url = value.windows(4).position(|window| window.eq_ignore_ascii_case(b"url=")).map(|at| at + 4);
    let Some((before, url)) = url.map(|at| value.split_at(at)) else { return value.to_vec() };
    match replace_start(ctx, &conf.redirects, url) {
        Some(url) => [before, &url].concat(),
        None => value.to_vec(),
    }
}

/// `proxy_cookie_domain`, `proxy_cookie_path` and `proxy_cookie_flags` for a `Set-Cookie`.
pub fn cookie(ctx: &RequestCtx, conf: &ProxyConf, value: &[u8]) -> Vec<u8> {
    let mut attributes: Vec<Vec<u8>> =
        value.split(|byte| *byte == b';').map(|attribute| attribute.trim_ascii().to_vec()).collect();
    let mut changed = false;
    for attribute in attributes.iter_mut().skip(1) {
        let Some(at) = attribute.iter().position(|byte| *byte == b'=') else { continue };
        let (name, given) = (&attribute[..at], &attribute[at + 1..]);
        let new = if name.eq_ignore_ascii_case(b"domain") {
            replace_domain(ctx, &conf.cookie_domains, given)
        } else if name.eq_ignore_ascii_case(b"path") {
            replace_start(ctx, &conf.cookie_paths, given)
        } else {
            None
        };
        if let Some(new) = new {
            *attribute = [&attribute[..=at], &new].concat();
            changed = true;
        }
    }
    let name = attributes[0].split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
    if let Some((ctx, row)) = fitting_flags(ctx, &conf.cookie_flags, &name) {
        for flag in &row.flags {
            changed |= set_flag(&mut attributes, &ctx.render(flag).to_ascii_lowercase());
        }
    }
    if changed { attributes.join(&b"; "[..]) } else { value.to_vec() }
}

/// The first rule that fits, applied: a beginning, or the match of an expression.
fn replace_start(ctx: &RequestCtx, rules: &[Replace], value: &[u8]) -> Option<Vec<u8>> {
    rules.iter().find_map(|rule| match &rule.pattern {
        Pattern::Text(pattern) => {
            let rest = value.strip_prefix(&*ctx.render(pattern))?;
            Some([&ctx.render(&rule.replacement), rest].concat())
        }
        Pattern::Regex(regex) => {
            let ctx = ctx.clone();
            ctx.match_regex(regex, value).then(|| {
                let whole = ctx.values.capture(0).unwrap_or_default();
                let at = value.windows(whole.len().max(1)).position(|window| *window == *whole).unwrap_or(0);
                [&value[..at], &ctx.render(&rule.replacement), &value[at + whole.len()..]].concat()
            })
        }
    })
}

/// The same for a whole domain; a dot in front stays, and only expressions see it.
fn replace_domain(ctx: &RequestCtx, rules: &[Replace], value: &[u8]) -> Option<Vec<u8>> {
    let (dot, bare) = value.strip_prefix(b".").map_or((&b""[..], value), |bare| (b".", bare));
    rules.iter().find_map(|rule| match &rule.pattern {
        Pattern::Text(pattern) => {
            let fits = ctx.render(pattern).eq_ignore_ascii_case(bare);
            fits.then(|| [dot, &ctx.render(&rule.replacement)].concat())
        }
        Pattern::Regex(regex) => {
            let ctx = ctx.clone();
            ctx.match_regex(regex, value).then(|| ctx.render(&rule.replacement))
        }
    })
}

/// The first `proxy_cookie_flags` that names this cookie, and the request with the groups of its expression.
fn fitting_flags<'a>(
    ctx: &RequestCtx,
    rules: &'a [CookieFlags],
    name: &[u8],
) -> Option<(RequestCtx, &'a CookieFlags)> {
    rules.iter().find_map(|rule| {
        let ctx = ctx.clone();
        let fits = match &rule.cookie {
            Pattern::Text(text) => ctx.render(text).eq_ignore_ascii_case(name),
            Pattern::Regex(regex) => ctx.match_regex(regex, name),
        };
        fits.then_some((ctx, rule))
    })
}

/// Sets or takes away a flag; true if the cookie is to be written anew.
fn set_flag(attributes: &mut Vec<Vec<u8>>, flag: &[u8]) -> bool {
    let (name, new): (&[u8], Option<&[u8]>) = match flag {
        b"secure" => (b"secure", Some(b"Secure")),
        b"nosecure" => (b"secure", None),
        b"httponly" => (b"httponly", Some(b"HttpOnly")),
        b"nohttponly" => (b"httponly", None),
        b"samesite=strict" => (b"samesite", Some(b"SameSite=Strict")),
        b"samesite=lax" => (b"samesite", Some(b"SameSite=Lax")),
        b"samesite=none" => (b"samesite", Some(b"SameSite=None")),
        b"nosamesite" => (b"samesite", None),
        _ => return false,
    };
    let is_it = |attribute: &[u8]| {
        let own = attribute.split(|byte| *byte == b'=').next().unwrap_or_default();
        own.eq_ignore_ascii_case(name)
    };
    let first = attributes.remove(0);
    let existing = attributes.iter().position(|attribute| is_it(attribute));
    match (existing, new) {
        (Some(at), Some(new)) if name == b"samesite" => attributes[at] = new.to_vec(),
        (Some(at), None) => {
            attributes.remove(at);
        }
        (None, Some(new)) => attributes.push(new.to_vec()),
        (Some(_), Some(_)) | (None, None) => {}
    }
    attributes.insert(0, first);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_set_and_taken_away() {
        let cookie = |text: &str| text.split("; ").map(|part| part.as_bytes().to_vec()).collect::<Vec<_>>();
        for (before, flag, after) in [
            ("a=b", "secure", "a=b; Secure"),
            ("a=b; Secure; Path=/", "nosecure", "a=b; Path=/"),
            ("a=b; SameSite=Lax", "samesite=strict", "a=b; SameSite=Strict"),
            ("secure=1", "nosecure", "secure=1"),
            ("a=b; httponly", "httponly", "a=b; httponly"),
        ] {
            let mut attributes = cookie(before);
            set_flag(&mut attributes, flag.as_bytes());
            assert_eq!(attributes, cookie(after), "{before} {flag}");
        }
    }
}
