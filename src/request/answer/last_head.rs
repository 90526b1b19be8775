//! The head of an answer, for the next one that differs in its body alone.

use memchr::memmem;

use super::super::date;
use super::head::SMALL;
use super::rendered::Rendered;
use super::{Answer, Responder};

/// The name of the header that differs from body to body.
const LENGTH: &[u8] = b"\r\nContent-Length: ";

/// A head around its `Content-Length`. It is good for as long as its `Date` is, and for answers that have all else in common:
/// the status, the responder, and the headers of the answer.
#[derive(Clone, Debug)]
pub struct LastHead {
    status: u16,
    /// The second of its `Date`.
    second: i64,
    /// Up to the length.
    before: Box<[u8]>,
    /// From behind the length on, with the empty line.
    after: Box<[u8]>,
    /// The only length it is good for, where `gzip` goes by it.
    only: Option<u64>,
}

impl Responder {
    /// Writes an answer down, and its head for the next one, if that can do with it: no variable has a say in it, and the
    /// body goes as it is.
    pub fn render_first(&self, answer: Answer) -> (Rendered, Option<LastHead>) {
        // The head may be of the next second already: then nobody asks for this one again.
        let second = date::now();
        let as_it_is = self.recoding(&answer).is_none() && !self.compresses(&answer) && !self.head_only;
        let only = answer.body.length().filter(|_| self.conf.gzip.enabled);
        let rendered = self.render(answer);
        let is_plain = self.is_plain() && as_it_is && rendered.keep_alive && rendered.last_chunk().is_empty();
        let head = is_plain.then(|| LastHead::around_length(&rendered, second, only)).flatten();
        (rendered, head)
    }
}

impl LastHead {
    fn around_length(rendered: &Rendered, second: i64, only: Option<u64>) -> Option<Self> {
        let head = &*rendered.head();
        let before = memmem::find(head, LENGTH)? + LENGTH.len();
        let digits = memchr::memchr(b'\r', &head[before..])?;
        let (before, after) = (head[..before].into(), head[before + digits..].into());
        Some(Self { status: rendered.status, second, before, after, only })
    }

    /// An answer with this head and another body. `None` where the head has to be written anew, or the body is too large to
    /// be copied behind it.
    pub fn with(&self, status: u16, body: &[u8]) -> Option<Rendered> {
        let fits =
            body.len() <= SMALL && self.only.is_none_or(|only| usize::try_from(only) == Ok(body.len()));
        if status != self.status || !fits || self.second != date::now() {
            return None;
        }
        let mut length = itoa::Buffer::new();
        let length = length.format(body.len()).as_bytes();
        let head_length = self.before.len() + length.len() + self.after.len();
        let mut whole = Vec::with_capacity(head_length + body.len());
        [&self.before, length, &self.after, body].into_iter().for_each(|part| whole.extend_from_slice(part));
        Some(Rendered::small(status, whole.into(), head_length))
    }
}
