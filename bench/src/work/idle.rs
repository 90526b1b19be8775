//! Subscribers that wait.

use std::io;
use std::time::Instant;

use super::{SIZE, Sample};
use crate::client::{Crowd, Transport};
use crate::server::Site;

/// Of all subscribers, this part is there at the first measurement.
const FIRST_PART: usize = 5;

/// Memory per subscriber that waits.
///
/// The figure is a slope: how much larger the process tree is with many subscribers than with a fifth of them, per
/// subscriber between. What a server takes anyway does not count, nor does memory of the kernel for its sockets,
/// which is the same for all. An allocator that took more than it needed for the first fifth flatters the slope; so
/// the same from a server without subscribers is measured too, which counts everything that the first request
/// brought with it. Afterwards every subscriber has to get one message, and only once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) transport: Transport,
    pub(crate) layout: Layout,
    /// How many there are at last.
    pub(crate) subscribers: usize,
}

/// Who waits where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    OneChannel,
    ChannelEach,
}

impl Idle {
    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        let start = Instant::now();
        let mut crowd = Crowd::new(&site.target, self.channels(), 1)?;
        let sizes = [0, self.subscribers / FIRST_PART, self.subscribers];
        let mut memory = [None; 3];
        for (memory, size) in memory.iter_mut().zip(sizes) {
            let newcomers = crowd.subscribers()..size;
            crowd.join(self.transport, newcomers.map(|member| self.channel(member)))?;
            if let Some(last) = size.checked_sub(1) {
                crowd.wait_until_parked(self.channel(last))?;
            }
            *memory = site.memory()?;
        }
        self.deliver(&mut crowd)?;
        let memory = match memory {
            [Some(empty), Some(part), Some(all)] => Some([empty, part, all]),
            _ => None,
        };
        let since = |first: usize| {
            memory.map(|bytes| (bytes[2] as f64 - bytes[first] as f64) / (sizes[2] - sizes[first]) as f64)
        };
        Ok(Sample {
            cost: since(1),
            bytes: since(0),
            memory,
            units: crowd.tally().delivered,
            seconds: start.elapsed().as_secs_f64(),
            faults: crowd.finish()?,
            ..Sample::default()
        })
    }

    fn deliver(self, crowd: &mut Crowd) -> io::Result<()> {
        for channel in 0..self.channels() {
            crowd.wait("the answer to a publish", |crowd| crowd.is_free(0))?;
            crowd.publish(0, channel, SIZE)?;
        }
        crowd.wait("deliveries", |crowd| crowd.tally().delivered >= crowd.subscribers())
    }

    fn channel(self, member: usize) -> u32 {
        match self.layout {
            Layout::OneChannel => 0,
            Layout::ChannelEach => u32::try_from(member).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn channels(self) -> u32 {
        match self.layout {
            Layout::OneChannel => 1,
            Layout::ChannelEach => u32::try_from(self.subscribers).unwrap_or(u32::MAX),
        }
    }
}
