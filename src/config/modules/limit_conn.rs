//! `limit_conn`: how many at once.

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{ConnLimit, LimitConnConf, Severity};
use super::super::value;
use super::limit_req::{log_level, status};
use super::{HSL, Module, ONE, done, zones};

draft! {
    /// How many at once.
    LimitConnDraft {
        limits: Vec<ConnLimit>,
        status: u16,
        log_level: Severity,
        dry_run: bool,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_limit_conn_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "limit_conn_zone",
        Contexts::HTTP,
        Arity::exactly(2),
        "",
        "Names a zone: the key, and `zone=NAME:SIZE`. An empty key is not counted.",
        limit_conn_zone,
    ),
    done(
        "limit_conn",
        HSL,
        Arity::exactly(2),
        "",
        "How many connections with the same key of a zone may have a request under way. A subscriber that waits has.",
        limit_conn,
    ),
    done("limit_conn_status", HSL, ONE, "503", "The status for requests that are turned away.", |b, call| {
        call.fill(&mut b.block().conf.limit_conn.status, status)
    }),
    done(
        "limit_conn_log_level",
        HSL,
        ONE,
        "error",
        "The level at which refusals are logged: `info`, `notice`, `warn` or `error`.",
        |b, call| call.fill(&mut b.block().conf.limit_conn.log_level, log_level),
    ),
    done(
        "limit_conn_dry_run",
        HSL,
        ONE,
        "off",
        "Whether connections above the limit are only logged.",
        |b, call| call.fill(&mut b.block().conf.limit_conn.dry_run, Call::flag),
    ),
    done(
        "limit_zone",
        Contexts::HTTP,
        Arity::exactly(3),
        "",
        "Names a zone as nginx did before 1.7.6: its name, the key, and its size.",
        limit_zone,
    ),
];

fn limit_conn_zone(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let key = zones::key(b, call, 0)?;
    let text = call.text(1);
    let given = text.strip_prefix("zone=").ok_or_else(|| invalid_parameter(call.arg(1)))?;
    let (name, size) = zones::name_and_size(given, &text)?;
    if name.is_empty() {
        return Err(Diagnostic::emerg("\"limit_conn_zone\" must have \"zone\" parameter"));
    }
    zones::declare(b, call, name, size, 0, key)
}

fn limit_zone(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let key = zones::key(b, call, 1)?;
    let given = format!("{}:{}", call.text(0), call.text(2));
    let (name, size) = zones::name_and_size(&given, &given)?;
    zones::declare(b, call, name, size, 0, key)
}

fn limit_conn(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let zone = zones::find(b, &call.text(0), false)?;
    let limits = b.block().conf.limit_conn.limits.get_or_insert_default();
    if limits.iter().any(|limit| limit.zone == zone) {
        return Err(call.duplicate());
    }
    let number = value::number(call.arg(1)).filter(|number| *number > 0);
    let number = number
        .ok_or_else(|| Diagnostic::emerg(format!("invalid number of connections \"{}\"", call.text(1))))?;
    let most = u16::try_from(number).map_err(|_| Diagnostic::emerg("connection limit must be less 65536"))?;
    limits.push(ConnLimit { zone, most });
    Ok(())
}

impl LimitConnDraft {
    /// The limits in force.
    pub fn finish(&self) -> LimitConnConf {
        LimitConnConf {
            limits: self.limits.clone().unwrap_or_default(),
            status: self.status.unwrap_or(503),
            log_level: self.log_level.unwrap_or(Severity::Error),
            dry_run: self.dry_run.unwrap_or(false),
        }
    }
}
