//! One channel, many subscribers.

use std::io;
use std::iter;
use std::time::{Duration, Instant};

use super::{Clock, Sample};
use crate::client::{Crowd, Transport};
use crate::server::Site;

/// Every message goes to every subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FanOut {
    pub(crate) transport: Transport,
    pub(crate) subscribers: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) messages: usize,
    pub(crate) pace: Pace,
}

/// When the next message is published.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// When all have the last one.
    Closed,
    /// At its time. One that comes late because of those before it has waited since then.
    Open { per_second: u32 },
}

impl FanOut {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        let mut crowd = Crowd::new(&site.target, 2, 1)?;
        self.deliver_first(&mut crowd)?;
        let before = site.memory()?;
        crowd.join(self.transport, iter::repeat_n(0, self.subscribers))?;
        crowd.wait_until_parked(0)?;
        let after = site.memory()?;
        // What is made on first use is not measured.
        self.publish_closed(&mut crowd, 1 + self.messages / 20)?;
        crowd.reset();
        let clock = Clock::start(site)?;
        match self.pace {
            Pace::Closed => self.publish_closed(&mut crowd, self.messages)?,
            Pace::Open { per_second } => {
                self.publish_open(&mut crowd, Duration::from_secs(1) / per_second)?;
            }
        }
        let sample = clock.stop(crowd.tally().delivered, &crowd.tally().deliveries)?;
        let per_subscriber = |bytes: f64| bytes / self.subscribers as f64;
        Ok(Sample {
            bytes: before.zip(after).map(|(before, after)| per_subscriber(after as f64 - before as f64)),
            faults: crowd.finish()?,
            ..sample
        })
    }

    /// One message for one subscriber, in another channel: memory is counted from there.
    fn deliver_first(self, crowd: &mut Crowd) -> io::Result<()> {
        crowd.join(self.transport, [1])?;
        crowd.wait_until_parked(1)?;
        crowd.publish(0, 1, self.size)?;
        crowd.wait("a delivery", |crowd| crowd.tally().delivered == 1 && crowd.is_free(0))?;
        crowd.reset();
        Ok(())
    }

    fn publish_closed(self, crowd: &mut Crowd, messages: usize) -> io::Result<()> {
        let before = crowd.tally().delivered;
        for number in 1..=messages {
            crowd.publish(0, 0, self.size)?;
            crowd.wait("deliveries", |crowd| {
                crowd.tally().delivered >= before + number * self.subscribers && crowd.is_free(0)
            })?;
        }
        Ok(())
    }

    fn publish_open(self, crowd: &mut Crowd, interval: Duration) -> io::Result<()> {
        let start = Instant::now();
        for number in 0..self.messages {
            let due = start + interval * u32::try_from(number).unwrap_or(u32::MAX);
            while Instant::now() < due {
                crowd.turn(due.saturating_duration_since(Instant::now()))?;
            }
            // On one connection, so that messages stay in order.
            crowd.wait("the answer to a publish", |crowd| crowd.is_free(0))?;
            crowd.publish_due(0, 0, self.size, due)?;
        }
        crowd.wait("deliveries", |crowd| {
            crowd.tally().delivered >= self.messages * self.subscribers && crowd.is_free(0)
        })
    }
}
