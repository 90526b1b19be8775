//! What came out: a table for people, JSON for programs.

mod json;
mod table;

use crate::client::Faults;
use crate::measure::{Summary, summary};
use crate::work::Sample;
use crate::works::{self, Work};

pub(crate) use json::{machine, to_json};
pub(crate) use table::{print_head, print_row, print_smoke};

/// A work, and what every contestant took for it in each round. The first contestant has to hold the bounds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) work: Work,
    pub(crate) samples: Vec<Vec<Sample>>,
    /// The same of the floor: `None` if it is not asked for, nothing if the work is not for it.
    pub(crate) floor: Option<Vec<Sample>>,
}

impl Row {
    /// A number of one contestant over all rounds.
    pub(crate) fn summary(
        &self,
        contestant: usize,
        number: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Summary> {
        summary(self.samples.get(contestant)?.iter().filter_map(number))
    }

    /// How much the first contestant takes of what the second one does, by their medians.
    pub(crate) fn ratio(&self, number: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        part(self.summary(0, &number)?, self.summary(1, &number)?)
    }

    /// A number of the floor over all rounds.
    fn floor(&self, number: impl Fn(&Sample) -> Option<f64>) -> Option<Summary> {
        summary(self.floor.iter().flatten().filter_map(number))
    }

    /// How much the floor costs of what the second contestant does.
    fn floor_ratio(&self) -> Option<f64> {
        part(self.floor(|sample| sample.cost)?, self.summary(1, |sample| sample.cost)?)
    }

    /// Whether the bound of the cost holds. `None` if there is none, or nobody to compare with.
    fn holds(&self) -> Option<bool> {
        Some(self.ratio(|sample| sample.cost)? <= self.work.bound?)
    }

    /// Whether clients waited no longer. `None` if the work has no bound, or nobody waited.
    fn is_as_fast(&self) -> Option<bool> {
        self.work.bound?;
        let ratios = [self.ratio(|sample| sample.p50)?, self.ratio(|sample| sample.p99)?];
        Some(ratios.iter().all(|ratio| *ratio <= works::LATENCY_BOUND))
    }

    /// What the first contestant took above what it may take at all.
    pub(crate) fn excess(&self) -> Option<String> {
        let limit = self.work.limit?;
        let bytes = self.summary(0, |sample| self.work.kind.memory(sample))?.median;
        (bytes > limit).then(|| format!("{}: {bytes:.0} bytes each are more than {limit:.0}", self.work.name))
    }

    pub(crate) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        self.samples.iter().chain(&self.floor).flatten().for_each(|sample| faults += sample.faults);
        faults
    }
}

/// One median as a part of another. Of nothing there is none.
fn part(of_one: Summary, of_other: Summary) -> Option<f64> {
    Some(of_one.median / of_other.median).filter(|ratio| ratio.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::works::Sizes;

    fn row(name: &str, costs: [[f64; 3]; 2]) -> Row {
        let mut works = works::all(Sizes { idle: 10_000, publishers: 16 }).into_iter();
        let work = works.find(|work| work.name == name).expect("a work of that name");
        let sample = |cost| Sample { cost: Some(cost), bytes: Some(cost), ..Sample::default() };
        Row { work, samples: costs.map(|costs| costs.map(sample).to_vec()).to_vec(), floor: None }
    }

    #[test]
    fn medians_decide() {
        let row = row("publish/100", [[1.0, 9.0, 8.0], [10.0, 100.0, 1.0]]);
        assert_eq!(row.ratio(|sample| sample.cost), Some(0.8));
        assert_eq!(row.holds(), Some(true));
        assert_eq!(row.excess(), None);
    }

    #[test]
    fn the_floor_is_a_part_of_what_it_is_compared_with() {
        let mut row = row("publish/100", [[1.0, 9.0, 8.0], [10.0, 100.0, 1.0]]);
        assert_eq!(row.floor_ratio(), None);
        row.floor = Some(vec![Sample { cost: Some(5.0), ..Sample::default() }]);
        assert_eq!(row.floor_ratio(), Some(0.5));
        row.samples.truncate(1);
        assert_eq!(row.floor_ratio(), None);
    }

    #[test]
    fn a_limit_needs_nobody_to_compare_with() {
        let mut row = row("idle/longpoll", [[1500.0, 1537.0, 1600.0], [1.0, 1.0, 1.0]]);
        row.samples.truncate(1);
        assert_eq!(row.holds(), None);
        assert!(row.excess().is_some());
    }
}
