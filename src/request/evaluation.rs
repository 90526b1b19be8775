//! Evaluates variables and texts with them: at any moment of a request, with what is known of the answer then.

use std::borrow::Cow;
use std::cell::Cell;

use crate::config::builtin::{self, Builtin, Family};
use crate::config::computed::{Computed, Geo, Map, Source};
use crate::config::model::Severity;
use crate::config::template::{Part, Template};
use crate::config::value;
use crate::config::variable::{Meaning, Variable};

use super::answer::Sent;
use super::values::Value;
use super::{RequestCtx, forwarded, late};

/// How deep variables may be made of others, as in nginx.
const DEPTH: u32 = 100;
/// How many values may be computed for one text. A circle of volatile ones would take for ever.
const MOST_COMPUTED: u32 = 10_000;
/// How long a computed value may be. A circle of values that repeat one another doubles them.
const LONGEST: usize = 1 << 20;

/// What is known of the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerSoFar<'a> {
    /// Its status, and what was sent of it.
    pub sent: Sent,
    /// Its head, as far as it is written.
    pub head: &'a [u8],
    /// Its last chunk, once that is written.
    pub last_chunk: &'a [u8],
}

impl AnswerSoFar<'_> {
    /// Nothing but a status is known.
    pub fn of_status(status: u16) -> Self {
        Self { sent: Sent { status, ..Sent::default() }, ..Self::default() }
    }
}

/// The evaluation of one text.
pub struct Evaluation<'a> {
    ctx: &'a RequestCtx,
    answer: AnswerSoFar<'a>,
    depth: Cell<u32>,
    computed: Cell<u32>,
    complained: Cell<bool>,
}

impl<'a> Evaluation<'a> {
    /// Before anything is known of the answer.
    pub fn new(ctx: &'a RequestCtx) -> Self {
        Self::with_answer(ctx, AnswerSoFar::default())
    }

    /// With what is known of the answer.
    pub fn with_answer(ctx: &'a RequestCtx, answer: AnswerSoFar<'a>) -> Self {
        let (depth, computed, complained) = (Cell::new(0), Cell::new(0), Cell::new(false));
        Self { ctx, answer, depth, computed, complained }
    }

    /// The text. As in nginx, what has to be computed is computed first: groups of a `map`'s expression are there even in
    /// front of it.
    pub fn render(&self, template: &Template) -> Vec<u8> {
        template.parts().iter().filter(|part| self.is_computed(part)).for_each(|part| {
            self.part(part);
        });
        let mut out = Vec::new();
        for part in template.parts() {
            out.extend_from_slice(&self.part(part));
        }
        out
    }

