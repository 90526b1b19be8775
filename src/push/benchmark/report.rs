//! What a console is told of a benchmark, in Nchan's form.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::plan::Plan;

/// Significant digits of times.
const DIGITS: u8 = 3;

/// How long things took, in nanoseconds.
#[derive(Debug)]
pub(super) struct Times(Histogram<u64>);

/// What came of a part, or of all together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Messages that were published.
    pub(super) confirmed: u64,
    /// Messages that the store did not take.
    pub(super) failed: u64,
    /// From asking the store to publish to its answer.
    pub(super) publishing: Times,
    /// From publishing to each subscriber.
    pub(super) delivery: Times,
}

// === impl Times ===

impl Default for Times {
    fn default() -> Self {
        // It grows as it has to. There is an error for numbers of digits above five only.
        let histogram = Histogram::new(DIGITS);
        Self(histogram.unwrap_or_else(|_| unreachable!("{DIGITS} digits are fine")))
    }
}

impl Times {
    /// Counts one.
    pub(super) fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // Beyond what a histogram can hold are some centuries.
        let _ = self.0.record(nanos);
    }

    /// Adds all of another one.
    fn add_all(&mut self, others: &Self) {
        let _ = self.0.add(&others.0);
    }

    /// How many were counted.
    fn count(&self) -> u64 {
        self.0.len()
    }

    fn write(&self) -> String {
        let ms = |nanos: f64| format!("\"{:.3}ms\"", nanos / 1e6);
        let whole = |nanos: u64| ms(nanos as f64);
        format!(
            "{{\n    \"min\":               {},\n    \"avg\":               {},\n    \
             \"99th_percentile\":   {},\n    \"max\":               {},\n    \
             \"stddev\":            {},\n    \"samples\":            {}\n  }}",
            whole(self.0.min()),
            ms(self.0.mean()),
            whole(self.0.value_at_quantile(0.99)),
            whole(self.0.max()),
            ms(self.0.stdev()),
            self.count(),
        )
    }
}

// === impl Tally ===

impl Tally {
    /// Adds another part's.
    pub(super) fn add_all(&mut self, part: &Self) {
        self.confirmed += part.confirmed;
        self.failed += part.failed;
        self.publishing.add_all(&part.publishing);
        self.delivery.add_all(&part.delivery);
    }
}

// === Texts ===

/// Everybody is there.
pub(super) fn ready(plan: &Plan, since: u64) -> String {
    let conf = &plan.conf;
    format!(
        "READY\n{{\n  \"init_time\":                        {since},\n  \
         \"time\":                             {},\n  \
         \"messages_per_channel_per_minute\":  {},\n  \
         \"message_padding_bytes\":            {},\n  \
         \"channels\":                         {},\n  \
         \"subscribers_per_channel\":          {}\n}}\n",
        conf.time.as_secs(),
        conf.messages_per_minute,
        conf.padding,
        conf.channels,
        conf.subscribers_per_channel,
    )
}

/// All is over: what came of it in the `time` since the second `start`.
pub(super) fn results(plan: &Plan, start: u64, time: Duration, tally: &Tally) -> String {
    let Tally { confirmed, failed, publishing, delivery } = tally;
    let (sent, received) = (confirmed + failed, delivery.count());
    let expected = confirmed.saturating_mul(plan.conf.subscribers_per_channel);
    // The store answers at once: no message is without an answer.
    format!(
        "RESULTS\n{{\n  \"start_time\":           {start},\n  \"run_time_sec\":         {},\n  \
         \"channels\":             {},\n  \"subscribers\":          {},\n  \
         \"message_length\":       {},\n  \"messages\": {{\n    \
         \"sent\":               {sent},\n    \"send_confirmed\":     {confirmed},\n    \
         \"send_unconfirmed\":   0,\n    \"send_failed\":        {failed},\n    \
         \"received\":           {received},\n    \"unreceived\":         {}\n  }},\n  \
         \"message_publishing_latency\": {},\n  \"message_delivery_latency\": {}\n}}\n",
        time.as_secs(),
        plan.conf.channels,
        plan.subscribers(),
        plan.message_length(),
        expected.saturating_sub(received),
        publishing.write(),
        delivery.write(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_milliseconds() {
        let mut times = Times::default();
        [1, 2, 3].into_iter().for_each(|ms| times.add(Duration::from_millis(ms)));
        let text = times.write();
        for line in
            ["\"avg\":               \"2.00", "\"max\":               \"3.00", "\"samples\":            3\n"]
        {
            assert!(text.contains(line), "{text}");
        }
        assert!(Times::default().write().contains("\"min\":               \"0.000ms\""));
    }
}
