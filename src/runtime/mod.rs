//! The process: sockets, worker threads, signals, reload.

pub mod daemon;
pub mod inherit;
pub mod listen;
pub mod pid;
pub mod privileges;
pub mod program;
pub mod signals;
pub mod systemd;
pub mod upgrade;
pub mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use crate::config::model::{BodiesConf, BodyFiles, Config, Listen, ListenAddress, LogTarget, Severity};
use crate::http::parking::Occurrence;
use crate::http::parking::handover::Arrived;
use crate::http::router;
use crate::http::site::Site;
use crate::log;
use crate::metrics;
use crate::push::PushState;
use crate::push::benchmark::Post;
use crate::request::body_file;
use crate::store::{Mailbox, Store, SystemClock, WorkerId};

use inherit::Inherited;
use listen::Bound;
use signals::{Signals, Told};
use upgrade::wire::{Frame, unexpected};
use upgrade::{Failure, Outcome, Predecessor, Standstill, Successor};
use worker::{Beginning, Mail, Start};

/// How long a process that handed everything over waits to be ended by hand before it ends by itself.
const STAYS_BEHIND: Duration = Duration::from_secs(60);

/// Descriptors that tokio needs to watch signals; where the system has none, it panics.
const FOR_SIGNALS: usize = 8;

/// How long a hand-over waits for workers that tidy up behind a benchmark.
const BENCHMARK_ENDS: Duration = Duration::from_secs(1);

/// How often messages and channels that ran out of time are freed.
const REAP_EVERY: Duration = Duration::from_secs(1);

/// Why the server did not start: nginx's words, for one `[emerg]` line.
pub type StartError = String;

/// A server with its sockets bound and its workers running.
#[derive(Debug)]
pub struct App {
    config: Arc<Config>,
    store: Arc<Store>,
    state: PushState,
    bound: Vec<Bound>,
    workers: Vec<RunningWorker>,
    /// What becomes of the process that is to take over, while there is one.
    upgrade: Option<Outcome>,
    /// Another process has the listening sockets, too.
    followed: bool,
}

/// What a worker reads: what it is told, and what happens in the store.
type Inboxes = (mpsc::UnboundedReceiver<Mail>, mpsc::UnboundedReceiver<Occurrence>);

#[derive(Debug)]
struct RunningWorker {
    mail: mpsc::UnboundedSender<Mail>,
    pulse: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Quit,
    /// Another process has everything.
    HandedOver,
    /// No worker is left.
    Failed,
}

/// Reads the configuration again: what `HUP` asks for. `None` when it is broken, which was said already.
pub type Reread = Box<dyn FnMut() -> Option<Config>>;

/// Opens every log of a configuration.
///
/// # Errors
/// nginx's words for the first that cannot be opened.
pub fn open_logs(config: &Config) -> Result<(), StartError> {
    log::open_all(&config.log_files).map_err(|error| error.to_string())?;
    log::set_main(config.main.error_log.clone());
    Ok(())
}

/// Makes the directories that bodies of requests are written to, where some are.
///
/// # Errors
/// nginx's words for the first that cannot be made.
fn prepare_body_files(config: &Config) -> Result<(), StartError> {
    let mut prepared = Ok(());
    router::each_conf(config, &mut |conf| {
        let BodiesConf { files, temp_path } = &conf.bodies;
        if prepared.is_ok() && *files != BodyFiles::Off {
            prepared = body_file::prepare(&temp_path.directory, config.main.user.as_ref());
        }
    });
    prepared
}

/// What `-t` tries beyond reading: logs, directories, the pid file, sockets.
///
/// # Errors
/// nginx's words for what would keep the server from starting.
pub fn test(config: &Config) -> Result<(), StartError> {
    open_logs(config)?;
    prepare_body_files(config)?;
    if let Some(path) = &config.main.pid {
        pid::try_open(path)?;
    }
    for listen in &config.listens {
        listen::try_bind(&listen.address, &listen.options).map_err(|error| error.message)?;
    }
    Ok(())
}

