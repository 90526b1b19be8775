//! Values that are settled only once the answer is known, in texts that are otherwise evaluated with the request: lines of
//! access logs, `add_header`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::builtin::{self, Builtin, Family};
use crate::config::template::{Part, Template};
use crate::config::variable::{Meaning, Variable};

use super::RequestCtx;
use super::answer::Sent;
use super::evaluation::{AnswerSoFar, Evaluation, waits_for_answer};
use super::made_again::{Anew, Differs, Made};
use super::upstream::UpstreamRecord;
use super::vars::late_value;

/// A text with holes for what the answer will be.
#[derive(Clone, Debug)]
pub struct Pending {
    pieces: Box<[Piece]>,
    started: Instant,
    accepted: Instant,
    /// The request, where something has to be computed from the answer and from the request.
    ctx: Option<Box<RequestCtx>>,
    /// The servers behind, where something tells of them: more may become known of them meanwhile.
    upstream: Option<UpstreamRecord>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<[u8]>),
    Builtin(Builtin),
    SentHttp(Box<[u8]>),
    SentTrailer(Box<[u8]>),
    Upstream(Builtin),
    UpstreamMember(Family, Box<[u8]>),
    Computed(Variable),
    /// Of a text that is for more than one request.
    Anew(Anew),
}

/// A [`Pending`] on its way to another process: built-in variables by their names, times as ages.
#[derive(Debug, Serialize, Deserialize)]
pub struct Frozen {
    pieces: Vec<FrozenPiece>,
    started: Duration,
    accepted: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
enum FrozenPiece {
    Text(#[serde(with = "serde_bytes")] Vec<u8>),
    Builtin(String),
    SentHttp(#[serde(with = "serde_bytes")] Vec<u8>),
    SentTrailer(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// What is assumed of the answer where a value that is computed from it has to be known before there is one: who waits
/// gets a message.
const ASSUMED: Sent = Sent { status: 200, head_bytes: 0, body_bytes: 0, complete: true };

impl Pending {
    /// For another process. What is computed from the answer and the request (a `map` over `$status`) is settled here, for
    /// an answer with the status 200: the request does not travel. `write` as for [`Pending::new`], `made` as for
    /// [`Pending::finish`].
    pub fn freeze(&self, made: Option<&Made>, write: impl Fn(Option<&[u8]>, &mut Vec<u8>)) -> Frozen {
        // A copy, since it keeps what was computed, and this process may yet go on.
        let ctx = self.ctx.clone();
        let answer = AnswerSoFar { sent: ASSUMED, ..AnswerSoFar::default() };
        let evaluation = ctx.as_ref().map(|ctx| Evaluation::with_answer(ctx, answer));
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => FrozenPiece::Text(text.to_vec()),
            Piece::Builtin(builtin) => FrozenPiece::Builtin(name(*builtin).to_owned()),
            Piece::SentHttp(name) => FrozenPiece::SentHttp(name.to_vec()),
            Piece::SentTrailer(name) => FrozenPiece::SentTrailer(name.to_vec()),
            Piece::Upstream(_) | Piece::UpstreamMember(..) => {
                let mut text = Vec::new();
                write(self.told(piece).as_deref(), &mut text);
                FrozenPiece::Text(text)
            }
            Piece::Computed(variable) => {
                let mut text = Vec::new();
                let value = evaluation.as_ref().and_then(|evaluation| evaluation.value(variable));
                write(value.as_deref(), &mut text);
                FrozenPiece::Text(text)
            }
            Piece::Anew(anew) => {
                let mut text = Vec::new();
                write(made.and_then(|made| anew.value(made)).as_deref(), &mut text);
                FrozenPiece::Text(text)
            }
        });
        Frozen {
            pieces: pieces.collect(),
            started: self.started(made).elapsed(),
            accepted: self.accepted(made).elapsed(),
        }
    }

    /// From another process; a variable that is not known here has no value.
    pub fn thaw(frozen: Frozen) -> Self {
        let now = Instant::now();
        let pieces = frozen.pieces.into_iter().map(|piece| match piece {
            FrozenPiece::Text(text) => Piece::Text(text.into()),
            FrozenPiece::Builtin(name) => {
                Piece::Builtin(builtin::find(&name).map_or(Builtin::Empty, |row| row.variable))
            }
            FrozenPiece::SentHttp(name) => Piece::SentHttp(name.into()),
            FrozenPiece::SentTrailer(name) => Piece::SentTrailer(name.into()),
        });
        Self {
            pieces: pieces.collect(),
            started: now.checked_sub(frozen.started).unwrap_or(now),
            accepted: now.checked_sub(frozen.accepted).unwrap_or(now),
            ctx: None,
            upstream: None,
        }
    }

    /// What is known of the servers behind by now.
    fn told(&self, piece: &Piece) -> Option<Vec<u8>> {
        let record = self.upstream.as_ref()?;
        match piece {
            Piece::Upstream(builtin) => record.value(*builtin),
            Piece::UpstreamMember(family, name) => record.member(*family, name),
            _ => None,
        }
    }

    /// Evaluates what does not depend on the answer. `write` puts a value into the text, escaped as need be.
    pub fn new(ctx: &RequestCtx, template: &Template, write: impl Fn(Option<&[u8]>, &mut Vec<u8>)) -> Self {
        Self::with(ctx, template, write, &|_| None)
    }

    /// For this request and for others that differ from it only in this. What was evaluated may have been volatile, or may
    /// have come from the arguments, as `ctx` knows then. `None` where something is computed from request and answer.
    pub fn repeatable(
        ctx: &RequestCtx,
        template: &Template,
        differs: Differs,
        write: impl Fn(Option<&[u8]>, &mut Vec<u8>),
    ) -> Option<Self> {
        let pending = Self::with(ctx, template, write, &|variable| Anew::of(ctx, variable, differs));
        // No server behind was asked, and none will be.
        pending.ctx.is_none().then_some(Self { upstream: None, ..pending })
    }

    /// Whether it asks for words of the request.
    pub fn needs_words(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Anew(anew) if anew.needs_words()))
    }

