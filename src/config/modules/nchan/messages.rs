//! What becomes of published messages.

use super::super::super::builder::{Builder, Outcome};
use super::super::super::call::Call;
use super::super::super::diag::Diagnostic;
use super::super::super::model::{Dialect, Setting, Written};
use super::super::super::value;
use super::super::{HSL, HSLI, ONE, accept, accepted, done};
use super::{Directive, H, SL, fill, flag, replace, warn_replaced};

/// The store's memory where `nchan_*` roles are spoken and nothing is said.
pub const DEFAULT_MEMORY: u64 = 128 << 20;

const PAGE: u64 = 4 << 10;

const LENGTH_DOC: &str =
    "How many messages a channel keeps; the oldest go first. 0 stores nothing. May be a variable.";
const MEMORY_DOC: &str = "Memory for all messages and channels together. Units are k, m and g, with a decimal point if \
                          need be; less than 32k is taken as 32k.";

/// The rows.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    done("nchan_message_buffer_length", HSL, ONE, "10", LENGTH_DOC, buffer_length),
    done("nchan_message_max_buffer_length", HSL, ONE, "10", "`nchan_message_buffer_length`.", buffer_length),
    done(
        "nchan_message_timeout", HSL, ONE, "1h",
        "How long a message is kept, fixed when it is published. 0 keeps it until other messages push it out. May be a \
         variable.",
        |b, call| fill(b, call, |conf| &mut conf.push.message_timeout, |b, call| {
            setting(b, call, Call::invalid_value)
        }),
    ),
    done(
        "nchan_store_messages", HSLI, ONE, "on",
        "Whether published messages are kept for subscribers that come later.",
        |b, call| replace(b, call, |conf| &mut conf.push.store_messages, flag),
    ),
    done("nchan_shared_memory_size", H, ONE, "128M", MEMORY_DOC, memory_size),
    done("nchan_max_reserved_memory", H, ONE, "128M", "`nchan_shared_memory_size`.", memory_size),
    Directive {
        doc: "Folder for large messages.",
        ..accepted("nchan_message_temp_path", H, ONE, "messages are kept in memory, and none in files", accept::any)
    },
    done(
        "nchan_channel_timeout", HSL, ONE, "5s",
        "How long a channel without messages and subscribers is kept after its last use.",
        |b, call| call.fill(&mut b.block().conf.push.channel_timeout, Call::seconds),
    ),
    done(
        "nchan_deflate_message_for_websocket", SL, ONE, "off",
        "Whether messages published here are compressed, once for all WebSockets that want it (`permessage-deflate`).",
        deflate,
    ),
    done(
        "nchan_permessage_deflate_compression_level", H, ONE, "6",
        "From 0, fast, to 9, small.",
        |b, call| zlib_number(b, call, 0, 9, |b| &mut b.http.deflate.level),
    ),
    done(
        "nchan_permessage_deflate_compression_window", H, ONE, "10",
        "Logarithm of the window's size in bytes, 9 to 15.",
        |b, call| zlib_number(b, call, 9, 15, |b| &mut b.http.deflate.window),
    ),
    done(
        "nchan_permessage_deflate_compression_memlevel", H, ONE, "8",
        "Memory for compression, from 1, little, to 9.",
        |b, call| zlib_number(b, call, 1, 9, |b| &mut b.http.deflate.memlevel),
    ),
    Directive {
        default: "default",
        doc: "How compression looks for repetitions: `default`, `filtered`, `huffman-only`, `rle`, `fixed`.",
        ..accepted(
            "nchan_permessage_deflate_compression_strategy", H, ONE,
            "what is compressed differently is the same when it is unpacked", strategy,
        )
    },
    done(
        "nchan_storage_engine", HSL, ONE, "memory",
        "Where channels are: `memory`. `redis` is refused until Redis is there.",
        storage_engine,
    ),
];

/// The first argument as a value, or as text with variables that will be one.
fn setting<'c, T: Written>(
    b: &mut Builder<'_>,
    call: &Call<'c>,
    error: impl FnOnce(&Call<'c>) -> Diagnostic,
) -> Outcome<Setting<T>> {
    let template = b.template(call, 0)?;
    match template.as_literal() {
        Some(text) => T::read(text).map(Setting::Fixed).ok_or_else(|| error(call)),
        None => Ok(Setting::PerRequest(template)),
    }
}

/// A number of things, or text with variables.
pub(super) fn count(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Setting<u32>> {
    setting(b, call, Call::invalid_number)
}

/// A size, or text with variables.
pub(super) fn size(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Setting<u64>> {
    setting(b, call, Call::invalid_value)
}

fn buffer_length(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    fill(b, call, |conf| &mut conf.push.max_message_buffer_length, count)?;
    b.block().conf.push.length_place = Some((call.span(), Dialect::Nchan));
    Ok(())
}

fn memory_size(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    // Whole pages, as Nchan takes them.
    let pages = |size: u64| size.checked_next_multiple_of(PAGE);
    call.fill(&mut b.http.max_reserved_memory, |call| {
        value::decimal_size(call.arg(0)).and_then(pages).ok_or_else(|| call.invalid_value())
    })
}

fn deflate(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    replace(
        b,
        call,
        |conf| &mut conf.nchan.deflate,
        |_, call| {
            let name = call.row.name;
            let error =
                || Diagnostic::emerg(format!("\"{name}\" directive invalid value: must be 'on' or 'off'"));
            value::flag(call.arg(0)).ok_or_else(error)
        },
    )
}

fn zlib_number(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    least: u8,
    most: u8,
    field: for<'b> fn(&'b mut Builder<'_>) -> &'b mut Option<u8>,
) -> Outcome {
    let (number, name) = (call.number()?, call.row.name);
    let number =
        u8::try_from(number).ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            Diagnostic::emerg(format!("\"{name}\" directive must be between {least} and {most}"))
        })?;
    if field(b).replace(number).is_some() {
        warn_replaced(b, call);
    }
    Ok(())
}

fn strategy(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    const WORDS: [&[u8]; 5] = [b"default", b"filtered", b"huffman-only", b"rle", b"fixed"];
    let name = call.row.name;
    let known = WORDS.iter().any(|word| word.eq_ignore_ascii_case(call.arg(0)));
    let error = || Diagnostic::emerg(format!("\"{name}\" directive invalid compression strategy"));
    known.then_some(()).ok_or_else(error)
}

fn storage_engine(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    match call.arg(0).to_ascii_lowercase().as_slice() {
        b"memory" => Ok(()),
        b"redis" => {
            let error = format!("\"nchan_storage_engine redis\" is not supported: {}", super::redis::LATER);
            Err(Diagnostic::emerg(error))
        }
        _ => Err(Diagnostic::emerg(format!("invalid nchan_storage_engine value: {}", call.text(0)))),
    }
}
