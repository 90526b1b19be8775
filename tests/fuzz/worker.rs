//! A worker as the server has them, but without listening sockets: connections are given to it.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use encke::config::model::Config;
use encke::config::{LoadOptions, load};
use encke::http::connection::{self, Pace, Shared};
use encke::http::origin::{Origin, Place};
use encke::http::parking::{self, Occurrence, Parking};
use encke::http::reuse::Idle;
use encke::http::site::Site;
use encke::http::stream::IdleStream;
use encke::push::PushState;
use encke::request::{Connection, Endpoint};
use encke::store::{Mailbox, ManualClock, Store, WorkerId};
use encke_parser::MemLoader;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{spawn_local, yield_now};

/// More than connections are ever made.
const PLACES: usize = 8;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let loader = MemLoader::new().with("/site.conf", include_bytes!("site.conf"));
    let loaded = load(Path::new("/site.conf"), &loader, &LoadOptions::default());
    Arc::new(loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
});

/// Serves connections until it is stopped.
pub struct Worker {
    shared: Rc<Shared>,
    connections: Rc<Cell<usize>>,
}

impl Worker {
    /// A worker with an empty store. Must be called within a `LocalSet`.
    pub fn start() -> Self {
        let idle = Rc::<RefCell<Idle>>::default();
        let (mailbox, occurrences) = mailbox();
        let store =
            Arc::new(Store::new(1 << 20, Arc::new(ManualClock::new(1_700_000_000_000)), vec![mailbox]));
        let site = Arc::new(Site::build(Arc::clone(&CONFIG), &PushState::new(store, Vec::new())));
        let parking = Parking::new(WorkerId(0), Arc::clone(&site), Rc::clone(&idle), occurrences);
        let (parking, poll) = parking.expect("there are descriptors left");
        let shared = Rc::new(Shared {
            worker: WorkerId(0),
            site: RefCell::new(site),
            parking: Rc::clone(&parking),
            idle,
            pace: watch::channel(Pace::Serving).1,
            busy: Cell::new(0),
        });
        let resuming = Rc::clone(&shared);
        let resume = move |resumed| connection::resume(&resuming, resumed);
        spawn_local(parking::run(parking, watch_epoll(poll), resume));
        Self { shared, connections: Rc::default() }
    }

    /// Serves a connection as if it had just been accepted.
    pub fn serve(&self, stream: UnixStream) {
        let place = Place::take(&self.connections, PLACES).expect("there are places left");
        let connection = Connection {
            serial: 1,
            remote: Endpoint::Inet(([127, 0, 0, 1], 40_000).into()),
            local: Endpoint::Inet(([127, 0, 0, 1], 80).into()),
            proxied: None,
            accepted: Instant::now(),
            debug: false,
        };
        let site = Arc::clone(&self.shared.site.borrow());
        let origin = Origin { site, listen: 0, connection: Arc::new(connection), requests: 0, misses: 0, place };
        let socket = stream.into_std().expect("a socket of this runtime");
        connection::begin(&self.shared, IdleStream::unix(socket.into()), origin);
    }

    /// Waits until nothing is left of any connection.
    pub async fn stop(self) {
        while self.connections.get() > 0 {
            yield_now().await;
        }
        assert_eq!(self.shared.parking.borrow().waiting(), 0, "a subscriber waits without a connection");
    }
}

fn mailbox() -> (Mailbox, mpsc::UnboundedReceiver<Occurrence>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Box::new(move |event| drop(sender.send((event, Instant::now())))), receiver)
}

#[allow(deprecated, reason = "its successor is unsafe code")]
fn watch_epoll(poll: mio::Poll) -> AsyncFd<mio::Poll> {
    AsyncFd::with_interest(poll, Interest::READABLE).expect("an epoll instance can be watched")
}
