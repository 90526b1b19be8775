//! What encke answers where it follows none of the recorded servers.
//!
//! Each recording names the server that a drop-in should follow. Two rules hold for all of them
//! ([`correct_info`], [`correct_content_type`]); the rest is the table below. A step that is not named in it is
//! answered as the followed server did.

use super::info::Info;
use super::record::{Answer, Answered, Body, Column, Scenario};

/// What is expected at one step.
#[derive(Clone, Debug)]
pub(super) enum Expectation {
    /// One of these, each with headers that may be added to it.
    Answers(Vec<Answer>, &'static [&'static str]),
    /// Anything for which the function holds; the text says what that is.
    Satisfies(&'static str, fn(&Answer) -> bool),
    /// The recording says nothing about this step.
    Anything,
}

impl Expectation {
    pub(super) fn exactly(answer: Answer) -> Self {
        Expectation::Answers(vec![answer], &[])
    }

    fn or(self, other: Expectation) -> Self {
        match (self, other) {
            (Expectation::Answers(mut answers, permitted), Expectation::Answers(more, _)) => {
                answers.extend(more);
                Expectation::Answers(answers, permitted)
            }
            (one, _) => one,
        }
    }

    /// Whether waiting for an answer longer than the recording did is useless.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Expectation::Answers(answers, _) if answers.iter().any(|answer| matches!(answer, Answer::Pending)))
    }
}

struct Override {
    scenario: &'static str,
    /// Why no recorded server is followed here.
    because: &'static str,
    changes: &'static [(Steps, Change)],
}

