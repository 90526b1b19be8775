#![no_main]
//! Any bytes that clients send come to an end: no panic, no hanging connection, and only whole responses come back.
//!
//! The first byte of the input says how many bytes are written at once. `0xff` changes between two connections, so
//! that one may wait for what the other publishes.

#[path = "../responses.rs"]
mod responses;
#[path = "../worker.rs"]
mod worker;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::timeout;

use worker::Worker;

const CHANGE: u8 = 0xff;

/// Longer than every timeout of the configuration together.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often others get their turn between two pieces.
const TURNS: usize = 3;

fuzz_target!(|input: &[u8]| {
    let Some((&piece, sent)) = input.split_first() else { return };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    let received = LocalSet::new().block_on(&runtime, async {
        timeout(PATIENCE, exchange(usize::from(piece) + 1, sent))
            .await
            .expect("the connections come to an end")
    });
    for bytes in received {
        assert!(responses::are_whole(&bytes), "not a row of responses: {}", bytes.escape_ascii());
    }
});

/// Sends everything, then the end of both connections, and returns what came back on each.
async fn exchange(piece: usize, sent: &[u8]) -> [Vec<u8>; 2] {
    let worker = Worker::start();
    let (mut clients, mut answers) = ([Client::new(&worker), Client::new(&worker)], Vec::new());
    let mut current = 0;
    for (number, part) in sent.split(|byte| *byte == CHANGE).enumerate() {
        current = number % clients.len();
        for bytes in part.chunks(piece) {
            clients[current].send(bytes).await;
        }
    }
    // The one that was written to last goes first: the other may wait for it.
    clients.rotate_left(current);
    for client in clients {
        answers.push(client.finish().await);
    }
    worker.stop().await;
    answers.try_into().expect("one answer for each")
}

/// The client's side of a connection.
struct Client {
    writer: OwnedWriteHalf,
    /// Ends with all that the server sent.
    answer: JoinHandle<Vec<u8>>,
}

impl Client {
    fn new(worker: &Worker) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("sockets can be made");
        worker.serve(theirs);
        let (mut reader, writer) = ours.into_split();
        let answer = spawn_local(async move {
            let mut bytes = Vec::new();
            // A reset comes after the last byte.
            let _ = reader.read_to_end(&mut bytes).await;
            bytes
        });
        Self { writer, answer }
    }

    /// An error means that the server has closed the connection, as it may.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.writer.write_all(bytes).await;
        for _ in 0..TURNS {
            yield_now().await;
        }
    }

    async fn finish(mut self) -> Vec<u8> {
        let _ = self.writer.shutdown().await;
        self.answer.await.expect("reading does not fail")
    }
}
