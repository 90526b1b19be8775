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
        "# Scale\n\n    {}\n\n{}; {} each, {} of each point; {}. Processor time is that of the server's whole process \
         tree, in microseconds; memory is `Pss`, in bytes. {} Every number is in [numbers.json](numbers.json).\n",
        measured.command,
        servers.collect::<Vec<_>>().join(" beside "),
        counted(measured.workers, "worker"),
        counted(measured.rounds, "run"),
        machine(),
        faults(measured.rows)
    )
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn faults(rows: &[Row]) -> String {
    let faulty = rows.iter().filter(|row| !row.faults().is_none());
    let faults: Vec<String> = faulty.map(|row| format!("{}: {:?}", row.work.name, row.faults())).collect();
    if faults.is_empty() {
        return "Nothing was lost, doubled or reordered.".to_owned();
    }
    format!("**Not everything came as it should:** {}.", faults.join("; "))
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
    let rows: Vec<(&Point, &Row)> =
        series.points.iter().filter_map(|point| Some((point, measured.row(point)?))).collect();
    if rows.is_empty() {
        return String::new();
    }
    let is_known = |column: &&Column| rows.iter().any(|(_, row)| row.summary(0, column.1).is_some());
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_known).collect();
    let mut titles = vec![axis.label().to_owned()];
    for (name, _) in &measured.contestants {
        titles.extend(columns.iter().map(|(title, _)| format!("{name}: {title}")));
    }
    titles.extend(measured.contestants.get(1).map(|_| "ratio of us".to_owned()));
    let has_memory = rows.iter().any(|(_, row)| row.summary(0, |sample| sample.bytes).is_some());
    let memory_unit = series.memory_unit().filter(|_| has_memory);
    let units: Vec<&str> = [series.unit()].into_iter().chain(memory_unit).collect();
    let mut text = format!("\n**{}**: {}\n\n", series.title, units.join("; "));
    push_line(&mut text, titles.iter().cloned());
    push_line(&mut text, titles.iter().map(|_| "---:".to_owned()));
    for (point, row) in rows {
        let at = match axis {
            Axis::Count(_) => with_commas(&point.at.to_string()),
            Axis::Bytes => axis.numbers().label(point.at as f64),
        };
        push_line(&mut text, [at].into_iter().chain(cells(row, &columns)));
    }
    text
}

/// What each contestant took, and how that compares.
fn cells(row: &Row, columns: &[&Column]) -> Vec<String> {
    let of_one = |number: usize| {
        columns
            .iter()
            .map(move |(_, value)| row.summary(number, value).map(|summary| written(summary.median)))
    };
    let ratio = row.ratio(|sample| sample.cost).map(|ratio| format!("{ratio:.2}"));
    let compared = row.samples.get(1).map(|_| ratio);
    (0..row.samples.len()).flat_map(of_one).chain(compared).map(Option::unwrap_or_default).collect()
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