    fn started(&self, made: Option<&Made>) -> Instant {
        made.map_or(self.started, |made| made.started)
    }

    fn accepted(&self, made: Option<&Made>) -> Instant {
        made.map_or(self.accepted, |made| made.connection.accepted)
    }

    fn with(
        ctx: &RequestCtx,
        template: &Template,
        write: impl Fn(Option<&[u8]>, &mut Vec<u8>),
        anew: &dyn Fn(&Variable) -> Option<Anew>,
    ) -> Self {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let evaluation = Evaluation::new(ctx);
        for part in template.parts() {
            let hole = match part {
                Part::Literal(bytes) => {
                    text.extend_from_slice(bytes);
                    continue;
                }
                Part::Variable(variable) if waits_for_answer(ctx, variable) => late_piece(ctx, variable),
                Part::Variable(variable) => match anew(variable) {
                    Some(anew) => Piece::Anew(anew),
                    None => {
                        write(evaluation.value(variable).as_deref(), &mut text);
                        continue;
                    }
                },
            };
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            }
            pieces.push(hole);
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        let computes = pieces.iter().any(|piece| matches!(piece, Piece::Computed(_)));
        let tells = |piece: &Piece| matches!(piece, Piece::Upstream(_) | Piece::UpstreamMember(..));
        let upstream = pieces.iter().any(tells).then(|| ctx.upstream.clone());
        Self {
            pieces: pieces.into(),
            started: ctx.started,
            accepted: ctx.connection.accepted,
            upstream,
            ctx: computes.then(|| Box::new(ctx.clone())),
        }
    }

