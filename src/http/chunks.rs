//! Where a body in chunks ends. hyper decodes it; this only counts.

/// A place in a chunked body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the line with a chunk's size.
    Size {
        size: u64,
        ended: bool,
    },
    /// In a chunk, of which so much is missing, or in the line end behind it.
    Data(u64),
    DataEnd,
    /// In the lines behind the last chunk; an empty one is the end.
    Trailer {
        empty: bool,
    },
    End,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size { size: 0, ended: false }
    }
}

impl Chunks {
    /// Goes on by some bytes; returns how many of them belong to the body. What is no chunk at all does: hyper will
    /// refuse it, and the connection ends.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.0 != Place::End {
            if let Place::Data(missing) = &mut self.0 {
                let there = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX);
                let step = there.min(*missing);
                *missing -= step;
                at += usize::try_from(step).unwrap_or(bytes.len() - at);
                if *missing == 0 {
                    self.0 = Place::DataEnd;
                }
                continue;
            }
            self.step(bytes[at]);
            at += 1;
        }
        at
    }

    /// Whether all of the body has come.
    pub fn is_over(&self) -> bool {
        self.0 == Place::End
    }

    /// Goes on by one byte outside of a chunk's data.
    fn step(&mut self, byte: u8) {
        self.0 = match (self.0.clone(), byte) {
            (Place::Size { size: 0, .. }, b'\n') => Place::Trailer { empty: true },
            (Place::Size { size, .. }, b'\n') => Place::Data(size),
            (Place::Size { size, ended: false }, digit) => match char::from(digit).to_digit(16) {
                Some(digit) => {
                    Place::Size { size: size.saturating_mul(16).saturating_add(digit.into()), ended: false }
                }
                None => Place::Size { size, ended: true },
            },
            (Place::DataEnd, b'\n') => Place::default(),
            (Place::Trailer { empty: true }, b'\n') => Place::End,
            (Place::Trailer { .. }, b'\n') => Place::Trailer { empty: true },
            (Place::Trailer { empty: true }, b'\r') => Place::Trailer { empty: true },
            (Place::Trailer { .. }, _) => Place::Trailer { empty: false },
            (place, _) => place,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_behind_its_trailers_however_it_is_cut() {
        let body = b"5\r\nhello\r\n1a;name=value\r\n0123456789abcdefghijklmnop\r\n0\r\nX: y\r\n\r\n";
        let both = [&body[..], b"GET / HTTP/1.1\r\n"].concat();
        for cut in 0..both.len() {
            let mut chunks = Chunks::default();
            let (first, second) = both.split_at(cut);
            assert_eq!(chunks.feed(first) + chunks.feed(second), body.len(), "cut at {cut}");
        }
    }

    #[test]
    fn bare_line_feeds_and_no_trailers_do() {
        assert_eq!(Chunks::default().feed(b"2\nab\n0\n\nrest"), 8);
        assert_eq!(Chunks::default().feed(b"0\r\n\r\nrest"), 5);
        assert_eq!(Chunks::default().feed(b"ffffffffffffffffffff\r\nx"), 23);
    }
}