/// Serves a configuration until a signal ends the server.
///
/// # Errors
/// nginx's words for what kept it from starting or from going on.
pub fn serve(config: Config, reread: Reread) -> Result<(), StartError> {
    // Before there are threads: it changes the environment.
    let (mut predecessor, inherited) = predecessor()?;
    let pid_file = config.main.pid.clone();
    let started = start(config, inherited, predecessor.as_mut());
    let ended = match started {
        Ok((runtime, signals, app)) => {
            drop(predecessor);
            runtime.spawn(flush_logs());
            runtime.block_on(app.run(signals, reread))
        }
        Err(error) => {
            if let Some(predecessor) = predecessor {
                predecessor.refuse(&error);
            }
            pid_file.iter().for_each(|path| pid::remove(path));
            Err(error)
        }
    };
    log::flush();
    ended
}

/// The process to take over from, if there is one, and the sockets this one was started with.
fn predecessor() -> Result<(Option<Predecessor>, Inherited), StartError> {
    if !upgrade::is_under_way() {
        return Ok((None, Inherited::from_environment()));
    }
    let (predecessor, inherited) = Predecessor::meet()
        .map_err(|error| format!("cannot take over from the old process ({})", log::os_error(&error)))?;
    Ok((Some(predecessor), inherited))
}

/// Opens logs, raises limits, watches signals, and starts the server.
fn start(
    config: Config,
    inherited: Inherited,
    predecessor: Option<&mut Predecessor>,
) -> Result<(Runtime, Signals, App), StartError> {
    let failed = |error: io::Error| format!("cannot watch signals ({})", log::os_error(&error));
    open_logs(&config)?;
    prepare_body_files(&config)?;
    let main = &config.main;
    privileges::apply(main);
    privileges::raise_open_files(main.worker_connections, main.worker_processes);
    privileges::expect_descriptors(FOR_SIGNALS).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    // Before anything is visible from outside: a signal that comes early must not kill the process.
    let signals = runtime.block_on(async { Signals::new() }).map_err(failed)?;
    let app = App::start(config, inherited, predecessor)?;
    Ok((runtime, signals, app))
}

