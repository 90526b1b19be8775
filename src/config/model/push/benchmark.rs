//! The benchmark.

use std::time::Duration;

/// `nchan_benchmark_*`: what a benchmark does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchmarkConf {
    /// `nchan_benchmark_time`: how long messages are published.
    pub time: Duration,
    /// `nchan_benchmark_messages_per_channel_per_minute`.
    pub messages_per_minute: u64,
    /// `nchan_benchmark_message_padding_bytes`: how much longer messages are than the shortest.
    pub padding: u64,
    /// `nchan_benchmark_channels`.
    pub channels: u64,
    /// `nchan_benchmark_subscribers_per_channel`.
    pub subscribers_per_channel: u64,
    /// `nchan_benchmark_subscriber_distribution`.
    pub subscribers: Distribution,
    /// `nchan_benchmark_publisher_distribution`.
    pub publishers: Distribution,
}

/// Which worker has a publisher or a subscriber of a benchmark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Any.
    #[default]
    Random,
    /// The same one for all of a channel.
    Optimal,
}

impl Default for BenchmarkConf {
    /// Nchan's numbers.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            messages_per_minute: 120,
            padding: 0,
            channels: 1000,
            subscribers_per_channel: 100,
            subscribers: Distribution::Random,
            publishers: Distribution::Random,
        }
    }
}
