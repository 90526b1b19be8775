//! The kinds of work. Each runs against a fresh server, and says what a unit of it cost.

mod catch_up;
mod churn;
mod fan_out;
mod idle;
mod one_to_one;
mod publish;

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::Faults;
use crate::measure::{Latencies, own_cpu};
use crate::server::{Needs, Site};
use crate::works::Kind;

pub(crate) use catch_up::CatchUp;
pub(crate) use churn::Churn;
pub(crate) use fan_out::{FanOut, Pace};
pub(crate) use idle::{Idle, Layout};
pub(crate) use one_to_one::OneToOne;
pub(crate) use publish::Publish;

/// Messages that channels keep where nobody asks for old ones.
pub(crate) const STORED: usize = 100;

/// Bytes of a message where its size is not what matters.
pub(crate) const SIZE: usize = 100;

/// What one run of a work measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Processor time in microseconds per unit, or bytes per subscriber. `None` if the server's process is not known.
    pub(crate) cost: Option<f64>,
    /// Microseconds from a publish to each subscriber that got it.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Deliveries, publishes, connections.
    pub(crate) units: usize,
    /// From begin to end.
    pub(crate) seconds: f64,
    /// Processor time of this program, in microseconds per unit.
    pub(crate) own_cost: Option<f64>,
    /// Memory in bytes: without subscribers, with a part of them, with all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<[u64; 3]>,
    /// Bytes of memory per subscriber (`idle`: with all that the first request brought), or per stored message above
    /// its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<f64>,
    pub(crate) faults: Faults,
}

impl Kind {
    /// What a server must be ready for.
    pub(crate) fn needs(self, workers: usize) -> Needs {
        let of = |connections, stored, messages, size| Needs { connections, stored, messages, size, workers };
        match self {
            Kind::Idle(work) => of(work.subscribers, STORED, work.channels() as usize, SIZE),
            Kind::FanOut(work) => of(work.subscribers, STORED, STORED, work.size),
            Kind::OneToOne(work) => {
                of((work.channels + work.publishers) as usize, STORED, 2 * work.messages, SIZE)
            }
            Kind::Publish(work) => {
                of(work.publishers as usize + work.readers(), work.stored, work.capacity(), work.size)
            }
            // Those who just left are there for a moment.
            Kind::CatchUp(work) => of(2 * work.at_once, work.stored, work.stored, SIZE),
            Kind::Churn(_) => of(2 * churn::BATCH, STORED, 1, SIZE),
        }
    }

    /// Whether it is all about what a server keeps: its memory, and messages for those who come later. The floor keeps
    /// nothing and is exempt from it, as it is from what other works ask of that ([`Site::keeps_nothing`]).
    pub(crate) fn is_about_what_is_kept(self) -> bool {
        matches!(self, Kind::Idle(_) | Kind::CatchUp(_) | Kind::Churn(_))
    }

    /// What the cost is of.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Kind::Idle(_) => "B/subscriber",
            Kind::FanOut(_) => "us/delivery",
            Kind::OneToOne(_) | Kind::Publish(_) | Kind::CatchUp(_) => "us/message",
            Kind::Churn(_) => "us/connection",
        }
    }

    /// What memory is counted for. `None` if a sample has no bytes.
    pub(crate) fn memory_unit(self) -> Option<&'static str> {
        match self {
            Kind::Idle(_) | Kind::FanOut(_) => Some("B/subscriber"),
            Kind::Publish(work) if work.stored == 1 => Some("B/channel above its message"),
            Kind::Publish(_) => Some("B/message above its body"),
            Kind::OneToOne(_) | Kind::CatchUp(_) | Kind::Churn(_) => None,
        }
    }

    /// The number of a sample that a limit of memory holds for.
    pub(crate) fn memory(self, sample: &Sample) -> Option<f64> {
        match self {
            // Whichever is more: between a part of the subscribers and all of them, or from none to all.
            Kind::Idle(_) => Some(sample.cost?.max(sample.bytes?)),
            _ => sample.bytes,
        }
    }

    pub(crate) fn run(self, site: &Site) -> io::Result<Sample> {
        match self {
            Kind::Idle(work) => work.run(site),
            Kind::FanOut(work) => work.run(site),
            Kind::OneToOne(work) => work.run(site),
            Kind::Publish(work) => work.run(site),
            Kind::CatchUp(work) => work.run(site),
            Kind::Churn(work) => work.run(site),
        }
    }
}

/// A measurement that has begun.
struct Clock<'a> {
    site: &'a Site,
    cpu: Option<Duration>,
    own_cpu: Duration,
    start: Instant,
}

impl<'a> Clock<'a> {
    fn start(site: &'a Site) -> io::Result<Self> {
        let cpu = site.cpu()?;
        Ok(Self { site, cpu, own_cpu: own_cpu()?, start: Instant::now() })
    }

    /// What so many units took. Faults are for the caller to look for.
    fn stop(self, units: usize, latencies: &Latencies) -> io::Result<Sample> {
        let seconds = self.start.elapsed().as_secs_f64();
        let own_cpu = own_cpu()?.saturating_sub(self.own_cpu);
        let cpu = self.site.cpu()?.zip(self.cpu).map(|(end, start)| end.saturating_sub(start));
        let per_unit = |time: Duration| time.as_secs_f64() * 1e6 / units as f64;
        Ok(Sample {
            cost: cpu.map(per_unit),
            p50: latencies.percentile(50),
            p99: latencies.percentile(99),
            units,
            seconds,
            own_cost: Some(per_unit(own_cpu)),
            ..Sample::default()
        })
    }
}
