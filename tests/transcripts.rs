//! Replays the recordings in `tests/transcripts/` and compares the answers.
//!
//! `ENCKE_TRANSCRIPT=part-of-a-name` runs only the scenarios with that in their name.
//! `ENCKE_TRANSCRIPT_BACKEND=nchan` replays them on Debian's nginx with Nchan, and compares with what was
//! recorded there: the check that the judge accepts what it should.

use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use self::info::Dialect;
use self::judge::{Delivery, cursor_differences, differences};
use self::overrides::Expectation;
use self::record::{Answer, Column, Scenario, Step};
use self::replay::{Outcome, Replay};
use crate::harness::{Backend, Conf, Server};

mod info;
mod judge;
mod overrides;
mod placeholder;
mod record;
mod replay;

/// Scenarios that encke does not pass, with the reason as it is written in `docs/differences.md`.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Scenarios that end differently on Nchan from one run to the next.
const NCHAN_IS_UNSTEADY: &[&str] = &[
    // They crash its worker process, before or after the connection is seen to be open.
    "sub-if-match",
    "sub-if-unmodified-since",
    // Depends on whether a second ends between the two messages.
    "pub-delete-then-republish",
    // An event stream has no end that could be waited for.
    "sub-accept-eventsource",
    // Each of its worker processes knows late what the subscribers of the other do.
    "workers-2-broadcast",
    "workers-2-concurrency-last",
];

/// Scenarios spend their time asleep.
const AT_ONCE: usize = 16;

#[test]
fn channel_group() {
    replay_file("channel-group.jsonl");
}

#[test]
fn channel_id() {
    replay_file("channel-id.jsonl");
}

#[test]
fn lifecycle() {
    replay_file("lifecycle.jsonl");
}

#[test]
fn locations() {
    replay_file("locations.jsonl");
}

#[test]
fn publisher() {
    replay_file("publisher.jsonl");
}

#[test]
fn storage() {
    replay_file("storage.jsonl");
}

#[test]
fn subscriber() {
    replay_file("subscriber.jsonl");
}

#[test]
fn workers() {
    replay_file("workers.jsonl");
}

#[test]
fn exceptions_are_few_and_documented() {
    assert!(EXCEPTIONS.len() <= 5);
    let documented = fs::read_to_string(root().join("docs/differences.md")).unwrap_or_default();
    for (scenario, reason) in EXCEPTIONS {
        assert!(documented.contains(reason), "{scenario}: docs/differences.md does not say {reason:?}");
    }
}

#[test]
fn overrides_name_scenarios_that_exist() {
    let names: Vec<String> = all_files().flat_map(|file| scenarios(&file)).map(|s| s.name).collect();
    assert_eq!(names.len(), 222);
    for name in overrides::overridden().chain(EXCEPTIONS.iter().map(|(name, _)| *name)) {
        assert!(names.iter().any(|other| other == name), "{name}");
    }
}

#[test]
fn every_step_has_an_expectation() {
    for scenario in all_files().flat_map(|file| scenarios(&file)) {
        for step in scenario.steps.iter().filter_map(Step::name) {
            let open = matches!(overrides::expectation(&scenario, step), Expectation::Anything);
            assert!(!open || overrides::is_refused(&scenario), "{}: {step}", scenario.name);
        }
    }
}

// === Running ===

/// Which server is replayed on, and which answers are expected from it.
#[derive(Clone, Copy)]
enum Target {
    Encke,
    Nchan,
}

impl Target {
    fn from_env() -> Target {
        match env::var("ENCKE_TRANSCRIPT_BACKEND").as_deref() {
            Ok("nchan") => Target::Nchan,
            Ok(other) => panic!("ENCKE_TRANSCRIPT_BACKEND={other} is not known"),
            Err(_) => Target::Encke,
        }
    }

    fn backend(self) -> Backend {
        match self {
            Target::Encke => Backend::Encke,
            Target::Nchan => Backend::Nginx { nchan: true },
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Target::Encke => Dialect::Push,
            Target::Nchan => Dialect::Nchan,
        }
    }

    fn is_refused(self, scenario: &Scenario) -> bool {
        match self {
            Target::Encke => overrides::is_refused(scenario),
            Target::Nchan => scenario.observed[&Column::Nchan].does_not_start.is_some(),
        }
    }

    fn expectation(self, scenario: &Scenario, step: &str) -> Expectation {
        match self {
            Target::Encke => overrides::expectation(scenario, step),
            Target::Nchan => match scenario.entry(Column::Nchan, step) {
                Some(entry) if !entry.meaningless => Expectation::exactly(entry.answer.clone()),
                _ => Expectation::Anything,
            },
        }
    }

    /// Excused scenarios are run too: one that passes must lose its excuse.
    fn excuse(self, scenario: &str) -> Option<&'static str> {
        match self {
            Target::Encke => EXCEPTIONS.iter().find(|(name, _)| *name == scenario).map(|(_, reason)| *reason),
            Target::Nchan => None,
        }
    }

    fn skips(self, scenario: &str) -> bool {
        matches!(self, Target::Nchan) && NCHAN_IS_UNSTEADY.contains(&scenario)
    }
}

fn replay_file(file: &str) {
    let target = Target::from_env();
    let wanted = env::var("ENCKE_TRANSCRIPT").unwrap_or_default();
    let scenarios: Vec<Scenario> = scenarios(file)
        .into_iter()
        .filter(|scenario| scenario.name.contains(&wanted) && !target.skips(&scenario.name))
        .collect();
    let failures = in_parallel(&scenarios, |scenario| verdict(target, scenario));
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} of {} scenarios failed:\n\n{}",
        scenarios.len(),
        failures.join("\n")
    );
}

