//! `$secure_link` and `$secure_link_expires`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest as _, Md5};

use crate::config::model::SecureLinkConf;
use crate::config::value;

use super::{RequestCtx, date};

/// The base64 of URLs, with or without `=` at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest base64 of a checksum.
const LONGEST_CHECKSUM: usize = 24;

impl RequestCtx {
    /// `$secure_link`: the link in the older form; else 1, or 0 once it is out of date. `None` for a link that is not true.
    pub(super) fn secure_link(&self) -> Option<Vec<u8>> {
        match &self.conf.secure_link {
            SecureLinkConf::Off => None,
            SecureLinkConf::Secret(secret) => old_link(&self.uri, secret).map(<[u8]>::to_vec),
            SecureLinkConf::Md5 { link, md5 } => {
                let link = self.render(link);
                let (checksum, expires) = split(&link);
                let expires = match expires {
                    Some(text) => Some(seconds(text)?),
                    None => None,
                };
                let checksum = Some(checksum).filter(|text| text.len() <= LONGEST_CHECKSUM)?;
                let checksum = BASE64.decode(checksum).ok()?;
                (*checksum == *Md5::digest(self.render(md5))).then_some(())?;
                let is_over = expires.is_some_and(|expires| expires < date::now());
                Some(if is_over { b"0".into() } else { b"1".into() })
            }
        }
    }

    /// `$secure_link_expires`: what follows the comma.
    pub(super) fn secure_link_expires(&self) -> Option<Vec<u8>> {
        let SecureLinkConf::Md5 { link, .. } = &self.conf.secure_link else { return None };
        let link = self.render(link);
        let text = split(&link).1?;
        seconds(text).map(|_| text.to_vec())
    }
}

/// Checksum and end of the lifetime.
fn split(link: &[u8]) -> (&[u8], Option<&[u8]>) {
    match link.iter().position(|byte| *byte == b',') {
        Some(comma) => (&link[..comma], Some(&link[comma + 1..])),
        None => (link, None),
    }
}

/// Seconds since 1970; zero is no time.
fn seconds(text: &[u8]) -> Option<i64> {
    value::number(text).and_then(|seconds| i64::try_from(seconds).ok()).filter(|seconds| *seconds > 0)
}

/// The link of `/PREFIX/MD5/LINK`, if MD5 is that of the link and the secret.
fn old_link<'a>(uri: &'a [u8], secret: &[u8]) -> Option<&'a [u8]> {
    let rest = uri.get(1..)?;
    let behind = |text: &'a [u8]| {
        let slash = text.iter().position(|byte| *byte == b'/')?;
        Some((&text[..slash], &text[slash + 1..]))
    };
    let (_, rest) = behind(rest)?;
    let (checksum, link) = behind(rest)?;
    let digest = Md5::new().chain_update(link).chain_update(secret).finalize();
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    checksum.eq_ignore_ascii_case(expected.as_bytes()).then_some(link)
}
