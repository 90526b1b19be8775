//! The process: sockets, worker threads, signals, reload.

pub mod daemon;
pub mod listen;
pub mod pid;
pub mod privileges;
pub mod worker;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::model::{Config, Listen, ListenAddress, Severity};
use crate::http::site::Site;
use crate::log;
use crate::metrics;
use crate::push::PushState;
use crate::store::{Mailbox, Store, SystemClock, WorkerId};

use listen::Bound;
use worker::{Mail, Start};

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
    workers: Vec<RunningWorker>,
}

#[derive(Debug)]
struct RunningWorker {
    mail: mpsc::UnboundedSender<Mail>,
    thread: JoinHandle<()>,
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

/// What `-t` tries beyond reading: logs, the pid file, sockets.
///
/// # Errors
/// nginx's words for what would keep the server from starting.
pub fn test(config: &Config) -> Result<(), StartError> {
    open_logs(config)?;
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
/// nginx's words for what kept it from starting.
pub fn serve(config: Config, reread: Reread) -> Result<(), StartError> {
    let failed = |error: io::Error| format!("cannot watch signals ({})", log::os_error(&error));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    // Before anything is visible from outside: a signal that comes early must not kill the process.
    let signals = runtime.block_on(async { Signals::new() }).map_err(failed)?;
    let app = App::start(config)?;
    runtime.spawn(flush_logs());
    runtime.block_on(app.run(signals, reread));
    log::flush();
    Ok(())
}

impl App {
    /// Opens logs, binds sockets, writes the pid file, drops privileges, and starts the workers.
    ///
    /// # Errors
    /// nginx's words for what went wrong.
    fn start(config: Config) -> Result<Self, StartError> {
        open_logs(&config)?;
        let config = Arc::new(config);
        let count = config.main.worker_processes;
        privileges::raise_open_files(config.main.worker_connections, count);
        let mut bound = bind_all(&config)?;
        if let Some(path) = &config.main.pid {
            pid::write(path)?;
        }
        if let Some(user) = &config.main.user {
            log::give_to(user.uid, user.gid);
        }
        privileges::drop(config.main.user.as_ref())?;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let mailboxes = senders.iter().map(mailbox).collect();
        let budget = usize::try_from(config.max_reserved_memory).unwrap_or(usize::MAX);
        let store = Arc::new(Store::new(budget, Arc::new(SystemClock::new()), mailboxes));
        let state = PushState { store: Arc::clone(&store) };
        let site = Arc::new(Site::build(Arc::clone(&config), &state));
        let mut workers = Vec::with_capacity(count);
        for (number, (mail, inbox)) in senders.into_iter().zip(receivers).enumerate() {
            let id = WorkerId(u16::try_from(number).map_err(|_| "too many worker processes".to_owned())?);
            let start = Start { id, site: Arc::clone(&site), sockets: take_one(&mut bound), mail: inbox };
            let thread = std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
                if let Err(error) = worker::run(start) {
                    log::event(Severity::Emerg, &format!("worker cannot run ({})", log::os_error(&error)));
                }
            });
            let thread =
                thread.map_err(|error| format!("cannot start a worker ({})", log::os_error(&error)))?;
            workers.push(RunningWorker { mail, thread });
        }
        Ok(Self { config, store, state, workers })
    }

