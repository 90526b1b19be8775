//! The benchmark.

use super::super::super::builder::{Builder, Outcome};
use super::super::super::call::Call;
use super::super::super::diag::Diagnostic;
use super::super::super::model::{Dialect, Distribution, PushHandler};
use super::super::{NONE, ONE, done};
use super::roles::claim;
use super::{Directive, L, fill, replace, seconds};

/// The rows.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    done(
        "nchan_benchmark", L, NONE, "",
        "Makes the location a console for a benchmark, over a WebSocket: `init`, `run`, `finish`, `abort`. Whoever \
         reaches it can put the server under load: protect it with `allow`.",
        console,
    ),
    done(
        "nchan_benchmark_time", L, ONE, "10s",
        "How long messages are published.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.benchmark_time, seconds),
    ),
    done(
        "nchan_benchmark_messages_per_channel_per_minute", L, ONE, "120",
        "How often a message is published in each channel.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.benchmark_messages_per_minute, number),
    ),
    done(
        "nchan_benchmark_message_padding_bytes", L, ONE, "0",
        "How much longer messages are than 5 bytes.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.benchmark_padding, number),
    ),
    done(
        "nchan_benchmark_channels", L, ONE, "1000",
        "How many channels there are.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.benchmark_channels, number),
    ),
    done(
        "nchan_benchmark_subscribers_per_channel", L, ONE, "100",
        "How many subscribers without a connection each channel has.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.benchmark_subscribers_per_channel, number),
    ),
    done(
        "nchan_benchmark_subscriber_distribution", L, ONE, "random",
        "Whether the subscribers of a channel are spread over all workers (`random`) or in one (`optimal`, `best`).",
        |b, call| replace(b, call, |conf| &mut conf.nchan.benchmark_subscribers, distribution),
    ),
    done(
        "nchan_benchmark_publisher_distribution", L, ONE, "random",
        "Whether any worker publishes in a channel (`random`), or the one that has its subscribers where they are in one \
         (`optimal`, `best`).",
        |b, call| replace(b, call, |conf| &mut conf.nchan.benchmark_publishers, distribution),
    ),
];

/// Words of distributions.
const WORDS: [(&str, Distribution); 3] =
    [("random", Distribution::Random), ("optimal", Distribution::Optimal), ("best", Distribution::Optimal)];

fn console(b: &mut Builder<'_>, _: &Call<'_>) -> Outcome {
    if matches!(b.block().conf.roles.handler, PushHandler::Group(_)) {
        return Err(both_console_and_group());
    }
    claim(b, Dialect::Nchan, PushHandler::Benchmark);
    Ok(())
}

/// Nchan's message about a location that is both.
pub(super) fn both_console_and_group() -> Diagnostic {
    Diagnostic::emerg(
        "Can't have a publisher and subscriber location and also be a group access location (nchan_group + \
         nchan_publisher, nchan_subscriber or nchan_pubsub)",
    )
}

fn number(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<u64> {
    call.number()
}

fn distribution(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Distribution> {
    let given = |word: &str| word.as_bytes().eq_ignore_ascii_case(call.arg(0));
    let found = WORDS.into_iter().find(|(word, _)| given(word));
    found.map(|(_, distribution)| distribution).ok_or_else(|| {
        let name = call.row.name;
        Diagnostic::emerg(format!("\"{name}\" directive invalid value, must be \"random\" or \"optimal\""))
    })
}
