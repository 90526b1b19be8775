//! Values that are settled only once the answer is known, in texts that are otherwise evaluated with the request: lines of
//! access logs, `add_header`.

use std::borrow::Cow;
use std::time::Instant;

use crate::config::template::{Part, Template};
use crate::config::variable::Variable;

use super::RequestCtx;
use super::answer::Sent;
use super::upstream::UpstreamRecord;
use super::vars::late_value;

/// A text with holes for what the answer will be.
#[derive(Clone, Debug)]
pub struct Pending {
    pieces: Box<[Piece]>,
    started: Instant,
    accepted: Instant,
    upstream: Option<UpstreamRecord>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<[u8]>),
    Late(Variable),
}

impl Pending {
    /// Evaluates what does not depend on the answer. `write` puts a value into the text, escaped as need be.
    pub fn new(ctx: &RequestCtx, template: &Template, write: impl Fn(Option<&[u8]>, &mut Vec<u8>)) -> Self {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        for part in template.parts() {
            match part {
                Part::Literal(bytes) => text.extend_from_slice(bytes),
                Part::Variable(variable) if variable.is_late() => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                    }
                    pieces.push(Piece::Late(variable.clone()));
                }
                Part::Variable(variable) => write(ctx.value(variable).as_deref(), &mut text),
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        let tells = |piece: &Piece| matches!(piece, Piece::Late(Variable::Upstream(_)));
        let upstream = pieces.iter().any(tells).then(|| ctx.upstream.clone());
        Self { pieces: pieces.into(), started: ctx.started, accepted: ctx.connection.accepted, upstream }
    }

    /// The whole text, for an answer with this head (what there is of it so far).
    pub fn finish(&self, sent: &Sent, head: &[u8], write: impl Fn(Option<&[u8]>, &mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Late(Variable::Builtin(builtin)) => {
                    write(late_value(*builtin, Some(sent), self.started, self.accepted).as_deref(), &mut out);
                }
                Piece::Late(Variable::SentHttp(name)) => write(sent_header(head, name).as_deref(), &mut out),
                Piece::Late(Variable::Upstream(field)) => {
                    let value = self.upstream.as_ref().and_then(|record| record.value(field));
                    write(value.as_deref(), &mut out);
                }
                Piece::Late(_) => {}
            }
        }
        out
    }
}

/// `$sent_http_NAME`: all headers of that name in the head of an answer; `_` in the name stands for `-`.
fn sent_header<'a>(head: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let same = |header: &[u8]| {
        let pairs = || header.iter().zip(name);
        header.len() == name.len()
            && pairs().all(|(a, b)| a.eq_ignore_ascii_case(b) || (*a == b'-' && *b == b'_'))
    };
    let lines = head.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii_end);
    let mut values = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        same(&line[..colon]).then(|| line[colon + 1..].trim_ascii_start())
    });
    let first = values.next()?;
    let rest: Vec<&[u8]> = values.collect();
    if rest.is_empty() {
        return Some(Cow::Borrowed(first));
    }
    Some(Cow::Owned(std::iter::once(first).chain(rest).collect::<Vec<_>>().join(&b", "[..])))
}
