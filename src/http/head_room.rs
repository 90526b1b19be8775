//! How much of a request's head fits: `client_header_buffer_size`, then so many of `large_client_header_buffers`.
//!
//! nginx reads a head into one buffer after the other. A line that does not end in one is moved to the next, so every line
//! has to fit into a buffer, and the ends of buffers are lost.

use crate::config::model::Server;

/// What did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// The request line: 414.
    Line,
    /// The headers: 494.
    Headers,
}

/// What is left of the buffers while a head is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadRoom {
    /// Bytes left in the buffer.
    left: usize,
    /// Of the line that is being read.
    line: usize,
    /// Large buffers that were not used yet, and their size.
    large: (usize, usize),
    /// The request line has ended.
    in_headers: bool,
    started: bool,
}

impl HeadRoom {
    /// For a request to this server.
    pub fn new(server: &Server) -> Self {
        let left = server.client_header_buffer_size;
        Self { left, line: 0, large: server.large_client_header_buffers, in_headers: false, started: false }
    }

    /// A head of so many bytes fits, whatever its lines are.
    pub fn at_least(server: &Server) -> usize {
        let (count, size) = server.large_client_header_buffers;
        let large = if count > 0 { size } else { 0 };
        server.client_header_buffer_size.max(large)
    }

    /// The most bytes that a head can have.
    pub fn most(server: &Server) -> usize {
        let (count, size) = server.large_client_header_buffers;
        count.saturating_mul(size).saturating_add(server.client_header_buffer_size)
    }

    /// Goes on by some bytes of the head.
    ///
    /// # Errors
    /// What does not fit.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        bytes.iter().try_for_each(|byte| self.step(*byte))
    }

    fn step(&mut self, byte: u8) -> Result<(), TooLarge> {
        if !self.started && matches!(byte, b'\r' | b'\n') {
            return Ok(());
        }
        self.started = true;
        if self.left == 0 {
            let (count, size) = self.large;
            if count == 0 || self.line >= size {
                return Err(if self.in_headers { TooLarge::Headers } else { TooLarge::Line });
            }
            (self.large, self.left) = ((count - 1, size), size - self.line);
        }
        self.left -= 1;
        self.line += 1;
        if byte == b'\n' {
            (self.line, self.in_headers) = (0, true);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> HeadRoom {
        HeadRoom { left: 128, line: 0, large: (2, 512), in_headers: false, started: false }
    }

    /// As nginx 1.22 was seen to answer with these sizes.
    #[test]
    fn every_line_has_to_fit_into_a_buffer() {
        let line = |length: usize| [&vec![b'a'; length - 2][..], b"\r\n"].concat();
        assert_eq!(room().feed(&line(512)), Ok(()));
        assert_eq!(room().feed(&line(513)), Err(TooLarge::Line));
        assert_eq!(room().feed(&[b"GET / HTTP/1.1\r\n", &line(512)[..]].concat()), Ok(()));
        assert_eq!(room().feed(&[b"GET / HTTP/1.1\r\n", &line(513)[..]].concat()), Err(TooLarge::Headers));
    }

    #[test]
    fn the_ends_of_buffers_are_lost() {
        let head = |lines: usize| {
            [b"GET / HTTP/1.1\r\n", &[vec![b'a'; 298], b"\r\n".to_vec()].concat().repeat(lines)[..]].concat()
        };
        assert_eq!(room().feed(&head(2)), Ok(()));
        assert_eq!(room().feed(&head(3)), Err(TooLarge::Headers));
    }
}
