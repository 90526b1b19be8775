//! Publishers without subscribers.

use std::io;

use super::{Clock, Sample};
use crate::client::{Crowd, Event, Transport};
use crate::server::Site;

/// Messages whose memory can be told apart from what an allocator has in hand.
const ENOUGH: usize = 1000;

/// Each publisher has a keep-alive connection, and goes round its channels.
///
/// All channels are full before, so that each message pushes another one out. What a message then took of memory is
/// counted from a server that has a channel already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish {
    pub(crate) publishers: u32,
    /// A multiple of the publishers.
    pub(crate) channels: u32,
    /// Messages that a channel keeps.
    pub(crate) stored: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) messages: usize,
}

impl Publish {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        // The last channel is only there for what is made on first use.
        let mut crowd = Crowd::new(&site.target, self.channels + 1, self.publishers as usize)?;
        crowd.publish(0, self.channels, self.size)?;
        crowd.wait("the answer to a publish", |crowd| crowd.is_free(0))?;
        let empty = site.memory()?;
        crowd.store(self.channels, self.stored, self.size)?;
        let full = site.memory()?;
        self.publish(&mut crowd, 1 + self.messages / 20)?;
        crowd.reset();
        let clock = Clock::start(site)?;
        self.publish(&mut crowd, self.messages)?;
        let sample = clock.stop(crowd.tally().answered, &crowd.tally().answers)?;
        if !site.keeps_nothing() {
            self.check(&mut crowd)?;
        }
        let per_message = |bytes: f64| bytes / self.capacity() as f64 - self.size as f64;
        let bytes = empty.zip(full).map(|(empty, full)| per_message(full as f64 - empty as f64));
        Ok(Sample { bytes: bytes.filter(|_| self.capacity() >= ENOUGH), faults: crowd.finish()?, ..sample })
    }

    /// Connections that look at the end what is stored.
    pub(super) fn readers(self) -> usize {
        if self.stored == 1 { 1 } else { self.channels as usize }
    }

    /// Messages in all channels.
    pub(super) fn capacity(self) -> usize {
        self.channels as usize * self.stored
    }

    fn publish(self, crowd: &mut Crowd, messages: usize) -> io::Result<()> {
        let mut next: Vec<u32> = (0..self.publishers).collect();
        let start = crowd.tally().answered;
        let mut published = 0;
        for publisher in 0..next.len() {
            self.publish_next(crowd, publisher, &mut next)?;
            published += 1;
        }
        while crowd.tally().answered < start + published {
            crowd.wait_for_any()?;
            for at in 0..crowd.events().len() {
                let Event::Answered(publisher) = crowd.events()[at] else { continue };
                if published < messages {
                    self.publish_next(crowd, publisher, &mut next)?;
                    published += 1;
                }
            }
        }
        Ok(())
    }

    /// To the publisher's next channel: they are as far apart as there are publishers.
    fn publish_next(self, crowd: &mut Crowd, publisher: usize, next: &mut [u32]) -> io::Result<()> {
        let channel = next[publisher];
        next[publisher] = (channel + self.publishers) % self.channels;
        crowd.publish(publisher, channel, self.size)
    }

    /// The last messages are there, in their order.
    fn check(self, crowd: &mut Crowd) -> io::Result<()> {
        if self.stored == 1 {
            return crowd.read_back(self.channels);
        }
        crowd.join_late(Transport::EventSource, 0..self.channels)?;
        crowd.wait("stored messages", Crowd::is_up_to_date)
    }
}