impl App {
    /// Binds sockets, writes the pid file, drops privileges, starts the workers, takes over from `predecessor`, and has the
    /// workers begin.
    ///
    /// # Errors
    /// nginx's words for what went wrong.
    fn start(
        config: Config,
        mut inherited: Inherited,
        predecessor: Option<&mut Predecessor>,
    ) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let (main, count) = (&config.main, config.main.worker_processes);
        let bound = bind_all(&config, &mut inherited)?;
        drop(inherited);
        // While there is a predecessor, the file is its own.
        if let (Some(path), None) = (&main.pid, &predecessor) {
            pid::write(path)?;
        }
        if let Some(user) = &main.user {
            log::give_to(user.uid, user.gid);
        }
        privileges::drop(main.user.as_ref())?;
        privileges::settle(main)?;
        let (senders, mails): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let (mailboxes, occurrences): (_, Vec<_>) = (0..count).map(|_| mailbox()).unzip();
        let inboxes = mails.into_iter().zip(occurrences);
        let posts = senders.iter().map(post).collect();
        let budget = usize::try_from(config.max_reserved_memory).unwrap_or(usize::MAX);
        let store = Arc::new(Store::new(budget, Arc::new(SystemClock::new()), mailboxes));
        let state = PushState::new(Arc::clone(&store), posts);
        let site = Arc::new(Site::build(Arc::clone(&config), &state));
        let hands = listen::deal(&bound, count).map_err(|error| no_descriptors(&error))?;
        let (workers, begins) = start_workers(&site, senders.into_iter().zip(inboxes))?;
        // They can run: only now may another process give away what it has.
        let arrived = match predecessor {
            Some(predecessor) => take_over(predecessor, &state, &site)?,
            None => (0..count).map(|_| Vec::new()).collect(),
        };
        for ((begin, sockets), arrived) in begins.into_iter().zip(hands).zip(arrived) {
            // One that has ended since is missed when it is asked for a sign of life.
            let _ = begin.send(Beginning { sockets, arrived });
        }
        Ok(Self { config, store, state, bound, workers, upgrade: None, followed: false })
    }

    /// Obeys signals until one ends the server.
    ///
    /// # Errors
    /// When all workers have ended before.
    async fn run(mut self, mut signals: Signals, reread: Reread) -> Result<(), StartError> {
        let end = self.obey(&mut signals, reread).await;
        match end {
            End::Stop => self.tell_all(|| Mail::Stop),
            End::Quit => self.tell_all(|| Mail::Quit),
            End::HandedOver | End::Failed => {}
        }
        if end != End::HandedOver {
            systemd::stopping();
        }
        self.close_sockets();
        let deadline = self.config.main.shutdown_timeout.map(|timeout| Instant::now() + timeout);
        let mut ended = end != End::HandedOver;
        while self.workers.iter().any(|worker| !worker.thread.is_finished()) {
            tokio::select! {
                told = signals.next() => {
                    ended |= matches!(told, Told::Stop | Told::Quit);
                    if told == Told::Stop {
                        self.tell_all(|| Mail::Stop);
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.tell_all(|| Mail::Stop);
            }
        }
        for worker in std::mem::take(&mut self.workers) {
            let _ = worker.thread.join();
        }
        log::flush();
        if !ended {
            // Scripts made for nginx now end the old process by the file that names it.
            let _ = tokio::time::timeout(STAYS_BEHIND, signals.end()).await;
        }
        if let Some(path) = &self.config.main.pid {
            pid::remove(path);
            pid::remove(&pid::old(path));
        }
        tracing::info!("exit");
        if end == End::Failed { Err("all workers have ended".to_owned()) } else { Ok(()) }
    }

    /// From now on new clients are refused, or find who comes after us; workers let go of their copies by themselves.
    fn close_sockets(&mut self) {
        let bound = std::mem::take(&mut self.bound);
        if !self.followed {
            bound.iter().for_each(|bound| listen::unlink(&bound.address));
        }
    }

    /// Handles signals until one ends the server.
    async fn obey(&mut self, signals: &mut Signals, mut reread: Reread) -> End {
        let mut reap = tokio::time::interval(REAP_EVERY);
        reap.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut watchdog = systemd::watchdog().map(tokio::time::interval);
        let mut pulse = 0;
        daemon::tell_parent(logs_to_stderr(&self.config));
        systemd::ready();
        loop {
            let told = tokio::select! {
                told = signals.next() => told,
                outcome = settled(&mut self.upgrade) => {
                    self.upgrade = None;
                    match self.conclude(outcome).await {
                        Some(end) => return end,
                        None => continue,
                    }
                }
                () = tick(&mut watchdog) => {
                    self.watch(&mut pulse);
                    continue;
                }
                _ = reap.tick() => {
                    self.store.reap();
                    if self.workers.iter().all(|worker| worker.thread.is_finished()) {
                        return End::Failed;
                    }
                    continue;
                }
            };
            match told {
                Told::Stop => return End::Stop,
                Told::Quit => {
                    tracing::info!("gracefully shutting down");
                    return End::Quit;
                }
                Told::Reload => {
                    tracing::info!("reconfiguring");
                    systemd::reloading();
                    match reread() {
                        Some(config) => self.reload(config),
                        None => metrics::reloaded(false),
                    }
                    systemd::ready();
                }
                Told::Reopen => {
                    tracing::info!("reopening logs");
                    log::reopen();
                }
                Told::Upgrade => self.upgrade(),
                Told::EndWorkers => tracing::info!("WINCH: the workers are threads of this process and stay"),
            }
        }
    }

    /// Tells systemd that all is well if every worker has answered since the last time.
    fn watch(&self, pulse: &mut u64) {
        if self.workers.iter().all(|worker| worker.pulse.load(Ordering::Relaxed) == *pulse) {
            systemd::alive();
        }
        *pulse += 1;
        let number = *pulse;
        self.tell_all(|| Mail::Pulse(number));
    }

    // === Upgrade ===

    /// USR2: starts a new process that is to take over.
    fn upgrade(&mut self) {
        if self.upgrade.is_some() {
            tracing::warn!("a new process is being started already");
            return;
        }
        tracing::info!("changing binary");
        let pid_file = self.config.main.pid.as_deref();
        if let Some((Err(error), path)) = pid_file.map(|path| (std::fs::rename(path, pid::old(path)), path)) {
            let (old, error) = (pid::old(path), log::os_error(&error));
            let message =
                format!("rename() \"{}\" to \"{}\" failed ({error})", path.display(), old.display());
            log::event(Severity::Alert, &message);
        }
        let sockets = self.bound.iter().flat_map(|bound| &bound.sockets);
        let started = sockets
            .map(Socket::try_clone)
            .collect::<io::Result<Vec<_>>>()
            .and_then(|sockets| upgrade::successor::start(&sockets, &self.config.main.environment));
        match started {
            Ok(outcome) => {
                self.upgrade = Some(outcome);
                self.followed = true;
            }
            Err(error) => self.goes_on(&log::os_error(&error)),
        }
    }

    /// There is no upgrade, and this process goes on.
    fn goes_on(&mut self, why: &str) {
        self.followed = false;
        log::event(Severity::Alert, &format!("the new binary did not take over: {why}"));
        if let Some(path) = &self.config.main.pid {
            let _ = std::fs::rename(pid::old(path), path);
        }
    }

    /// The new process is ready, or is not going to be.
    async fn conclude(&mut self, outcome: Result<Successor, Failure>) -> Option<End> {
        match outcome {
            Ok(successor) => match self.hand_over(successor).await {
                Ok(()) => return Some(End::HandedOver),
                Err(why) => self.goes_on(&why),
            },
            Err(Failure::Failed(why)) => self.goes_on(&why),
            Err(Failure::Stranger) => {
                let message =
                    "the new binary serves beside this one and takes nothing over: QUIT ends this one";
                log::event(Severity::Warn, message);
            }
        }
        None
    }

    /// Waits until workers have tidied up behind a benchmark: its channels are for nobody.
    async fn end_of_benchmark(&self) {
        while !self.state.benchmark.is_over() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Gives everything to the new process, or says why not and goes on as before.
    async fn hand_over(&self, successor: Successor) -> Result<(), String> {
        let Successor { mut child, wire } = successor;
        let (done, mut rested) = mpsc::unbounded_channel();
        self.state.benchmark.end();
        self.tell_all(|| Mail::Rest(done.clone()));
        drop(done);
        while rested.recv().await.is_some() {}
        let _ = tokio::time::timeout(BENCHMARK_ENDS, self.end_of_benchmark()).await;
        let mut error = None;
        let alive = self.workers.iter().all(|worker| !worker.thread.is_finished());
        if alive {
            let still = Arc::new(Standstill::new(self.workers.len(), wire));
            self.tell_all(|| Mail::HandOver(Arc::clone(&still)));
            error = self.send_all(&still, child.id()).err().map(|error| {
                systemd::main_process(std::process::id());
                upgrade::successor::end(&mut child, &error)
            });
            still.decide(error.is_none());
        }
        if alive && error.is_none() {
            tracing::info!("process {} has taken over", child.id());
            return Ok(());
        }
        match listen::deal(&self.bound, self.workers.len()) {
            Ok(hands) => {
                for (worker, sockets) in self.workers.iter().zip(hands) {
                    let _ = worker.mail.send(Mail::Serve(sockets));
                }
            }
            Err(error) => log::event(Severity::Emerg, &no_descriptors(&error)),
        }
        Err(error.unwrap_or_else(|| "a worker has ended".to_owned()))
    }

    /// Sends all there is while the workers stand still. After an error the new process has nothing to say.
    fn send_all(&self, still: &Standstill, successor: u32) -> io::Result<()> {
        still.meet();
        still.meet();
        still.with_wire(|wire| self.store.export(&mut |piece| wire.send(&Frame::Store(piece), &[])));
        still.meet();
        still.with_wire(|wire| {
            wire.send(&Frame::End, &[])?;
            let refused = wire.receive(|frame, _| match frame {
                Frame::Done { refused } => Ok(refused),
                other => Err(unexpected(&other)),
            })?;
            if refused > 0 {
                tracing::warn!("{refused} waiting subscribers have no location any more, and are closed");
            }
            systemd::main_process(successor);
            wire.send(&Frame::Commit, &[])
        });
        still.take_error().map_or(Ok(()), Err)
    }

    // === Reload ===

    /// Puts a new configuration in force, or says why not and keeps the old one. Channels, messages and waiting
    /// subscribers stay.
    fn reload(&mut self, config: Config) {
        let outcome = self.try_reload(config);
        metrics::reloaded(outcome.is_ok());
        if let Err(error) = outcome {
            log::event(Severity::Emerg, &error);
        }
    }

    fn try_reload(&mut self, config: Config) -> Result<(), StartError> {
        let mut bound = self.bind_new(&config)?;
        let hands = listen::deal(&bound, self.workers.len()).map_err(|error| no_descriptors(&error))?;
        if let Some(path) =
            config.main.pid.as_ref().filter(|path| self.config.main.pid.as_ref() != Some(path))
        {
            pid::write(path)?;
        }
        open_logs(&config)?;
        prepare_body_files(&config)?;
        log::reopen();
        privileges::apply(&config.main);
        if config.main.worker_processes != self.workers.len() {
            tracing::warn!("worker_processes changes with the next start or upgrade (USR2) only");
        }
        if config.max_reserved_memory != self.config.max_reserved_memory {
            tracing::warn!("push_max_reserved_memory changes with the next start or upgrade (USR2) only");
        }
        let config = Arc::new(config);
        // Its location may be gone, or mean something else.
        self.state.benchmark.end();
        let site = Arc::new(Site::build(Arc::clone(&config), &self.state));
        for (worker, sockets) in self.workers.iter().zip(hands) {
            let _ = worker.mail.send(Mail::Reload(Arc::clone(&site), sockets));
        }
        self.bound.retain(|bound| {
            let stays = site.listen(&bound.address).is_some();
            if !stays {
                listen::unlink(&bound.address);
            }
            stays
        });
        self.bound.append(&mut bound);
        if let Some(path) =
            self.config.main.pid.as_ref().filter(|path| config.main.pid.as_ref() != Some(path))
        {
            pid::remove(path);
        }
        self.config = config;
        Ok(())
    }

    /// Binds the addresses that are new in a configuration. One that is taken is not waited for: there are clients
    /// to be served meanwhile.
    fn bind_new(&self, config: &Config) -> Result<Vec<Bound>, StartError> {
        let held = |address: &ListenAddress| self.bound.iter().any(|bound| bound.address == *address);
        let new = config.listens.iter().filter(|listen| !held(&listen.address));
        let workers = self.workers.len();
        new.map(|listen| {
            listen::bind(&listen.address, &listen.options, workers).map_err(|error| error.message)
        })
        .collect()
    }

    fn tell_all(&self, mail: impl Fn() -> Mail) {
        for worker in &self.workers {
            // A worker that ended already needs no telling.
            let _ = worker.mail.send(mail());
        }
    }
}

/// Writes what logs have buffered for as long as `flush=` allows.
async fn flush_logs() {
    loop {
        tokio::time::sleep(log::flush_interval()).await;
        log::flush_due(Instant::now());
    }
}

/// Starts the workers, and returns when all of them can run: they wait to be told to begin.
fn start_workers(
    site: &Arc<Site>,
    mails: impl Iterator<Item = (mpsc::UnboundedSender<Mail>, Inboxes)>,
) -> Result<(Vec<RunningWorker>, Vec<oneshot::Sender<Beginning>>), StartError> {
    let cannot_run = |error: &io::Error| format!("worker cannot run ({})", log::os_error(error));
    let (ready, all_ready) = std::sync::mpsc::channel();
    let (mut workers, mut begins) = (Vec::new(), Vec::new());
    for (number, (mail, (inbox, occurrences))) in mails.enumerate() {
        let id = WorkerId(u16::try_from(number).map_err(|_| "too many worker processes".to_owned())?);
        let pulse = Arc::new(AtomicU64::new(0));
        let (begin, begins_with) = oneshot::channel();
        let (site, beat) = (Arc::clone(site), Arc::clone(&pulse));
        let start = Start { id, site, begin: begins_with, mail: inbox, occurrences, pulse: beat };
        let ready = ready.clone();
        let thread = std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
            privileges::bind_to_processors(&start.site.config.main, number);
            let can_run = ready.clone();
            let ended = worker::run(start, move || drop(can_run.send(Ok(()))));
            if let Err(error) = ended
                && ready.send(Err(cannot_run(&error))).is_err()
            {
                // Nobody waits for it any more.
                log::event(Severity::Emerg, &cannot_run(&error));
            }
        });
        let thread = thread.map_err(|error| format!("cannot start a worker ({})", log::os_error(&error)))?;
        workers.push(RunningWorker { mail, pulse, thread });
        begins.push(begin);
    }
    drop(ready);
    all_ready.iter().take(workers.len()).collect::<Result<(), _>>()?;
    Ok((workers, begins))
}

