//! Many channels with one subscriber each.

use std::io;

use super::{Clock, SIZE, Sample};
use crate::client::{Crowd, Event, Transport};
use crate::server::Site;

/// Every message goes to one subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneToOne {
    pub(crate) transport: Transport,
    pub(crate) channels: u32,
    /// Not more than channels.
    pub(crate) publishers: u32,
    pub(crate) messages: usize,
}

/// A publisher, which goes round its channels.
#[derive(Clone, Copy, Debug)]
struct Round {
    channel: u32,
    is_answered: bool,
    is_delivered: bool,
}

impl OneToOne {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        let mut crowd = Crowd::new(&site.target, self.channels, self.publishers as usize)?;
        crowd.join(self.transport, 0..self.channels)?;
        self.publish(&mut crowd, self.channels as usize)?;
        crowd.reset();
        let clock = Clock::start(site)?;
        self.publish(&mut crowd, self.messages)?;
        let sample = clock.stop(crowd.tally().delivered, &crowd.tally().deliveries)?;
        Ok(Sample { faults: crowd.finish()?, ..sample })
    }

    /// Each publisher publishes to its next channel when its last message is answered and delivered.
    fn publish(self, crowd: &mut Crowd, messages: usize) -> io::Result<()> {
        let mut rounds: Vec<Round> = (0..self.publishers).map(Round::new).collect();
        for (publisher, round) in rounds.iter().enumerate() {
            crowd.publish(publisher, round.channel, SIZE)?;
        }
        let mut published = rounds.len();
        let start = crowd.tally().delivered;
        while crowd.tally().delivered < start + published || rounds.iter().any(|round| !round.is_answered) {
            crowd.wait_for_any()?;
            for at in 0..crowd.events().len() {
                let publisher = self.note(crowd.events()[at], &mut rounds);
                let round = &mut rounds[publisher];
                if round.is_answered && round.is_delivered && published < messages {
                    *round = self.next(*round);
                    crowd.publish(publisher, round.channel, SIZE)?;
                    published += 1;
                }
            }
        }
        Ok(())
    }

    /// Whose message an event is about.
    fn note(self, event: Event, rounds: &mut [Round]) -> usize {
        match event {
            Event::Answered(publisher) => {
                rounds[publisher].is_answered = true;
                publisher
            }
            Event::Delivered(message) => {
                let publisher = message.channel as usize % rounds.len();
                rounds[publisher].is_delivered = true;
                publisher
            }
        }
    }

    /// Channels of a publisher are as far apart as there are publishers.
    fn next(self, round: Round) -> Round {
        let next = round.channel + self.publishers;
        Round::new(if next < self.channels { next } else { round.channel % self.publishers })
    }
}

impl Round {
    fn new(channel: u32) -> Self {
        Self { channel, is_answered: false, is_delivered: false }
    }
}
