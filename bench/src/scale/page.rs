//! The page that shows the pictures, with the numbers below them.

use std::fmt::Write as _;

use super::Measured;
use super::series::{Axis, Point, Series, Sweep};
use crate::report::{self, Row};
use crate::work::Sample;

/// Columns about one contestant.
type Column = (&'static str, fn(&Sample) -> Option<f64>);

const COLUMNS: [Column; 4] = [
    ("us", |sample| sample.cost),
    ("p50 us", |sample| sample.p50),
    ("p99 us", |sample| sample.p99),
    ("bytes", |sample| sample.bytes),
];

/// What stands on top.
pub(super) fn preface(measured: &Measured<'_>) -> String {
    let servers = measured.contestants.iter().map(|(name, version)| format!("{name} ({version})"));
    format!(
        "# Scale\n\n    {}\n\n{}, with {} worker(s) each, {} run(s) of each point; {}. Processor time is that of the \
         server's whole process tree, memory is `Pss`. Nothing was lost, doubled or reordered, if not said otherwise \
         below. Every number is in [numbers.json](numbers.json).\n",
        measured.command,
        servers.collect::<Vec<_>>().join(" beside "),
        measured.workers,
        measured.rounds,
        machine()
    )
}

fn machine() -> String {
    let machine = report::machine();
    let word = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
    format!("{} cores of {}, Linux {}", machine["cores"], word("processor"), word("kernel"))
}

/// Pictures and tables of one sweep, of what was measured of it.
pub(super) fn of_sweep(measured: &Measured<'_>, sweep: &Sweep) -> String {
    let mut text = format!("\n## {}\n\n{}\n", sweep.title, sweep.about);
    for figure in &sweep.figures {
        let _ = write!(text, "\n![{}]({}-{}.svg)\n", figure.title, sweep.name, figure.name);
    }
    for series in &sweep.series {
        text += &of_series(measured, sweep.axis, series);
    }
    text
}

fn of_series(measured: &Measured<'_>, axis: Axis, series: &Series) -> String {
    let contestants = &measured.contestants;
    let rows: Vec<(&Point, &Row)> =
        series.points.iter().filter_map(|point| Some((point, measured.row(point)?))).collect();
    let Some((_, first)) = rows.first() else { return String::new() };
    let is_known =
        |column: &&Column| (0..contestants.len()).any(|number| first.summary(number, column.1).is_some());
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_known).collect();
    let mut titles = vec![axis.label().to_owned()];
    for (name, _) in contestants {
        titles.extend(columns.iter().map(|(title, _)| format!("{name}: {title}")));
    }
    if contestants.len() > 1 {
        titles.push("ratio".to_owned());
    }
    let unit = first.work.kind.unit();
    let mut text = format!("\n**{}**, {unit}\n\n", series.title);
    push_line(&mut text, titles.iter().cloned());
    push_line(&mut text, titles.iter().map(|_| "---:".to_owned()));
    for (point, row) in rows {
        let cells = (0..contestants.len()).flat_map(|number| {
            columns
                .iter()
                .map(move |(_, value)| row.summary(number, value).map(|summary| written(summary.median)))
        });
        let ratio = (contestants.len() > 1)
            .then(|| row.ratio(|sample| sample.cost).map(|ratio| format!("{ratio:.2}")));
        let at = with_commas(&point.at.to_string());
        push_line(&mut text, [at].into_iter().chain(cells.chain(ratio).map(Option::unwrap_or_default)));
        if !row.faults().is_none() {
            let _ = writeln!(text, "\n{}: {:?}\n", row.work.name, row.faults());
        }
    }
    text
}

fn push_line(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn written(number: f64) -> String {
    if number.abs() < 100.0 { format!("{number:.1}") } else { with_commas(&format!("{number:.0}")) }
}

/// Groups digits by three.
fn with_commas(digits: &str) -> String {
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        let is_first_of_three = (digits.len() - number).is_multiple_of(3);
        if is_first_of_three && text.ends_with(|last: char| last.is_ascii_digit()) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(with_commas("1"), "1");
        assert_eq!(with_commas("123"), "123");
        assert_eq!(with_commas("1234567"), "1,234,567");
        assert_eq!(with_commas("-123456"), "-123,456");
        assert_eq!(written(9.96), "10.0");
        assert_eq!(written(1234.5), "1,234");
    }
}
