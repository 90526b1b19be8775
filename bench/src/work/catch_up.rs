//! Stored messages for those who come later.

use std::io;
use std::iter;
use std::time::{Duration, Instant};

use super::{Clock, SIZE, Sample};
use crate::client::{Crowd, Transport};
use crate::measure::Latencies;
use crate::server::Site;

/// Each reader gets all messages of a channel. By long-polling that is a cycle of requests that never wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchUp {
    pub(crate) transport: Transport,
    pub(crate) stored: usize,
    /// In the whole run.
    pub(crate) readers: usize,
    pub(crate) at_once: usize,
}

impl CatchUp {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        let mut crowd = Crowd::new(&site.target, 1, 1)?;
        crowd.store(1, self.stored, SIZE)?;
        crowd.reset();
        self.read(&mut crowd, 1)?;
        crowd.reset();
        let clock = Clock::start(site)?;
        let mut latencies = Latencies::default();
        for _ in 0..self.readers / self.at_once {
            latencies.add(self.read(&mut crowd, self.at_once)?);
        }
        let sample = clock.stop(crowd.tally().delivered, &latencies)?;
        Ok(Sample { faults: crowd.finish()?, ..sample })
    }

    /// Lets readers come, and go when they have everything. Returns how long a message took.
    fn read(self, crowd: &mut Crowd, readers: usize) -> io::Result<Duration> {
        crowd.leave();
        let wanted = crowd.tally().delivered + readers * self.stored;
        let start = Instant::now();
        crowd.join(self.transport, iter::repeat_n(0, readers))?;
        crowd.wait("stored messages", |crowd| crowd.tally().delivered >= wanted)?;
        Ok(start.elapsed() / u32::try_from(readers * self.stored).unwrap_or(u32::MAX))
    }
}
