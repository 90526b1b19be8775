//! `{{...}}` in requests: values that are known only while a scenario runs.

use std::collections::HashMap;

use super::record::Answered;
use crate::harness::date;

/// The responses so far, by the names of their steps.
pub(super) type Seen = HashMap<String, Answered>;

/// Fills in all placeholders of a request. `None` if one of them asks for a header that never came.
pub(super) fn fill_in(raw: &str, seen: &Seen) -> Option<String> {
    let mut text = String::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}")?;
        text.push_str(before);
        text.push_str(&value(name, seen)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

fn value(name: &str, seen: &Seen) -> Option<String> {
    match name.split(' ').collect::<Vec<_>>()[..] {
        ["repeat", text, count] => Some(text.repeat(count.parse().ok()?)),
        ["rfc850", step] => Some(date::rfc850(last_modified(step, seen)?)),
        ["asctime", step] => Some(date::asctime(last_modified(step, seen)?)),
        ["unix", step] => Some(last_modified(step, seen)?.to_string()),
        [single] => single_value(single, seen),
        _ => None,
    }
}

fn single_value(name: &str, seen: &Seen) -> Option<String> {
    if let Some(shift) = name.strip_prefix("now") {
        return Some(date::rfc1123(shifted(date::now(), shift)?));
    }
    let (step, header) = name.split_once('.')?;
    match header.strip_prefix("Last-Modified") {
        Some(shift) => Some(date::rfc1123(shifted(last_modified(step, seen)?, shift)?)),
        None => Some(seen.get(step)?.header(header)?.to_owned()),
    }
}

fn last_modified(step: &str, seen: &Seen) -> Option<u64> {
    date::parse_rfc1123(seen.get(step)?.header("Last-Modified")?)
}

/// `shift`: nothing, or a signed number of seconds.
fn shifted(time: u64, shift: &str) -> Option<u64> {
    if shift.is_empty() { Some(time) } else { time.checked_add_signed(shift.parse().ok()?) }
}
