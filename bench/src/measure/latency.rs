//! How long clients waited.

use std::time::Duration;

/// Times of one run, in nanoseconds; four seconds and more are one.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    nanos: Vec<u32>,
}

impl Latencies {
    pub(crate) fn add(&mut self, time: Duration) {
        self.nanos.push(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX));
    }

    /// Time in microseconds that so many of 100 did not exceed. `None` without any.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let mut nanos = self.nanos.clone();
        let rank = (nanos.len() * percent).div_ceil(100).max(1) - 1;
        if nanos.is_empty() {
            return None;
        }
        let (_, nanos, _) = nanos.select_nth_unstable(rank);
        Some(f64::from(*nanos) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        (1..=200).rev().for_each(|micros| latencies.add(Duration::from_micros(micros)));
        assert_eq!(latencies.percentile(50), Some(100.0));
        assert_eq!(latencies.percentile(99), Some(198.0));
        assert_eq!(latencies.percentile(100), Some(200.0));
    }

    #[test]
    fn long_times_do_not_overflow() {
        let mut latencies = Latencies::default();
        latencies.add(Duration::from_secs(60));
        assert_eq!(latencies.percentile(1), Some(f64::from(u32::MAX) / 1000.0));
    }
}