    /// The whole text, if the answer makes no difference.
    pub fn settled(&self) -> Option<&[u8]> {
        match &*self.pieces {
            [] => Some(&[]),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The whole text, with what there is of the answer; `made` is the request if it is not the one that this was made for.
    pub fn finish(
        &self,
        answer: &AnswerSoFar<'_>,
        made: Option<&Made>,
        write: impl Fn(Option<&[u8]>, &mut Vec<u8>),
    ) -> Vec<u8> {
        let (started, accepted) = (self.started(made), self.accepted(made));
        let mut out = Vec::with_capacity(160);
        let evaluation = self.ctx.as_ref().map(|ctx| Evaluation::with_answer(ctx, *answer));
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Builtin(builtin) => {
                    let sent = Some(&answer.sent);
                    write(late_value(*builtin, sent, started, accepted).as_deref(), &mut out);
                }
                Piece::SentHttp(name) => write(sent_header(answer, name).as_deref(), &mut out),
                Piece::SentTrailer(name) => write(sent_trailer(answer, name), &mut out),
                Piece::Upstream(_) | Piece::UpstreamMember(..) => {
                    write(self.told(piece).as_deref(), &mut out);
                }
                Piece::Computed(variable) => {
                    let value = evaluation.as_ref().and_then(|evaluation| evaluation.value(variable));
                    write(value.as_deref(), &mut out);
                }
                Piece::Anew(anew) => {
                    write(made.and_then(|made| anew.value(made)).as_deref(), &mut out);
                }
            }
        }
        out
    }
}

fn name(builtin: Builtin) -> &'static str {
    builtin::all().find(|row| row.variable == builtin).map_or("", |row| row.name)
}

/// A hole for a variable that waits for the answer.
fn late_piece(ctx: &RequestCtx, variable: &Variable) -> Piece {
    let meaning = match variable {
        Variable::Builtin(builtin) if builtin.is_upstream() => return Piece::Upstream(*builtin),
        Variable::Builtin(builtin) => return Piece::Builtin(*builtin),
        Variable::Named(index) => ctx.config.variables.meaning(*index),
        Variable::Capture(_) => &Meaning::Unknown,
    };
    match meaning {
        Meaning::Family(Family::SentHttp, name) => Piece::SentHttp(name.clone()),
        Meaning::Family(Family::SentTrailer, name) => Piece::SentTrailer(name.clone()),
        Meaning::Family(family, name) => Piece::UpstreamMember(*family, name.clone()),
        _ => Piece::Computed(variable.clone()),
    }
}

/// `$sent_http_NAME`: all headers of that name in the head of an answer. As in nginx, the two
/// headers that every answer has are not there, and a request that is logged has no connection to keep any more.
pub(super) fn sent_header<'a>(answer: &AnswerSoFar<'a>, name: &[u8]) -> Option<Cow<'a, [u8]>> {
    match name {
        b"server" | b"date" => None,
        b"connection" if answer.sent.complete => Some(Cow::Borrowed(b"close")),
        b"keep_alive" if answer.sent.complete => None,
        _ => {
            let mut values = fields(answer.head, name);
            let first = values.next()?;
            let rest: Vec<&[u8]> = values.collect();
            if rest.is_empty() {
                return Some(Cow::Borrowed(first));
            }
            Some(Cow::Owned(std::iter::once(first).chain(rest).collect::<Vec<_>>().join(&b", "[..])))
        }
    }
}

/// `$sent_trailer_NAME`: the first field of that name behind the body.
pub(super) fn sent_trailer<'a>(answer: &AnswerSoFar<'a>, name: &[u8]) -> Option<&'a [u8]> {
    fields(answer.last_chunk, name).next()
}

/// All values of that name in lines of which the first is no field; `_` in the name stands for `-`.
fn fields<'a>(lines: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let same = move |header: &[u8]| {
        let mut pairs = header.iter().zip(name);
        header.len() == name.len()
            && pairs.all(|(a, b)| a.eq_ignore_ascii_case(b) || (*a == b'-' && *b == b'_'))
    };
    let lines = lines.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii_end);
    lines.filter_map(move |line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        same(&line[..colon]).then(|| line[colon + 1..].trim_ascii_start())
    })
}
