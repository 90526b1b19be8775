//! A worker thread: its own tokio runtime, listening sockets, connections and parked subscribers.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use rustix::net::{self, SocketFlags};
use socket2::{SockRef, Socket};
use tokio::io::unix::AsyncFd;
use tokio::runtime::LocalRuntime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::coop::consume_budget;
use tokio::task::{AbortHandle, spawn_local};

use crate::config::model::{ListenAddress, Severity};
use crate::http::access;
use crate::http::connection::{self, Pace, Shared};
use crate::http::origin::{Origin, Place};
use crate::http::parking::handover::Arrived;
use crate::http::parking::{self, Occurrence, Parking};
use crate::http::reuse::Idle;
use crate::http::site::Site;
use crate::http::stream::IdleStream;
use crate::log;
use crate::metrics;
use crate::push::benchmark::Part;
use crate::request::{Connection, Endpoint};
use crate::store::WorkerId;

use super::upgrade::Standstill;

/// How long accepting rests when there are no descriptors left: nginx's `accept_mutex_delay`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How long requests may take to end before a process hands over without them.
const REST_LIMIT: Duration = Duration::from_secs(1);

/// How long requests that no client waits for may take when the last connection is gone.
const ERRANDS_LIMIT: Duration = Duration::from_secs(10);

/// `$connection` of the last connection accepted by any worker.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// What a worker is told.
#[derive(Debug)]
pub enum Mail {
    /// A part in a benchmark.
    Benchmark(Part),
    /// A new generation of the configuration, and sockets for the addresses that are new in it.
    Reload(Arc<Site>, Vec<(ListenAddress, Socket)>),
    /// Accept nothing more and bring connections to rest: the process is about to hand them over. Says when that is
    /// as good as done.
    Rest(mpsc::UnboundedSender<()>),
    /// Stand still while another process takes everything over, and go on as it turns out.
    HandOver(Arc<Standstill>),
    /// Nothing was handed over: accept on these again.
    Serve(Vec<(ListenAddress, Socket)>),
    /// Say this number, to show that the worker works.
    Pulse(u64),
    /// Close what waits, finish what runs, end.
    Quit,
    /// End.
    Stop,
}

/// What a worker starts with.
#[derive(Debug)]
pub struct Start {
    /// Its number.
    pub id: WorkerId,
    /// The configuration.
    pub site: Arc<Site>,
    /// What it begins with, once all workers can. Without it, it ends.
    pub begin: oneshot::Receiver<Beginning>,
    /// Where it is told things.
    pub mail: mpsc::UnboundedReceiver<Mail>,
    /// What happens to channels that subscribers of this worker wait in.
    pub occurrences: mpsc::UnboundedReceiver<Occurrence>,
    /// Where it shows that it works.
    pub pulse: Arc<AtomicU64>,
}

/// What a worker serves from the first moment on.
#[derive(Debug)]
pub struct Beginning {
    /// Its listening sockets.
    pub sockets: Vec<(ListenAddress, Socket)>,
    /// Connections that came from another process.
    pub arrived: Vec<Arrived>,
}

/// Runs a worker until it is told to end. Calls `ready` when nothing but its [`Beginning`] is missing.
///
/// # Errors
/// When the system gives it no runtime, no epoll instance, or none of its sockets.
pub fn run(start: Start, ready: impl FnOnce() + 'static) -> io::Result<()> {
    metrics::become_worker(start.id.0);
    let runtime = LocalRuntime::new()?;
    // A task: what wakes the future of `block_on` wakes the thread, too, by a system call, though it is this one.
    runtime.block_on(async { spawn_local(work(start, ready)).await })?
}

struct Worker {
    shared: Rc<Shared>,
    connections: Rc<Cell<usize>>,
    accepting: RefCell<Vec<(ListenAddress, AbortHandle)>>,
    pace: watch::Sender<Pace>,
    pulse: Arc<AtomicU64>,
}

async fn work(start: Start, ready: impl FnOnce()) -> io::Result<()> {
    let idle = Rc::<RefCell<Idle>>::default();
    let (parking, poll) =
        Parking::new(start.id, Arc::clone(&start.site), Rc::clone(&idle), start.occurrences)?;
    let (pace, paces) = watch::channel(Pace::Serving);
    let shared = Rc::new(Shared {
        worker: start.id,
        site: RefCell::new(start.site),
        parking: Rc::clone(&parking),
        idle,
        pace: paces,
        busy: Cell::new(0),
    });
    let resuming = Rc::clone(&shared);
    let resume = move |resumed| connection::resume(&resuming, resumed);
    let (connections, accepting) = (Rc::default(), RefCell::default());
    let worker = Worker { shared, connections, accepting, pace, pulse: start.pulse };
    ready();
    let Ok(Beginning { sockets, arrived }) = start.begin.await else { return Ok(()) };
    // Before anything is heard of the store: it may be about those who arrived.
    worker.welcome(arrived);
    spawn_local(parking::run(parking, watch(poll)?, resume));
    worker.listen(sockets)?;
    worker.read_mail(start.mail).await;
    Ok(())
}

