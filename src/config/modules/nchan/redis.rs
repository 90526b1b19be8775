//! Channels in Redis: not there yet. What stands in `http`, `server` and `location` would use it and is refused. What
//! stands in `upstream` only describes servers: it is checked, and may stay as long as no `nchan_redis_pass` uses it.

use super::super::super::builder::{Builder, Outcome};
use super::super::super::call::Call;
use super::super::super::context::Contexts;
use super::super::super::diag::Diagnostic;
use super::super::super::directive::Setter;
use super::super::super::value;
use super::super::{HS, HSL, ONE, accept, accepted, done, refused};
use super::{Arity, Directive, H, SL};

const U: Contexts = Contexts::UPSTREAM;

/// Why what would use Redis stops the start.
pub(super) const LATER: &str = "channels in Redis come in a later release";
/// Why what describes Redis does not.
const UNUSED: &str = "channels in Redis come in a later release, and nothing uses this upstream";

/// The rows.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    unused("nchan_redis_server", Arity::between(1, 2), server),
    later("nchan_redis_pass", HSL),
    later("nchan_redis_pass_inheritable", HSL),
    Directive {
        doc: "The old way to switch Redis on: `on` stops the start. Warns as Nchan does.",
        ..accepted("nchan_use_redis", HSL, ONE, LATER, use_redis)
    },
    Directive {
        doc: "The old way to name a Redis server. Warns as Nchan does.",
        ..accepted("nchan_redis_url", HSL, ONE, "it is for nchan_use_redis on", url)
    },
    later("nchan_redis_storage_mode", HSL),
    unused("nchan_redis_storage_mode", ONE, storage_mode),
    later("nchan_redis_nostore_fastpublish", HS),
    unused("nchan_redis_nostore_fastpublish", ONE, accept::flag),
    later("nchan_redis_namespace", HSL),
    unused("nchan_redis_namespace", ONE, namespace),
    later("nchan_redis_ping_interval", HSL),
    unused("nchan_redis_ping_interval", ONE, accept::seconds),
    later("nchan_redis_idle_channel_cache_timeout", HSL),
    unused("nchan_redis_username", ONE, accept::once),
    unused("nchan_redis_password", ONE, accept::once),
    unused("nchan_redis_ssl", ONE, |b, call| flag_of(b, call, "ssl")),
    unused("nchan_redis_tls", ONE, |b, call| flag_of(b, call, "ssl")),
    unused("nchan_redis_ssl_client_certificate", ONE, |b, call| once_of(b, call, "client_certificate")),
    unused("nchan_redis_tls_client_certificate", ONE, |b, call| once_of(b, call, "client_certificate")),
    unused("nchan_redis_ssl_client_certificate_key", ONE, accept::once),
    unused("nchan_redis_ssl_server_name", ONE, |b, call| once_of(b, call, "server_name")),
    unused("nchan_redis_tls_server_name", ONE, |b, call| once_of(b, call, "server_name")),
    unused("nchan_redis_ssl_trusted_certificate", ONE, |b, call| once_of(b, call, "trusted_certificate")),
    unused("nchan_redis_tls_trusted_certificate", ONE, |b, call| once_of(b, call, "trusted_certificate")),
    unused("nchan_redis_ssl_trusted_certificate_path", ONE, |b, call| once_of(b, call, "trusted_certificate_path")),
    unused("nchan_redis_tls_trusted_certificate_path", ONE, |b, call| once_of(b, call, "trusted_certificate_path")),
    unused("nchan_redis_ssl_ciphers", ONE, |b, call| once_of(b, call, "ciphers")),
    unused("nchan_redis_tls_ciphers", ONE, |b, call| once_of(b, call, "ciphers")),
    unused("nchan_redis_ssl_verify_certificate", ONE, |b, call| flag_of(b, call, "verify_certificate")),
    unused("nchan_redis_tls_verify_certificate", ONE, |b, call| flag_of(b, call, "verify_certificate")),
    unused("nchan_redis_connect_timeout", ONE, |b, call| millis_of(b, call, "connect_timeout")),
    unused("nchan_redis_node_connect_timeout", ONE, |b, call| millis_of(b, call, "connect_timeout")),
    unused("nchan_redis_cluster_connect_timeout", ONE, accept::millis),
    unused("nchan_redis_cluster_max_failing_time", ONE, accept::millis),
    unused("nchan_redis_command_timeout", ONE, accept::millis),
    unused("nchan_redis_retry_commands", ONE, accept::flag),
    unused("nchan_redis_retry_commands_max_wait", ONE, accept::millis),
    unused("nchan_redis_reconnect_delay", ONE, |b, call| millis_of(b, call, "reconnect_delay")),
    unused("nchan_redis_reconnect_delay_min", ONE, |b, call| millis_of(b, call, "reconnect_delay")),
    unused("nchan_redis_reconnect_delay_jitter", ONE, jitter),
    unused("nchan_redis_reconnect_delay_backoff", ONE, backoff),
    unused("nchan_redis_reconnect_delay_max", ONE, accept::millis),
    unused("nchan_redis_cluster_recovery_delay", ONE, |b, call| millis_of(b, call, "recovery_delay")),
    unused("nchan_redis_cluster_recovery_delay_min", ONE, |b, call| millis_of(b, call, "recovery_delay")),
    unused("nchan_redis_cluster_recovery_delay_jitter", ONE, jitter),
    unused("nchan_redis_cluster_recovery_delay_backoff", ONE, backoff),
    unused("nchan_redis_cluster_recovery_delay_max", ONE, accept::millis),
    unused("nchan_redis_cluster_check_interval", ONE, |b, call| millis_of(b, call, "check_interval")),
    unused("nchan_redis_cluster_check_interval_min", ONE, |b, call| millis_of(b, call, "check_interval")),
    unused("nchan_redis_cluster_check_interval_jitter", ONE, jitter),
    unused("nchan_redis_cluster_check_interval_backoff", ONE, backoff),
    unused("nchan_redis_cluster_check_interval_max", ONE, accept::millis),
    unused("nchan_redis_idle_channel_keepalive_min", ONE, accept::millis),
    unused("nchan_redis_idle_channel_keepalive_jitter", ONE, jitter),
    unused("nchan_redis_idle_channel_keepalive_backoff", ONE, backoff),
    unused("nchan_redis_idle_channel_keepalive_max", ONE, accept::millis),
    unused("nchan_redis_idle_channel_keepalive_safety_margin", ONE, accept::millis),
    unused("nchan_redis_subscribe_weights", Arity::between(1, 2), weights),
    unused("nchan_redis_discovered_ip_range_blacklist", Arity::between(1, 7), networks),
    unused("nchan_redis_accurate_subscriber_count", ONE, accept::flag),
    unused("nchan_redis_load_scripts_unconditionally", ONE, accept::flag),
    later("nchan_redis_upstream_stats", SL),
    unused("nchan_redis_upstream_stats_enabled", ONE, accept::flag),
    unused("nchan_redis_upstream_stats_disconnected_timeout", ONE, accept::seconds),
    later("nchan_redis_publish_msgpacked_max_size", H),
    later("nchan_redis_fakesub_timer_interval", H),
    done("nchan_redis_optimize_target", U, ONE, "", "Obsolete: ignored with a warning, as in Nchan.", obsolete),
    done("nchan_redis_wait_after_connecting", HSL, ONE, "", "Obsolete: ignored with a warning, as in Nchan.", obsolete),
];

