//! The file for a request: `root` and `alias`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::config::model::{Alias, Severity};

use super::RequestCtx;

/// The path of the file for a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    /// All of it.
    pub path: Vec<u8>,
    /// How much of it is the root, and not of the URI.
    pub root: usize,
}

impl FilePath {
    /// As the system takes it.
    pub fn as_path(&self) -> &Path {
        as_path(&self.path)
    }

    /// For messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    /// The same with another end behind the root.
    #[must_use]
    pub fn with_name(&self, name: &[u8]) -> Self {
        Self { path: [&self.path[..self.root], name].concat(), root: self.root }
    }
}

/// Bytes as the system takes a path.
pub fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

impl RequestCtx {
    /// The root or alias in force: `$document_root`.
    pub fn document_root(&self) -> Vec<u8> {
        let root = &self.conf.files.root;
        let path = self.render(&root.path);
        // A path without variables is whole already; that of `/` is empty.
        let is_whole = path.starts_with(b"/") || root.path.as_literal().is_some();
        if is_whole { path } else { [&root.prefix, &path[..]].concat() }
    }

    /// The same with links resolved; `None` where there is no such directory.
    pub fn realpath_root(&self) -> Option<Vec<u8>> {
        let mut root = self.document_root();
        if root.is_empty() {
            root.push(b'/');
        }
        match std::fs::canonicalize(as_path(&root)) {
            Ok(path) => Some(path.into_os_string().into_encoded_bytes()),
            Err(error) => {
                let (root, error) = (String::from_utf8_lossy(&root), crate::log::os_error(&error));
                self.log(Severity::Crit, &format!("realpath() \"{root}\" failed ({error})"));
                None
            }
        }
    }

    /// The file for the URI as it stands; `None` where an alias stands for a part of the URI that is no longer there.
    pub fn file_path(&self) -> Option<FilePath> {
        let mut path = self.document_root();
        let rest = match self.conf.files.root.alias {
            None => &self.uri[..],
            Some(_) if self.rewritten_in_place => {
                let name = &self.conf.name;
                let text = format!("\"alias\" cannot be used in location \"{name}\" where URI was rewritten");
                self.log(Severity::Alert, &text);
                return None;
            }
            Some(Alias::Prefix(length)) => self.uri.get(length..).unwrap_or_default(),
            Some(Alias::Whole) if self.uri_behind_alias => &self.uri,
            Some(Alias::Whole) => b"",
        };
        let root = path.len();
        path.extend_from_slice(rest);
        Some(FilePath { path, root })
    }
}
