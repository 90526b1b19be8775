//! `nchan_benchmark`: a console by which the workers are made to publish and to subscribe, and tell how that went.
//!
//! The console is a WebSocket. It listens to a channel of its own: what is not said at once (`READY`, `RESULTS`) is a
//! message there, and when the channel is deleted the console closes. There is one console at a time, and it has one
//! `Run` at a time; each worker has a `Part` in it. However a console ends, its run ends with it.

mod part;
mod plan;
mod report;
mod run;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::Method;

use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::body;
use crate::store::{ChannelKey, Position, Store, WorkerId};

use super::cors::Origin;
use super::dispatch::Task;
use super::hooks::Subrequest;
use super::socket::Purpose;
use super::subscriber::Subscriber;
use super::validators::Start;
use super::waiting::ParkSlot;
use super::websocket::handshake;
use super::{PushState, authorize, out_of_memory, socket};

use plan::Plan;
use run::Run;

pub use part::{Part, Seats};

/// The group of the channels of benchmarks and their consoles. No request to an `nchan_*` location can name it.
const GROUP: &[u8] = b"m/benchmark";
/// Seconds that an empty channel of a benchmark outlives what was done with it last, should nobody delete it.
const IDLE: u64 = 5;

/// Hands a part to a worker. Only pushes to a queue.
pub type Post = Box<dyn Fn(Part) + Send + Sync>;

/// The benchmark of this process.
pub struct Benchmark {
    store: Arc<Store>,
    workers: Vec<Post>,
    /// The number of the last console or run.
    last: AtomicU64,
    /// Every part has a clone of it.
    parts: Arc<()>,
    current: Mutex<Option<Current>>,
}

/// The console that is there.
struct Current {
    key: ChannelKey,
    run: Option<Arc<Run>>,
}

/// A console: what its client says. The benchmark ends when it is dropped.
pub struct Console {
    benchmark: Arc<Benchmark>,
    key: ChannelKey,
    plan: Plan,
}

/// What a client may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Init,
    Run,
    Finish,
    Abort,
    Unknown,
}

/// A location with `nchan_benchmark`.
pub async fn console(
    State(state): State<PushState>,
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(slot): Extension<Arc<ParkSlot>>,
    Extension(inside): Extension<Arc<dyn Subrequest>>,
) -> Response {
    open(&state, &ctx, &slot, &*inside).await.unwrap_or_else(|answer| answer).into_response()
}

async fn open(
    state: &PushState,
    ctx: &RequestCtx,
    slot: &ParkSlot,
    inside: &dyn Subrequest,
) -> Result<Answer, Answer> {
    if !handshake::is_asked_for(ctx) || ctx.method != Method::GET {
        return Err(Answer::error(400));
    }
    let origin = Origin::of(ctx).map_err(|_| Answer::empty(403))?;
    body::discard(ctx).await?;
    authorize::ask(ctx, &Task::Socket, inside, origin.as_ref()).await?;
    let plan = Plan::of(ctx)?;
    let console = Console::enter(&state.benchmark, plan);
    let console = console.map_err(|busy| Answer::text(409, *b"text/plain", busy))?;
    let keys = [console.key.clone()];
    state.store.create(&keys[0], IDLE).map_err(|_| out_of_memory(ctx))?;
    let start = Start::At(Position::Oldest);
    let subscriber = Subscriber { state, ctx, slot, origin, inside: None };
    socket::shake(subscriber, &keys, &start, Purpose::Command(Box::new(console))).await
}

// === impl Benchmark ===

impl Benchmark {
    /// For the channels of this store, with these workers in the order of their numbers.
    pub fn new(store: Arc<Store>, workers: Vec<Post>) -> Self {
        Self { store, workers, last: AtomicU64::new(0), parts: Arc::default(), current: Mutex::default() }
    }

    /// Ends the benchmark that is running, if there is one, and closes its console.
    pub fn end(&self) {
        if let Some(current) = &*self.current() {
            current.run.iter().for_each(|run| run.abort());
            self.store.delete(&current.key);
        }
    }

