//! `gzip` for answers that are whole: never for streams.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::model::GzipConf;

use super::RequestCtx;

/// Whether the client takes gzip and the location may send it: `Accept-Encoding`, `gzip_http_version`, and no
/// `Via` (nginx's `gzip_proxied off`).
pub fn accepted(ctx: &RequestCtx) -> bool {
    let old = ctx.is_http10() && !ctx.conf.gzip.http10;
    !old && ctx.header("via").is_none() && ctx.header("accept-encoding").is_some_and(names_gzip)
}

/// Whether an `Accept-Encoding` lists gzip with a weight above zero.
fn names_gzip(header: &[u8]) -> bool {
    let text = String::from_utf8_lossy(header).to_ascii_lowercase();
    text.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let gzip = parts.next() == Some("gzip");
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        gzip && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// Whether an answer is of a kind that is compressed for those who take it.
pub fn compressible(conf: &GzipConf, status: u16, content_type: Option<&[u8]>, length: Option<u64>) -> bool {
    let long_enough = length.is_none_or(|length| length > 0 && length >= conf.min_length);
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