    fn part<'p>(&self, part: &'p Part) -> Cow<'p, [u8]>
    where
        'a: 'p,
    {
        match part {
            Part::Literal(bytes) => Cow::Borrowed(bytes),
            Part::Variable(variable) => self.value(variable).unwrap_or_default(),
        }
    }

    fn is_computed(&self, part: &Part) -> bool {
        let Part::Variable(Variable::Named(index)) = part else { return false };
        matches!(self.ctx.config.variables.meaning(*index), Meaning::Computed(_))
    }

    /// The value of a variable, `None` where it has none.
    pub fn value(&self, variable: &Variable) -> Option<Cow<'a, [u8]>> {
        match variable {
            Variable::Builtin(builtin) => self.ctx.builtin(*builtin, &self.answer),
            Variable::Capture(number) => self.ctx.values.capture(*number).map(Cow::Owned),
            Variable::Named(index) => self.named(*index),
        }
    }

    fn named(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        if let Some(known) = self.ctx.values.get(index) {
            return known.map(|value| Cow::Owned(value.into()));
        }
        let ctx = self.ctx;
        match ctx.config.variables.meaning(index) {
            Meaning::Builtin(builtin) => self.open_builtin(index, *builtin),
            Meaning::Family(family, name) => {
                let value = self.member(*family, name);
                if *family == Family::SentHttp {
                    // As in nginx, it stays what it was when it was first asked for.
                    ctx.values.set(index, value.as_deref().map(Into::into));
                }
                value
            }
            Meaning::Set => {
                ctx.warn_uninitialized(index);
                Some(Cow::Borrowed(b""))
            }
            Meaning::Group | Meaning::Unknown => None,
            Meaning::Computed(computed) => {
                self.computed(index, computed).map(|value| Cow::Owned(value.into()))
            }
        }
    }

    /// A built-in variable that can be redefined. What depends on the location is kept, as in nginx.
    fn open_builtin(&self, index: usize, builtin: Builtin) -> Option<Cow<'a, [u8]>> {
        let value = self.ctx.builtin(builtin, &self.answer);
        if matches!(builtin, Builtin::InvalidReferer | Builtin::AncientBrowser | Builtin::ModernBrowser) {
            self.ctx.values.set(index, value.as_deref().map(Into::into));
        }
        value
    }

    fn member(&self, family: Family, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        if !family.is_settled(name) {
            self.ctx.values.note_volatile();
        }
        if family == Family::ProxyProtocolTlv {
            self.ctx.values.note_connection();
        }
        match family {
            Family::Arg => {
                let value = self.ctx.arg(name);
                self.ctx.values.note_arguments(value.is_some());
                value.map(Cow::Borrowed)
            }
            Family::Cookie => self.ctx.cookie(name).map(Cow::Borrowed),
            Family::Http => self.ctx.http(name),
            Family::SentHttp if self.answer.head.is_empty() => self.ctx.expected_header(name),
            Family::SentHttp => late::sent_header(&self.answer, name),
            Family::SentTrailer => late::sent_trailer(&self.answer, name).map(Cow::Borrowed),
            Family::UpstreamCookie | Family::UpstreamHttp | Family::UpstreamTrailer => {
                self.ctx.upstream.member(family, name).map(Cow::Owned)
            }
            Family::ProxyProtocolTlv => self.ctx.connection.proxied.as_ref()?.field(name).map(Cow::Owned),
        }
    }

    /// Computes a value and keeps it, unless it is volatile.
    fn computed(&self, index: usize, computed: &Computed) -> Value {
        if self.depth.get() == DEPTH || self.computed.get() == MOST_COMPUTED {
            self.complain(index, "cycle while evaluating variable");
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        self.computed.set(self.computed.get() + 1);
        let value = match &computed.source {
            Source::Map(map) => self.map(map),
            Source::Geo(geo) => self.geo(geo),
            Source::SplitClients(split) => split.find(&self.render(&split.key)).to_vec(),
        };
        self.depth.set(self.depth.get() - 1);
        if value.len() > LONGEST {
            self.complain(index, "too long value while evaluating variable");
            // Whatever is made of it would be longer still.
            self.computed.set(MOST_COMPUTED);
            return None;
        }
        let value = Some(value.into_boxed_slice());
        if !computed.volatile {
            self.ctx.values.set(index, value.clone());
        }
        value
    }

    /// Once is enough.
    fn complain(&self, index: usize, problem: &str) {
        if !self.complained.replace(true) {
            let name = self.ctx.config.variables.name(index);
            self.ctx.log(Severity::Error, &format!("{problem} \"{name}\""));
        }
    }

    fn map(&self, map: &Map) -> Vec<u8> {
        let mut key = self.render(&map.source);
        if self.computed.get() == MOST_COMPUTED {
            return Vec::new();
        }
        if map.hostnames && key.last() == Some(&b'.') {
            key.pop();
        }
        // Expressions are not asked about nothing.
        let regexes = if key.is_empty() { &[][..] } else { &map.regexes };
        let found = map.table.find(&key.to_ascii_lowercase()).or_else(|| {
            regexes.iter().find(|(regex, _)| self.ctx.match_regex(regex, &key)).map(|(_, value)| value)
        });
        self.render(found.unwrap_or(&map.default))
    }

    fn geo(&self, geo: &Geo) -> Vec<u8> {
        let address = match &geo.address {
            Some(variable) => self.value(variable).and_then(|text| value::address(&text)),
            None => {
                self.ctx.values.note_connection();
                self.ctx.connection.remote.ip()
            }
        };
        let address =
            address.map(|address| forwarded::client(address, &self.ctx.headers, &geo.proxies, geo.recursive));
        geo.table.find(address).to_vec()
    }
}

/// Whether a variable's value waits for the answer, and is not known for another reason.
pub fn waits_for_answer(ctx: &RequestCtx, variable: &Variable) -> bool {
    let known = |index| ctx.values.is_known(index);
    match variable {
        Variable::Named(index) => ctx.config.variables.is_late(variable) && !known(*index),
        Variable::Builtin(builtin) => builtin::is_late(*builtin),
        Variable::Capture(_) => false,
    }
}
