//! The recordings as they are in the files.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A request sequence and what the old servers answered to it.
#[derive(Deserialize)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) steps: Vec<Step>,
    pub(super) observed: BTreeMap<Column, Observed>,
    pub(super) recommended: Recommended,
}

#[derive(Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) http: String,
    pub(super) server: String,
    #[serde(default = "one")]
    pub(super) worker_processes: u32,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Step {
    Send {
        conn: String,
        raw: String,
        raw_base64: Option<String>,
        repeat_body: Option<(String, usize)>,
    },
    Recv {
        conn: String,
        within: f64,
        #[serde(rename = "as")]
        name: String,
        #[serde(default)]
        head: bool,
    },
    State {
        conn: String,
        #[serde(rename = "as")]
        name: String,
    },
    Close {
        conn: String,
    },
    Sleep {
        seconds: f64,
    },
    Align,
    Signal {
        signal: String,
    },
    LoopPost {
        path: String,
        n: usize,
        size: usize,
        prefix: String,
        #[serde(rename = "as")]
        name: String,
    },
    AccessLog {
        #[serde(rename = "as")]
        name: String,
    },
}

/// A server that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Column {
    #[serde(rename = "nhpm-0.69")]
    Nhpm069,
    #[serde(rename = "nhpm-0.692")]
    Nhpm0692,
    #[serde(rename = "nhpm-0.731")]
    Nhpm0731,
    #[serde(rename = "nchan-1.3.6")]
    Nchan,
    /// In `recommended.follow` only: what to do is said in words, and in `overrides.rs`.
    #[serde(rename = "none")]
    None,
}

#[derive(Deserialize)]
pub(super) struct Recommended {
    pub(super) follow: Column,
}

#[derive(Deserialize)]
pub(super) struct Observed {
    #[serde(default)]
    pub(super) responses: Vec<Entry>,
    /// Present when the configuration was refused.
    pub(super) does_not_start: Option<Vec<String>>,
    #[serde(default)]
    pub(super) directives_dropped: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(from = "RawEntry")]
pub(super) struct Entry {
    pub(super) step: String,
    pub(super) answer: Answer,
    /// The request went out with a placeholder in it: the answer says nothing.
    pub(super) meaningless: bool,
}

/// What one step showed, recorded or now.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Response(Answered),
    /// Silence on an open connection.
    Pending,
    /// The connection ended without a byte.
    NoResponse,
    /// Bytes that are no HTTP response.
    Garbage(String),
    /// The connection's state: `open`, `closed` or `reset`.
    State(String),
    /// Run lengths of status lines.
    Runs(Vec<(String, usize)>),
    Log(Vec<String>),
}

#[derive(Clone)]
pub(super) struct Answered {
    pub(super) status_line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    /// `open`, `closed` or `reset` afterwards.
    pub(super) connection: String,
    /// Seconds until it came, if it took noticeable time.
    pub(super) after: Option<f64>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Body {
    Bytes(Vec<u8>),
    /// Of long bodies only this was recorded.
    Digest {
        length: usize,
        sha256: String,
    },
}

impl Scenario {
    /// What a server answered at a step.
    pub(super) fn entry(&self, column: Column, step: &str) -> Option<&Entry> {
        self.observed.get(&column)?.responses.iter().find(|entry| entry.step == step)
    }
}

impl Step {
    /// The name under which the step's answer was recorded, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Step::Recv { name, .. }
            | Step::State { name, .. }
            | Step::LoopPost { name, .. }
            | Step::AccessLog { name } => Some(name),
            Step::Send { .. }
            | Step::Close { .. }
            | Step::Sleep { .. }
            | Step::Align
            | Step::Signal { .. } => None,
        }
    }
}

impl Answered {
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    pub(super) fn status(&self) -> &str {
        self.status_line.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as text; empty if it was too long to be recorded.
    pub(super) fn text(&self) -> String {
        match &self.body {
            Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Body::Digest { .. } => String::new(),
        }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {{", self.status_line)?;
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "Server" && name != "Date") {
            write!(f, " {name}: {value:?},")?;
        }
        write!(f, " }} {:?}, then {}", self.body, self.connection)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Bytes(bytes) if bytes.len() > 300 => {
                write!(f, "{:?}... ({} bytes)", String::from_utf8_lossy(&bytes[..100]), bytes.len())
            }
            Body::Bytes(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Body::Digest { length, .. } => write!(f, "({length} bytes)"),
        }
    }
}

/// An [`Entry`] in the files: which fields there are says what kind of answer it is.
#[derive(Deserialize)]
struct RawEntry {
    step: String,
    status_line: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    body_base64: Option<String>,
    body_len: Option<usize>,
    body_sha256: Option<String>,
    #[serde(default)]
    connection: String,
    after_s: Option<f64>,
    #[serde(default)]
    pending: bool,
    #[serde(default)]
    no_response: bool,
    raw_partial: Option<String>,
    status_runs: Option<Vec<(String, usize)>>,
    access_log: Option<Vec<String>>,
    #[serde(default)]
    request_placeholder_unresolved: bool,
}

impl RawEntry {
    fn recorded_body(&self) -> Body {
        match (&self.body_base64, self.body_len, &self.body_sha256) {
            (Some(text), ..) => Body::Bytes(STANDARD.decode(text).expect("the recordings are well-formed")),
            (None, Some(length), Some(sha256)) => Body::Digest { length, sha256: sha256.clone() },
            _ => Body::Bytes(self.body.clone().into_bytes()),
        }
    }
}

impl From<RawEntry> for Entry {
    fn from(raw: RawEntry) -> Entry {
        let body = raw.recorded_body();
        let answer = if let Some(status_line) = raw.status_line {
            let (headers, connection, after) = (raw.headers, raw.connection, raw.after_s);
            Answer::Response(Answered { status_line, headers, body, connection, after })
        } else if let Some(runs) = raw.status_runs {
            Answer::Runs(runs)
        } else if let Some(lines) = raw.access_log {
            Answer::Log(lines)
        } else if let Some(bytes) = raw.raw_partial {
            Answer::Garbage(bytes)
        } else if raw.pending {
            Answer::Pending
        } else if raw.no_response {
            Answer::NoResponse
        } else {
            Answer::State(raw.connection)
        };
        Entry { step: raw.step, answer, meaningless: raw.request_placeholder_unresolved }
    }
}
