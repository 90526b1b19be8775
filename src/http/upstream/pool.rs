//! Idle connections to servers behind, kept for the next request of the same worker: a connection belongs to the
//! event loop of the thread that made it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::config::model::{KeepAlivePool, PeerAddress};

use super::connect::Link;

/// The idle connections of a group.
#[derive(Debug)]
pub struct Pool {
    conf: KeepAlivePool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: VecDeque<Idle>,
    /// Somebody closes what is idle for too long.
    swept: bool,
}

#[derive(Debug)]
struct Idle {
    worker: ThreadId,
    address: PeerAddress,
    link: Link,
    since: Instant,
}

impl Pool {
    /// An empty one.
    pub fn new(conf: KeepAlivePool) -> Self {
        Self { conf, state: Mutex::default() }
    }

    /// Takes the connection to that server that was used last.
    pub fn take(&self, address: &PeerAddress) -> Option<Link> {
        let worker = thread::current().id();
        let idle = &mut self.lock().idle;
        idle.retain(|idle| !idle.link.is_closed());
        let at = idle.iter().rposition(|idle| idle.worker == worker && idle.address == *address)?;
        idle.remove(at).map(|idle| idle.link)
    }

    /// Keeps a connection, unless it is too old or has served enough; the oldest idle one makes room.
    pub fn put(self: &Arc<Self>, address: PeerAddress, link: Link) {
        let old = link.made.elapsed() >= self.conf.time;
        if link.is_closed() || old || link.requests >= self.conf.requests {
            return;
        }
        let worker = thread::current().id();
        let mut state = self.lock();
        let idle = &mut state.idle;
        idle.retain(|idle| !idle.link.is_closed());
        if idle.iter().filter(|idle| idle.worker == worker).count() >= self.conf.connections
            && let Some(oldest) = idle.iter().position(|idle| idle.worker == worker)
        {
            idle.remove(oldest);
        }
        idle.push_back(Idle { worker, address, link, since: Instant::now() });
        if !std::mem::replace(&mut state.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), self.conf.timeout));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that were idle for too long, until there are none.
async fn sweep(pool: Weak<Pool>, timeout: Duration) {
    let mut wait = timeout;
    loop {
        tokio::time::sleep(wait).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.lock();
        state.idle.retain(|idle| idle.since.elapsed() < timeout && !idle.link.is_closed());
        let Some(oldest) = state.idle.front() else {
            state.swept = false;
            return;
        };
        wait = timeout.saturating_sub(oldest.since.elapsed());
    }
}
