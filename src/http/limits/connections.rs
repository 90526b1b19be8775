//! `limit_conn`: how many connections with one key have a request under way.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tower::{Layer, Service};

use crate::config::model::{LimitConnConf, Severity};
use crate::log;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::limits::{Held, LimitStatus, Slot, SlotName};

use super::ctx_of;
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

/// Puts a location's `limit_conn`s around its handler.
#[derive(Clone, Debug)]
pub struct LimitConnLayer(Arc<[Limit]>);

/// One `limit_conn`, with its zone.
#[derive(Clone, Debug)]
struct Limit {
    zone: Arc<Zone>,
    memory: Arc<Connections>,
    most: usize,
}

impl LimitConnLayer {
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

impl<S> Layer<S> for LimitConnLayer {
    type Service = LimitConn<S>;

    fn layer(&self, inner: S) -> LimitConn<S> {
        LimitConn { inner, limits: Arc::clone(&self.0) }
    }
}

/// A handler behind `limit_conn`.
#[derive(Clone, Debug)]
pub struct LimitConn<S> {
    inner: S,
    limits: Arc<[Limit]>,
}

impl<S> Service<Request> for LimitConn<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(ctx) = ctx_of(&request) else {
            return Box::pin(ready(Ok(Answer::error(500).into_response())));
        };
        match check(&ctx, &self.limits) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(answer) => Box::pin(ready(Ok(answer.into_response()))),
        }
    }
}

/// Takes the request's slots; they are its own until it is over.
fn check(ctx: &RequestCtx, limits: &[Limit]) -> Result<(), Answer> {
    if ctx.limits.connections.get().is_some() {
        return Ok(());
    }
    let mut slots: Vec<Slot> = Vec::new();
    for limit in limits {
        let key = ctx.render(&limit.zone.conf.key);
        if key.is_empty() {
            continue;
        }
        if key.len() > LONGEST_KEY {
            let text = format!(
                "the value of the \"{}\" key is more than 255 bytes: \"{}\"",
                limit.zone.conf.key_text,
                String::from_utf8_lossy(&key)
            );
            ctx.log(Severity::Error, &text);
            continue;
        }
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
