//! Requests made inside for which no client waits: how many run at once, and how many may wait for their turn.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

/// How many run at once; the others wait.
const AT_ONCE: usize = 256;

/// How many there may be, with those that wait: each keeps what is known of a request.
const MOST: usize = 16 * 1024;

/// What tells when an errand is over.
pub type Done = oneshot::Receiver<()>;

/// The errands of all workers.
#[derive(Debug)]
pub struct Errands {
    turns: Semaphore,
    under_way: AtomicUsize,
}

/// An errand that counts, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Errands>);

impl Default for Errands {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), under_way: AtomicUsize::new(0) }
    }
}

impl Errands {
    /// Whether there are none: a worker that ends waits for that.
    pub fn are_over(&self) -> bool {
        self.under_way.load(Relaxed) == 0
    }

    /// Counts one that takes its turns otherwise.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Runs one when it is its turn, and not before `after`. `None` if there are too many, or the worker is at its end.
    pub fn run(
        self: &Arc<Self>,
        after: Option<Done>,
        errand: impl Future<Output = ()> + Send + 'static,
    ) -> Option<Done> {
        let worker = Handle::try_current().ok()?;
        let under_way = self.begin();
        if self.under_way.load(Relaxed) > MOST {
            return None;
        }
        let (over, done) = oneshot::channel();
        worker.spawn(async move {
            if let Some(after) = after {
                // It is over, too, if it never ran.
                let _ = after.await;
            }
            let turn = under_way.0.turns.acquire().await;
            errand.await;
            drop(turn);
            drop((over, under_way));
        });
        Some(done)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn one_that_follows_another_waits_for_it() {
        let errands = Arc::new(Errands::default());
        let said = Arc::new(Mutex::new(Vec::new()));
        let (go, wait) = oneshot::channel::<()>();
        let say = |what: &'static str| said.lock().unwrap().push(what);
        let first = {
            let said = Arc::clone(&said);
            errands.run(None, async move {
                wait.await.unwrap();
                said.lock().unwrap().push("came");
            })
        };
        let second = {
            let said = Arc::clone(&said);
            errands.run(first, async move { said.lock().unwrap().push("went") })
        };
        tokio::task::yield_now().await;
        say("nothing yet");
        assert!(!errands.are_over());
        go.send(()).unwrap();
        let _ = second.unwrap().await;
        assert_eq!(*said.lock().unwrap(), ["nothing yet", "came", "went"]);
        tokio::task::yield_now().await;
        assert!(errands.are_over());
    }

    #[tokio::test]
    async fn there_are_never_too_many() {
        let errands = Arc::new(Errands::default());
        let started = (0..MOST + 10).filter_map(|_| errands.run(None, std::future::pending())).count();
        assert_eq!(started, MOST);
    }

    #[test]
    fn a_worker_at_its_end_runs_none() {
        assert!(Arc::new(Errands::default()).run(None, async {}).is_none());
    }
}
