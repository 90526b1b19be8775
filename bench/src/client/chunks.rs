//! The chunked coding of a body.

use std::io;

/// A number in hexadecimal digits, and what may stand behind it.
const LONGEST_SIZE_LINE: usize = 256;

/// Reads all whole chunks of `input`, and returns their length.
pub(super) fn read(input: &[u8], mut on_chunk: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<usize> {
    let mut used = 0;
    while let Some((data, length)) = read_chunk(&input[used..])? {
        on_chunk(data)?;
        used += length;
    }
    Ok(used)
}

/// The first chunk, and how long it is with its frame.
fn read_chunk(input: &[u8]) -> io::Result<Option<(&[u8], usize)>> {
    let Some(line_end) = memchr::memchr(b'\n', input) else {
        return if input.len() > LONGEST_SIZE_LINE { Err(broken()) } else { Ok(None) };
    };
    let size = chunk_size(&input[..line_end]).ok_or_else(broken)?;
    if size == 0 {
        return Err(io::Error::other("the server ended the stream"));
    }
    let Some(chunk) = input[line_end + 1..].get(..size + 2) else { return Ok(None) };
    let data = chunk.strip_suffix(b"\r\n").ok_or_else(broken)?;
    Ok(Some((data, line_end + 1 + chunk.len())))
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|byte| !byte.is_ascii_hexdigit()).next()?;
    usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok().filter(|size| *size < 1 << 32)
}

fn broken() -> io::Error {
    io::Error::other("a chunk without its frame")
}

#[cfg(test)]
mod tests {
    #[test]
    fn whole_chunks_are_read_and_the_rest_is_left() {
        let mut read = Vec::new();
        let used = super::read(b"5;a=b\r\nhello\r\nA\r\n0123456789\r\n3\r\nab", |data| {
            read.push(data.to_vec());
            Ok(())
        });
        assert_eq!(used.expect("chunks"), 29);
        assert_eq!(read, [b"hello".to_vec(), b"0123456789".to_vec()]);
    }

    #[test]
    fn a_stream_that_ends_or_is_none_is_an_error() {
        for input in [&b"0\r\n\r\n"[..], b"hello\r\n", b"3\r\nabcdef"] {
            assert!(super::read(input, |_| Ok(())).is_err(), "{}", String::from_utf8_lossy(input));
        }
    }
}
