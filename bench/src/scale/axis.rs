//! Axes: where a number lies, and how it is written.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Numbers that are further apart than this are drawn by their logarithms.
const WIDEST_LINEAR: f64 = 8.0;

/// What the numbers are, which says how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Plain,
    /// Of a message: powers of two.
    Size,
    /// Microseconds.
    Time,
}

/// An axis that holds some numbers.
#[derive(Debug)]
pub(super) struct Scale {
    numbers: Numbers,
    is_logarithmic: bool,
    range: Range<f64>,
}

impl Scale {
    /// For sizes that are measured at.
    pub(super) fn of_sizes(numbers: Numbers, values: impl Iterator<Item = f64>) -> Self {
        let Range { start, end } = extent(values);
        Self { numbers, is_logarithmic: true, range: start / 1.2..end * 1.2 }
    }

    /// For what was measured.
    pub(super) fn of_measures(numbers: Numbers, values: impl Iterator<Item = f64>) -> Self {
        let Range { start, end } = extent(values);
        let is_logarithmic = end / start > WIDEST_LINEAR;
        let range = if is_logarithmic { start / 1.5..end * 1.5 } else { 0.0..end * 1.1 };
        Self { numbers, is_logarithmic, range }
    }

    /// Where a number lies, in any unit.
    fn position(&self, value: f64) -> f64 {
        if self.is_logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    /// Numbers that are labelled.
    fn ticks(&self) -> Vec<f64> {
        let Range { start, end } = self.range;
        match self.numbers {
            _ if !self.is_logarithmic => multiples(end),
            Numbers::Size => powers(16.0, &[1.0], start, end),
            _ if end / start > 300.0 => powers(10.0, &[1.0], start, end),
            _ => powers(10.0, &[1.0, 2.0, 5.0], start, end),
        }
    }
}

impl Numbers {
    /// A round number, in the unit that suits it.
    pub(super) fn label(self, value: f64) -> String {
        match self {
            Self::Plain => in_steps(value, 1000.0, &["", "k", "M"]),
            Self::Size => in_steps(value, 1024.0, &[" B", " KiB", " MiB"]),
            Self::Time => in_steps(value, 1000.0, &[" us", " ms", " s"]),
        }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, pixels: (i32, i32)) -> i32 {
        let [start, end, value] =
            [self.range.start, self.range.end, *value].map(|value| self.position(value));
        let length = f64::from(pixels.1 - pixels.0);
        // A pixel is a whole number, and there are few of them.
        pixels.0 + (length * (value - start) / (end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.numbers.label(*value)
    }
}

/// Least and most of those above 0.
fn extent(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (start, end) = values
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), value| (least.min(value), most.max(value)));
    if start <= end { start..end } else { 1.0..1.0 }
}

/// Four to nine round numbers from 0 to `end`.
fn multiples(end: f64) -> Vec<f64> {
    let rough = end / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| end / step < 8.0);
    let step = step.unwrap_or(10.0 * power);
    (0_u32..).map(|number| f64::from(number) * step).take_while(|value| *value <= end).collect()
}

/// Powers of a base, times each of `factors`.
fn powers(base: f64, factors: &[f64], start: f64, end: f64) -> Vec<f64> {
    let first = start.log(base).floor();
    (0_u32..)
        .map(|number| base.powf(first + f64::from(number)))
        .take_while(|power| *power <= end)
        .flat_map(|power| factors.iter().map(move |factor| power * factor))
        .filter(|value| (start..=end).contains(value))
        .collect()
}

/// As a multiple of the largest unit that is not more.
fn in_steps(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for larger in units {
        if value < step * 0.9999 {
            break;
        }
        value /= step;
        unit = larger;
    }
    // Two digits are enough, and exact for all that is round.
    let digits = if value < 0.95 && value > 0.0 { 2 } else { 1 };
    let text = format!("{value:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{unit}", if text.is_empty() { "0" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks().iter().map(|tick| scale.format_ext(tick)).collect()
    }

    #[test]
    fn sizes_are_labelled_at_powers() {
        let counts = Scale::of_sizes(Numbers::Plain, [1.0, 1e6].into_iter());
        assert_eq!(labels(&counts), ["1", "10", "100", "1k", "10k", "100k", "1M"]);
        let sizes = Scale::of_sizes(Numbers::Size, [1.0, 1024.0 * 1024.0].into_iter());
        assert_eq!(labels(&sizes), ["1 B", "16 B", "256 B", "4 KiB", "64 KiB", "1 MiB"]);
    }

    #[test]
    fn what_lies_close_together_starts_at_nothing() {
        let scale = Scale::of_measures(Numbers::Plain, [8.0, 13.2].into_iter());
        assert_eq!(labels(&scale), ["0", "2", "4", "6", "8", "10", "12", "14"]);
        assert_eq!(scale.map(&0.0, (300, 0)), 300);
    }

    #[test]
    fn what_lies_far_apart_is_logarithmic() {
        let scale = Scale::of_measures(Numbers::Time, [150.0, 30_000.0].into_iter());
        assert_eq!(labels(&scale), ["100 us", "1 ms", "10 ms"]);
        let scale = Scale::of_measures(Numbers::Plain, [600.0, 11_000.0].into_iter());
        assert_eq!(labels(&scale), ["500", "1k", "2k", "5k", "10k"]);
    }

    #[test]
    fn nothing_measured_is_an_axis_too() {
        assert!(!labels(&Scale::of_measures(Numbers::Plain, [].into_iter())).is_empty());
    }
}
