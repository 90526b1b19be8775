//! `secure_link`: links with a checksum.

use super::super::template::Template;

/// `secure_link`.
#[derive(Clone, Debug, Default)]
pub enum SecureLinkConf {
    /// Not set, or only half of it.
    #[default]
    Off,
    /// `secure_link` and `secure_link_md5`.
    Md5 {
        /// Checksum, and behind a comma the end of its lifetime.
        link: Template,
        /// What the checksum is made of.
        md5: Template,
    },
    /// `secure_link_secret`.
    Secret(Box<[u8]>),
}
