//! Publishes what a WebSocket's client sends: at once, or each message after another location was shown it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::{Refusal, Store};

use super::errands::{Errands, UnderWay};
use super::events::{Announcement, Happening};
use super::hooks::{self, Subrequest};
use super::info::Format as InfoFormat;
use super::publication::Publication;
use super::review::{self, Verdict};
use super::websocket::frame;
use super::{PushState, channels, publisher};

/// Bytes of messages that may wait for another location before their client has to.
const MOST_SHOWN: usize = 64 * 1024;

/// What a message that waits takes besides its bytes.
const OVERHEAD: usize = 64;

/// Where the messages of one socket go.
#[derive(Debug)]
pub struct SocketPublisher {
    publication: Publication,
    store: Arc<Store>,
    /// `Content-Type` of text messages: the handshake's.
    content_type: Option<Box<[u8]>>,
    /// How each message is answered; a client that subscribes too gets no answers.
    answers: Option<InfoFormat>,
    /// Published after each message.
    announcement: Option<Announcement>,
    /// Where messages wait for another location.
    desk: Option<Box<Desk>>,
}

/// What comes of a stretch of bytes.
#[derive(Debug, Default)]
pub struct Received {
    /// Frames for the client.
    pub frames: Vec<Bytes>,
    /// The last of them closes the connection.
    pub closes: bool,
}

/// Told when there is news for a client, or room for its next messages.
pub type Bell = Box<dyn Fn() + Send + Sync>;

/// Messages of a socket that are shown to another location, one after the other. What its client sent is published
/// whether it is still there or not.
struct Desk {
    /// The handshake.
    ctx: RequestCtx,
    inside: Arc<dyn Subrequest>,
    errands: Arc<Errands>,
    bell: OnceLock<Bell>,
    tray: Mutex<Tray>,
}

#[derive(Debug, Default)]
struct Tray {
    waiting: VecDeque<Message>,
    /// Of those, and of the one that is being shown.
    bytes: usize,
    state: Work,
    /// What the client was not told yet.
    news: Received,
    /// The answer to its close frame, for when all else is said.
    farewell: Option<Bytes>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Work {
    #[default]
    None,
    /// A message is being shown.
    Showing,
    /// One was refused: there will be no more.
    Over,
}

#[derive(Debug)]
struct Message {
    binary: bool,
    payload: Bytes,
}

impl SocketPublisher {
    /// For the messages of this request's socket, whose client `subscribes`, too, or does not.
    ///
    /// # Errors
    /// The answer for a request that names no channel, or whose settings come to no value.
    pub fn new(
        state: &PushState,
        ctx: &RequestCtx,
        inside: &dyn Subrequest,
        subscribes: bool,
    ) -> Result<Self, Answer> {
        let publication = Publication::new(ctx, channels::keys(ctx, &ctx.conf.push.ids.publish)?)?;
        // Subscribers that publish, too, are called subscribers.
        if !subscribes {
            channels::note(ctx, publication.keys());
            ctx.facts.note(|facts| facts.publisher = Some("websocket"));
        }
        let desk = ctx.conf.push.hooks.publisher_upstream.is_some().then(|| {
            Box::new(Desk {
                ctx: hooks::keepsake(ctx),
                inside: inside.detached(),
                errands: Arc::clone(&state.errands),
                bell: OnceLock::new(),
                tray: Mutex::default(),
            })
        });
        Ok(Self {
            publication,
            store: Arc::clone(&state.store),
            content_type: ctx.header("content-type").map(Into::into),
            answers: (!subscribes).then(|| InfoFormat::of(ctx)),
            announcement: Announcement::of(ctx, Happening::Publish),
            desk,
        })
    }

    /// Takes a message: publishes it, or shows it to another location first.
    pub fn take(self: &Arc<Self>, binary: bool, payload: Vec<u8>, received: &mut Received) {
        match &self.desk {
            None => self.publish(&payload, self.content_type(binary), received),
            Some(desk) => {
                if desk.put(Message { binary, payload: payload.into() })
                    && let Ok(worker) = Handle::try_current()
                {
                    worker.spawn(Arc::clone(self).show_all(desk.errands.begin()));
                }
            }
        }
    }

    /// Whether no more messages should be read from the client for now.
    pub fn is_full(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.tray().bytes >= MOST_SHOWN)
    }

