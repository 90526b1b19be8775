//! What is measured at which sizes: each series is one work, with one number of it that grows.

use std::fmt::Display;

use crate::client::Transport::{self, EventSource, LongPoll, WebSocket};
use crate::work::{CatchUp, FanOut, Pace, Publish, SIZE};
use crate::works::{Kind, Work};

/// Publishers who wait for each answer. With one alone, what is measured is how a machine falls asleep and wakes up.
const PUBLISHERS: u32 = 10;

/// Each has a channel that keeps one message.
const PUBLISH: Publish =
    Publish { publishers: PUBLISHERS, channels: PUBLISHERS, stored: 1, size: SIZE, messages: 0 };

/// Most stored messages in each of the publishers' channels.
const MOST_IN_EACH: usize = 10_000;

/// Most stored messages where newcomers take a request for each.
const MOST_BY_REQUESTS: usize = 10_000;

/// A number that grows, and what is drawn against it.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Names of works and files begin with it.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// How the works are set up.
    pub(crate) about: String,
    pub(crate) axis: Axis,
    pub(crate) series: Vec<Series>,
    pub(crate) figures: Vec<Figure>,
}

/// One work at each size.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) title: &'static str,
    pub(crate) points: Vec<Point>,
}

/// One work at one size.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) at: usize,
    pub(crate) work: Work,
}

/// What the size is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// How many, of what.
    Count(&'static str),
    /// Bytes of a message.
    Bytes,
}

/// One picture: panels side by side.
#[derive(Debug)]
pub(crate) struct Figure {
    /// The file's name, behind that of the sweep.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Each a series, by its number, and what is drawn of it.
    pub(crate) panels: Vec<(usize, Measure)>,
}

/// What a panel shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Cost,
    Bytes,
    Latency,
}

/// Where measurements are taken, and how long they last.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) subscribers: Vec<usize>,
    pub(crate) channels: Vec<u32>,
    pub(crate) stored: Vec<usize>,
    pub(crate) sizes: Vec<usize>,
    /// Subscribers where the size of messages is what grows.
    pub(crate) few: usize,
    /// Deliveries of a run, where messages are small.
    pub(crate) deliveries: usize,
    /// Publishes of a run, where messages are small.
    pub(crate) publishes: usize,
    /// Bytes that a run moves at most, but for the least number of messages.
    pub(crate) bytes: usize,
    /// Most bytes of memory per channel above its message, when there are most channels.
    pub(crate) channel_limit: Option<f64>,
}

impl Steps {
    /// `can_connect` says of a number of subscribers whether there may be so many.
    pub(crate) fn full(can_connect: impl Fn(usize) -> bool) -> Self {
        let mut subscribers = vec![100, 300, 1000, 3000, 10_000, 19_000, 30_000, 100_000];
        subscribers.retain(|number| can_connect(*number));
        Self {
            subscribers,
            channels: vec![1, 10, 100, 1000, 10_000, 100_000, 1_000_000],
            // The more there are, the longer Nchan takes for each that a newcomer gets: of 100,000, minutes for the first.
            stored: vec![1, 10, 100, 1000, 10_000, 30_000],
            sizes: vec![1, 16, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20],
            few: 100,
            deliveries: 100_000,
            publishes: 30_000,
            bytes: 1 << 30,
            channel_limit: Some(600.0),
        }
    }

    /// Takes no time, and shows that all works and loses nothing.
    pub(crate) fn smoke() -> Self {
        Self {
            subscribers: vec![10, 50],
            channels: vec![1, 200],
            stored: vec![1, 200],
            sizes: vec![1, 1000, 1 << 20],
            few: 5,
            deliveries: 200,
            publishes: 100,
            bytes: 1 << 20,
            channel_limit: None,
        }
    }

    /// How many messages of a size are enough, each of which is delivered or stored so many times.
    fn messages(&self, units: usize, copies: usize, size: usize) -> usize {
        const LEAST: usize = 10;
        (units / copies).min(self.bytes / (copies * size)).max(LEAST.min(units))
    }

