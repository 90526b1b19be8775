//! What happens in the store, on its way to those who wait here.

use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::metrics;
use crate::push::feed::LastFrame;
use crate::push::longpoll::LastAnswer;
use crate::store::Event;

use super::streaming::Next;
use super::writing::Outgoing;
use super::{Fate, Paced, Parking, Rest, State, Waiter, token, watch_both_ways};

/// Most events of the store that are heeded before other work of the worker gets its turn.
const EVENTS_AT_ONCE: usize = 64;

/// An event of the store, and when it came up if it is a message.
#[derive(Clone, Copy)]
pub(super) struct News<'e> {
    event: &'e Event,
    published: Option<Instant>,
}

impl Parking {
    /// Heeds all that has happened in the store.
    pub fn catch_up(&mut self) {
        self.now = Instant::now();
        while self.hear() {}
    }

    /// The same, up to a limit. Whether there is more.
    pub(super) fn hear(&mut self) -> bool {
        for _ in 0..EVENTS_AT_ONCE {
            // Mostly there is none, which is seen sooner than none is received.
            if self.occurrences.is_empty() {
                return false;
            }
            let Ok((event, since)) = self.occurrences.try_recv() else { return false };
            self.deliver(&event, since);
        }
        true
    }

    /// Gives an event of the store, which came up at `since`, to those whom it is for.
    pub(super) fn deliver(&mut self, event: &Event, since: Instant) {
        self.seats.hear(event, since);
        let is_message = matches!(event, Event::Message { .. });
        let mut count: u64 = 0;
        // A list of its own: what is answered leaves the channel's.
        let ids: SmallVec<[usize; 8]> = self.lists.of(event.channel()).collect();
        let (mut last_answer, mut last_frame) = (LastAnswer::new(ids.len()), LastFrame::default());
        for id in ids {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            match &mut entry.state {
                State::Waiting(waiter) if waiter.poll.concerns(event) => {
                    let news = News { event, published: is_message.then_some(since) };
                    self.answer(id, &mut last_answer, Some(news));
                }
                State::Streaming(streaming) if streaming.feed.sources.concern(event) => {
                    let next = streaming.hear(event, entry.stream.as_ref(), &mut last_frame);
                    self.follow(id, next);
                }
                _ => continue,
            }
            count += 1;
        }
        if is_message && count > 0 {
            metrics::count(|worker| {
                worker.delivered.add(count);
                worker.latency.observe(since.elapsed());
            });
        }
    }

    /// Answers one waiter, for an event or because its time is over, and goes on with its connection.
    pub(super) fn answer(&mut self, id: usize, last: &mut LastAnswer, news: Option<News<'_>>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let State::Waiting(mut waiter) = std::mem::replace(&mut entry.state, State::Idle(Rest::default()))
        else {
            return;
        };
        self.lists.leave(waiter.poll.channels(), &waiter.places);
        self.waiting -= 1;
        metrics::count(|worker| worker.parked.subtract(1));
        let rendered = waiter.poll.render(news.map(|news| news.event), last, self.shortcut.last_poll());
        // Its subscription ends before it hears of that: the next one needs the place.
        let Waiter { poll, log, limits, .. } = waiter;
        let conf = Arc::clone(poll.conf());
        let repeat = poll.into_repeat(log.as_ref().and_then(|log| log.again()));
        let (send_timeout, keepalive_timeout) = (conf.core.send_timeout, conf.core.keepalive_timeout);
        let connection = conf.connection;
        entry.deadline = None;
        if rendered.pace().is_some() {
            entry.state = State::Paced(Box::new(Paced {
                rendered,
                log,
                send_timeout,
                keepalive_timeout,
                connection,
                limits,
            }));
            if entry.stream.is_some() {
                self.finish(id, Fate::Resumes);
            }
            return;
        }
        let published = news.and_then(|news| news.published);
        let fate = self.send(id, Outgoing { rendered, conf, log, limits, published, repeat });
        self.finish(id, fate);
    }

    /// Goes on with a stream.
    pub(super) fn follow(&mut self, id: usize, next: Next) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let (State::Streaming(streaming), stream) = (&mut entry.state, &entry.stream) else { return };
        match (next, stream) {
            (Next::Gone, _) => return self.finish(id, Fate::Leaves),
            (Next::Closes, Some(_)) => {
                let conf = streaming.feed.format.conf.connection;
                self.leave_channels(id);
                let fate = self.close(id, conf);
                return self.finish(id, fate);
            }
            // Once: each time tells again of what the client sends, which may have to wait.
            (Next::WaitsToWrite, Some(stream)) if !streaming.watched => {
                streaming.watched = true;
                if watch_both_ways(&self.registry, token(id, entry.serial), stream).is_err() {
                    return self.finish(id, Fate::Leaves);
                }
            }
            _ => {}
        }
        let deadline = streaming.deadline();
        if entry.deadline != deadline {
            self.set_deadline_at(id, deadline);
        }
    }
}
