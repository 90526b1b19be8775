//! Converts texts from one character set to another: `source_charset`, `charset_map`.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::model::Recoding;

/// Converts a body that comes piece by piece.
#[derive(Clone, Debug)]
pub struct Recoder {
    recoding: Arc<Recoding>,
    /// The beginning of a letter whose end is still to come.
    rest: Vec<u8>,
}

impl Recoder {
    /// At the beginning of a text.
    pub fn new(recoding: Arc<Recoding>) -> Self {
        Self { recoding, rest: Vec::new() }
    }

    /// Converts a piece.
    pub fn feed(&mut self, piece: &[u8]) -> Bytes {
        match &*self.recoding {
            Recoding::Bytes(table) => piece.iter().map(|byte| table[usize::from(*byte)]).collect(),
            Recoding::ToUtf8(letters) => {
                let letters = piece.iter().flat_map(|byte| letters[usize::from(*byte)].iter().copied());
                letters.collect()
            }
            Recoding::FromUtf8(bytes) => {
                let text = [&self.rest[..], piece].concat();
                self.rest.clear();
                let mut out = Vec::with_capacity(text.len());
                for chunk in text.utf8_chunks() {
                    for letter in chunk.valid().chars() {
                        match bytes.get(&letter) {
                            _ if letter.is_ascii() => out.push(letter as u8),
                            Some(byte) => out.push(*byte),
                            None => out.extend_from_slice(format!("&#{};", u32::from(letter)).as_bytes()),
                        }
                    }
                    let invalid = chunk.invalid();
                    if text.ends_with(invalid) && is_beginning(invalid) {
                        self.rest = invalid.to_vec();
                    } else if !invalid.is_empty() {
                        out.push(b'?');
                    }
                }
                out.into()
            }
        }
    }

    /// What is left at the end: half of a letter is none.
    pub fn finish(self) -> Bytes {
        Bytes::from_static(if self.rest.is_empty() { b"" } else { b"?" })
    }
}

/// Whether more bytes could make a letter of it.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Whether a text stays as long as it is.
pub fn keeps_length(recoding: &Recoding) -> bool {
    matches!(recoding, Recoding::Bytes(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_may_be_split_between_pieces() {
        let letters = [('ю', 0xc0), ('€', 0x80)].into();
        let mut recoder = Recoder::new(Arc::new(Recoding::FromUtf8(letters)));
        let text = "xю€語".as_bytes();
        let mut out = Vec::new();
        for byte in text.iter().chain(b"\xffz\xd1") {
            out.extend_from_slice(&recoder.feed(&[*byte]));
        }
        out.extend_from_slice(&recoder.finish());
        assert_eq!(out, b"x\xc0\x80&#35486;?z?");
    }
}
