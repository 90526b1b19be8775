//! Publishers without subscribers.

use std::io;

use super::{Clock, PUBLISHERS, STORED, Sample};
use crate::client::{Crowd, Event, Transport};
use crate::server::Site;

/// Each publisher has a keep-alive connection and a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish {
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) messages: usize,
}

impl Publish {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        let channels = u32::try_from(PUBLISHERS).unwrap_or_default();
        let mut crowd = Crowd::new(&site.target, channels, PUBLISHERS)?;
        // From then on each message pushes another one out.
        self.publish(&mut crowd, PUBLISHERS * STORED)?;
        crowd.reset();
        let clock = Clock::start(site)?;
        self.publish(&mut crowd, self.messages)?;
        let sample = clock.stop(crowd.tally().answered, &crowd.tally().answers)?;
        // The last ones are there, in their order.
        crowd.join_late(Transport::LongPoll, 0..channels)?;
        crowd.wait("stored messages", Crowd::is_up_to_date)?;
        Ok(Sample { faults: crowd.finish()?, ..sample })
    }

    fn publish(self, crowd: &mut Crowd, messages: usize) -> io::Result<()> {
        for publisher in 0..crowd.publishers() {
            crowd.publish(publisher, u32::try_from(publisher).unwrap_or_default(), self.size)?;
        }
        let mut published = crowd.publishers();
        let start = crowd.tally().answered;
        while crowd.tally().answered < start + published {
            crowd.wait_for_any()?;
            for at in 0..crowd.events().len() {
                let Event::Answered(publisher) = crowd.events()[at] else { continue };
                if published < messages {
                    crowd.publish(publisher, u32::try_from(publisher).unwrap_or_default(), self.size)?;
                    published += 1;
                }
            }
        }
        Ok(())
    }
}
