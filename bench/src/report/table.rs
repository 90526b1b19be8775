//! One line per work, written when it is done.

use super::Row;
use crate::measure::Summary;
use crate::work::Sample;

/// Letters of the longest name of a work, and a space.
const NAME: usize = 31;

/// Columns about one contestant, about the two compared, and about the floor and the second one.
const EACH: [&str; 4] = ["cost", "spread", "p50 us", "p99 us"];
const COMPARED: [&str; 6] = ["cost", "at most", "holds", "p50", "p99", "holds"];
const FLOOR: [&str; 2] = ["cost", "/ Nchan"];

pub(crate) fn print_head(contestants: &[&str], has_floor: bool) {
    let mut groups: Vec<&str> = Vec::new();
    let mut titles: Vec<&str> = Vec::new();
    for name in contestants {
        groups.extend([name, "", "", ""]);
        titles.extend(EACH);
    }
    if contestants.len() > 1 {
        groups.extend(["ratio", "", "", "", "", ""]);
        titles.extend(COMPARED);
    }
    if has_floor {
        groups.extend(["floor", ""]);
        titles.extend(FLOOR);
    }
    groups.push("load");
    titles.push("cost");
    print_line("", "", groups);
    print_line("work", "cost in", titles);
}

pub(crate) fn print_row(row: &Row) {
    let mut cells: Vec<String> =
        (0..row.samples.len()).flat_map(|contestant| of_one(row, contestant)).collect();
    if row.samples.len() > 1 {
        cells.extend(compared(row));
    }
    if row.floor.is_some() {
        let ratio = row.floor_ratio().map_or_else(|| "-".to_owned(), |ratio| two_digits(Some(ratio)));
        cells.extend([of(row.floor(|sample| sample.cost)), ratio]);
    }
    cells.push(of(row.summary(0, |sample| sample.own_cost)));
    print_line(&row.work.name, row.work.kind.unit(), &cells);
}

/// A line of a run that measures nothing.
pub(crate) fn print_smoke(row: &Row) {
    let samples = row.samples.iter().chain(&row.floor).flatten();
    let units = samples.map(|sample| sample.units.to_string()).collect::<Vec<_>>();
    println!("{:NAME$} {}", row.work.name, units.join(", "));
}

fn print_line(work: &str, unit: &str, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    let cells: String = cells.into_iter().map(|cell| format!(" {:>8}", cell.as_ref())).collect();
    println!("{}", format!("{work:NAME$}{unit:13}{cells}").trim_end());
}

fn of_one(row: &Row, contestant: usize) -> [String; EACH.len()] {
    let cost = row.summary(contestant, |sample| sample.cost);
    let spread = cost.map(|cost| format!("{:.0} %", 100.0 * cost.spread()));
    let time = |time: fn(&Sample) -> Option<f64>| of(row.summary(contestant, time));
    [of(cost), spread.unwrap_or_default(), time(|sample| sample.p50), time(|sample| sample.p99)]
}

fn compared(row: &Row) -> [String; COMPARED.len()] {
    [
        two_digits(row.ratio(|sample| sample.cost)),
        two_digits(row.work.bound),
        verdict(row.holds()),
        two_digits(row.ratio(|sample| sample.p50)),
        two_digits(row.ratio(|sample| sample.p99)),
        verdict(row.is_as_fast()),
    ]
}

fn verdict(holds: Option<bool>) -> String {
    holds.map_or("", |holds| if holds { "yes" } else { "NO" }).to_owned()
}

fn of(summary: Option<Summary>) -> String {
    match summary {
        Some(Summary { median, .. }) if median >= 100.0 => format!("{median:.0}"),
        Some(Summary { median, .. }) => format!("{median:.1}"),
        None => "-".to_owned(),
    }
}

fn two_digits(number: Option<f64>) -> String {
    number.map(|number| format!("{number:.2}")).unwrap_or_default()
}