/// Has tokio watch a descriptor for what can be read from it.
#[allow(
    deprecated,
    reason = "its successor is unsafe code for types that close or exchange their descriptor; these do neither"
)]
fn watch<T: AsRawFd>(io: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(io, tokio::io::Interest::READABLE)
}

impl Worker {
    /// Handles what it is told until it is told to end.
    async fn read_mail(&self, mut mail: mpsc::UnboundedReceiver<Mail>) {
        while let Some(letter) = mail.recv().await {
            match letter {
                Mail::Benchmark(part) => {
                    let seats = Rc::clone(self.shared.parking.borrow().seats());
                    spawn_local(part.play(seats));
                }
                Mail::Reload(site, sockets) => self.reload(site, sockets),
                Mail::Rest(done) => self.rest(done),
                Mail::HandOver(still) => {
                    if self.hand_over(&still) {
                        return self.drain(&mut mail, Pace::Gone).await;
                    }
                }
                Mail::Serve(sockets) => self.listen_again(sockets),
                Mail::Pulse(number) => self.pulse.store(number, Ordering::Relaxed),
                Mail::Stop => return,
                Mail::Quit => return self.drain(&mut mail, Pace::Draining).await,
            }
        }
    }

    /// Waits until the last connection is gone, or the worker is told to stop.
    async fn drain(&self, mail: &mut mpsc::UnboundedReceiver<Mail>, pace: Pace) {
        const LOOK: Duration = Duration::from_millis(10);
        self.stop_accepting(|_| true);
        let _ = self.pace.send(pace);
        self.shared.parking.borrow_mut().close_all();
        let mut alone_since = None;
        while self.connections.get() > 0 || self.has_errands(&mut alone_since) {
            tokio::select! {
                letter = mail.recv() => match letter {
                    Some(Mail::Stop) | None => return,
                    Some(Mail::Pulse(number)) => self.pulse.store(number, Ordering::Relaxed),
                    Some(_) => {}
                },
                () = tokio::time::sleep(LOOK) => self.shared.parking.borrow_mut().close_all(),
            }
        }
    }

    /// Whether locations are still being told of those who went, which they have a while for.
    fn has_errands(&self, alone_since: &mut Option<Instant>) -> bool {
        let since = alone_since.get_or_insert_with(Instant::now);
        !self.shared.site.borrow().errands.are_over() && since.elapsed() < ERRANDS_LIMIT
    }

    /// Accepts nothing more, and sees to it that requests end and connections go to the parking.
    fn rest(&self, done: mpsc::UnboundedSender<()>) {
        const LOOK: Duration = Duration::from_millis(2);
        self.stop_accepting(|_| true);
        let _ = self.pace.send(Pace::Resting);
        let shared = Rc::clone(&self.shared);
        spawn_local(async move {
            let deadline = Instant::now() + REST_LIMIT;
            loop {
                tokio::time::sleep(LOOK).await;
                let is_quiet = shared.busy.get() == 0 && shared.site.borrow().errands.are_over();
                if is_quiet || Instant::now() >= deadline {
                    break;
                }
            }
            // Nobody listens any more if the upgrade was given up.
            let _ = done.send(());
        });
    }

    /// Stands still, and hands parked connections over. Whether that was all.
    fn hand_over(&self, still: &Standstill) -> bool {
        still.meet();
        // From here on nobody publishes. What came before is heeded; nothing else can have come.
        self.shared.parking.borrow_mut().catch_up();
        still.meet();
        let handed = still.send_connections(&self.shared.parking.borrow());
        still.meet();
        let is_over = still.verdict();
        if is_over {
            self.shared.parking.borrow_mut().forget(handed);
        }
        is_over
    }

    fn listen_again(&self, sockets: Vec<(ListenAddress, Socket)>) {
        let _ = self.pace.send(Pace::Serving);
        if let Err(error) = self.listen(sockets) {
            log::event(Severity::Emerg, &format!("listen() failed ({})", log::os_error(&error)));
        }
    }

    /// Parks connections that came from another process. The limit is not asked: they were within it.
    fn welcome(&self, arrived: Vec<Arrived>) {
        let site = Arc::clone(&self.shared.site.borrow());
        for arrived in arrived {
            SERIAL.fetch_max(arrived.serial(), Ordering::Relaxed);
            if let Some(place) = Place::take(&self.connections, usize::MAX) {
                arrived.park(&mut self.shared.parking.borrow_mut(), &site, place);
            }
        }
    }

