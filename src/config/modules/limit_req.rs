//! `limit_req`: how often.

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{LimitReqConf, ReqLimit, Severity};
use super::super::value;
use super::{HSL, Module, ONE, done, zones};

draft! {
    /// How often.
    LimitReqDraft {
        limits: Vec<ReqLimit>,
        status: u16,
        log_level: Severity,
        dry_run: bool,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_limit_req_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "limit_req_zone",
        Contexts::HTTP,
        Arity::exactly(3),
        "",
        "Names a zone: the key, `zone=NAME:SIZE`, and `rate=Nr/s` or `Nr/m`. An empty key is not limited.",
        limit_req_zone,
    ),
    done(
        "limit_req",
        HSL,
        Arity::between(1, 3),
        "",
        "Limits requests to a zone's rate: `zone=NAME`, `burst=N`, `nodelay` or `delay=N`. What is above the rate \
         waits, what is above the burst is turned away.",
        limit_req,
    ),
    done("limit_req_status", HSL, ONE, "503", "The status for requests that are turned away.", |b, call| {
        call.fill(&mut b.block().conf.limit_req.status, status)
    }),
    done(
        "limit_req_log_level",
        HSL,
        ONE,
        "error",
        "The level at which refusals are logged: `info`, `notice`, `warn` or `error`. Delays are logged one less.",
        |b, call| call.fill(&mut b.block().conf.limit_req.log_level, log_level),
    ),
    done(
        "limit_req_dry_run",
        HSL,
        ONE,
        "off",
        "Whether requests above the limit are only counted and logged.",
        |b, call| call.fill(&mut b.block().conf.limit_req.dry_run, Call::flag),
    ),
];

/// A status for what is turned away.
pub fn status(call: &Call<'_>) -> Outcome<u16> {
    let number = u16::try_from(call.number()?).ok().filter(|status| (400..=599).contains(status));
    number.ok_or_else(|| Diagnostic::emerg("value must be between 400 and 599"))
}

/// A level for the log line about it.
pub fn log_level(call: &Call<'_>) -> Outcome<Severity> {
    call.one_of(&[
        ("info", Severity::Info),
        ("notice", Severity::Notice),
        ("warn", Severity::Warn),
        ("error", Severity::Error),
    ])
}

fn limit_req_zone(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let key = zones::key(b, call, 0)?;
    let (mut zone, mut rate) = (None, 1000);
    for word in call.args().skip(1) {
        let text = String::from_utf8_lossy(word);
        if let Some(given) = text.strip_prefix("zone=") {
            let (name, size) = zones::name_and_size(given, &text)?;
            zone = Some((name.to_owned(), size));
        } else if let Some(given) = text.strip_prefix("rate=") {
            rate = self::rate(given).ok_or_else(|| Diagnostic::emerg(format!("invalid rate \"{text}\"")))?;
        } else {
            return Err(invalid_parameter(word));
        }
    }
    match zone {
        Some((name, size)) if !name.is_empty() => zones::declare(b, call, &name, size, rate, key),
        _ => Err(Diagnostic::emerg("\"limit_req_zone\" must have \"zone\" parameter")),
    }
}

/// `Nr/s`, `Nr/m` or `N`, in thousandths of a request per second.
fn rate(given: &str) -> Option<u64> {
    let (number, scale) = match given.strip_suffix("r/m") {
        Some(number) => (number, 60),
        None => (given.strip_suffix("r/s").unwrap_or(given), 1),
    };
    let number = value::number(number.as_bytes()).filter(|number| *number > 0)?;
    Some(number.checked_mul(1000)? / scale)
}

fn limit_req(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let (mut zone, mut burst, mut delay) = (None, 0, 0);
    for word in call.args() {
        let text = String::from_utf8_lossy(word);
        let number = |what: &str, given: &str| {
            let number = value::number(given.as_bytes()).filter(|number| *number > 0);
            let milli = number.and_then(|number| number.checked_mul(1000));
            milli.ok_or_else(|| Diagnostic::emerg(format!("invalid {what} value \"{text}\"")))
        };
        if let Some(name) = text.strip_prefix("zone=") {
            zone = Some(zones::find(b, name, true)?);
        } else if let Some(given) = text.strip_prefix("burst=") {
            burst = number("burst", given)?;
        } else if let Some(given) = text.strip_prefix("delay=") {
            delay = number("delay", given)?;
        } else if text == "nodelay" {
            delay = u64::MAX;
        } else {
            return Err(invalid_parameter(word));
        }
    }
    let zone = zone.ok_or_else(|| Diagnostic::emerg("\"limit_req\" must have \"zone\" parameter"))?;
    let limits = b.block().conf.limit_req.limits.get_or_insert_default();
    if limits.iter().any(|limit| limit.zone == zone) {
        return Err(call.duplicate());
    }
    limits.push(ReqLimit { zone, burst, delay });
    Ok(())
}

impl LimitReqDraft {
    /// The limits in force.
    pub fn finish(&self) -> LimitReqConf {
        LimitReqConf {
            limits: self.limits.clone().unwrap_or_default(),
            status: self.status.unwrap_or(503),
            log_level: self.log_level.unwrap_or(Severity::Error),
            dry_run: self.dry_run.unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_thousandths_per_second() {
        let cases = [("1r/s", 1000), ("30r/m", 500), ("1r/m", 16), ("5", 5000)];
        for (text, expected) in cases {
            assert_eq!(rate(text), Some(expected), "{text}");
        }
        for bad in ["", "r/s", "0r/s", "-1r/s", "1r/h", "1 r/s"] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }
}
