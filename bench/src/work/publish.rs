//! Publishers without subscribers.

use std::io;

use super::{Clock, STORED, Sample};
use crate::client::{Crowd, Event, Transport};
use crate::server::Site;

/// Each publisher has a keep-alive connection and a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish {
    pub(crate) publishers: u32,
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) messages: usize,
}

impl Publish {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        let mut crowd = Crowd::new(&site.target, self.publishers, self.publishers as usize)?;
        // From then on each message pushes another one out.
        self.publish(&mut crowd, STORED * self.publishers as usize)?;
        crowd.reset();
        let clock = Clock::start(site)?;
        self.publish(&mut crowd, self.messages)?;
        let sample = clock.stop(crowd.tally().answered, &crowd.tally().answers)?;
        // The last ones are there, in their order.
        crowd.join_late(Transport::LongPoll, 0..self.publishers)?;
        crowd.wait("stored messages", Crowd::is_up_to_date)?;
        Ok(Sample { faults: crowd.finish()?, ..sample })
    }

    fn publish(self, crowd: &mut Crowd, messages: usize) -> io::Result<()> {
        for channel in 0..self.publishers {
            crowd.publish(channel as usize, channel, self.size)?;
        }
        let mut published = self.publishers as usize;
        let start = crowd.tally().answered;
        while crowd.tally().answered < start + published {
            crowd.wait_for_any()?;
            for at in 0..crowd.events().len() {
                let Event::Answered(publisher) = crowd.events()[at] else { continue };
                // Each has a channel of its number.
                let channel = u32::try_from(publisher).map_err(io::Error::other)?;
                if published < messages {
                    crowd.publish(publisher, channel, self.size)?;
                    published += 1;
                }
            }
        }
        Ok(())
    }
}
