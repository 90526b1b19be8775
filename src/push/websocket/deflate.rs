//! `permessage-deflate` (RFC 7692): each message of ours is compressed on its own, once for all who take it.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::config::model::DeflateConf;

use super::frame::Violation;

/// What an empty stored block ends with; it is cut off each message and added before it is decompressed.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What was agreed on with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The client forgets its window after each message.
    pub client_no_context_takeover: bool,
}

/// Compresses a message.
pub fn deflate(body: &[u8], conf: DeflateConf) -> Vec<u8> {
    let mut compress = Compress::new_with_window_bits(
        Compression::new(u32::from(conf.level)),
        false,
        conf.window.clamp(9, 15),
    );
    let mut out = Vec::with_capacity(body.len() / 2 + 32);
    let mut rest = body;
    loop {
        let before = compress.total_in();
        // Writing into memory fails only when there is no room, and then there is made some.
        let status = compress.compress_vec(rest, &mut out, FlushCompress::Sync);
        let taken = usize::try_from(compress.total_in() - before).unwrap_or(rest.len());
        rest = &rest[taken..];
        if rest.is_empty() && out.len() < out.capacity() {
            break;
        }
        if status.is_err() {
            break;
        }
        out.reserve(out.capacity().max(64));
    }
    if out.ends_with(&TAIL) {
        out.truncate(out.len() - TAIL.len());
    }
    if out.is_empty() {
        // An empty message is one empty block (RFC 7692, 7.2.3.6).
        out.push(0);
    }
    out
}

/// A stretch of bytes as a stored block, to stand before a message that is compressed already. As zlib ends such a
/// stretch, an empty block follows.
pub fn stored_block(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut block = vec![0];
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&(!length).to_le_bytes());
    block.extend_from_slice(bytes);
    block.push(0);
    block.extend_from_slice(&TAIL);
    block
}

/// Decompresses a client's messages.
#[derive(Debug)]
pub struct Inflater {
    /// Made with the first compressed message: most clients never send one.
    window: Option<Decompress>,
    no_context_takeover: bool,
}

impl Inflater {
    /// For what was agreed on.
    pub fn new(agreed: Deflate) -> Self {
        Self { window: None, no_context_takeover: agreed.client_no_context_takeover }
    }

    /// Decompresses a message that becomes no longer than `limit` bytes.
    ///
    /// # Errors
    /// How to close when it is none, or becomes longer.
    pub fn inflate(&mut self, payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
        const INVALID: Violation = Violation { code: 1007, reason: "invalid compressed data" };
        let window = self.window.get_or_insert_with(|| Decompress::new(false));
        let mut out = Vec::with_capacity(payload.len().saturating_mul(2).clamp(64, 1 << 16));
        let input = [payload, &TAIL].concat();
        let mut rest = &input[..];
        loop {
            let (before, length) = (window.total_in(), out.len());
            let status = window.decompress_vec(rest, &mut out, FlushDecompress::Sync).map_err(|_| INVALID)?;
            let taken = usize::try_from(window.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken..];
            if out.len() > limit {
                return Err(Violation { code: 1009, reason: "message too big" });
            }
            if matches!(status, Status::StreamEnd) {
                // A final block: what follows begins anew.
                window.reset(false);
                if rest.len() <= TAIL.len() {
                    break;
                }
            } else if out.len() < out.capacity() && (rest.is_empty() || (taken == 0 && out.len() == length)) {
                break;
            }
            if out.len() == out.capacity() {
                out.reserve(out.capacity());
            }
        }
        if self.no_context_takeover {
            self.window = None;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NCHAN: DeflateConf = DeflateConf { level: 6, window: 10, memlevel: 8 };

    #[test]
    fn messages_are_compressed_as_nchan_does() {
        let expected = [0xca, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0xc0, 0x4e, 0x02, 0x00];
        assert_eq!(deflate(b"hello hello hello hello hello", NCHAN), expected);
        assert_eq!(deflate(b"", NCHAN), [0]);
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let mut inflater = Inflater::new(Deflate { client_no_context_takeover: true });
        let long: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for body in [&b""[..], b"a", b"hello", &long, &[0; 100_000]] {
            assert_eq!(inflater.inflate(&deflate(body, NCHAN), 1 << 20).as_deref(), Ok(body));
        }
        let with_block = [stored_block(b"id: 1\n\n"), deflate(b"body", NCHAN)].concat();
        assert_eq!(inflater.inflate(&with_block, 100).as_deref(), Ok(&b"id: 1\n\nbody"[..]));
    }
}
