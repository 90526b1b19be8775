//! `gzip`: who takes it, what is compressed, and how.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::config::model::{GzipConf, GzipProxied};

use super::pages::Browser;
use super::{RequestCtx, date};

/// Whether a client may be sent gzip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acceptance {
    /// It does not take it, or may not have it.
    #[default]
    Never,
    /// It depends on the answer: there is a proxy between (`gzip_proxied`).
    Proxied,
    /// It takes it.
    Always,
}

/// Whether the client takes gzip and the location may send it: `Accept-Encoding`, `gzip_http_version`, `gzip_proxied`,
/// `gzip_disable`.
pub fn acceptance(ctx: &RequestCtx) -> Acceptance {
    let conf = &ctx.conf.gzip;
    let old = ctx.is_http10() && !conf.http10;
    if old || !ctx.header("accept-encoding").is_some_and(names_gzip) || is_disabled(ctx) {
        return Acceptance::Never;
    }
    let GzipProxied { off, any, auth, .. } = conf.proxied;
    match ctx.header("via") {
        None => Acceptance::Always,
        Some(_) if off => Acceptance::Never,
        Some(_) if any || (auth && ctx.header("authorization").is_some()) => Acceptance::Always,
        Some(_) => Acceptance::Proxied,
    }
}

fn is_disabled(ctx: &RequestCtx) -> bool {
    let disable = &ctx.conf.gzip.disable;
    let agent = ctx.header("user-agent").unwrap_or_default();
    (disable.msie6 && Browser::of(ctx).msie6)
        || (ctx.header("user-agent").is_some()
            && disable.regexes.iter().any(|regex| regex.captures(agent).is_some()))
}

/// Whether an `Accept-Encoding` names gzip with a weight above zero, read as nginx does: the word must stand at the
/// beginning or behind a comma or a blank.
fn names_gzip(header: &[u8]) -> bool {
    const WORD: &[u8] = b"gzip";
    let found = (0..header.len()).find(|&at| {
        header[at..].get(..WORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(WORD))
            && (at == 0 || matches!(header[at - 1], b',' | b' '))
    });
    let Some(at) = found else { return false };
    let rest = header[at + WORD.len()..].trim_ascii_start();
    match rest.split_first() {
        None | Some((b',', _)) => true,
        Some((b';', weight)) => match weight.trim_ascii_start() {
            [] => true,
            [b'q' | b'Q', b'=', weight @ ..] => is_positive(weight),
            _ => false,
        },
        Some(_) => false,
    }
}

/// Whether a weight of at most three decimals is above zero.
fn is_positive(weight: &[u8]) -> bool {
    let end = weight.iter().position(|byte| matches!(byte, b',' | b' ')).unwrap_or(weight.len());
    match &weight[..end] {
        [whole @ (b'0' | b'1')] => *whole == b'1',
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] => {
            // nginx adds the decimals up, whatever their place.
            let sum: u32 = decimals.iter().map(|digit| u32::from(digit.wrapping_sub(b'0'))).sum();
            let total = u32::from(whole - b'0') * 100 + sum;
            decimals.iter().all(u8::is_ascii_digit) && decimals.len() <= 3 && (1..=100).contains(&total)
        }
        _ => false,
    }
}

/// What `gzip_proxied` looks at in an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProxiedAnswer<'a> {
    /// `Expires`.
    pub expires: Option<&'a [u8]>,
    /// Every `Cache-Control`, joined.
    pub cache_control: Option<&'a [u8]>,
    /// `add_header` gives it `Last-Modified`; nginx does not look at the file's.
    pub last_modified: bool,
    /// It has `ETag`.
    pub etag: bool,
}

/// Whether an answer to a proxy's request may be compressed.
pub fn proxied(conf: &GzipProxied, answer: &ProxiedAnswer<'_>) -> bool {
    if let Some(expires) = answer.expires {
        return conf.expired && date::parse(expires).is_some_and(|expires| expires < date::now());
    }
    if let Some(control) = answer.cache_control {
        let says = |word: &[u8]| {
            let mut words = control.split(|byte| matches!(byte, b',' | b';' | b' '));
            words.any(|given| given.eq_ignore_ascii_case(word))
        };
        return (conf.no_cache && says(b"no-cache"))
            || (conf.no_store && says(b"no-store"))
            || (conf.private && says(b"private"));
    }
    let told = (conf.no_last_modified && answer.last_modified) || (conf.no_etag && answer.etag);
    !told
}

/// Whether an answer is of a kind that is compressed for those who take it.
pub fn compressible(conf: &GzipConf, status: u16, content_type: Option<&[u8]>, length: Option<u64>) -> bool {
    let long_enough = length.is_none_or(|length| length >= conf.min_length);
    let fitting = |kind: &[u8]| has_type(&conf.types, kind) || has_type(&["text/html".into()], kind);
    matches!(status, 200 | 403 | 404) && long_enough && content_type.is_some_and(fitting)
}

/// Whether a list of types (or `*`) holds this one, parameters aside.
pub fn has_type(types: &[Box<str>], content_type: &[u8]) -> bool {
    let main = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    types.iter().any(|kind| &**kind == "*" || kind.as_bytes().eq_ignore_ascii_case(main))
}

/// Compresses a body.
pub fn compress(body: &[u8], level: u32) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2 + 32), Compression::new(level));
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// Compresses a body that comes piece by piece.
#[derive(Debug)]
pub struct Compressor(GzEncoder<Vec<u8>>);

impl Compressor {
    /// With nothing in it yet.
    pub fn new(level: u32) -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::new(level)))
    }

    /// Takes a piece; returns what is ready of the compressed bytes, often nothing.
    pub fn feed(&mut self, piece: &[u8]) -> Bytes {
        // Writing into memory cannot fail.
        let _ = self.0.write_all(piece);
        std::mem::take(self.0.get_mut()).into()
    }

    /// The rest.
    pub fn finish(self) -> Bytes {
        self.0.finish().unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_encoding_is_read_as_nginx_does() {
        let yes =
            ["gzip", "GZIP", "gzip,deflate", "deflate, gzip", "gzip;q=1", "gzip; q=0.5", "gzip;q=0.001"];
        for header in yes.into_iter().chain(["x gzip", "gzip;", "gzip;Q=1.000, *;q=0"]) {
            assert!(names_gzip(header.as_bytes()), "{header}");
        }
        for header in
            ["", "*", "deflate", "gzip;q=0", "gzip;q=0.000", "gzip;q=2", "gzip;q=1.1", "xgzip", "gzipx"]
        {
            assert!(!names_gzip(header.as_bytes()), "{header}");
        }
    }
}
