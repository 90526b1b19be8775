//! Requests that come again: read, compared, and answered, all but the socket.

use std::sync::Arc;

use divan::Bencher;
use encke::config::model::Transport;
use encke::http::site::Site;
use encke::push::again::{Again, Publish, Repeat, Repeated, Request};
use encke::push::channels;
use encke::push::info::Form;
use encke::push::last_poll::LastPoll;
use encke::push::publication::Publication;
use encke::push::reply::Reply;
use encke::push::validators;
use encke::push::waiting::What;
use encke::store::{Mode, Store, WorkerId};

use crate::given;

const LOCATIONS: &str = "location = /events { nchan_subscriber longpoll; nchan_channel_id $arg_id; }
                         location = /publish { nchan_publisher; nchan_channel_id $arg_id; }";

const POLL: &str = "GET /events?id=a HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\
                    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
                    If-Modified-Since: Wed, 01 Jan 2020 00:00:00 GMT\r\nIf-None-Match: 0\r\n\r\n";

/// A poll for a message that is stored.
#[divan::bench(sample_size = 100)]
fn poll_answered(bencher: Bencher<'_, '_>) {
    let (store, site) = (given::store(), given::site(LOCATIONS));
    let key = encke::store::ChannelKey::new(b"", b"a");
    store.publish(&given::message(&key, &[b'm'; 100])).expect("room");
    repeat(bencher, poll(&site), POLL.as_bytes(), &store);
}

/// A poll for a message that is to come.
#[divan::bench(sample_size = 100)]
fn poll_waits(bencher: Bencher<'_, '_>) {
    let (store, site) = (given::store(), given::site(LOCATIONS));
    let (mut next, mut last) = (Some(poll(&site)), LastPoll::default());
    bencher.bench_local(|| {
        let request = Request::read(POLL.as_bytes()).expect("a request");
        let poll = next.take().filter(|poll| poll.fits(&request));
        match poll.and_then(|poll| poll.make(&request, &store, WorkerId(0), &mut last)) {
            Some(Repeated::Waits(What::Message(poll), _)) => next = poll.into_repeat(None),
            other => panic!("{other:?}"),
        }
    });
}

/// A message of so many bytes, into the channel of the last one.
#[divan::bench(args = [100, 4096], sample_size = 100)]
fn publish(bencher: Bencher<'_, '_>, size: usize) {
    let head = format!(
        "POST /publish?id=a HTTP/1.1\r\nHost: example.com\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n"
    );
    let site = given::site(LOCATIONS);
    let ctx = given::request_in_location(&site, &head);
    let keys = channels::keys(&ctx, &ctx.conf.push.ids.publish).expect("a channel");
    let publication = Publication::new(&ctx, keys).expect("settings");
    let publish = Publish::of(&ctx, publication, Form::of(&ctx), None).expect("a repeatable request");
    repeat(bencher, publish, &[head.as_bytes(), &vec![b'm'; size]].concat(), &given::store());
}

/// One that is another: it is for the http phase.
#[divan::bench(sample_size = 100)]
fn another_poll(bencher: Bencher<'_, '_>) {
    let (site, other) = (given::site(LOCATIONS), POLL.replace("*/*", "text/plain"));
    bencher.with_inputs(|| poll(&site)).bench_local_values(|poll| {
        let request = Request::read(other.as_bytes()).expect("a request");
        assert!(!poll.fits(&request));
    });
}

fn poll(site: &Arc<Site>) -> Repeat {
    let ctx = given::request_in_location(site, POLL);
    let keys = channels::keys(&ctx, &ctx.conf.push.ids.subscribe).expect("a channel");
    let reply = Reply::new(&ctx, None);
    let start = validators::start(&ctx, Transport::LongPoll).expect("a position");
    let (again, log) = Again::of(&ctx, &reply, &keys[0], &start).expect("a repeatable request");
    again.into_repeat(reply, Mode::Once, log)
}

fn repeat(bencher: Bencher<'_, '_>, first: Repeat, request: &[u8], store: &Store) {
    let (mut next, mut last) = (Some(first), LastPoll::default());
    bencher.bench_local(|| {
        let request = Request::read(request).expect("a request");
        let repeat = next.take().filter(|repeat| repeat.fits(&request));
        match repeat.and_then(|repeat| repeat.make(&request, store, WorkerId(0), &mut last)) {
            Some(Repeated::Answer(rendered, repeat)) => {
                next = Some(repeat);
                rendered
            }
            other => panic!("{other:?}"),
        }
    });
}
