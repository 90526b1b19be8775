//! A long-poll that waits, and its one answer.

use std::sync::Arc;

use crate::config::model::LocationConf;
use crate::request::answer::Rendered;
use crate::request::log_line::RepeatedLog;
use crate::store::{ChannelId, Event, Mode, Subscription};

use super::again::{Again, Repeat};
use super::attendance::Attendance;
use super::cursor::Cursor;
use super::last_poll::LastPoll;
use super::reply::Reply;
use super::sources::Sources;

/// A request that waits for a message.
#[derive(Debug)]
pub struct LongPoll {
    wait: Wait,
    /// That its subscriber is there.
    attendance: Option<Box<Attendance>>,
    /// How its answer will be written.
    pub reply: Reply,
    /// How to know it when it is made again.
    again: Option<Again>,
}

#[derive(Debug)]
enum Wait {
    /// For the next message of one channel.
    One(Subscription),
    /// For the first of several.
    Many(Box<Sources>),
}

/// The answer to the last one: most who wait in a channel get the same bytes.
#[derive(Debug, Default)]
pub struct LastAnswer {
    /// Nobody else waits.
    alone: bool,
    last: Option<(Reply, Rendered)>,
}

impl LongPoll {
    /// Waits in one channel.
    pub fn one(subscription: Subscription, reply: Reply, attendance: Option<Box<Attendance>>) -> Self {
        Self { wait: Wait::One(subscription), attendance, reply, again: None }
    }

    /// Waits in several channels.
    pub fn many(sources: Sources, reply: Reply, attendance: Option<Box<Attendance>>) -> Self {
        Self { wait: Wait::Many(Box::new(sources)), attendance, reply, again: None }
    }

    /// It may be made again.
    #[must_use]
    pub fn repeatable(self, again: Option<Again>) -> Self {
        Self { again: again.filter(|_| self.attendance.is_none()), ..self }
    }

    /// Ends the wait; what is left is for the same poll again, if it may be, with the same to log.
    pub fn into_repeat(self, log: Option<RepeatedLog>) -> Option<Repeat> {
        let Self { reply, again, .. } = self;
        Some(again?.into_repeat(reply, Mode::Once, log))
    }

    /// The same without an end to the wait.
    pub fn to_repeat(&self, log: Option<RepeatedLog>) -> Option<Repeat> {
        Some(self.again.clone()?.into_repeat(self.reply.clone(), Mode::Once, log))
    }

    /// How to know it when it is made again.
    pub fn again_mut(&mut self) -> Option<&mut Again> {
        self.again.as_mut()
    }

    /// Settings of the location.
    pub fn conf(&self) -> &Arc<LocationConf> {
        &self.reply.responder.conf
    }

    /// The channels it waits in.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> {
        let (one, many) = match &self.wait {
            Wait::One(subscription) => (Some(subscription.channel()), None),
            Wait::Many(sources) => (None, Some(sources.ids())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Whether an event of the store is for it: one of before it waited is not.
    pub fn concerns(&self, event: &Event) -> bool {
        match &self.wait {
            Wait::One(subscription) => subscription.ticket() < event.before(),
            Wait::Many(sources) => sources.concern(event),
        }
    }

    /// Whether an event is on its way that will end the wait.
    pub fn is_released(&self) -> bool {
        matches!(&self.wait, Wait::One(subscription) if subscription.is_released())
    }

    /// The subscription of a wait that another process can go on with: in one channel, and nobody is told of it.
    pub fn portable(&self) -> Option<&Subscription> {
        match &self.wait {
            Wait::One(subscription) if self.attendance.is_none() => Some(subscription),
            _ => None,
        }
    }

    /// Its answer, after an event or (without one) because its time is over.
    pub fn render(
        &mut self,
        event: Option<&Event>,
        last: &mut LastAnswer,
        last_poll: &mut LastPoll,
    ) -> Rendered {
        let reply = &self.reply;
        let answer = match (event, &mut self.wait) {
            (None, _) => reply.timed_out(),
            (Some(Event::Displaced { .. }), _) => reply.conflict(),
            (Some(Event::Deleted { .. }), _) => reply.gone(),
            (Some(Event::Message { message, .. }), Wait::One(_)) => {
                return last.of(reply, || last_poll.message(reply, message));
            }
            (Some(Event::Message { message, channel, .. }), Wait::Many(sources)) => {
                let first = sources.hear(*channel, message).into_iter().next();
                first.map_or_else(
                    || reply.message(message, &Cursor::of(message)),
                    |next| reply.message(&next.message, &next.cursor),
                )
            }
        };
        reply.responder.render(answer)
    }
}

impl LastAnswer {
    /// For so many who wait.
    pub fn new(count: usize) -> Self {
        Self { alone: count == 1, last: None }
    }

    fn of(&mut self, reply: &Reply, render: impl FnOnce() -> Rendered) -> Rendered {
        if let Some((last, rendered)) = &self.last
            && last.same_bytes(reply)
        {
            return rendered.clone();
        }
        let rendered = render();
        if !self.alone {
            self.last = Some((reply.clone(), rendered.clone()));
        }
        rendered
    }
}
