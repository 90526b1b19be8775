//! Settings of connections: sizes of heads, how long connections are kept, how they are closed.

use std::time::Duration;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{ConnectionConf, KeepAliveDisable, Lingering};
use super::super::value;
use super::{HS, HSL, Module, ONE, accept, accepted, done};

draft! {
    /// How connections are kept and closed.
    ConnectionDraft {
        keepalive_time: Duration,
        keepalive_min_timeout: Duration,
        tcp_nodelay: bool,
        keepalive_disable: KeepAliveDisable,
        body_buffer_size: usize,
        lingering_close: Lingering,
        lingering_time: Duration,
        lingering_timeout: Duration,
        reset_timedout: bool,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_core_module: connections", directives: DIRECTIVES };

const POOLS: &str = "it sizes a memory pool of nginx; Encke allocates what a request needs";
const DIRECTIVES: &[Directive] = &[
    done(
        "client_header_buffer_size",
        HS,
        ONE,
        "1k",
        "The first buffer for a request's header. A line that does not fit goes to `large_client_header_buffers`.",
        |b, call| {
            let read = |call: &Call<'_>| call.size().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
            call.fill(&mut b.block().server.client_header_buffer_size, read)
        },
    ),
    done(
        "client_body_buffer_size",
        HSL,
        ONE,
        "16k",
        "The longest body that `$request_body` holds. Longer ones are kept in memory as well, for those who read them.",
        |b, call| {
            let read = |call: &Call<'_>| call.size().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
            call.fill(&mut b.block().conf.connection.body_buffer_size, read)
        },
    ),
    done(
        "client_body_in_single_buffer",
        HSL,
        ONE,
        "off",
        "A request's body is in one piece, whichever is asked for.",
        accept::flag,
    ),
    done(
        "max_headers",
        HS,
        ONE,
        "1000",
        "How many headers a request may have; more are answered 400.",
        |b, call| {
            let read =
                |call: &Call<'_>| call.number().map(|number| usize::try_from(number).unwrap_or(usize::MAX));
            call.fill(&mut b.block().server.max_headers, read)
        },
    ),
    done(
        "keepalive_time",
        HSL,
        ONE,
        "1h",
        "How long after its beginning a connection still takes further requests.",
        |b, call| call.fill(&mut b.block().conf.connection.keepalive_time, Call::millis),
    ),
    done(
        "keepalive_min_timeout",
        HSL,
        ONE,
        "0",
        "How long an idle connection is not closed to make room for others, or at a graceful end.",
        |b, call| call.fill(&mut b.block().conf.connection.keepalive_min_timeout, Call::millis),
    ),
    done(
        "tcp_nodelay",
        HSL,
        ONE,
        "on",
        "What is written is sent at once. `off`: a small piece may wait until the client has acknowledged the one before.",
        |b, call| call.fill(&mut b.block().conf.connection.tcp_nodelay, Call::flag),
    ),
    done(
        "keepalive_disable",
        HSL,
        Arity::between(1, 2),
        "msie6",
        "Browsers whose connections are not kept: `msie6` (after a POST), `safari`, or `none`.",
        keepalive_disable,
    ),
    done(
        "lingering_close",
        HSL,
        ONE,
        "on",
        "Whether a closing connection is read for a while: `on` where the client still sends, `always`, or `off`.",
        |b, call| {
            call.fill(&mut b.block().conf.connection.lingering_close, |call| {
                call.one_of(&[("off", Lingering::Off), ("on", Lingering::On), ("always", Lingering::Always)])
            })
        },
    ),
    done("lingering_time", HSL, ONE, "30s", "How long a closing connection is read in all.", |b, call| {
        call.fill(&mut b.block().conf.connection.lingering_time, Call::millis)
    }),
    done(
        "lingering_timeout",
        HSL,
        ONE,
        "5s",
        "How long a closing connection is waited for between two reads.",
        |b, call| call.fill(&mut b.block().conf.connection.lingering_timeout, Call::millis),
    ),
    done(
        "reset_timedout_connection",
        HSL,
        ONE,
        "off",
        "Whether connections that timed out, and those closed with 444, are reset: nothing of them stays in the kernel.",
        |b, call| call.fill(&mut b.block().conf.connection.reset_timedout, Call::flag),
    ),
    accepted("connection_pool_size", HS, ONE, POOLS, connection_pool_size),
    accepted("request_pool_size", HS, ONE, POOLS, request_pool_size),
];

fn keepalive_disable(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let mut disable = b.block().conf.connection.keepalive_disable.unwrap_or_default();
    for word in call.args() {
        let (msie6, safari) = match &*word.to_ascii_lowercase() {
            b"none" => (false, false),
            b"msie6" => (true, false),
            b"safari" => (false, true),
            _ => {
                let word = String::from_utf8_lossy(word);
                return Err(Diagnostic::emerg(format!("invalid value \"{word}\"")));
            }
        };
        if (msie6 && disable.msie6) || (safari && disable.safari) {
            b.warn(call, format!("duplicate value \"{}\"", String::from_utf8_lossy(word)));
        }
        disable = KeepAliveDisable { msie6: disable.msie6 || msie6, safari: disable.safari || safari };
    }
    b.block().conf.connection.keepalive_disable = Some(disable);
    Ok(())
}

/// Sizes of pools: nginx's allocator has its own ideas.
fn pool_size(call: &Call<'_>) -> Outcome<usize> {
    const SMALLEST: u64 = 112;
    let size = value::size(call.arg(0)).ok_or_else(|| call.invalid_value())?;
    if size < SMALLEST {
        return Err(Diagnostic::emerg(format!("the pool size must be no less than {SMALLEST}")));
    }
    if size % 16 != 0 {
        return Err(Diagnostic::emerg("the pool size must be a multiple of 16"));
    }
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}

fn connection_pool_size(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.block().server.connection_pool_size, pool_size)
}

fn request_pool_size(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.once(call)?;
    pool_size(call).map(drop)
}

impl ConnectionDraft {
    /// The settings in force.
    pub fn finish(&self) -> ConnectionConf {
        ConnectionConf {
            keepalive_time: self.keepalive_time.unwrap_or(Duration::from_secs(3600)),
            keepalive_disable: self
                .keepalive_disable
                .unwrap_or(KeepAliveDisable { msie6: true, safari: false }),
            body_buffer_size: self.body_buffer_size.unwrap_or(16 << 10),
            lingering_close: self.lingering_close.unwrap_or(Lingering::On),
            lingering_time: self.lingering_time.unwrap_or(Duration::from_secs(30)),
            lingering_timeout: self.lingering_timeout.unwrap_or(Duration::from_secs(5)),
            reset_timedout: self.reset_timedout.unwrap_or(false),
            tcp_nodelay: self.tcp_nodelay.unwrap_or(true),
            keepalive_min_timeout: self.keepalive_min_timeout.unwrap_or(Duration::ZERO),
        }
    }
}
