//! Stretches of open files as bodies. They are read by position, so that any number of answers may share a file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};
use tower_http::services::fs::AsyncReadBody;

/// The bytes of a file in `range`, `at_once` of them in a piece. Where the file ends before, so does the body.
pub fn body(file: Arc<File>, range: Range<u64>, at_once: usize) -> Body {
    Body::new(AsyncReadBody::with_capacity(Stretch { file, range, reading: None }, at_once))
}

struct Stretch {
    file: Arc<File>,
    /// What is still to be read.
    range: Range<u64>,
    /// The piece that is being read, by a thread that may wait for the disk.
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Stretch {
    /// Reads the next bytes, at most so many.
    fn read(&self, most: usize) -> JoinHandle<io::Result<Vec<u8>>> {
        let (file, start) = (Arc::clone(&self.file), self.range.start);
        let left = usize::try_from(self.range.end - start).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(most)];
        spawn_blocking(move || {
            let length = read_at(&file, &mut piece, start)?;
            piece.truncate(length);
            Ok(piece)
        })
    }
}

impl AsyncRead for Stretch {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stretch = self.get_mut();
        if stretch.range.is_empty() || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let started = stretch.reading.take().unwrap_or_else(|| stretch.read(buffer.remaining()));
        let read = ready!(Pin::new(stretch.reading.insert(started)).poll(cx));
        stretch.reading = None;
        let piece = read.map_err(io::Error::other)??;
        // What does not fit, where there is less room than before, is read again.
        let piece = &piece[..piece.len().min(buffer.remaining())];
        buffer.put_slice(piece);
        stretch.range.start += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        Poll::Ready(Ok(()))
    }
}

/// Fills the buffer from a position on, as far as there are bytes.
fn read_at(file: &File, buffer: &mut [u8], start: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, start) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn many_read_one_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = Arc::new(file);
        let (mut a, mut b) = (body(Arc::clone(&file), 0..10, 3), body(Arc::clone(&file), 4..6, 3));
        let piece = async |body: &mut Body| body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(piece(&mut a).await, "012");
        assert_eq!(piece(&mut b).await, "45");
        assert_eq!(piece(&mut a).await, "345");
        assert!(b.frame().await.is_none());
        assert_eq!(a.collect().await.unwrap().to_bytes(), "6789");
    }

    #[tokio::test]
    async fn a_file_that_has_become_shorter_ends_the_body() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123").unwrap();
        let body = body(Arc::new(file), 2..10, 64);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "23");
    }
}
