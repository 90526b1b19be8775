//! A connection that has changed its protocol (101): bytes go both ways until somebody closes.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::config::model::Severity;
use crate::request::answer::Sent;
use crate::request::evaluation::AnswerSoFar;
use crate::request::log_line::PendingLog;
use crate::request::passed::Far;

use super::stream::Stream;

/// A tunnel that is about to be entered.
pub struct Opened {
    /// Its far end.
    pub far: Far,
    /// The head of the answer that opened it.
    pub head: Bytes,
    /// Its lines in access logs, written when it ends.
    pub log: Option<Box<PendingLog>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened")
    }
}

/// How much is read at once, bytes.
const PIECE: usize = 8192;

/// Carries bytes both ways until one side closes or both are silent for too long. `readahead` came from the client
/// before.
pub async fn run(stream: Stream, readahead: Bytes, opened: Opened) {
    let Opened { far, head, log } = opened;
    let ctx = far.ctx;
    let (mut from_client, mut to_client) = tokio::io::split(stream);
    let (mut from_server, mut to_server) = tokio::io::split(far.io);
    let started = std::time::Instant::now();
    let activity = tokio::sync::watch::Sender::new(());
    let (mut down, mut up) = (0, 0);
    let outward = async {
        to_server.write_all(&readahead).await?;
        carry(&mut from_client, &mut to_server, &activity, &mut up).await
    };
    let homeward = carry(&mut from_server, &mut to_client, &activity, &mut down);
    let silence = async {
        let mut activity = activity.subscribe();
        while tokio::time::timeout(far.timeout, activity.changed()).await.is_ok() {}
    };
    tokio::select! {
        _ = outward => {}
        _ = homeward => {}
        () = silence => {
            ctx.log(
                Severity::Error,
                "upstream timed out (110: Connection timed out) while proxying upgraded connection",
            );
        }
    }
    // What either side still has to read arrives before the end does.
    let _ = to_client.shutdown().await;
    let _ = to_server.shutdown().await;
    ctx.upstream.update(|last| {
        last.response = last.response.or(Some(started.elapsed()));
    });
    if let Some(log) = log {
        let head_bytes = u64::try_from(head.len()).unwrap_or(0);
        let sent = Sent { status: 101, head_bytes, body_bytes: down, complete: true };
        log.write(&AnswerSoFar { sent, head: &head, last_chunk: &[] });
    }
}

/// Carries bytes one way until their end.
async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    activity: &tokio::sync::watch::Sender<()>,
    count: &mut u64,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        activity.send_replace(());
        to.write_all(&piece[..length]).await?;
        to.flush().await?;
        activity.send_replace(());
        *count += u64::try_from(length).unwrap_or(0);
    }
}