    /// Whether the client said that it closes, and gets its answer later.
    pub fn is_closing(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.tray().farewell.is_some())
    }

    /// Takes the answer to a close frame if there is something to be said before it.
    pub fn close_after(&self, farewell: &Bytes) -> bool {
        let Some(desk) = &self.desk else { return false };
        let mut tray = desk.tray();
        let later = tray.state == Work::Showing;
        if later {
            tray.farewell = Some(farewell.clone());
        }
        later
    }

    /// Has a bell rung when there is news.
    pub fn call_back(&self, bell: impl FnOnce() -> Bell) {
        if let Some(desk) = &self.desk {
            desk.bell.get_or_init(bell);
        }
    }

    /// What came of messages that were shown.
    pub fn news(&self) -> Received {
        self.desk.as_ref().map(|desk| std::mem::take(&mut desk.tray().news)).unwrap_or_default()
    }

    async fn show_all(self: Arc<Self>, _under_way: UnderWay) {
        let Some(desk) = &self.desk else { return };
        while let Some(message) = desk.next() {
            let verdict = review::ask(&desk.ctx, &*desk.inside, &message.payload).await;
            let mut received = Received::default();
            self.settle(&message, verdict.unwrap_or(Verdict::AsItWas), &mut received);
            desk.done(&message, received);
        }
    }

    fn settle(&self, message: &Message, verdict: Verdict, received: &mut Received) {
        match verdict {
            Verdict::AsItWas => self.publish(&message.payload, self.content_type(message.binary), received),
            // As in Nchan, the type is the socket's all the same.
            Verdict::Instead { body, .. } => {
                self.publish(&body, self.content_type(message.binary), received);
            }
            Verdict::Nothing => {}
            Verdict::Refused => received.close(1008, b"403 Forbidden"),
        }
    }

    fn content_type(&self, binary: bool) -> Option<&[u8]> {
        if binary { Some(b"application/octet-stream") } else { self.content_type.as_deref() }
    }

    fn publish(&self, body: &[u8], content_type: Option<&[u8]>, received: &mut Received) {
        match self.publication.publish(&self.store, body, content_type) {
            Ok(told) => {
                if let Some(announcement) = &self.announcement {
                    announcement.publish(&self.store);
                }
                if let Some(desk) = &self.desk {
                    publisher::note(&desk.ctx, &told);
                }
                let answer = self.answers.map(|answers| answers.write(&told, self.publication.dialect()));
                received.frames.extend(answer.map(|text| frame::message(false, b"", text.as_bytes())));
            }
            Err(Refusal::OutOfMemory) => received.close(1011, b"507 Insufficient Storage"),
            Err(Refusal::Group(_)) => received.close(1008, b"403 Forbidden"),
        }
    }
}

impl Received {
    /// Adds a close frame.
    pub fn close(&mut self, code: u16, reason: &[u8]) {
        self.last_words(frame::close_with(code, reason));
    }

    /// Adds a frame that is the last.
    pub fn last_words(&mut self, frame: Bytes) {
        self.frames.push(frame);
        self.closes = true;
    }
}

impl Desk {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; whether somebody has to begin with showing.
    fn put(&self, message: Message) -> bool {
        let mut tray = self.tray();
        if tray.state == Work::Over {
            return false;
        }
        tray.bytes += message.size();
        tray.waiting.push_back(message);
        std::mem::replace(&mut tray.state, Work::Showing) == Work::None
    }

    /// The next message to be shown.
    fn next(&self) -> Option<Message> {
        let mut tray = self.tray();
        let next = tray.waiting.pop_front();
        if next.is_some() || tray.state == Work::Over {
            return next;
        }
        tray.state = Work::None;
        let farewell = tray.farewell.take()?;
        tray.state = Work::Over;
        tray.news.last_words(farewell);
        drop(tray);
        self.ring();
        None
    }

    /// Keeps what came of a message for its client.
    fn done(&self, message: &Message, mut received: Received) {
        let mut tray = self.tray();
        tray.bytes = tray.bytes.saturating_sub(message.size());
        if received.closes {
            tray.waiting.clear();
            (tray.bytes, tray.state) = (0, Work::Over);
        }
        tray.news.closes = received.closes;
        tray.news.frames.append(&mut received.frames);
        drop(tray);
        self.ring();
    }

    fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            bell();
        }
    }
}

impl Message {
    fn size(&self) -> usize {
        self.payload.len() + OVERHEAD
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("tray", &self.tray).finish_non_exhaustive()
    }
}
