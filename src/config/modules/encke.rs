//! `encke_*`: what neither nginx nor its push modules have.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::directive::Directive;
use super::{HSL, Module, ONE, done};

/// The module.
pub const MODULE: Module = Module { name: "Encke", directives: DIRECTIVES };

/// `encke_subscriber_queue` when it is not set.
pub const DEFAULT_QUEUE: usize = 1 << 20;

const DIRECTIVES: &[Directive] = &[done(
    "encke_subscriber_queue",
    HSL,
    ONE,
    "1m",
    "How many bytes may wait for one subscriber whose connection takes them more slowly than messages come. With more \
     its stream is closed; the client can resume where it was. A message that is larger by itself is still sent to a \
     subscriber for whom nothing else waits.",
    subscriber_queue,
)];

fn subscriber_queue(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.block().conf.push.subscriber_queue, |call| {
        call.size().map(|size| usize::try_from(size).unwrap_or(usize::MAX))
    })
}
