//! `limit_req`: a leaky bucket for each key of a zone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{self, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::config::model::{LimitReqConf, Severity, ZoneKind};
use crate::log;
use crate::push::waiting::ParkSlot;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::limits::LimitStatus;

use super::slab::{Extent, Slab};
use super::zone::{Memory, Zone};

/// What nginx keeps of each key besides the key, and for a zone as a whole.
pub const NODE: usize = 80;
/// See [`NODE`].
pub const RESERVED: [usize; 2] = [128, 32];

/// Keys longer than this are refused, as in nginx.
const LONGEST_KEY: usize = 65535;

/// A key that was not seen for so long, and has nothing in its bucket, is forgotten in passing.
const FORGOTTEN: u64 = 60_000;

// === zones ===

/// What is in a zone of `limit_req_zone`.
#[derive(Debug)]
pub struct Requests(Mutex<State>);

#[derive(Debug)]
struct State {
    slab: Slab,
    buckets: HashMap<Box<[u8]>, Bucket>,
    /// Keys by the order in which they were last seen.
    seen: BTreeMap<u64, Box<[u8]>>,
    serial: u64,
}

#[derive(Debug)]
struct Bucket {
    /// Thousandths of a request above the rate.
    excess: u64,
    /// When that was, in milliseconds.
    last: u64,
    /// Its place in [`State::seen`].
    seen: u64,
    extent: Extent,
    /// Requests that are looking at another zone before they count here. They keep the key.
    pending: usize,
}

/// What a zone says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass; so many thousandths are above the rate.
    Within(u64),
    /// Above rate and burst.
    Above(u64),
    /// The zone is full.
    Full,
}

impl Requests {
    /// An empty zone.
    pub fn new(size: u64) -> Self {
        let slab = Slab::new(size, &RESERVED);
        Self(Mutex::new(State { slab, buckets: HashMap::new(), seen: BTreeMap::new(), serial: 0 }))
    }

    /// Looks at a key. With `counts`, the request is put into the bucket if it may pass; otherwise
    /// [`Requests::count`] must follow, or [`Requests::forgo`].
    fn look(&self, key: &[u8], rate: u64, burst: u64, counts: bool, now: u64) -> Verdict {
        let state = &mut *self.lock();
        state.touch(key);
        let Some(bucket) = state.buckets.get_mut(key) else {
            return match state.insert(key, now, rate, !counts) {
                true => Verdict::Within(0),
                false => Verdict::Full,
            };
        };
        let (excess, last) = bucket.with_one_more(rate, now);
        if excess > burst {
            return Verdict::Above(excess);
        }
        if counts {
            (bucket.excess, bucket.last) = (excess, last);
        } else {
            bucket.pending += 1;
        }
        Verdict::Within(excess)
    }

    /// Puts a request into the bucket after all; returns what is above the rate then.
    fn count(&self, key: &[u8], rate: u64, now: u64) -> u64 {
        let state = &mut *self.lock();
        let Some(bucket) = state.buckets.get_mut(key) else { return 0 };
        (bucket.excess, bucket.last) = bucket.with_one_more(rate, now);
        bucket.pending = bucket.pending.saturating_sub(1);
        bucket.excess
    }