    /// Obeys signals until one ends the server.
    async fn run(mut self, mut signals: Signals, reread: Reread) {
        let last_word = self.obey(&mut signals, reread).await;
        self.tell_all(last_word);
        while self.workers.iter().any(|worker| !worker.thread.is_finished()) {
            tokio::select! {
                () = signals.stop() => self.tell_all(|| Mail::Stop),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        for worker in self.workers {
            let _ = worker.thread.join();
        }
        for listen in &self.config.listens {
            listen::unlink(&listen.address);
        }
        if let Some(path) = &self.config.main.pid {
            let _ = std::fs::remove_file(path);
        }
        tracing::info!("exit");
    }

    /// Handles signals; returns the last word for the workers.
    async fn obey(&mut self, signals: &mut Signals, mut reread: Reread) -> fn() -> Mail {
        let mut reap = tokio::time::interval(REAP_EVERY);
        reap.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        daemon::tell_parent();
        loop {
            let told = tokio::select! {
                told = signals.next() => told,
                _ = reap.tick() => {
                    self.store.reap();
                    continue;
                }
            };
            match told {
                Told::Stop => return || Mail::Stop,
                Told::Quit => {
                    tracing::info!("gracefully shutting down");
                    return || Mail::Quit;
                }
                Told::Reload => {
                    tracing::info!("reconfiguring");
                    match reread() {
                        Some(config) => self.reload(config),
                        None => metrics::reloaded(false),
                    }
                }
                Told::Reopen => {
                    tracing::info!("reopening logs");
                    log::reopen();
                }
                Told::Upgrade => {
                    tracing::warn!("upgrading the binary without a restart is not supported yet");
                }
            }
        }
    }

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
        if let Some(path) =
            config.main.pid.as_ref().filter(|path| self.config.main.pid.as_ref() != Some(path))
        {
            pid::write(path)?;
        }
        open_logs(&config)?;
        log::reopen();
        if config.main.worker_processes != self.workers.len() {
            tracing::warn!("worker_processes changes with the next start only");
        }
        if config.max_reserved_memory != self.config.max_reserved_memory {
            tracing::warn!("push_max_reserved_memory changes with the next start only");
        }
        let config = Arc::new(config);
        let site = Arc::new(Site::build(Arc::clone(&config), &self.state));
        for worker in &self.workers {
            let _ = worker.mail.send(Mail::Reload(Arc::clone(&site), take_one(&mut bound)));
        }
        for listen in &self.config.listens {
            if site.listen(&listen.address).is_none() {
                listen::unlink(&listen.address);
            }
        }
        if let Some(path) =
            self.config.main.pid.as_ref().filter(|path| config.main.pid.as_ref() != Some(path))
        {
            let _ = std::fs::remove_file(path);
        }
        self.config = config;
        Ok(())
    }

    /// Binds the addresses that are new in a configuration. One that is taken is not waited for: there are clients
    /// to be served meanwhile.
    fn bind_new(&self, config: &Config) -> Result<Vec<Bound>, StartError> {
        let held =
            |address: &ListenAddress| self.config.listens.iter().any(|listen| listen.address == *address);
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

/// The signals that are obeyed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
}

/// What a signal asks for.
enum Told {
    Stop,
    Quit,
    Reload,
    Reopen,
    /// nginx's USR2. Not obeyed, but it must not kill the process either.
    Upgrade,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.quit.recv() => Told::Quit,
            _ = self.hangup.recv() => Told::Reload,
            _ = self.reopen.recv() => Told::Reopen,
            _ = self.upgrade.recv() => Told::Upgrade,
        }
    }

    /// TERM or INT.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn mailbox(sender: &mpsc::UnboundedSender<Mail>) -> Mailbox {
    let sender = sender.clone();
    Box::new(move |event| {
        // A worker that ended has no subscribers left to be told.
        let _ = sender.send(Mail::Event(event, Instant::now()));
    })
}

/// Binds every address of the configuration.
fn bind_all(config: &Config) -> Result<Vec<Bound>, StartError> {
    let mut report = |message: &str| log::event(Severity::Emerg, message);
    let workers = config.main.worker_processes;
    let bind = |listen: &Listen| {
        listen::bind_patiently(&listen.address, &listen.options, workers, &mut report)
            .map_err(|error| error.message)
    };
    config.listens.iter().map(bind).collect()
}

/// One socket of each address, for one worker.
fn take_one(bound: &mut [Bound]) -> Vec<(ListenAddress, Socket)> {
    bound.iter_mut().filter_map(|bound| Some((bound.address.clone(), bound.sockets.pop()?))).collect()
}