#[derive(Clone, Copy)]
enum Steps {
    All,
    One(&'static str),
}

#[derive(Clone, Copy)]
enum Change {
    /// As that server answered.
    Follow(Column),
    /// As the followed server or that one answered.
    OrAs(Column),
    /// As the followed server answered, or so.
    Or(&'static Change),
    /// As the followed server answered, perhaps with these headers too.
    Permit(&'static [&'static str]),
    /// As the followed server answered, but with this header once and with this value.
    Header(&'static str, &'static str),
    /// Channel information as text: status line, messages, seconds since the last request, subscribers.
    Info(&'static str, i64, i64, i64),
    /// A `text/plain` message with that place in the order of messages.
    Message(&'static str, &'static str),
    /// A status line with nothing behind it.
    Empty(&'static str),
    Pending,
    /// These lines, in any order.
    Log(&'static [&'static str]),
    Satisfies(&'static str, fn(&Answer) -> bool),
}

use Change::{Empty, Follow, Header, Log, Message, Or, OrAs, Pending, Permit, Satisfies};
use Steps::{All, One};

const OK: &str = "HTTP/1.1 200 OK";
const ACCEPTED: &str = "HTTP/1.1 202 Accepted";
const CREATED: &str = "HTTP/1.1 201 Created";
const CONFLICT: &str = "HTTP/1.1 409 Conflict";

/// The validators of an interval-poll's request may come back in its 304.
const ECHO: &[&str] = &["Last-Modified", "Etag", "Vary"];

const OVERRIDES: &[Override] = &[
    Override {
        scenario: "chanid-1100-bytes",
        because: "ids are cut at 1024 bytes and work at every length up to that; the old module lost them from 256 on",
        changes: &[
            (All, Follow(Column::Nhpm0692)),
            (One("info_1024"), Change::Info(OK, 1, -1, 0)),
            (One("sub"), Message("x", "0")),
        ],
    },
    Override {
        scenario: "reload-with-waiting-subscriber",
        because: "messages and waiting subscribers survive a reload; all recorded servers lose one or both",
        changes: &[
            (One("s1_waits"), Pending),
            (One("s1_after_hup"), Pending),
            (One("info"), Change::Info(OK, 0, 2, 1)),
            (One("post"), Change::Info(CREATED, 1, 2, 1)),
            (One("s1_after_post"), Message("m1", "0")),
        ],
    },
    Override {
        scenario: "quit-with-waiting-subscriber",
        because: "a waiting client is let go, with or without a 410",
        changes: &[(All, Follow(Column::Nhpm0731)), (One("s1_after_quit"), OrAs(Column::Nchan))],
    },
    Override {
        scenario: "access-log-statuses",
        because: "the log says 409 where the client got 409; the old module logged 404",
        changes: &[
            (All, Follow(Column::Nhpm0731)),
            (
                One("access_log"),
                Log(&[
                    "GET /activity 409 0",
                    "GET /first 409 0",
                    "GET /activity 200 1",
                    "POST /publish 201 80",
                    "GET /activity 410 0",
                    "DELETE /publish 200 80",
                    "GET /activity 499 0",
                ]),
            ),
        ],
    },
    Override {
        scenario: "access-log-first-409",
        because: "the log says 409 where the client got 409; the old module logged 404",
        changes: &[(All, Follow(Column::Nhpm0731)), (One("access_log"), Log(&["GET /activity 409 0"]))],
    },
    Override {
        scenario: "accept-text-yaml",
        because: "v0.731's YAML is YAML",
        changes: &[(All, Follow(Column::Nhpm0731))],
    },
    Override {
        scenario: "accept-text-x-yaml",
        because: "v0.731's YAML is YAML",
        changes: &[(All, Follow(Column::Nhpm0731))],
    },
    Override {
        scenario: "accept-yaml-on-put",
        because: "an empty PUT creates the channel and stores nothing, as the protocol document says",
        changes: &[(All, Follow(Column::Nhpm0692))],
    },
    Override {
        scenario: "pub-delete-then-republish",
        because: "the second message is new to a client only if it was published in a later second; a channel that \
                  was made anew has never been asked for",
        changes: &[
            (One("p2"), Change::Info(ACCEPTED, 1, -1, 0)),
            (One("with_old_id"), Or(&Message("m2", "0"))),
        ],
    },
    Override {
        scenario: "sub-channel-recreated-lower-tag",
        because: "a channel that was made anew has never been asked for",
        changes: &[(One("r6"), Change::Info(ACCEPTED, 1, -1, 0))],
    },
    Override {
        scenario: "sub-no-cache-header",
        because: "-1 until the first subscriber asks; v0.731 counted from the creation of the channel",
        changes: &[(One("r1"), Change::Info(ACCEPTED, 1, -1, 0))],
    },
    Override {
        scenario: "concurrency-last",
        because: "one subscriber was waiting before the message: the other one had been displaced",
        changes: &[(One("post"), Change::Info(CREATED, 1, 1, 1))],
    },
    Override {
        scenario: "channel-put-survives-other-lookup",
        because: "as above, and the channel lives for the channel timeout",
        changes: &[(One("put"), Follow(Column::Nhpm0692)), (One("again"), Change::Info(OK, 0, -1, 0))],
    },
    Override {
        scenario: "min-message-recipients-1-waiting",
        because: "the directive is accepted and has no effect; three of the recorded servers do not start with it",
        changes: &[
            (One("p1"), Change::Info(CREATED, 1, 0, 1)),
            (One("s1"), Message("m1", "0")),
            (One("after1"), Change::Info(OK, 1, 0, 0)),
        ],
    },
    Override {
        scenario: "reserved-memory-exhausted",
        because: "a channel that fills the memory alone loses its oldest messages, and publishing never fails",
        changes: &[
            (One("fill"), Satisfies("accepts all messages", all_are_accepted)),
            (One("info"), Satisfies("some messages stay", has_messages)),
        ],
    },
    Override {
        scenario: "reserved-memory-exhausted-4m",
        because: "a channel that fills the memory alone loses its oldest messages, and publishing never fails",
        changes: &[
            (One("fill"), Satisfies("accepts all messages", all_are_accepted)),
            (One("info"), Satisfies("some messages stay", has_messages)),
            (One("oldest"), Satisfies("a whole message", is_filler_of_4000)),
        ],
    },
    Override {
        scenario: "reserved-memory-exhausted-many-channels",
        because: "507 is the honest status once each channel is down to the one message it keeps",
        changes: &[(One("fill"), Satisfies("2xx, then 507", ends_in_507))],
    },
    Override {
        scenario: "sub-ims-only-same-second",
        because: "clients that send If-Modified-Since only get each message once",
        changes: &[(All, Follow(Column::Nhpm0692)), (One("third"), Message("m3", "2"))],
    },
    Override {
        scenario: "sub-seed-client-loop-burst",
        because: "clients that send If-Modified-Since only get each message once",
        changes: &[(All, Follow(Column::Nhpm0692)), (One("got3"), Message("C", "2")), (One("got4"), Pending)],
    },
    Override {
        scenario: "interval-uptodate-304-echo",
        because: "If-Modified-Since alone is no error, Nchan's echo of validators is a harmless addition",
        changes: &[(One("poll_ims_only"), Follow(Column::Nhpm0731)), (One("poll_ims_only"), Permit(ECHO))],
    },
    Override {
        scenario: "interval-malformed-ims",
        because: "Nchan's echo of validators is a harmless addition",
        changes: &[(One("poll"), Permit(ECHO))],
    },
    Override {
        scenario: "workers-2-concurrency-last",
        because: "409 for every displaced subscriber, whichever thread served it",
        changes: &[
            (One("post"), Change::Info(CREATED, 1, 0, 1)),
            (One("s0"), Empty(CONFLICT)),
            (One("s1"), Empty(CONFLICT)),
            (One("s2"), Empty(CONFLICT)),
            (One("s3"), Message("x", "0")),
        ],
    },
    Override {
        scenario: "sub-method-options",
        because: "OPTIONS may tell the methods to everyone, not only to browsers",
        changes: &[(One("options"), Permit(&["Allow"]))],
    },
    Override {
        scenario: "sub-method-post-keepalive",
        because: "OPTIONS may tell the methods to everyone, not only to browsers",
        changes: &[(One("opt"), Permit(&["Allow"]))],
    },
    Override {
        scenario: "cors-options-add-header-and-post",
        because: "browsers refuse Access-Control-Allow-Origin sent twice, as v0.731 did",
        changes: &[
            (One("options"), Header("Access-Control-Allow-Origin", "*")),
            (One("options"), Permit(&["Allow"])),
        ],
    },
    Override {
        scenario: "sub-if-match",
        because: "other preconditions are ignored, or judged as nginx does",
        changes: &[(One("sub"), OrAs(Column::Nhpm0731))],
    },
    Override {
        scenario: "sub-if-unmodified-since",
        because: "other preconditions are ignored, or judged as nginx does",
        changes: &[(One("sub"), OrAs(Column::Nhpm0731))],
    },
];

/// What encke is to answer at a step.
pub(super) fn expectation(scenario: &Scenario, step: &str) -> Expectation {
    let mut expectation = recorded(scenario, scenario.recommended.follow, step);
    for change in changes(scenario, step) {
        expectation = apply(change, expectation, scenario, step);
    }
    expectation
}

/// Whether encke is to refuse the configuration.
pub(super) fn is_refused(scenario: &Scenario) -> bool {
    let followed = scenario.observed.get(&scenario.recommended.follow);
    followed.is_some_and(|observed| observed.does_not_start.is_some())
}

/// Why this scenario has overrides; empty if it has none.
pub(super) fn reason(scenario: &str) -> &'static str {
    find(scenario).map_or("", |found| found.because)
}

/// The scenarios of the table, so that a name written wrong is found.
pub(super) fn overridden() -> impl Iterator<Item = &'static str> {
    OVERRIDES.iter().map(|entry| entry.scenario)
}

fn find(scenario: &str) -> Option<&'static Override> {
    OVERRIDES.iter().find(|entry| entry.scenario == scenario)
}

