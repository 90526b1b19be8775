//! `limit_conn`: how many connections with one key have a request under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::{self, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::config::model::{LimitConnConf, Severity};
use crate::log;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::limits::{Held, LimitStatus, Slot, SlotName};

use super::slab::{Extent, Slab};
use super::zone::{Memory, Zone};

/// What nginx keeps of each key besides the key, and for a zone as a whole.
const NODE: usize = 36;
const RESERVED: [usize; 2] = [64, 32];

/// Keys longer than this are refused, as in nginx.
const LONGEST_KEY: usize = 255;

// === zones ===

/// What is in a zone of `limit_conn_zone`.
#[derive(Debug)]
pub struct Connections {
    name: Box<str>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    slab: Slab,
    counts: HashMap<Box<[u8]>, (usize, Extent)>,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// The key has as many connections as it may.
    Limit,
    /// The zone is full.
    Full,
}

impl Connections {
    /// An empty zone.
    pub fn new(name: &str, size: u64) -> Self {
        let state = State { slab: Slab::new(size, &RESERVED), counts: HashMap::new() };
        Self { name: name.into(), state: Mutex::new(state) }
    }

    fn take(self: &Arc<Self>, key: &[u8], most: usize) -> Result<Counted, Refused> {
        let state = &mut *self.lock();
        match state.counts.get_mut(key) {
            Some((count, _)) if *count >= most => return Err(Refused::Limit),
            Some((count, _)) => *count += 1,
            None => {
                let extent = state.slab.take(NODE + key.len()).ok_or(Refused::Full)?;
                state.counts.insert(key.into(), (1, extent));
            }
        }
        Ok(Counted { zone: Arc::clone(self), key: key.into() })
    }

    /// A slot that was taken in another process: it counts, whatever the limit is here. `None` if the zone is full.
    pub fn take_over(self: &Arc<Self>, key: &[u8]) -> Option<Slot> {
        self.take(key, usize::MAX).ok().map(|held| Box::new(held) as Slot)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that counts, until this is dropped.
#[derive(Debug)]
struct Counted {
    zone: Arc<Connections>,
    key: Box<[u8]>,
}

impl Held for Counted {
    fn name(&self) -> SlotName {
        SlotName { zone: self.zone.name.to_string(), key: self.key.to_vec() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let state = &mut *self.zone.lock();
        let Some((count, extent)) = state.counts.get_mut(&self.key) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.slab.give_back(*extent);
            state.counts.remove(&self.key);
        }
    }
}

// === the layer ===

/// The `limit_conn`s of a location.
#[derive(Clone, Debug)]
pub struct LocationLimits(Arc<[Limit]>);

/// One `limit_conn`, with its zone.
#[derive(Clone, Debug)]
struct Limit {
    zone: Arc<Zone>,
    memory: Arc<Connections>,
    most: usize,
}

impl LocationLimits {
    /// `None` for a location without limits.
    pub fn of(conf: &LimitConnConf, zones: &[Arc<Zone>]) -> Option<Self> {
        let limits: Arc<[Limit]> = conf
            .limits
            .iter()
            .filter_map(|limit| {
                let zone = Arc::clone(zones.get(limit.zone)?);
                let Memory::Connections(memory) = &zone.memory else { return None };
                let memory = Arc::clone(memory);
                Some(Limit { zone, memory, most: limit.most.into() })
            })
            .collect();
        (!limits.is_empty()).then_some(Self(limits))
    }
}

/// Lets requests go on that find room.
pub async fn layer(
    extract::State(limits): extract::State<LocationLimits>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(answer) = check(&ctx, &limits.0) {
        return answer.into_response();
    }
    drop(ctx);
    next.run(request).await
}

/// Takes the request's slots; they are its own until it is over.
fn check(ctx: &RequestCtx, limits: &[Limit]) -> Result<(), Answer> {
    if ctx.limits.connections.get().is_some() {
        return Ok(());
    }
    let mut slots: Vec<Slot> = Vec::new();
    for limit in limits {
        let Some(key) = limit.zone.key(ctx, LONGEST_KEY) else { continue };
        match limit.memory.take(&key, limit.most) {
            Ok(held) => slots.push(Box::new(held)),
            Err(refused) => return turn_away(ctx, limit, refused),
        }
    }
    if !slots.is_empty() {
        let _ = ctx.limits.connections.set(LimitStatus::Passed);
        ctx.limits.hold(slots);
    }
    Ok(())
}

fn turn_away(ctx: &RequestCtx, limit: &Limit, refused: Refused) -> Result<(), Answer> {
    let conf = &ctx.conf.limit_conn;
    let zone = &limit.zone.conf.name;
    match refused {
        Refused::Limit => {
            let dry = if conf.dry_run { ", dry run," } else { "" };
            ctx.log(conf.log_level, &format!("limiting connections{dry} by zone \"{zone}\""));
        }
        Refused::Full => {
            let message = format!("ngx_slab_alloc() failed: no memory in limit_conn_zone \"{zone}\"");
            log::event(Severity::Crit, &message);
        }
    }
    if conf.dry_run {
        let _ = ctx.limits.connections.set(LimitStatus::RejectedDryRun);
        return Ok(());
    }
    let _ = ctx.limits.connections.set(LimitStatus::Rejected);
    Err(Answer::error(conf.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_return_however_they_are_let_go_of() {
        let zone = Arc::new(Connections::new("z", 32 << 10));
        let first = zone.take(b"k", 2).unwrap();
        let second = zone.take(b"k", 2).unwrap();
        assert_eq!(zone.take(b"k", 2).unwrap_err(), Refused::Limit);
        assert!(zone.take(b"other", 2).is_ok());
        drop(first);
        assert!(zone.take(b"k", 2).is_ok());
        drop(second);
        assert!(zone.lock().counts.is_empty());
    }

    #[test]
    fn a_full_zone_takes_no_new_keys() {
        let zone = Arc::new(Connections::new("z", 32 << 10));
        let held: Vec<Counted> =
            (0..1000u32).map_while(|key| zone.take(&key.to_be_bytes(), 1).ok()).collect();
        assert_eq!(held.len(), 383);
        assert_eq!(zone.take(b"new", 1).unwrap_err(), Refused::Full);
        drop(held);
        assert!(zone.take(b"new", 1).is_ok());
    }
}
