//! Bodies of requests in files.

use std::path::PathBuf;
use std::sync::Arc;

/// Where bodies of requests go.
#[derive(Clone, Debug)]
pub struct BodiesConf {
    /// `client_body_in_file_only`.
    pub files: BodyFiles,
    /// `client_body_temp_path`.
    pub temp_path: Arc<TempPath>,
}

/// `client_body_in_file_only`: what becomes of a body that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFiles {
    /// It is in memory only.
    #[default]
    Off,
    /// It is written to a file, which stays.
    Keep,
    /// It is written to a file, which is removed when the request ends.
    Clean,
}

/// A directory for files with numbers, and how deep they are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TempPath {
    /// The directory.
    pub directory: PathBuf,
    /// How many digits of a file's number name each directory on the way to it, from the number's end.
    pub levels: Vec<usize>,
}
