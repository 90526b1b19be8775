//! One line per work, written when it is done.

use super::Row;
use crate::measure::Summary;
use crate::work::Sample;

/// Columns about one contestant, about two compared, and about the load itself.
const EACH: [&str; 4] = ["cost", "spread", "p50 us", "p99 us"];
const COMPARED: [&str; 5] = ["ratio", "at most", "holds", "p50 ratio", "p99 ratio"];
const OWN: &str = "own cost";

pub(crate) fn print_head(contestants: &[&str]) {
    let each = contestants.iter().flat_map(|name| [*name, "", "", ""]);
    print_line("", "", each);
    let mut titles = EACH.repeat(contestants.len());
    if contestants.len() > 1 {
        titles.extend(COMPARED);
    }
    titles.push(OWN);
    print_line("work", "unit", titles);
}

pub(crate) fn print_row(row: &Row) {
    let mut cells: Vec<String> =
        (0..row.samples.len()).flat_map(|contestant| of_one(row, contestant)).collect();
    if row.samples.len() > 1 {
        cells.extend(compared(row));
    }
    cells.push(of(row.summary(0, |sample| Some(sample.own_cost).filter(|cost| *cost > 0.0))));
    print_line(&row.work.name, row.work.kind.unit(), &cells);
}

fn print_line(work: &str, unit: &str, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    let cells: String = cells.into_iter().map(|cell| format!("{:>12}", cell.as_ref())).collect();
    println!("{}", format!("{work:28}{unit:14}{cells}").trim_end());
}

fn of_one(row: &Row, contestant: usize) -> [String; EACH.len()] {
    let cost = row.summary(contestant, |sample| sample.cost);
    let spread = cost.map(|cost| format!("{:.0} %", 100.0 * cost.spread()));
    let time = |time: fn(&Sample) -> Option<f64>| of(row.summary(contestant, time));
    [of(cost), spread.unwrap_or_default(), time(|sample| sample.p50), time(|sample| sample.p99)]
}

fn compared(row: &Row) -> [String; COMPARED.len()] {
    let holds = match row.holds() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    [
        two_digits(row.ratio(|sample| sample.cost)),
        two_digits(row.work.bound),
        holds.to_owned(),
        two_digits(row.ratio(|sample| sample.p50)),
        two_digits(row.ratio(|sample| sample.p99)),
    ]
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