fn changes(scenario: &Scenario, step: &str) -> impl Iterator<Item = Change> {
    let all = find(&scenario.name).map_or(&[][..], |entry| entry.changes);
    let concerned = all.iter().filter(move |(steps, _)| match steps {
        All => true,
        One(name) => *name == step,
    });
    concerned.map(|(_, change)| *change).collect::<Vec<_>>().into_iter()
}

fn apply(change: Change, before: Expectation, scenario: &Scenario, step: &str) -> Expectation {
    let exactly = Expectation::exactly;
    match (change, before) {
        (Follow(column), _) => recorded(scenario, column, step),
        (OrAs(column), before) => before.or(recorded(scenario, column, step)),
        (Or(change), before) => {
            let other = apply(*change, before.clone(), scenario, step);
            before.or(other)
        }
        (Permit(headers), Expectation::Answers(answers, _)) => Expectation::Answers(answers, headers),
        (Header(name, value), Expectation::Answers(answers, permitted)) => {
            let answers = answers.into_iter().map(|answer| with_header(answer, name, value)).collect();
            Expectation::Answers(answers, permitted)
        }
        (Change::Info(status_line, messages, requested, subscribers), _) => {
            exactly(info_answer(status_line, messages, requested, subscribers))
        }
        (Message(body, place), _) => exactly(message(body, place)),
        (Empty(status_line), _) => exactly(answer(status_line, &[], "")),
        (Pending, _) => exactly(Answer::Pending),
        (Log(lines), _) => exactly(Answer::Log(lines.iter().map(|&line| line.to_owned()).collect())),
        (Satisfies(what, holds), _) => Expectation::Satisfies(what, holds),
        (Permit(_) | Header(..), other) => other,
    }
}