    /// Whether nothing is left of any benchmark.
    pub fn is_over(&self) -> bool {
        Arc::strong_count(&self.parts) == 1
    }

    /// Gives each worker its part.
    fn begin(&self, console: &ChannelKey, plan: Plan) -> Arc<Run> {
        let run = Run::new(Arc::clone(&self.store), self.number(), console.clone(), plan, self.workers.len());
        let run = Arc::new(run);
        for (number, post) in (0..).zip(&self.workers) {
            post(Part::new(Arc::clone(&run), WorkerId(number), Arc::clone(&self.parts)));
        }
        run
    }

    fn number(&self) -> u64 {
        self.last.fetch_add(1, Relaxed) + 1
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Benchmark").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

// === impl Console ===

impl Console {
    /// Becomes the console, unless there is one: then Nchan's words for that are returned.
    fn enter(benchmark: &Arc<Benchmark>, plan: Plan) -> Result<Self, &'static str> {
        let mut current = benchmark.current();
        match &*current {
            None => {}
            Some(Current { run: Some(run), .. }) if !run.is_aborted() => {
                return Err("benchmark already running");
            }
            Some(_) => return Err("benchmark client already running"),
        }
        let key = ChannelKey::new(GROUP, format!("console {}", benchmark.number()).as_bytes());
        *current = Some(Current { key: key.clone(), run: None });
        drop(current);
        Ok(Self { benchmark: Arc::clone(benchmark), key, plan })
    }

    /// Does what the client says. What it is told at once, if anything.
    pub fn hear(&self, word: &[u8]) -> Option<&'static str> {
        let mut current = self.benchmark.current();
        let current = current.as_mut()?;
        // One that failed is as good as none.
        let run = current.run.take().filter(|run| !run.is_aborted());
        let (run, told) = match (Word::of(word), run) {
            (Word::Init, None) => self.init(),
            (Word::Init, run) => (run, Some("ERROR: a benchmark is already initialized")),
            (Word::Run, None) => (None, Some(run::NOT_READY)),
            (Word::Run, Some(run)) => {
                let told = run.start();
                (Some(run), Some(told))
            }
            (Word::Finish, run) => {
                run.iter().for_each(|run| run.finish());
                (run, None)
            }
            (Word::Abort, run) => {
                run.iter().for_each(|run| run.abort());
                (None, None)
            }
            (Word::Unknown, run) => (run, Some("ERROR: unknown command")),
        };
        current.run = run;
        told
    }

    fn init(&self) -> (Option<Arc<Run>>, Option<&'static str>) {
        if !self.plan.fits(&self.benchmark.store.usage(), self.benchmark.workers.len()) {
            return (None, Some(run::NO_MEMORY));
        }
        (Some(self.benchmark.begin(&self.key, self.plan)), Some("INITIALIZING"))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let current = self.benchmark.current().take();
        current.and_then(|current| current.run).iter().for_each(|run| run.abort());
        self.benchmark.store.delete(&self.key);
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("key", &self.key).finish_non_exhaustive()
    }
}

// === impl Word ===

impl Word {
    /// By Nchan's rule: anything that begins with `init`, or a beginning of one of the others in any case. Nothing at all is
    /// `run`.
    fn of(said: &[u8]) -> Self {
        let begins = |word: &str| {
            word.as_bytes().get(..said.len()).is_some_and(|start| start.eq_ignore_ascii_case(said))
        };
        match said {
            _ if said.starts_with(b"init") => Self::Init,
            _ if begins("run") => Self::Run,
            _ if begins("finish") => Self::Finish,
            _ if begins("abort") => Self::Abort,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_nchans() {
        let word = |said: &str| Word::of(said.as_bytes());
        assert_eq!([word("init"), word("initialize")], [Word::Init; 2]);
        assert_eq!([word("run"), word("Ru"), word("")], [Word::Run; 3]);
        assert_eq!([word("finish"), word("f")], [Word::Finish; 2]);
        assert_eq!([word("abort"), word("a")], [Word::Abort; 2]);
        assert_eq!(
            [word("in"), word("INIT"), word("runner"), word("aborted"), word(" init")],
            [Word::Unknown; 5]
        );
    }
}
