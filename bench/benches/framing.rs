//! A message as the bytes of each transport: once per message and form, however many subscribers share them.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use encke::push::cursor::Cursor;
use encke::push::reply::Reply;
use encke::push::transport::{Format, Wire};
use encke::request::RequestCtx;
use encke::store::{ChannelKey, Message, Mode, Store, Subscribed};

use crate::given;

/// Bytes of a body.
const SIZES: [usize; 2] = [100, 4096];

#[divan::bench(args = SIZES, sample_size = 100)]
fn event_source(bencher: Bencher<'_, '_>, size: usize) {
    frame(bencher, Wire::EventSource, size);
}

#[divan::bench(args = SIZES, sample_size = 100)]
fn websocket(bencher: Bencher<'_, '_>, size: usize) {
    frame(bencher, Wire::WebSocket { meta: false, deflate: false }, size);
}

#[divan::bench(args = SIZES, sample_size = 100)]
fn chunked(bencher: Bencher<'_, '_>, size: usize) {
    frame(bencher, Wire::Chunked, size);
}

#[divan::bench(args = SIZES, sample_size = 100)]
fn multipart(bencher: Bencher<'_, '_>, size: usize) {
    frame(bencher, Wire::Multipart, size);
}

#[divan::bench(args = SIZES, sample_size = 100)]
fn raw(bencher: Bencher<'_, '_>, size: usize) {
    frame(bencher, Wire::RawStream, size);
}

/// The whole answer, head and body.
#[divan::bench(args = SIZES, sample_size = 100)]
fn long_poll(bencher: Bencher<'_, '_>, size: usize) {
    let (ctx, message) = (request(), message(size));
    let (reply, cursor) = (Reply::new(&ctx, None), Cursor::of(&message));
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| reply.responder.render(reply.message(divan::black_box(&message), &cursor)));
}

fn frame(bencher: Bencher<'_, '_>, wire: Wire, size: usize) {
    let (format, message) = (Format { wire, conf: request().conf }, message(size));
    let cursor = Cursor::of(&message);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| format.message(divan::black_box(&message), divan::black_box(&cursor)));
}

fn request() -> RequestCtx {
    let site = given::site("location = /events { nchan_subscriber; nchan_channel_id $arg_id; }");
    given::request_in_location(&site, "GET /events?id=a HTTP/1.1\r\nHost: example.com\r\n\r\n")
}

fn message(size: usize) -> Arc<Message> {
    let (store, key): (Store, _) = (given::store(), ChannelKey::new(b"", b"a"));
    store.publish(&given::message(&key, &vec![b'm'; size])).expect("room");
    match store.subscribe(&given::subscriber(&key, Mode::Poll)) {
        Subscribed::Message(message) => message,
        other => panic!("{other:?}"),
    }
}