const fn later(name: &'static str, contexts: Contexts) -> Directive {
    refused(name, contexts, ONE, LATER)
}

const fn unused(name: &'static str, arity: Arity, set: Setter) -> Directive {
    accepted(name, U, arity, UNUSED, set)
}

/// `redis://...`, or a bare host and port; other schemes are none. That there is one is noted for the `upstream`.
fn server(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.block().seen.insert("nchan_redis_server");
    let url = call.arg(0);
    let scheme = url.windows(3).position(|three| three == b"://").map(|at| url[..at].to_ascii_lowercase());
    match scheme.as_deref() {
        None | Some(b"redis" | b"rediss") => Ok(()),
        Some(_) => Err(Diagnostic::emerg("\"nchan_redis_server\" directive url is invalid")),
    }
}

fn use_redis(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.warn(call, "Use of nchan_use_redis is discouraged in favor of nchan_redis_pass.");
    if call.flag()? {
        return Err(Diagnostic::emerg(format!("\"nchan_use_redis on\" is not supported: {LATER}")));
    }
    Ok(())
}

fn url(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let server = call.text(0);
    let warning = format!(
        "Use of nchan_redis_url is discouraged in favor of an upstream {{ }} block with nchan_redis_server {server};"
    );
    b.warn(call, warning);
    Ok(())
}

