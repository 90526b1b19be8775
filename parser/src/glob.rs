//! The file name patterns of `include`, as glob(3) has them without braces and character classes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whether nginx takes a path for a pattern. A backslash alone does not make one.
pub(crate) fn is_pattern(path: &[u8]) -> bool {
    path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The existing paths that match `pattern`, in byte order.
///
/// Works on the bytes of the path, component by component: what the user wrote around the pattern
/// (`./conf.d//*.conf`) is kept, because nginx shows it in messages.
pub(crate) fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let bytes = path_bytes(pattern);
    let mut found: Vec<Vec<u8>> = vec![Vec::new()];
    for part in bytes.split_inclusive(|byte| *byte == b'/') {
        let (name, slash) = match part.split_last() {
            Some((b'/', name)) => (name, true),
            _ => (part, false),
        };
        if is_pattern(name) {
            found = list_matching(&found, name)?;
        } else {
            found.iter_mut().for_each(|path| path.extend(unescaped(name)));
        }
        if slash {
            found.iter_mut().for_each(|path| path.push(b'/'));
        }
    }
    found.sort();
    let exists = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
    Ok(found.into_iter().map(path_from_bytes).filter(exists).collect())
}

/// The entries of all `directories` whose name matches. A directory that cannot be read has none,
/// as with glob(3).
fn list_matching(directories: &[Vec<u8>], pattern: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for directory in directories {
        let shown = if directory.is_empty() {
            Path::new(".").to_path_buf()
        } else {
            path_from_bytes(directory.clone())
        };
        let Ok(entries) = fs::read_dir(shown) else { continue };
        for entry in entries.flatten() {
            let name = path_bytes(Path::new(&entry.file_name()));
            if matches_name(pattern, &name) {
                found.push([directory.as_slice(), &name].concat());
            }
        }
        if found.len() > MAX_MATCHES {
            return Err(io::Error::other(format!("more than {MAX_MATCHES} files match")));
        }
    }
    Ok(found)
}

/// `*/../*/../*` multiplies; no config has this many files.
const MAX_MATCHES: usize = 100_000;

/// Whether a whole path matches, with as many components as the pattern has.
pub(crate) fn matches_path(pattern: &Path, path: &Path) -> bool {
    let (pattern, path) = (path_bytes(pattern), path_bytes(path));
    let mut names = path.split(|byte| *byte == b'/');
    let all = pattern
        .split(|byte| *byte == b'/')
        .all(|part| names.next().is_some_and(|name| matches_name(part, name)));
    all && names.next().is_none()
}

/// Whether one name matches one component of a pattern.
///
/// Goes back to the last `*` only, which is enough and keeps the time at pattern times name.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at_pattern, mut at_name) = (0, 0);
    let mut retry = None;
    while at_name < name.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            at_pattern += 1;
            retry = Some((at_pattern, at_name + 1));
        } else if let Some(len) = matches_byte(&pattern[at_pattern..], name[at_name]) {
            at_pattern += len;
            at_name += 1;
        } else if let Some((after_star, next_name)) = retry {
            (at_pattern, at_name) = (after_star, next_name);
            retry = Some((after_star, next_name + 1));
        } else {
            return false;
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

/// The length of the pattern's first element if it matches `byte`.
fn matches_byte(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', ..] => match Set::parse(pattern) {
            Some(set) => set.contains(byte).then_some(set.len),
            // Without its `]` it is a letter.
            None => (byte == b'[').then_some(1),
        },
        [first, ..] => (*first == byte).then_some(1),
    }
}

/// `[ab]`, `[a-z]`, `[!a]` or `[^a]`.
struct Set<'a> {
    members: &'a [u8],
    negated: bool,
    /// Length in the pattern, brackets included.
    len: usize,
}

impl<'a> Set<'a> {
    fn parse(pattern: &'a [u8]) -> Option<Set<'a>> {
        let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
        let start = if negated { 2 } else { 1 };
        // A `]` in the first place is a member.
        let len = pattern.get(start + 1..)?.iter().position(|byte| *byte == b']')? + 1;
        Some(Set { members: &pattern[start..start + len], negated, len: start + len + 1 })
    }

    fn contains(&self, byte: u8) -> bool {
        let mut rest = self.members;
        let mut found = false;
        while let [first, tail @ ..] = rest {
            (found, rest) = match tail {
                [b'-', last, after @ ..] => (found || (*first..=*last).contains(&byte), after),
                _ => (found || *first == byte, tail),
            };
        }
        found != self.negated
    }
}

/// A component without wildcards next to one that has some: its backslashes are escapes as well.
fn unescaped(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut bytes = name.iter().copied();
    std::iter::from_fn(move || match bytes.next()? {
        b'\\' => bytes.next().or(Some(b'\\')),
        byte => Some(byte),
    })
}

#[cfg(unix)]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(unix)]
fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

/// Elsewhere file names are Unicode, so a name that is not cannot exist.
#[cfg(not(unix))]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().replace('\\', "/").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(matches_name(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name) in
            [("*", "a"), ("*.conf", "a.conf"), ("a*b*c", "a-b-b-c"), ("?", "a"), ("**", "x")]
        {
            check(pattern, name, true);
        }
        for (pattern, name) in [("*.conf", "a.conf~"), ("?", "ab"), ("?", ""), ("a*b", "ac"), ("a", "ab")] {
            check(pattern, name, false);
        }
    }

    #[test]
    fn sets() {
        for (pattern, name) in [("[ab]", "b"), ("[a-c]", "b"), ("[!a]", "b"), ("[^a]", "b"), ("[]a]", "]")] {
            check(pattern, name, true);
        }
        for (pattern, name) in [("[a-]1", "-1"), ("a[+--]1", "a-1"), ("[a", "[a"), ("x[", "x["), ("[]", "[]")]
        {
            check(pattern, name, true);
        }
        for (pattern, name) in [("[ab]", "c"), ("[!a]", "a"), ("[c-a]", "b"), ("[a", "a"), ("[!]a", "x")] {
            check(pattern, name, false);
        }
    }

    #[test]
    fn a_leading_dot_must_be_written() {
        check("*", ".a", false);
        check("?a", ".a", false);
        check("[.]a", ".a", false);
        check(".*", ".a", true);
    }

    #[test]
    fn backslashes_escape() {
        check("\\a*", "ab", true);
        check("\\**", "*b", true);
        check("\\**", "ab", false);
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let name = "a".repeat(200);
        check(&format!("{}b", "a*".repeat(100)), &name, false);
    }

    #[test]
    fn paths_match_component_by_component() {
        let matches = |pattern: &str, path: &str| matches_path(Path::new(pattern), Path::new(path));
        assert!(matches("/etc/*/a?.conf", "/etc/x/ab.conf"));
        assert!(!matches("/etc/*.conf", "/etc/x/a.conf"));
        assert!(!matches("/etc/*/*", "/etc/a"));
    }
}
