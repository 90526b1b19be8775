//! What is measured, and what Encke may take for it: each row is one named work.

use crate::client::Transport::{self, Chunked, EventSource, LongPoll, Multipart, Raw, WebSocket};
use crate::work::{CatchUp, Churn, FanOut, Idle, Layout, OneToOne, Pace, Publish, STORED};

/// A work with its bounds.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Most that Encke may take, as a part of what Nchan takes.
    pub(crate) bound: Option<f64>,
    /// Most bytes of memory that Encke may take at all, per subscriber, or per stored message above its body.
    pub(crate) limit: Option<f64>,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Idle(Idle),
    FanOut(FanOut),
    OneToOne(OneToOne),
    Publish(Publish),
    CatchUp(CatchUp),
    Churn(Churn),
}

/// Longest that a client may wait, p50 and p99, as a part of what Nchan's wait: in every work whose cost has a bound.
pub(crate) const LATENCY_BOUND: f64 = 1.0;

/// Messages that are delivered in a run of a fan-out: some seconds of a server's time.
const DELIVERIES: usize = 100_000;

/// Channels of a one-to-one work.
const CHANNELS: u32 = 1000;

/// What can be chosen on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Subscribers that wait at last in works about memory.
    pub(crate) idle: usize,
    /// Publishers in works about publishing: each sends its next message after the answer to the last one.
    pub(crate) publishers: u32,
}

/// Every work, in the order of the table.
#[rustfmt::skip]
pub(crate) fn all(sizes: Sizes) -> Vec<Work> {
    let Sizes { idle, publishers } = sizes;
    let each = Layout::ChannelEach;
    let one = Layout::OneChannel;
    vec![
        memory("idle/longpoll",          idle, LongPoll,    one,  Some(0.13), 1536.0),
        memory("idle/longpoll/channels", idle, LongPoll,    each, None,       1536.0),
        memory("idle/eventsource",       idle, EventSource, one,  Some(0.13), 1536.0),
        memory("idle/chunked",           idle, Chunked,     one,  None,       1536.0),
        memory("idle/multipart",         idle, Multipart,   one,  None,       1536.0),
        memory("idle/raw",               idle, Raw,         one,  None,       1536.0),
        memory("idle/websocket",         idle, WebSocket,   one,  Some(0.15), 2048.0),

        fan_out(LongPoll,    1000,   100, Some(0.70)),
        fan_out(LongPoll,    10_000, 100, Some(0.70)),
        fan_out(EventSource, 1000,   100, Some(0.70)),
        fan_out(EventSource, 10_000, 100, None),
        fan_out(Chunked,     1000,   100, None),
        fan_out(WebSocket,   1000,   100, None),
        fan_out(WebSocket,   10_000, 100, Some(0.70)),
        fan_out(WebSocket,   10_000, 4096, Some(0.90)),
        fan_out_open(LongPoll,    1000, 100, 15),
        fan_out_open(EventSource, 1000, 100, 20),
        fan_out_open(WebSocket,   1000, 100, 20),

        one_to_one(LongPoll,    publishers, Some(0.60)),
        one_to_one(EventSource, publishers, None),
        one_to_one(WebSocket,   publishers, Some(0.75)),

        publish(publishers, 100,  Some(0.80)),
        publish(publishers, 4096, Some(0.45)),

        catch_up(EventSource, 1000, 200, 1, Some(0.25)),
        catch_up(WebSocket,   1000, 200, 1, Some(0.25)),
        catch_up(Chunked,     1000, 200, 1, None),
        catch_up(LongPoll,    1000, 96, 16, Some(0.75)),

        churn(LongPoll),
        churn(EventSource),
        churn(WebSocket),
    ]
}

impl Work {
    /// The same with sizes that take no time, to see that it works.
    pub(crate) fn smoke(self) -> Self {
        let kind = match self.kind {
            Kind::Idle(idle) => Kind::Idle(Idle { subscribers: 500, ..idle }),
            Kind::FanOut(work) => Kind::FanOut(FanOut { subscribers: 50, messages: 5, ..work }),
            Kind::OneToOne(work) => {
                Kind::OneToOne(OneToOne { channels: 50, publishers: 4, messages: 200, ..work })
            }
            Kind::Publish(work) => {
                Kind::Publish(Publish { publishers: 4, channels: 4, messages: 200, ..work })
            }
            Kind::CatchUp(work) => {
                Kind::CatchUp(CatchUp { stored: 50, readers: 4, at_once: work.at_once.min(4), ..work })
            }
            Kind::Churn(work) => Kind::Churn(Churn { connections: 100, ..work }),
        };
        Self { kind, limit: None, bound: None, ..self }
    }
}

fn memory(
    name: &str,
    subscribers: usize,
    transport: Transport,
    layout: Layout,
    bound: Option<f64>,
    limit: f64,
) -> Work {
    let kind = Kind::Idle(Idle { transport, layout, subscribers });
    Work { name: name.to_owned(), kind, bound, limit: Some(limit) }
}

fn fan_out(transport: Transport, subscribers: usize, size: usize, bound: Option<f64>) -> Work {
    let messages = DELIVERIES / subscribers;
    let kind = Kind::FanOut(FanOut { transport, subscribers, size, messages, pace: Pace::Closed });
    Work { name: format!("fanout/{transport}/{subscribers}x{size}"), kind, bound, limit: None }
}

/// Three seconds of a rate.
fn fan_out_open(transport: Transport, subscribers: usize, size: usize, per_second: u32) -> Work {
    let messages = 3 * per_second as usize;
    let kind =
        Kind::FanOut(FanOut { transport, subscribers, size, messages, pace: Pace::Open { per_second } });
    Work { name: format!("open/{transport}/{subscribers}x{size}"), kind, bound: None, limit: None }
}

fn one_to_one(transport: Transport, publishers: u32, bound: Option<f64>) -> Work {
    let kind = Kind::OneToOne(OneToOne { transport, channels: CHANNELS, publishers, messages: 30_000 });
    Work { name: format!("one-to-one/{transport}/{CHANNELS}"), kind, bound, limit: None }
}

fn publish(publishers: u32, size: usize, bound: Option<f64>) -> Work {
    Work {
        name: format!("publish/{size}"),
        kind: Kind::Publish(Publish {
            publishers,
            channels: publishers,
            stored: STORED,
            size,
            messages: 60_000,
        }),
        bound,
        limit: None,
    }
}

fn catch_up(transport: Transport, stored: usize, readers: usize, at_once: usize, bound: Option<f64>) -> Work {
    let kind = Kind::CatchUp(CatchUp { transport, stored, readers, at_once });
    Work { name: format!("catchup/{transport}"), kind, bound, limit: None }
}

fn churn(transport: Transport) -> Work {
    let kind = Kind::Churn(Churn { transport, connections: 10_000 });
    Work { name: format!("churn/{transport}"), kind, bound: None, limit: None }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SIZES: Sizes = Sizes { idle: 10_000, publishers: 16 };

    #[test]
    fn every_work_has_a_name_of_its_own() {
        let names: HashSet<String> = all(SIZES).into_iter().map(|work| work.name).collect();
        assert_eq!(names.len(), all(SIZES).len());
    }
}