    fn catch_up(&self, transport: Transport, stored: usize) -> CatchUp {
        // Who gets few messages comes with others: asking whether the server took them costs it something, too.
        let company = if transport == LongPoll { 16 } else { 1 };
        let at_once = (1000 / stored).clamp(company, 100);
        // A stream takes little for one.
        let deliveries = if transport == LongPoll { self.deliveries } else { 3 * self.deliveries };
        let readers = (deliveries / stored).clamp(5, 10_000).next_multiple_of(at_once);
        CatchUp { transport, stored, readers, at_once }
    }
}

impl Series {
    fn new(
        sweep: &str,
        name: impl Display,
        title: &'static str,
        points: impl Iterator<Item = (usize, Kind)>,
    ) -> Self {
        let point = |(at, kind)| {
            let name = format!("{sweep}/{name}/{at}");
            Point { at, work: Work { name, kind, bound: None, limit: None } }
        };
        Self { title, points: points.map(point).collect() }
    }

    /// What its cost is of.
    pub(super) fn unit(&self) -> &'static str {
        self.points.last().map(|point| point.work.kind.unit()).unwrap_or_default()
    }

    /// What its memory is of. The largest says that best.
    pub(super) fn memory_unit(&self) -> Option<&'static str> {
        self.points.last()?.work.kind.memory_unit()
    }

    fn of_subscribers(
        sweep: &str,
        transport: Transport,
        points: impl Iterator<Item = (usize, Kind)>,
    ) -> Self {
        let title = match transport {
            LongPoll => "long-polling",
            EventSource => "EventSource",
            WebSocket => "WebSocket",
            _ => "another transport",
        };
        Self::new(sweep, transport, title, points)
    }
}

/// Every sweep, in the order of the page.
pub(crate) fn sweeps(steps: &Steps) -> Vec<Sweep> {
    vec![by_subscribers(steps), by_channels(steps), by_stored(steps), by_size(steps)]
}

fn by_subscribers(steps: &Steps) -> Sweep {
    let point = |transport, &subscribers: &usize| {
        let messages = (steps.deliveries / subscribers).max(5);
        let work = FanOut { transport, subscribers, size: SIZE, messages, pace: Pace::Closed };
        (subscribers, Kind::FanOut(work))
    };
    let series = |transport| {
        let points = steps.subscribers.iter().map(|number| point(transport, number));
        Series::of_subscribers("subscribers", transport, points)
    };
    let all = |measure| vec![(0, measure), (1, measure), (2, measure)];
    Sweep {
        name: "subscribers",
        title: "Subscribers of a channel",
        about: format!(
            "Messages of {SIZE} B go to all subscribers of one channel; when all have one, the next is published. \
             Memory: of the process, per subscriber that waits, above that of a server with one subscriber. \
             Latency: from a publish to each delivery."
        ),
        axis: Axis::Count("subscribers"),
        series: vec![series(LongPoll), series(EventSource), series(WebSocket)],
        figures: vec![
            Figure { name: "cost", title: "Processor time per delivery", panels: all(Measure::Cost) },
            Figure { name: "latency", title: "Latency of deliveries", panels: all(Measure::Latency) },
            Figure { name: "memory", title: "Memory per waiting subscriber", panels: all(Measure::Bytes) },
        ],
    }
}

fn by_channels(steps: &Steps) -> Sweep {
    let point = |&channels: &u32| {
        let publishers = PUBLISHERS.min(channels);
        (
            channels as usize,
            Kind::Publish(Publish { publishers, channels, messages: steps.publishes, ..PUBLISH }),
        )
    };
    let mut series = Series::new("channels", "publish", "publish", steps.channels.iter().map(point));
    if let Some(most) = series.points.last_mut() {
        most.work.limit = steps.channel_limit;
    }
    Sweep {
        name: "channels",
        title: "Channels",
        about: format!(
            "Each channel keeps one message of {SIZE} B. {PUBLISHERS} publishers, who wait for each answer, go round all \
             of them; one channel has one publisher, as its messages need an order. Memory: per channel, above the \
             {SIZE} B. At last each channel is asked for its message."
        ),
        axis: Axis::Count("channels"),
        series: vec![series],
        figures: vec![Figure {
            name: "publish",
            title: "Publishing to many channels, and their memory",
            panels: vec![(0, Measure::Cost), (0, Measure::Latency), (0, Measure::Bytes)],
        }],
    }
}