/// Takes over from the old process; connections by the worker that gets them.
fn take_over(
    predecessor: &mut Predecessor,
    state: &PushState,
    site: &Arc<Site>,
) -> Result<Vec<Vec<Arrived>>, StartError> {
    let main = &site.config.main;
    let arrived = predecessor
        .take_over(state, site, main.worker_processes)
        .map_err(|error| format!("cannot take over from the old process ({})", log::os_error(&error)))?;
    if let Some(path) = &main.pid
        && let Err(error) = pid::write(path)
    {
        // Too late to turn back for that.
        log::event(Severity::Alert, &error);
    }
    let connections: usize = arrived.iter().map(Vec::len).sum();
    let messages = state.store.usage().messages;
    tracing::info!("took over {connections} connections and {messages} messages");
    Ok(arrived)
}

/// What became of the new process, once that is known.
async fn settled(upgrade: &mut Option<Outcome>) -> Result<Successor, Failure> {
    match upgrade {
        Some(outcome) => {
            outcome.await.unwrap_or_else(|_| Err(Failure::Failed("nobody knows why".to_owned())))
        }
        None => std::future::pending().await,
    }
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

fn logs_to_stderr(config: &Config) -> bool {
    config.main.error_log.iter().any(|log| log.target == LogTarget::Stderr)
}

/// Where a worker hears of the store.
fn mailbox() -> (Mailbox, mpsc::UnboundedReceiver<Occurrence>) {
    let (sender, occurrences) = mpsc::unbounded_channel();
    let mailbox: Mailbox = Box::new(move |event| {
        // A worker that ended has no subscribers left to be told.
        let _ = sender.send((event, Instant::now()));
    });
    (mailbox, occurrences)
}

fn post(sender: &mpsc::UnboundedSender<Mail>) -> Post {
    let sender = sender.clone();
    Box::new(move |part| drop(sender.send(Mail::Benchmark(part))))
}

/// Binds every address of the configuration that was not inherited.
fn bind_all(config: &Config, inherited: &mut Inherited) -> Result<Vec<Bound>, StartError> {
    let mut report = |message: &str| log::event(Severity::Emerg, message);
    let workers = config.main.worker_processes;
    let mut bind = |listen: &Listen| {
        let sockets = inherited.take(&listen.address);
        if !sockets.is_empty() {
            return Ok(Bound { address: listen.address.clone(), sockets });
        }
        listen::bind_patiently(&listen.address, &listen.options, workers, &mut report)
            .map_err(|error| error.message)
    };
    let bound = config.listens.iter().map(&mut bind).collect();
    for address in inherited.left() {
        let address = listen::text(address);
        tracing::info!("socket {address} was inherited, and no \"listen\" names it: it is closed");
    }
    bound
}

fn no_descriptors(error: &io::Error) -> StartError {
    format!("dup() failed ({})", log::os_error(error))
}