/// What a server was recorded to answer, put right by the two general rules.
fn recorded(scenario: &Scenario, column: Column, step: &str) -> Expectation {
    match scenario.entry(column, step) {
        Some(entry) if !entry.meaningless => {
            let mut answer = entry.answer.clone();
            if let Answer::Response(answered) = &mut answer {
                correct_content_type(answered);
                correct_info(answered, scenario, column, step);
            }
            Expectation::exactly(answer)
        }
        _ => Expectation::Anything,
    }
}

/// The old module sent one byte too many after the type of JSON, XML and YAML information.
fn correct_content_type(answered: &mut Answered) {
    if Info::parse(&answered.text()).is_none() {
        return;
    }
    for (_, value) in answered.headers.iter_mut().filter(|(name, _)| name == "Content-Type") {
        *value = value.trim_end_matches(['\0', ',', ';']).to_owned();
    }
}

/// v0.731 counts "requested" from the creation of a channel instead of saying -1 for never, and subscribers
/// after the delivery instead of before it. The others were right.
fn correct_info(answered: &mut Answered, scenario: &Scenario, column: Column, step: &str) {
    let Some(mut info) = Info::parse(&answered.text()) else { return };
    if column != Column::Nhpm0731 {
        return;
    }
    let right = [Column::Nhpm0692, Column::Nchan]
        .into_iter()
        .filter_map(|column| match &scenario.entry(column, step)?.answer {
            Answer::Response(other) if other.status_line == answered.status_line => {
                Info::parse(&other.text())
            }
            _ => None,
        })
        .find(|other| other.messages == info.messages);
    if let Some(right) = right {
        info.requested = right.requested;
        info.subscribers = right.subscribers;
        answered.body = Body::Bytes(info.text("").into_bytes());
    }
}

fn with_header(mut answer: Answer, name: &str, value: &str) -> Answer {
    if let Answer::Response(answered) = &mut answer {
        answered.headers.retain(|(other, _)| other != name);
        answered.headers.push((name.to_owned(), value.to_owned()));
    }
    answer
}

fn answer(status_line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let length = ("Content-Length", &*body.len().to_string());
    let headers = headers.iter().chain([&length]);
    Answer::Response(Answered {
        status_line: status_line.to_owned(),
        headers: headers.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: Body::Bytes(body.as_bytes().to_vec()),
        connection: "open".to_owned(),
        after: None,
    })
}

fn info_answer(status_line: &str, messages: i64, requested: i64, subscribers: i64) -> Answer {
    let (dialect, form) = (super::info::Dialect::Push, super::info::Form::Text);
    let info = Info { dialect, form, messages, requested, subscribers };
    answer(status_line, &[("Content-Type", "text/plain")], &info.text(""))
}

fn message(body: &str, place: &str) -> Answer {
    let headers = [
        ("Content-Type", "text/plain"),
        ("Last-Modified", "{{t0}}"),
        ("Etag", place),
        ("Vary", "If-None-Match, If-Modified-Since"),
    ];
    answer(OK, &headers, body)
}

fn all_are_accepted(answer: &Answer) -> bool {
    matches!(answer, Answer::Runs(runs) if runs.iter().all(|(line, _)| line.starts_with("HTTP/1.1 20")))
}

fn ends_in_507(answer: &Answer) -> bool {
    let Answer::Runs(runs) = answer else { return false };
    matches!(&runs[..], [(first, _), .., (last, _)]
        if first.starts_with("HTTP/1.1 20") && last.starts_with("HTTP/1.1 507"))
}

fn has_messages(answer: &Answer) -> bool {
    matches!(answer, Answer::Response(answered)
        if Info::parse(&answered.text()).is_some_and(|info| info.messages > 0))
}

fn is_filler_of_4000(answer: &Answer) -> bool {
    let Answer::Response(answered) = answer else { return false };
    let text = answered.text();
    answered.status() == "200" && text.starts_with('m') && text.ends_with("xxx") && text.len() == 4000
}