/// The failures, in the order of the scenarios.
fn in_parallel(
    scenarios: &[Scenario],
    check: impl Fn(&Scenario) -> Result<(), String> + Sync,
) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(scenarios.len()) {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(report) = check(scenario) {
                        failures
                            .lock()
                            .expect("no thread panics with the lock")
                            .push((&scenario.name, report));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics with the lock");
    failures.sort();
    failures.into_iter().map(|(_, report)| report).collect()
}

fn verdict(target: Target, scenario: &Scenario) -> Result<(), String> {
    match (target.excuse(&scenario.name), check(target, scenario)) {
        (None, verdict) => verdict,
        (Some(_), Err(_)) => Ok(()),
        (Some(reason), Ok(())) => {
            Err(format!("{}: passes, is no exception any more ({reason})", scenario.name))
        }
    }
}

fn check(target: Target, scenario: &Scenario) -> Result<(), String> {
    let started = Server::builder(conf(target, scenario)).backend(target.backend()).try_start();
    match (started, target.is_refused(scenario)) {
        (Ok(server), false) => {
            let silent = |step: &str| target.expectation(scenario, step).is_silence();
            let outcomes = Replay::new(&server, &silent).run(&scenario.steps);
            compare(target, scenario, &outcomes, &server)
        }
        (Err(_), true) => Ok(()),
        (Ok(_), true) => Err(format!("{}: started, although the configuration is wrong", scenario.name)),
        (Err(error), false) => Err(format!("{}: {error}", scenario.name)),
    }
}

fn conf(target: Target, scenario: &Scenario) -> Conf {
    let dropped = match target {
        Target::Encke => &[][..],
        Target::Nchan => &scenario.observed[&Column::Nchan].directives_dropped,
    };
    let text = |part: &str| without_directives(part, dropped).replace("{{ACCESSLOG}}", "{{dir}}/access.log");
    Conf::server(text(&scenario.config.server))
        .http(&text(&scenario.config.http))
        .workers(scenario.config.worker_processes)
}

fn without_directives(text: &str, dropped: &[String]) -> String {
    let stays = |line: &&str| !dropped.iter().any(|name| line.trim_start().starts_with(name));
    text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect()
}

// === Comparing ===

fn compare(target: Target, scenario: &Scenario, outcomes: &[Outcome], server: &Server) -> Result<(), String> {
    let expectations: Vec<Expectation> =
        outcomes.iter().map(|outcome| target.expectation(scenario, &outcome.step)).collect();
    let mut report = String::new();
    for (outcome, expectation) in outcomes.iter().zip(&expectations) {
        let found = step_differences(target, expectation, &outcome.answer);
        if !found.is_empty() {
            describe(&mut report, outcome, expectation, &found);
        }
    }
    for difference in cursor_differences(&deliveries(outcomes, &expectations)) {
        let _ = writeln!(report, "  {difference}");
    }
    if report.is_empty() {
        return Ok(());
    }
    let name = &scenario.name;
    let reason = match target {
        Target::Encke => overrides::reason(name),
        Target::Nchan => "",
    };
    Err(format!("{name}: {reason}\n{report}  stderr of the server:\n{}", server.stderr()))
}

/// The fewest differences to an accepted answer.
fn step_differences(target: Target, expectation: &Expectation, actual: &Answer) -> Vec<String> {
    match expectation {
        Expectation::Anything => Vec::new(),
        Expectation::Satisfies(_, holds) if holds(actual) => Vec::new(),
        Expectation::Satisfies(what, _) => vec![format!("expected: {what}")],
        Expectation::Answers(answers, permitted) => answers
            .iter()
            .map(|expected| differences(expected, actual, target.dialect(), permitted))
            .min_by_key(Vec::len)
            .unwrap_or_default(),
    }
}

fn describe(report: &mut String, outcome: &Outcome, expectation: &Expectation, found: &[String]) {
    let request = outcome.request.lines().next().unwrap_or_default();
    let _ = writeln!(report, "  step {} ({request})", outcome.step);
    for difference in found {
        let _ = writeln!(report, "    {difference}");
    }
    let _ = writeln!(report, "    expected {expectation:?}\n    got      {:?}", outcome.answer);
}

fn deliveries<'a>(outcomes: &'a [Outcome], expectations: &'a [Expectation]) -> Vec<Delivery<'a>> {
    let pairs = outcomes.iter().zip(expectations);
    pairs
        .filter_map(|(outcome, expectation)| match (expectation, &outcome.answer) {
            (Expectation::Answers(answers, _), Answer::Response(actual)) => match &answers[..] {
                [Answer::Response(expected)] => {
                    let (step, channel) = (&*outcome.step, &*outcome.request);
                    Some(Delivery { step, channel, expected, actual })
                }
                _ => None,
            },
            _ => None,
        })
        .collect()
}

// === Files ===

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn all_files() -> impl Iterator<Item = String> {
    let entries =
        fs::read_dir(root().join("tests/transcripts")).expect("the recordings are in the repository");
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".jsonl"))
}

fn scenarios(file: &str) -> Vec<Scenario> {
    let text = fs::read_to_string(root().join("tests/transcripts").join(file)).expect("the file can be read");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.lines().map(parse).collect()
}
