//! What a benchmark is to do: the settings of its location.

use std::time::Duration;

use crate::config::model::BenchmarkConf;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::Usage;

use super::super::publication;

/// Bytes of a message without padding, as in Nchan.
const SHORTEST: u64 = 5;

/// Bytes that a channel, a stored message beside its body, and a subscriber take at most.
const CHANNEL_ROOM: u64 = 640;
const MESSAGE_ROOM: u64 = 256;
const SUBSCRIBER_ROOM: u64 = 96;

/// What a benchmark is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// `nchan_benchmark_*`.
    pub(super) conf: BenchmarkConf,
    /// `nchan_store_messages`.
    pub(super) store: bool,
    /// `nchan_message_buffer_length`.
    pub(super) max_messages: u32,
}

impl Plan {
    /// By the settings of a request's location.
    ///
    /// # Errors
    /// The answer where these depend on the request and come to nothing.
    pub(super) fn of(ctx: &RequestCtx) -> Result<Self, Answer> {
        let push = &ctx.conf.push;
        let length = &push.max_message_buffer_length;
        let max_messages = publication::setting(ctx, length, "nchan_message_buffer_length")?;
        Ok(Self { conf: push.benchmark, store: push.store_messages, max_messages })
    }

    /// Bytes of a message.
    pub(super) fn message_length(&self) -> u64 {
        SHORTEST.saturating_add(self.conf.padding)
    }

    /// The message. It is the same for all: nobody reads it.
    pub(super) fn message(&self) -> Vec<u8> {
        vec![b'0'; usize::try_from(self.message_length()).unwrap_or(usize::MAX)]
    }

    /// Subscribers of all channels.
    pub(super) fn subscribers(&self) -> u64 {
        self.conf.channels.saturating_mul(self.conf.subscribers_per_channel)
    }

    /// When message number `n` of a worker is due that publishes in `channels` channels, from the start.
    pub(super) fn due(&self, n: u64, channels: usize) -> Duration {
        const MINUTE: u128 = Duration::from_secs(60).as_nanos();
        let channels = u64::try_from(channels).unwrap_or(u64::MAX);
        let per_minute = u128::from(self.conf.messages_per_minute.saturating_mul(channels));
        let nanos = (u128::from(n) * MINUTE).checked_div(per_minute);
        nanos.and_then(|nanos| u64::try_from(nanos).ok()).map_or(Duration::MAX, Duration::from_nanos)
    }

    /// Whether there is room for all of it beside what is stored: a benchmark displaces nobody's messages.
    pub(super) fn fits(&self, usage: &Usage, workers: usize) -> bool {
        let BenchmarkConf { time, messages_per_minute, channels, .. } = self.conf;
        let published = messages_per_minute.saturating_mul(time.as_secs()) / 60 + 1;
        let stored = if self.store { published.min(self.max_messages.into()) } else { 0 };
        let message = self.message_length().saturating_add(MESSAGE_ROOM);
        let channel = CHANNEL_ROOM.saturating_add(stored.saturating_mul(message));
        let workers = u64::try_from(workers).unwrap_or(u64::MAX);
        let needed = channels
            .saturating_mul(channel)
            .saturating_add(self.subscribers().saturating_mul(SUBSCRIBER_ROOM))
            // Each worker has the message once, and some of them are on their way.
            .saturating_add(workers.saturating_mul(message).saturating_mul(2));
        let free = usage.budget.saturating_sub(usage.bytes);
        usize::try_from(needed).is_ok_and(|needed| needed <= free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(budget: usize, bytes: usize) -> Usage {
        Usage {
            bytes,
            budget,
            evictable: 0,
            channels: 0,
            messages: 0,
            published: 0,
            subscribers: 0,
            evicted: 0,
            expired: 0,
            collected: 0,
            refused: 0,
        }
    }

    fn plan(conf: BenchmarkConf) -> Plan {
        Plan { conf, store: true, max_messages: 10 }
    }

    #[test]
    fn a_plan_takes_only_memory_that_is_free() {
        let usual = plan(BenchmarkConf::default());
        assert!(usual.fits(&usage(32 << 20, 0), 4));
        assert!(!usual.fits(&usage(32 << 20, 31 << 20), 4));
        let huge = BenchmarkConf { padding: u64::MAX, ..BenchmarkConf::default() };
        assert!(!plan(huge).fits(&usage(1 << 40, 0), 1));
        let many = BenchmarkConf { channels: u64::MAX, subscribers_per_channel: 2, ..huge };
        assert!(!plan(many).fits(&usage(1 << 40, 0), 1));
    }

    #[test]
    fn messages_are_due_at_even_distances() {
        let plan = plan(BenchmarkConf { messages_per_minute: 600, ..BenchmarkConf::default() });
        assert_eq!(plan.due(0, 10), Duration::ZERO);
        assert_eq!(plan.due(3, 10), Duration::from_millis(30));
        assert_eq!(plan.due(0, 0), Duration::MAX);
    }
}
