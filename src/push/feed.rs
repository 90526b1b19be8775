//! What one stream is sent: its channels' messages as frames.

use std::sync::Arc;

use bytes::Bytes;

use crate::store::{ChannelId, Message};

use super::attendance::Attendance;
use super::cursor::Cursor;
use super::sources::{Next, Sources};
use super::transport::Format;

/// The messages of one stream.
#[derive(Debug)]
pub struct Feed {
    /// How they are written.
    pub format: Format,
    /// Where they come from.
    pub sources: Sources,
    /// That its subscriber is there.
    pub attendance: Option<Box<Attendance>>,
}

/// Stored messages, as frames.
#[derive(Debug)]
pub struct Frames {
    /// The frames, in order.
    pub frames: Vec<Bytes>,
    /// There are more.
    pub more: bool,
    /// Messages that should have come are stored no longer.
    pub missed: bool,
}

/// The frame of the last message: most streams of a channel get the same.
#[derive(Debug, Default)]
pub struct LastFrame(Option<(Format, Bytes)>);

impl Feed {
    /// Reads stored messages: about `most` bytes of each channel, but at least one message if there is any.
    pub fn read(&mut self, most: usize) -> Frames {
        let read = self.sources.read(most);
        let frames = read.messages.iter().map(|next| self.frame(next)).collect();
        Frames { frames, more: read.more, missed: read.missed }
    }

    /// The frame for a message that was just published in its only channel; none if it was read before.
    pub fn hear_next(&mut self, message: &Arc<Message>, last: &mut LastFrame) -> Option<Bytes> {
        self.sources.is_next(message).then(|| last.of(self, message))
    }

    /// The frames for a message that was just published. There may be none (it was read before) and, where there are several
    /// channels, more than one.
    pub fn hear(&mut self, channel: ChannelId, message: &Arc<Message>, last: &mut LastFrame) -> Vec<Bytes> {
        let news = self.sources.hear(channel, message);
        match &news[..] {
            [next] if self.sources.is_one() => vec![last.of(self, &next.message)],
            news => news.iter().map(|next| self.frame(next)).collect(),
        }
    }

    fn frame(&self, next: &Next) -> Bytes {
        self.format.message(&next.message, &next.cursor)
    }
}

impl LastFrame {
    /// A message of the only channel of a stream.
    fn of(&mut self, feed: &Feed, message: &Arc<Message>) -> Bytes {
        if let Some((last, frame)) = &self.0
            && last.same_frames(&feed.format)
        {
            return frame.clone();
        }
        let frame = feed.format.message(message, &Cursor::of(message));
        self.0 = Some((feed.format.clone(), frame.clone()));
        frame
    }
}
