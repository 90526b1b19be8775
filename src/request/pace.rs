//! How fast an answer is sent: `limit_rate`, `limit_rate_after`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::template::Template;
use crate::config::value;

use super::{RequestCtx, date};

/// A limit of bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Bytes per second, at least one.
    rate: u64,
    /// Bytes that are sent before that.
    after: u64,
    /// When the request began, seconds since 1970.
    since: i64,
}

impl Pace {
    /// The limit for a request's answer, as it stands now.
    pub fn of(ctx: &RequestCtx) -> Option<Self> {
        let output = &ctx.conf.output;
        let rate = ctx.limit_rate.unwrap_or_else(|| size(ctx, &output.limit_rate));
        let since =
            || date::now().saturating_sub(i64::try_from(ctx.started.elapsed().as_secs()).unwrap_or(0));
        (rate > 0).then(|| Self { rate, after: size(ctx, &output.limit_rate_after), since: since() })
    }

    /// How much more may be sent now, after `sent` bytes; or how long to wait.
    ///
    /// # Errors
    /// The time to wait.
    pub fn allowance(&self, sent: u64) -> Result<u64, Duration> {
        let seconds = u64::try_from(date::now().saturating_sub(self.since)).unwrap_or(0);
        let allowed = self.rate.saturating_mul(seconds + 1).saturating_add(self.after);
        match allowed.checked_sub(sent).filter(|more| *more > 0) {
            Some(more) => Ok(more),
            None => Err(self.time(sent - allowed)),
        }
    }

    /// How long to rest after `sent` became `now` bytes.
    pub fn rest(&self, sent: u64, now: u64) -> Duration {
        let (sent, now) = (sent.saturating_sub(self.after), now.saturating_sub(self.after));
        self.time(now.saturating_sub(sent)).saturating_sub(Duration::from_millis(1))
    }

    /// The time that so many bytes take, and a millisecond.
    fn time(&self, bytes: u64) -> Duration {
        Duration::from_millis(bytes.saturating_mul(1000) / self.rate + 1)
    }
}

/// A size that may hold variables; what is none is no limit.
fn size(ctx: &RequestCtx, template: &Template) -> u64 {
    value::size(&ctx.render(template)).unwrap_or(0)
}
