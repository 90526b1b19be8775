//! Names that `push_*` directives had in 2009, before the first tagged release.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::directive::{Arity, Directive, Setter};
use super::push::{publisher, subscriber, subscriber_concurrency};
use super::{HSL, HSLI, Module, NONE, ONE, done, refused};

const SLI: Contexts = Contexts::SERVER.or(Contexts::LOCATION).or(Contexts::LOCATION_IF);
const MAYBE_ONE: Arity = Arity::between(0, 1);

/// The old names. The first five are synonyms; the others no release of the last fifteen years loads.
pub const MODULE: Module = Module { name: "nginx_http_push_module: names of 2009", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    synonym("push_sender", SLI, NONE, "`push_publisher`, as it was called until October 2009.", |b, call| {
        renamed(b, call, "push_publisher", publisher)
    }),
    synonym("push_source", SLI, NONE, "`push_publisher`, as it was called in August 2009.", |b, call| {
        renamed(b, call, "push_publisher", publisher)
    }),
    synonym(
        "push_listener",
        SLI,
        MAYBE_ONE,
        "`push_subscriber`, as it was called until October 2009.",
        |b, call| renamed(b, call, "push_subscriber", subscriber),
    ),
    synonym(
        "push_destination",
        SLI,
        MAYBE_ONE,
        "`push_subscriber`, as it was called in August 2009.",
        |b, call| renamed(b, call, "push_subscriber", subscriber),
    ),
    synonym(
        "push_listener_concurrency",
        HSLI,
        ONE,
        "`push_subscriber_concurrency`, as it was called in October 2009.",
        |b, call| renamed(b, call, "push_subscriber_concurrency", subscriber_concurrency),
    ),
    refused("push_server", SLI, Arity::at_least(0), "since 2009 its name is push_publisher"),
    refused("push_client", SLI, Arity::at_least(0), "since 2009 its name is push_subscriber"),
    refused("push_queue_messages", HSL, Arity::at_least(0), "since 2009 its name is push_store_messages"),
    refused("push_buffer_size", HSL, Arity::at_least(0), "since 2009 its name is push_max_reserved_memory"),
    refused("push_shm_size", HSL, Arity::at_least(0), "since 2009 its name is push_max_reserved_memory"),
    refused(
        "push_max_buffer_size",
        HSL,
        Arity::at_least(0),
        "since 2009 its name is push_max_reserved_memory",
    ),
    refused(
        "push_channel_buffer_length",
        HSL,
        Arity::at_least(0),
        "since 2009 its name is push_message_buffer_length",
    ),
    refused("push_buffer_timeout", HSL, Arity::at_least(0), "since 2009 its name is push_message_timeout"),
];

const fn synonym(
    name: &'static str,
    contexts: Contexts,
    arity: Arity,
    doc: &'static str,
    set: Setter,
) -> Directive {
    done(name, contexts, arity, "", doc, set)
}

fn renamed(b: &mut Builder<'_>, call: &Call<'_>, modern: &str, set: Setter) -> Outcome {
    b.warn(call, format!("\"{}\" is an old name of \"{modern}\"", call.row.name));
    set(b, call)
}
