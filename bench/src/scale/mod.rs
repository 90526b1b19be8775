//! Cost, memory and latency against the number of subscribers, channels and stored messages, and the size of messages:
//! as pictures on a page with tables, and as numbers.

mod axis;
mod page;
mod plot;
mod series;

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::report::Row;
use crate::work::Sample;
use crate::works::Work;

use axis::Numbers;
use plot::{Curve, Panel, Picture};
use series::{Axis, Figure, Measure, Point, Series};

pub(crate) use series::{Steps, Sweep, sweeps};

/// The works of all sweeps, in the order of the page.
pub(crate) fn works(sweeps: &[Sweep]) -> Vec<Work> {
    let points = sweeps.iter().flat_map(|sweep| &sweep.series).flat_map(|series| &series.points);
    points.map(|point| point.work.clone()).collect()
}

/// What was measured, and with what.
pub(crate) struct Measured<'a> {
    pub(crate) command: String,
    /// Names and versions of the contestants.
    pub(crate) contestants: Vec<(&'static str, String)>,
    pub(crate) workers: usize,
    pub(crate) rounds: usize,
    pub(crate) rows: &'a [Row],
}

impl Measured<'_> {
    /// Writes pictures and page.
    pub(crate) fn write(&self, sweeps: &[Sweep], folder: &Path) -> Result<(), Box<dyn Error>> {
        let mut text = page::preface(self);
        // Some are not asked for.
        for sweep in sweeps.iter().filter(|sweep| self.has_any(sweep)) {
            for figure in &sweep.figures {
                let file = folder.join(format!("{}-{}.svg", sweep.name, figure.name));
                fs::write(file, self.picture(sweep, figure).draw()?)?;
            }
            text += &page::of_sweep(self, sweep);
        }
        fs::write(folder.join("README.md"), text)?;
        Ok(())
    }

    fn has_any(&self, sweep: &Sweep) -> bool {
        sweep.series.iter().flat_map(|series| &series.points).any(|point| self.row(point).is_some())
    }

    fn row(&self, point: &Point) -> Option<&Row> {
        self.rows.iter().find(|row| row.work.name == point.work.name)
    }

    fn picture(&self, sweep: &Sweep, figure: &Figure) -> Picture {
        let panel = |(series, measure): &(usize, Measure)| self.panel(&sweep.series[*series], *measure);
        Picture {
            title: figure.title.to_owned(),
            axis: sweep.axis,
            contestants: self.contestants.iter().map(|(name, _)| *name).collect(),
            panels: figure.panels.iter().map(panel).collect(),
        }
    }

    fn panel(&self, series: &Series, measure: Measure) -> Panel {
        let curves = (0..self.contestants.len()).flat_map(|contestant| {
            let curve = move |is_p99| Curve {
                contestant,
                is_p99,
                points: self.points(series, contestant, measure, is_p99),
            };
            let is_p99: &[bool] = if measure == Measure::Latency { &[false, true] } else { &[false] };
            is_p99.iter().copied().map(curve)
        });
        Panel { title: measure.title(series), measure, curves: curves.collect() }
    }

    fn points(&self, series: &Series, contestant: usize, measure: Measure, is_p99: bool) -> Vec<(f64, f64)> {
        let number = |sample: &Sample| match measure {
            Measure::Cost => sample.cost,
            Measure::Bytes => sample.bytes,
            Measure::Latency if is_p99 => sample.p99,
            Measure::Latency => sample.p50,
        };
        let point =
            |point: &Point| Some((point.at as f64, self.row(point)?.summary(contestant, number)?.median));
        // Nothing has no place on a logarithmic axis.
        series.points.iter().filter_map(point).filter(|(_, number)| *number > 0.0).collect()
    }
}

impl Axis {
    fn label(self) -> &'static str {
        match self {
            Self::Count(what) => what,
            Self::Bytes => "size of a message",
        }
    }

    fn numbers(self) -> Numbers {
        match self {
            Self::Count(_) => Numbers::Plain,
            Self::Bytes => Numbers::Size,
        }
    }
}

impl Measure {
    /// Of a panel about a series.
    fn title(self, series: &Series) -> String {
        let what = match self {
            Self::Cost => series.unit(),
            Self::Bytes => series.memory_unit().unwrap_or_default(),
            Self::Latency => "latency",
        };
        format!("{}: {}", series.title, what.replace('/', " per "))
    }
}
