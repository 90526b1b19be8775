//! Subscribers that come and go.

use std::io;
use std::iter;
use std::time::Instant;

use super::{Clock, SIZE, Sample};
use crate::client::{Crowd, Transport};
use crate::measure::Latencies;
use crate::server::Site;

/// Subscribers that are there together.
pub(super) const BATCH: usize = 100;

/// Each subscriber connects, gets the one stored message, waits for the next, and goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Churn {
    pub(crate) transport: Transport,
    pub(crate) connections: usize,
}

impl Churn {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        let mut crowd = Crowd::new(&site.target, 1, 1)?;
        crowd.store(1, 1, SIZE)?;
        crowd.reset();
        let mut latencies = Latencies::default();
        self.come_and_go(&mut crowd, &mut latencies)?;
        crowd.reset();
        let clock = Clock::start(site)?;
        for _ in 0..self.connections / BATCH {
            self.come_and_go(&mut crowd, &mut latencies)?;
        }
        let sample = clock.stop(crowd.tally().delivered, &latencies)?;
        Ok(Sample { faults: crowd.finish()?, ..sample })
    }

    fn come_and_go(self, crowd: &mut Crowd, latencies: &mut Latencies) -> io::Result<()> {
        let wanted = crowd.tally().delivered + BATCH;
        let start = Instant::now();
        crowd.join(self.transport, iter::repeat_n(0, BATCH))?;
        crowd.wait("a stored message", |crowd| crowd.tally().delivered >= wanted)?;
        latencies.add(start.elapsed());
        crowd.leave();
        Ok(())
    }
}
