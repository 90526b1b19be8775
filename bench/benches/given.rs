//! What the parts are given: a configuration, and requests.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use encke::config::{self, LoadOptions};
use encke::http::gate::ClientWatch;
use encke::http::service::{self, Exchange, Raw};
use encke::http::site::Site;
use encke::push::PushState;
use encke::push::waiting::ParkSlot;
use encke::request::{Connection, Endpoint, RequestCtx};
use encke::store::{Concurrency, Mode, Position, Publish, Store, Subscribe, SystemClock, WorkerId};
use encke_parser::MemLoader;

/// Memory for messages.
const BUDGET: usize = 1 << 30;

/// A server's configuration with these locations, ready to serve.
pub(crate) fn site(locations: &str) -> Arc<Site> {
    let text = format!(
        "events {{}} http {{ access_log off; server {{ listen 127.0.0.1:8080; server_name example.com; {locations} }} }}"
    );
    let path = Path::new("/bench/nginx.conf");
    let loaded = config::load(path, &MemLoader::new().with(path, text), &LoadOptions::default());
    let problem = loaded.error().map(|error| error.message.clone());
    let config = loaded.config.unwrap_or_else(|| panic!("{problem:?}"));
    Arc::new(Site::build(Arc::new(config), &PushState::new(Arc::new(store()), Vec::new())))
}

/// An empty store with one worker, which hears of everything and does nothing.
pub(crate) fn store() -> Store {
    Store::new(BUDGET, Arc::new(SystemClock::new()), vec![Box::new(drop)])
}

/// A request as it is when its location is looked for.
pub(crate) fn request(site: &Arc<Site>, head: &str) -> RequestCtx {
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut request = http::Request::builder()
        .method(words.next().unwrap_or_default())
        .uri(words.next().unwrap_or_default());
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let connection = Connection {
        serial: 1,
        remote: Endpoint::Inet(([127, 0, 0, 1], 50_000).into()),
        local: Endpoint::Inet(([127, 0, 0, 1], 8080).into()),
        proxied: None,
        accepted: Instant::now(),
        debug: false,
    };
    let exchange = Exchange {
        site: Arc::clone(site),
        listen: 0,
        connection: Arc::new(connection),
        number: 1,
        slot: Arc::new(ParkSlot::new(WorkerId(0))),
        client: ClientWatch::default(),
        is_last: false,
    };
    let raw = Raw { target: None, head: head.into(), pipelined: false, started: Instant::now() };
    let (ctx, refusal) = service::context(&exchange, parts, raw);
    assert!(refusal.is_none(), "{head}");
    ctx
}

/// The same in its location.
pub(crate) fn request_in_location(site: &Arc<Site>, head: &str) -> RequestCtx {
    let mut ctx = request(site, head);
    let config = Arc::clone(&ctx.config);
    let location = encke::http::location::find(&config.servers[0].locations, &mut ctx);
    ctx.conf = Arc::clone(&location.expect("a location").conf);
    ctx
}

/// A message for a channel that keeps a hundred.
pub(crate) fn message<'a>(key: &'a encke::store::ChannelKey, body: &'a [u8]) -> Publish<'a> {
    Publish {
        key,
        body,
        content_type: Some(b"text/plain"),
        event_name: None,
        deflated: None,
        store: true,
        max_messages: 100,
        min_messages: 0,
        message_timeout: Some(3600),
        delete_oldest_received: false,
        channel_timeout: 60,
        accounting: None,
    }
}

/// A subscriber that wants the oldest message, or everything to come.
pub(crate) fn subscriber(key: &encke::store::ChannelKey, mode: Mode) -> Subscribe<'_> {
    Subscribe {
        key,
        position: if mode == Mode::Poll { Position::Oldest } else { Position::Newest },
        worker: WorkerId(0),
        mode,
        concurrency: Concurrency::Broadcast,
        max_subscribers: 0,
        must_exist: false,
        channel_timeout: 60,
        is_request: true,
        accounting: None,
    }
}
