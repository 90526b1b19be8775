//! Every number of a run.

use std::fs;
use std::num::NonZero;
use std::thread;

use serde_json::{Value, json};

use super::Row;
use crate::server::Contestant;

pub(crate) fn to_json(rows: &[Row], contestants: &[Contestant], workers: usize) -> Value {
    let servers: Vec<Value> = contestants
        .iter()
        .map(|contestant| json!({ "name": contestant.name(), "version": contestant.version() }))
        .collect();
    let works: Vec<Value> = rows.iter().map(|row| of_row(row, contestants)).collect();
    json!({ "machine": machine(), "workers": workers, "servers": servers, "works": works })
}

fn of_row(row: &Row, contestants: &[Contestant]) -> Value {
    let of_one = |number: usize, contestant: &Contestant| {
        json!({
            "name": contestant.name(),
            "cost": row.summary(number, |sample| sample.cost),
            "p50": row.summary(number, |sample| sample.p50),
            "p99": row.summary(number, |sample| sample.p99),
            "bytes": row.summary(number, |sample| sample.bytes),
            "runs": row.samples[number],
        })
    };
    let servers = contestants.iter().enumerate().map(|(number, contestant)| of_one(number, contestant));
    let mut value = json!({
        "work": row.work.name,
        "unit": row.work.kind.unit(),
        "servers": servers.collect::<Vec<_>>(),
        "ratio": row.ratio(|sample| sample.cost),
        "bound": row.work.bound,
        "holds": row.holds(),
        "p50_ratio": row.ratio(|sample| sample.p50),
        "p99_ratio": row.ratio(|sample| sample.p99),
        "is_as_fast": row.is_as_fast(),
        "limit": row.work.limit,
        "faults": row.faults(),
    });
    if let Some(runs) = &row.floor {
        value["floor"] = json!({
            "cost": row.floor(|sample| sample.cost),
            "p50": row.floor(|sample| sample.p50),
            "p99": row.floor(|sample| sample.p99),
            "ratio": row.floor_ratio(),
            "runs": runs,
        });
    }
    value
}

/// What it ran on.
pub(crate) fn machine() -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "kernel": kernel.trim(),
        "processor": model.map(|(_, name)| name),
        "cores": thread::available_parallelism().map(NonZero::get).ok(),
    })
}