    /// The request was turned away elsewhere.
    fn forgo(&self, key: &[u8]) {
        if let Some(bucket) = self.lock().buckets.get_mut(key) {
            bucket.pending = bucket.pending.saturating_sub(1);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The key was seen just now.
    fn touch(&mut self, key: &[u8]) {
        let Some(bucket) = self.buckets.get_mut(key) else { return };
        self.serial += 1;
        if let Some(key) = self.seen.remove(&bucket.seen) {
            self.seen.insert(self.serial, key);
        }
        bucket.seen = self.serial;
    }

    /// A bucket for a new key. Where there is no room, the key that was not seen for longest goes; false if that does
    /// not help.
    fn insert(&mut self, key: &[u8], now: u64, rate: u64, pending: bool) -> bool {
        self.forget_empty(now, rate, 2);
        let mut extent = self.slab.take(NODE + key.len());
        if extent.is_none() {
            self.forget_oldest();
            self.forget_empty(now, rate, 2);
            extent = self.slab.take(NODE + key.len());
        }
        let Some(extent) = extent else { return false };
        self.serial += 1;
        self.seen.insert(self.serial, key.into());
        // One that does not count yet was never seen before, so that the first to count finds nothing above the rate.
        let last = if pending { 0 } else { now };
        let bucket = Bucket { excess: 0, last, seen: self.serial, extent, pending: usize::from(pending) };
        self.buckets.insert(key.into(), bucket);
        true
    }

    fn forget_oldest(&mut self) {
        let oldest = self.seen.first_key_value().map(|(_, key)| key.clone());
        if let Some(key) = oldest {
            self.forget(&key);
        }
    }

    /// Forgets up to `most` of the oldest keys, if nothing is in their buckets any more.
    fn forget_empty(&mut self, now: u64, rate: u64, most: usize) {
        for _ in 0..most {
            let Some(key) = self.seen.first_key_value().map(|(_, key)| key.clone()) else { return };
            let Some(bucket) = self.buckets.get(&key) else { return };
            let idle = now.saturating_sub(bucket.last);
            if bucket.pending > 0 || idle < FORGOTTEN || bucket.excess > rate.saturating_mul(idle) / 1000 {
                return;
            }
            self.forget(&key);
        }
    }

    /// Forgets a key that no request is about to count for.
    fn forget(&mut self, key: &[u8]) {
        if self.buckets.get(key).is_some_and(|bucket| bucket.pending == 0)
            && let Some(bucket) = self.buckets.remove(key)
        {
            self.seen.remove(&bucket.seen);
            self.slab.give_back(bucket.extent);
        }
    }
}

impl Bucket {
    /// What would be above the rate with one more request, and the time to be noted for it.
    fn with_one_more(&self, rate: u64, now: u64) -> (u64, u64) {
        let passed = now.saturating_sub(self.last);
        let excess = (self.excess + 1000).saturating_sub(rate.saturating_mul(passed) / 1000);
        (excess, now.max(self.last))
    }
}

/// Milliseconds of a clock that nobody sets, and that began long before the first request.
fn now() -> u64 {
    const LONG_BEFORE: u64 = 1 << 40;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).map_or(u64::MAX, |millis| LONG_BEFORE + millis)
}

// === the layer ===

/// The `limit_req`s of a location.
#[derive(Clone, Debug)]
pub struct LocationLimits(Arc<[Limit]>);

/// One `limit_req`, with its zone.
#[derive(Clone, Debug)]
struct Limit {
    zone: Arc<Zone>,
    memory: Arc<Requests>,
    rate: u64,
    burst: u64,
    delay: u64,
}

impl LocationLimits {
    /// `None` for a location without limits.
    pub fn of(conf: &LimitReqConf, zones: &[Arc<Zone>]) -> Option<Self> {
        let limits: Arc<[Limit]> = conf
            .limits
            .iter()
            .filter_map(|limit| {
                let zone = Arc::clone(zones.get(limit.zone)?);
                let (Memory::Requests(memory), ZoneKind::Requests { rate }) = (&zone.memory, zone.conf.kind)
                else {
                    return None;
                };
                let memory = Arc::clone(memory);
                Some(Limit { zone, memory, rate, burst: limit.burst, delay: limit.delay })
            })
            .collect();
        (!limits.is_empty()).then_some(Self(limits))
    }
}

/// Lets requests go on that do not come too often, some of them after a while.
pub async fn layer(
    extract::State(limits): extract::State<LocationLimits>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(slot): Extension<Arc<ParkSlot>>,
    request: Request,
    next: Next,
) -> Response {
    let delay = match check(&ctx, &limits.0) {
        Ok(delay) => delay,
        Err(answer) => return answer.into_response(),
    };
    drop(ctx);
    if !delay.is_zero() {
        slot.rest(delay).await;
    }
    next.run(request).await
}

/// How long the request has to wait, or the answer that turns it away.
fn check(ctx: &RequestCtx, limits: &[Limit]) -> Result<Duration, Answer> {
    let conf = &ctx.conf.limit_req;
    if ctx.limits.requests.get().is_some() {
        return Ok(Duration::ZERO);
    }
    let keyed = keyed(ctx, limits);
    let now = now();
    let mut last = None;
    for (at, (limit, key)) in keyed.iter().enumerate() {
        let counts = at + 1 == keyed.len();
        match limit.memory.look(key, limit.rate, limit.burst, counts, now) {
            Verdict::Within(excess) => last = Some((*limit, excess)),
            refused => {
                keyed[..at].iter().for_each(|(limit, key)| limit.memory.forgo(key));
                return turn_away(ctx, limit, refused);
            }
        }
    }
    let Some((limit, excess)) = last else { return Ok(Duration::ZERO) };
    let mut longest = (wait(limit, excess), limit, excess);
    for (limit, key) in keyed.iter().rev().skip(1) {
        let excess = limit.memory.count(key, limit.rate, now);
        let wait = wait(limit, excess);
        if wait > longest.0 {
            longest = (wait, limit, excess);
        }
    }
    let (wait, limit, excess) = longest;
    if wait == 0 {
        let _ = ctx.limits.requests.set(LimitStatus::Passed);
        return Ok(Duration::ZERO);
    }
    let dry = if conf.dry_run { ", dry run" } else { "" };
    let message =
        format!("delaying request{dry}, excess: {}, by zone \"{}\"", in_units(excess), limit.zone.conf.name);
    ctx.log(less(conf.log_level), &message);
    if conf.dry_run {
        let _ = ctx.limits.requests.set(LimitStatus::DelayedDryRun);
        return Ok(Duration::ZERO);
    }
    let _ = ctx.limits.requests.set(LimitStatus::Delayed);
    Ok(Duration::from_millis(wait))
}

/// The limits that are for this request, with its keys.
fn keyed<'a>(ctx: &RequestCtx, limits: &'a [Limit]) -> Vec<(&'a Limit, Vec<u8>)> {
    limits.iter().filter_map(|limit| Some((limit, limit.zone.key(ctx, LONGEST_KEY)?))).collect()
}

