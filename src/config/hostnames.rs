//! Tables whose keys are host names and masks of them: `map` with `hostnames`, `valid_referers`.

use std::collections::HashMap;

/// Values by host name: exact, `*.example.com`, `.example.com`, `www.example.*`.
#[derive(Clone, Debug)]
pub struct HostTable<T> {
    exact: HashMap<Box<[u8]>, T>,
    /// Without star, with the dot.
    suffixes: HashMap<Box<[u8]>, T>,
    /// Without star, with the dot.
    prefixes: HashMap<Box<[u8]>, T>,
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A star where none may be, or dots in a row.
    Invalid,
    /// It is there already.
    Conflict,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), suffixes: HashMap::new(), prefixes: HashMap::new() }
    }
}

impl<T: Clone> HostTable<T> {
    /// Adds a key as it is; case does not count.
    ///
    /// # Errors
    /// [`Refused::Conflict`].
    pub fn insert_exact(&mut self, key: &[u8], value: T) -> Result<(), Refused> {
        add(&mut self.exact, &key.to_ascii_lowercase(), value)
    }

    /// Adds a host name or a mask.
    ///
    /// # Errors
    /// What nginx refuses.
    pub fn insert(&mut self, key: &[u8], value: T) -> Result<(), Refused> {
        let key = key.to_ascii_lowercase();
        let suffix = key.strip_prefix(b"*").filter(|rest| rest.len() > 1 && rest.starts_with(b"."));
        let prefix = key.strip_suffix(b"*").filter(|rest| rest.len() > 1 && rest.ends_with(b"."));
        let fixed = suffix.or(prefix).unwrap_or(&key);
        if fixed.contains(&b'*') || fixed.windows(2).any(|pair| pair == b"..") {
            return Err(Refused::Invalid);
        }
        match fixed {
            [b'.', bare @ ..] if suffix.is_none() && !bare.is_empty() => {
                add(&mut self.exact, bare, value.clone())?;
                add(&mut self.suffixes, fixed, value)
            }
            _ if suffix.is_some() => add(&mut self.suffixes, fixed, value),
            _ if prefix.is_some() => add(&mut self.prefixes, fixed, value),
            _ => add(&mut self.exact, fixed, value),
        }
    }

    /// The value for a host in lower case: exact, longest suffix, longest prefix.
    pub fn find(&self, host: &[u8]) -> Option<&T> {
        let dots = || (1..host.len()).filter(|at| host[*at] == b'.');
        self.exact
            .get(host)
            .or_else(|| dots().find_map(|dot| self.suffixes.get(&host[dot..])))
            .or_else(|| dots().rev().find_map(|dot| self.prefixes.get(&host[..=dot])))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty()
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.suffixes.values()).chain(self.prefixes.values())
    }
}

fn add<T>(table: &mut HashMap<Box<[u8]>, T>, key: &[u8], value: T) -> Result<(), Refused> {
    if table.contains_key(key) {
        return Err(Refused::Conflict);
    }
    table.insert(key.into(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_name_is_found() {
        let mut table = HostTable::default();
        let keys = ["www.a.b", "*.a.b", "*.x.a.b", ".c.d", "w.*", "w.x.*"];
        keys.iter().for_each(|key| table.insert(key.as_bytes(), *key).unwrap());
        let cases = [
            ("www.a.b", Some("www.a.b")),
            ("q.a.b", Some("*.a.b")),
            ("q.x.a.b", Some("*.x.a.b")),
            ("a.b", None),
            ("c.d", Some(".c.d")),
            ("q.c.d", Some(".c.d")),
            ("w.foo", Some("w.*")),
            ("w.x.foo", Some("w.x.*")),
            ("w.a.b", Some("*.a.b")),
            ("", None),
        ];
        for (host, expected) in cases {
            assert_eq!(table.find(host.as_bytes()).copied(), expected, "{host}");
        }
    }

    #[test]
    fn odd_and_repeated_names_are_refused() {
        let mut table = HostTable::default();
        table.insert(b"*.a.b", ()).unwrap();
        for key in ["*.A.b", ".a.b"] {
            assert_eq!(table.insert(key.as_bytes(), ()), Err(Refused::Conflict), "{key}");
        }
        for key in ["a*b", "..a", "a..b", "*.", "*", "*.a.*"] {
            assert_eq!(table.insert(key.as_bytes(), ()), Err(Refused::Invalid), "{key}");
        }
        for key in [".", "", "a/b", "a b"] {
            assert_eq!(table.insert(key.as_bytes(), ()), Ok(()), "{key}");
        }
    }
}