fn by_stored(steps: &Steps) -> Sweep {
    let publish =
        |&stored: &usize| (stored, Kind::Publish(Publish { stored, messages: steps.publishes, ..PUBLISH }));
    let up_to = |most| steps.stored.iter().filter(move |stored| **stored <= most);
    let catch_up = |transport, most: usize| {
        let points = up_to(most).map(|stored| (*stored, Kind::CatchUp(steps.catch_up(transport, *stored))));
        Series::of_subscribers("stored", transport, points)
    };
    Sweep {
        name: "stored",
        title: "Stored messages of a channel",
        about: format!(
            "A channel is full of messages of {SIZE} B. {PUBLISHERS} publishers, who wait for each answer, push the oldest \
             out, each in its channel; memory: per message, above the {SIZE} B. Newcomers get all of one channel, and \
             their connections are part of the cost; by long-polling each message takes a request."
        ),
        axis: Axis::Count("stored messages"),
        series: vec![
            Series::new("stored", "publish", "publish", up_to(MOST_IN_EACH).map(publish)),
            catch_up(LongPoll, MOST_BY_REQUESTS),
            catch_up(EventSource, usize::MAX),
            catch_up(WebSocket, usize::MAX),
        ],
        figures: vec![
            Figure {
                name: "publish",
                title: "Publishing to a full channel, and memory of its messages",
                panels: vec![(0, Measure::Cost), (0, Measure::Latency), (0, Measure::Bytes)],
            },
            Figure {
                name: "catchup",
                title: "Catching up: processor time per message",
                panels: vec![(1, Measure::Cost), (2, Measure::Cost), (3, Measure::Cost)],
            },
        ],
    }
}

fn by_size(steps: &Steps) -> Sweep {
    let subscribers = steps.few;
    let fan_out = |transport, &size: &usize| {
        let messages = steps.messages(steps.deliveries, subscribers, size);
        (size, Kind::FanOut(FanOut { transport, subscribers, size, messages, pace: Pace::Closed }))
    };
    let publish = |&size: &usize| {
        let messages = steps.messages(steps.publishes, 1, size);
        (size, Kind::Publish(Publish { size, messages, ..PUBLISH }))
    };
    let series_of = |transport| {
        let points = steps.sizes.iter().map(|size| fan_out(transport, size));
        Series::of_subscribers("size", transport, points)
    };
    let all = |measure| vec![(0, measure), (1, measure), (2, measure), (3, measure)];
    Sweep {
        name: "size",
        title: "Size of messages",
        about: format!(
            "Messages go to {subscribers} subscribers of one channel; or to channels without any, which keep one \
             message, by {PUBLISHERS} publishers who wait for each answer. Latency: from a publish to each delivery, or to the \
             answer."
        ),
        axis: Axis::Bytes,
        series: vec![
            series_of(LongPoll),
            series_of(EventSource),
            series_of(WebSocket),
            Series::new("size", "publish", "publish", steps.sizes.iter().map(publish)),
        ],
        figures: vec![
            Figure {
                name: "cost",
                title: "Processor time per delivery, and per publish",
                panels: all(Measure::Cost),
            },
            Figure {
                name: "latency",
                title: "Latency of deliveries and publishes",
                panels: all(Measure::Latency),
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own_and_every_panel_its_series() {
        for steps in [Steps::full(|_| true), Steps::smoke()] {
            let mut names = HashSet::new();
            for sweep in sweeps(&steps) {
                let panels = sweep.figures.iter().flat_map(|figure| &figure.panels);
                assert!(panels.into_iter().all(|(series, _)| *series < sweep.series.len()), "{}", sweep.name);
                for point in sweep.series.iter().flat_map(|series| &series.points) {
                    assert!(names.insert(point.work.name.clone()), "{}", point.work.name);
                }
            }
        }
    }

    #[test]
    fn as_many_subscribers_come_as_can() {
        let most = |limit| Steps::full(|number| number <= limit).subscribers.last().copied();
        assert_eq!(most(19_488), Some(19_000));
        assert_eq!(most(usize::MAX), Some(100_000));
    }

    #[test]
    fn large_messages_are_fewer_but_not_too_few() {
        let steps = Steps::full(|_| true);
        assert_eq!(steps.messages(100_000, 100, 1), 1000);
        assert_eq!(steps.messages(100_000, 100, 1 << 16), 163);
        assert_eq!(steps.messages(100_000, 100, 1 << 20), 10);
    }
}
