//! Numbers of several runs.

use serde::Serialize;

/// What several runs say together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Summary {
    /// How far the runs lie apart, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        (self.most - self.least) / self.median
    }
}

/// `None` without any number.
pub(crate) fn summary(numbers: impl IntoIterator<Item = f64>) -> Option<Summary> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let (least, most) = (*numbers.first()?, *numbers.last()?);
    let middle = numbers.len() / 2;
    let median =
        if numbers.len() % 2 == 1 { numbers[middle] } else { (numbers[middle - 1] + numbers[middle]) / 2.0 };
    Some(Summary { median, least, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(summary([]), None);
        assert_eq!(summary([3.0, 1.0, 2.0]), Some(Summary { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(summary([4.0, 1.0, 2.0, 3.0]).map(|summary| summary.median), Some(2.5));
        assert_eq!(summary([1.0, 2.0, 4.0]).map(|summary| summary.spread()), Some(1.5));
    }
}