fn turn_away(ctx: &RequestCtx, limit: &Limit, verdict: Verdict) -> Result<Duration, Answer> {
    let conf = &ctx.conf.limit_req;
    let zone = &limit.zone.conf.name;
    let dry = if conf.dry_run { ", dry run" } else { "" };
    if let Verdict::Above(excess) = verdict {
        let message = format!("limiting requests{dry}, excess: {} by zone \"{zone}\"", in_units(excess));
        ctx.log(conf.log_level, &message);
    } else {
        log::event(Severity::Alert, &format!("could not allocate node in limit_req zone \"{zone}\""));
    }
    if conf.dry_run {
        let _ = ctx.limits.requests.set(LimitStatus::RejectedDryRun);
        return Ok(Duration::ZERO);
    }
    let _ = ctx.limits.requests.set(LimitStatus::Rejected);
    Err(Answer::error(conf.status))
}

/// How many milliseconds a request has to wait.
fn wait(limit: &Limit, excess: u64) -> u64 {
    excess.saturating_sub(limit.delay).saturating_mul(1000).checked_div(limit.rate).unwrap_or(0)
}

/// Thousandths as nginx prints them.
fn in_units(excess: u64) -> String {
    format!("{}.{:03}", excess / 1000, excess % 1000)
}

/// The next level: delays are less grave than refusals.
fn less(level: Severity) -> Severity {
    match level {
        Severity::Error => Severity::Warn,
        Severity::Warn => Severity::Notice,
        Severity::Notice => Severity::Info,
        _ => Severity::Debug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_leaks_with_the_rate() {
        let zone = Requests::new(1 << 20);
        let look = |now| zone.look(b"k", 1000, 2000, true, now);
        assert_eq!(look(0), Verdict::Within(0));
        assert_eq!(look(0), Verdict::Within(1000));
        assert_eq!(look(500), Verdict::Within(1500));
        assert_eq!(look(500), Verdict::Above(2500));
        assert_eq!(look(5000), Verdict::Within(0));
    }

    #[test]
    fn the_oldest_key_goes_where_there_is_no_room() {
        let zone = Requests::new(32 << 10);
        for key in 0..191u32 {
            assert_eq!(zone.look(&key.to_be_bytes(), 16, 0, true, 0), Verdict::Within(0));
        }
        assert!(matches!(zone.look(&0u32.to_be_bytes(), 16, 0, true, 1), Verdict::Above(_)));
        assert_eq!(zone.look(b"more", 16, 0, true, 1), Verdict::Within(0));
        // Key 0 was seen last, so key 1 went.
        assert!(matches!(zone.look(&0u32.to_be_bytes(), 16, 0, true, 1), Verdict::Above(_)));
        assert_eq!(zone.look(&1u32.to_be_bytes(), 16, 0, true, 1), Verdict::Within(0));
        assert_eq!(zone.look(&[1; 40_000], 16, 0, true, 1), Verdict::Full);
    }

    #[test]
    fn keys_with_nothing_in_their_buckets_are_forgotten_after_a_minute() {
        let zone = Requests::new(1 << 20);
        zone.look(b"a", 1000, 0, true, 0);
        zone.look(b"b", 1000, 0, true, 60_001);
        assert_eq!(zone.lock().buckets.len(), 1);
    }
}
