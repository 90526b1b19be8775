//! Stretches of open files as bodies. They are read by position, so that any number of answers may share a file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::Frame;
use tokio::task::{JoinHandle, spawn_blocking};

/// The bytes of a file in `range`, `at_once` of them in a piece. Where the file ends before, so does the body.
pub fn body(file: Arc<File>, range: Range<u64>, at_once: usize) -> Body {
    Body::new(Stretch { file, range, at_once: at_once.max(1), reading: None })
}

struct Stretch {
    file: Arc<File>,
    /// What is still to be read.
    range: Range<u64>,
    at_once: usize,
    /// The piece that is being read, by a thread that may wait for the disk.
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Stretch {
    fn read(&self) -> JoinHandle<io::Result<Vec<u8>>> {
        let (file, start) = (Arc::clone(&self.file), self.range.start);
        let left = usize::try_from(self.range.end - start).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(self.at_once)];
        spawn_blocking(move || {
            let length = read_at(&file, &mut piece, start)?;
            piece.truncate(length);
            Ok(piece)
        })
    }
}

impl HttpBody for Stretch {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let stretch = self.get_mut();
        if stretch.range.is_empty() {
            return Poll::Ready(None);
        }
        let mut reading = stretch.reading.take().unwrap_or_else(|| stretch.read());
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            stretch.reading = Some(reading);
            return Poll::Pending;
        };
        let piece = match read.map_err(io::Error::other).flatten() {
            Ok(piece) => piece,
            Err(error) => {
                stretch.range.start = stretch.range.end;
                return Poll::Ready(Some(Err(error)));
            }
        };
        if piece.is_empty() {
            stretch.range.start = stretch.range.end;
            return Poll::Ready(None);
        }
        stretch.range.start += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
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