    fn reload(&self, site: Arc<Site>, sockets: Vec<(ListenAddress, Socket)>) {
        self.stop_accepting(|address| site.listen(address).is_none());
        self.shared.parking.borrow_mut().reload(Arc::clone(&site));
        *self.shared.site.borrow_mut() = site;
        if let Err(error) = self.listen(sockets) {
            log::event(Severity::Emerg, &format!("listen() failed ({})", log::os_error(&error)));
        }
    }

    fn stop_accepting(&self, which: impl Fn(&ListenAddress) -> bool) {
        self.accepting.borrow_mut().retain(|(address, task)| {
            let stops = which(address);
            if stops {
                task.abort();
            }
            !stops
        });
    }

    fn listen(&self, sockets: Vec<(ListenAddress, Socket)>) -> io::Result<()> {
        for (address, socket) in sockets {
            let listener = Listener::new(socket)?;
            let (shared, connections) = (Rc::clone(&self.shared), Rc::clone(&self.connections));
            let task = spawn_local(accept_all(listener, address.clone(), shared, connections));
            self.accepting.borrow_mut().push((address, task.abort_handle()));
        }
        Ok(())
    }
}

/// A listening socket. What it accepts is not watched: many a connection has come and gone before there is anything to wait for.
struct Listener {
    socket: AsyncFd<Socket>,
    /// The address of its connections here; none that is the same for all.
    local: Option<SocketAddr>,
}

impl Listener {
    fn new(socket: Socket) -> io::Result<Self> {
        let local = socket.local_addr()?.as_socket();
        let local = local.filter(|local| !local.ip().is_unspecified());
        Ok(Self { socket: watch(socket)?, local })
    }

    async fn accept(&self) -> io::Result<(IdleStream, Endpoint, Endpoint)> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(accepted) = ready.try_io(|socket| self.accept_one(socket.get_ref())) {
                return accepted;
            }
        }
    }

    fn accept_one(&self, socket: &Socket) -> io::Result<(IdleStream, Endpoint, Endpoint)> {
        let (accepted, remote) = net::acceptfrom_with(socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
        let Some(remote) = remote.and_then(|remote| SocketAddr::try_from(remote).ok()) else {
            return Ok((IdleStream::unix(accepted), Endpoint::Unix, Endpoint::Unix));
        };
        let local = match self.local {
            Some(local) => local,
            None => {
                SockRef::from(&accepted).local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?
            }
        };
        Ok((IdleStream::tcp(accepted), Endpoint::Inet(remote), Endpoint::Inet(local)))
    }
}

/// Lets other tasks of the worker have their turn, without a look at what has become ready meanwhile.
async fn let_others() {
    let mut had_theirs = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut had_theirs, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Accepts connections for as long as the task lives.
async fn accept_all(
    listener: Listener,
    address: ListenAddress,
    shared: Rc<Shared>,
    connections: Rc<Cell<usize>>,
) {
    loop {
        // However many there are, others have their turn.
        consume_budget().await;
        match listener.accept().await {
            Ok((stream, remote, local)) => {
                metrics::count(|worker| worker.accepted.add(1));
                let site = Arc::clone(&shared.site.borrow());
                let limit = site.config.main.worker_connections;
                let one_at_a_time = !site.config.main.multi_accept;
                let Some(place) = take_place(&shared, &connections, limit).await else {
                    log::event(Severity::Alert, &format!("{limit} worker_connections are not enough"));
                    continue;
                };
                metrics::count(|worker| worker.handled.add(1));
                let Some(listen) = site.listen(&address) else { continue };
                let serial = SERIAL.fetch_add(1, Ordering::Relaxed) + 1;
                let debug = access::is_among(&site.config.main.debug_connections, &remote);
                let accepted = Instant::now();
                let connection =
                    Arc::new(Connection { serial, remote, local, proxied: None, accepted, debug });
                let origin = Origin { site, listen, connection, requests: 0, misses: 0, place };
                connection::begin(&shared, stream, origin);
                if one_at_a_time {
                    let_others().await;
                }
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// A place for a new connection; where there are few left, idle connections are closed.
async fn take_place(shared: &Shared, connections: &Rc<Cell<usize>>, limit: usize) -> Option<Rc<Place>> {
    /// How often those that are to close get their turn to do so.
    const TURNS: usize = 3;
    for _ in 0..TURNS {
        let parked = shared.idle.borrow_mut().make_room(connections.get(), limit);
        parked.into_iter().for_each(|id| shared.parking.borrow_mut().close_idle(id));
        match Place::take(connections, limit) {
            Some(place) => return Some(place),
            None => tokio::task::yield_now().await,
        }
    }
    Place::take(connections, limit)
}

/// A connection that ended before it was accepted costs nothing; without descriptors, accepting rests a while.
async fn pause(error: &io::Error) {
    let number = error.raw_os_error().map(Errno::from_raw);
    if matches!(number, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)) {
        log::event(Severity::Crit, &format!("accept4() failed ({})", log::os_error(error)));
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
