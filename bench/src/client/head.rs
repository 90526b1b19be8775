//! The head of a response, as far as a subscriber or a publisher needs it.

use std::io;

/// Response headers that are looked at; more than any server here sends.
const MOST_HEADERS: usize = 32;

/// The head of a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) status: u16,
    /// Bytes up to the body.
    pub(crate) length: usize,
    pub(crate) content_length: Option<usize>,
    pub(crate) is_chunked: bool,
    pub(crate) content_type: &'a [u8],
    /// Position of the message in the body, for the next request.
    pub(crate) last_modified: &'a [u8],
    pub(crate) etag: &'a [u8],
}

impl<'a> Head<'a> {
    /// `None` if `bytes` end within the head.
    pub(crate) fn read(bytes: &'a [u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes).map_err(io::Error::other)? else {
            return Ok(None);
        };
        let mut head = Self { status: response.code.unwrap_or_default(), length, ..Self::default() };
        for header in response.headers {
            head.take(header);
        }
        Ok(Some(head))
    }

    /// The whole response ends so far behind its first byte, if it has a length.
    pub(crate) fn end(&self) -> io::Result<usize> {
        let body =
            self.content_length.ok_or_else(|| io::Error::other("a response without Content-Length"))?;
        Ok(self.length + body)
    }

    fn take(&mut self, header: &httparse::Header<'a>) {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        // The length tells most headers apart.
        match header.name.len() {
            14 if is("Content-Length") => {
                self.content_length = str::from_utf8(header.value).ok().and_then(|value| value.parse().ok());
            }
            17 if is("Transfer-Encoding") => self.is_chunked = header.value.eq_ignore_ascii_case(b"chunked"),
            12 if is("Content-Type") => self.content_type = header.value,
            13 if is("Last-Modified") => self.last_modified = header.value,
            4 if is("Etag") => self.etag = header.value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_read_whatever_its_case() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nTRANSFER-ENCODING: Chunked\r\n\
                      Last-Modified: then\r\nETag: 7\r\nX-Other: 1\r\n\r\nhello";
        let head = Head::read(bytes).expect("a head").expect("a whole one");
        assert_eq!(head.status, 200);
        assert_eq!(&bytes[head.length..], b"hello");
        assert_eq!(head.end().expect("a length"), bytes.len());
        assert!(head.is_chunked);
        assert_eq!((head.last_modified, head.etag), (&b"then"[..], &b"7"[..]));
    }

    #[test]
    fn half_a_head_is_none_and_no_head_an_error() {
        assert_eq!(Head::read(b"HTTP/1.1 200 OK\r\nContent-").expect("a head"), None);
        assert!(Head::read(b"hello there\r\n\r\n").is_err());
    }
}
