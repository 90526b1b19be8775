//! `server_name`: the hosts a server answers for.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::Arity;
use super::super::directive::Directive;
use super::super::regex::Regex;
use super::done;

/// A name of a server.
#[derive(Clone, Debug)]
pub struct ServerName {
    /// As written; names but regular expressions in lower case.
    pub text: String,
    /// Which hosts it fits.
    pub kind: NameKind,
}

/// Which hosts a name fits.
#[derive(Clone, Debug)]
pub enum NameKind {
    /// One host.
    Exact(Box<[u8]>),
    /// All that end in this (it begins with a dot).
    Suffix {
        /// `.example.com`
        suffix: Box<[u8]>,
        /// Written `.example.com`: also the host without the dot.
        bare: bool,
    },
    /// All that begin with this (it ends in a dot).
    Prefix(Box<[u8]>),
    /// All that match.
    Regex(Regex),
    /// None: stars where none may be, dots in a row. An error once nginx has more than one server to choose from.
    Invalid,
}

/// The row.
pub const ROW: Directive = done(
    "server_name",
    Contexts::SERVER,
    Arity::at_least(1),
    "",
    "Hosts of the server: names, `*.example.com`, `.example.com`, `www.example.*`, `~regex`, `\"\"` for requests \
     without Host.",
    server_name,
);

fn server_name(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    for name in call.args() {
        let name = parse(b, call, name)?;
        b.block().names.push(name);
    }
    Ok(())
}

fn parse(b: &mut Builder<'_>, call: &Call<'_>, name: &[u8]) -> Outcome<ServerName> {
    let text = String::from_utf8_lossy(name).into_owned();
    if is_invalid(name) {
        return Err(Diagnostic::emerg(format!("server name \"{text}\" is invalid")));
    }
    if name.contains(&b'/') {
        b.warn(call, format!("server name \"{text}\" has suspicious symbols"));
    }
    if let [b'~', pattern @ ..] = name {
        if pattern.is_empty() {
            return Err(Diagnostic::emerg(format!("empty regex in server name \"{text}\"")));
        }
        // Host names are compared in lower case; an expression with capitals would never fit otherwise.
        let caseless = pattern.iter().any(u8::is_ascii_uppercase);
        let regex = Regex::new(pattern, caseless, &mut b.variables).map_err(Diagnostic::emerg)?;
        return Ok(ServerName { text, kind: NameKind::Regex(regex) });
    }
    if name.eq_ignore_ascii_case(b"$hostname") {
        let host = hostname();
        return Ok(ServerName { kind: NameKind::Exact(host.as_bytes().into()), text: host });
    }
    let lower = name.to_ascii_lowercase();
    Ok(ServerName { text: text.to_ascii_lowercase(), kind: kind(&lower) })
}

/// The name of this machine, in lower case.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_ascii_lowercase()
}

/// A lone `*` or `.`, a star before anything but a dot, a wildcard of nothing.
fn is_invalid(name: &[u8]) -> bool {
    match name {
        [b'*', b'.', rest @ ..] => rest.is_empty(),
        [b'*', ..] | [b'.'] => true,
        _ => false,
    }
}

fn kind(name: &[u8]) -> NameKind {
    let (kind, fixed) = match name {
        [b'*', suffix @ ..] => (NameKind::Suffix { suffix: suffix.into(), bare: false }, suffix),
        [b'.', _, ..] => (NameKind::Suffix { suffix: name.into(), bare: true }, name),
        [prefix @ .., b'*'] if prefix.ends_with(b".") => (NameKind::Prefix(prefix.into()), prefix),
        _ => (NameKind::Exact(name.into()), name),
    };
    let odd = fixed.contains(&b'*') || fixed.windows(2).any(|pair| pair == b"..");
    if odd { NameKind::Invalid } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_kinds() {
        assert!(matches!(kind(b"a.example"), NameKind::Exact(name) if &*name == b"a.example"));
        assert!(matches!(kind(b"*.a.b"), NameKind::Suffix { suffix, bare: false } if &*suffix == b".a.b"));
        assert!(matches!(kind(b".a.b"), NameKind::Suffix { suffix, bare: true } if &*suffix == b".a.b"));
        assert!(matches!(kind(b"www.a.*"), NameKind::Prefix(prefix) if &*prefix == b"www.a."));
        assert!(matches!(kind(b""), NameKind::Exact(_)));
        for odd in ["a*b", "a.*.b", "*.a.*", "a..b", "*..a"] {
            assert!(matches!(kind(odd.as_bytes()), NameKind::Invalid), "{odd}");
        }
        for bad in ["*", ".", "*.", "*a.b"] {
            assert!(is_invalid(bad.as_bytes()), "{bad}");
        }
    }
}