fn obsolete(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.warn(call, format!("ignoring obsolete nchan config directive '{}'.", call.row.name));
    Ok(())
}

// === values ===

/// Refuses a second directive of the same meaning, whichever of its names was used.
fn once_of(b: &mut Builder<'_>, call: &Call<'_>, meaning: &'static str) -> Outcome {
    if b.block().seen.insert(meaning) { Ok(()) } else { Err(call.duplicate()) }
}

fn flag_of(b: &mut Builder<'_>, call: &Call<'_>, meaning: &'static str) -> Outcome {
    once_of(b, call, meaning)?;
    call.flag().map(drop)
}

fn millis_of(b: &mut Builder<'_>, call: &Call<'_>, meaning: &'static str) -> Outcome {
    once_of(b, call, meaning)?;
    call.millis().map(drop)
}

fn number(call: &Call<'_>) -> Outcome<f64> {
    let name = call.row.name;
    let error = || {
        Diagnostic::emerg(format!(
            "\"{name}\" directive invalid value, must be a non-negative floating-point number"
        ))
    };
    let value: Option<f64> = call.text(0).parse().ok();
    value.filter(|value| value.is_finite() && *value >= 0.0).ok_or_else(error)
}

fn jitter(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.once(call)?;
    if number(call)? >= 1.0 {
        let error = format!("\"{}\" directive jitter multiplier cannot exceed 1", call.row.name);
        return Err(Diagnostic::emerg(error));
    }
    Ok(())
}

fn backoff(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.once(call)?;
    number(call).map(drop)
}

fn namespace(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.once(call)?;
    if call.arg(0).contains(&b'{') {
        let error = format!("\"{}\" directive can't contain character '{{'", call.row.name);
        return Err(Diagnostic::emerg(error));
    }
    Ok(())
}

fn storage_mode(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    const MODES: [&[u8]; 4] = [b"distributed", b"backup", b"nostore", b"distributed-nostore"];
    let name = call.row.name;
    let known = MODES.iter().any(|mode| mode.eq_ignore_ascii_case(call.arg(0)));
    let error = || {
        Diagnostic::emerg(format!(
            "\"{name}\" directive is invalid, must be one of 'distributed',  'backup' or 'nostore'"
        ))
    };
    known.then_some(()).ok_or_else(error)
}

/// `master=n`, `slave=n`. Nchan ignores every other word; so does this, since nothing comes of any.
fn weights(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    for role in ["master", "slave"] {
        let given = call.args().filter_map(|word| word.strip_prefix(role.as_bytes())?.strip_prefix(b"="));
        if given.into_iter().any(|weight| value::number(weight).is_none()) {
            let name = call.row.name;
            return Err(Diagnostic::emerg(format!("\"{name}\" directive has invalid weight for {role}")));
        }
    }
    Ok(())
}

fn networks(_: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let wrong = call.args().any(|word| value::network(word).is_none());
    let error = format!("\"{}\" directive unable to parse IP address", call.row.name);
    if wrong { Err(Diagnostic::emerg(error)) } else { Ok(()) }
}
