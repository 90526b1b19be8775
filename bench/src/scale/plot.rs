//! Pictures: panels side by side, in each a curve for every contestant.

use std::error::Error;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Numbers, Scale};
use super::series::{Axis, Measure};

/// Of a panel, with its axes.
const PANEL: (u32, u32) = (330, 260);

/// Panels side by side.
const MOST_IN_A_ROW: usize = 3;

/// Height of the title with the legend below it.
const HEAD: u32 = 56;

const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(31, 35, 40);
const GRID: RGBColor = RGBColor(226, 229, 233);

/// Of the contestants.
const COLORS: [RGBColor; 2] = [RGBColor(9, 105, 218), RGBColor(207, 84, 16)];

/// One picture.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) axis: Axis,
    /// Names of the contestants, in the order of their colours.
    pub(super) contestants: Vec<&'static str>,
    pub(super) panels: Vec<Panel>,
}

/// One pair of axes.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) measure: Measure,
    pub(super) curves: Vec<Curve>,
}

/// What one contestant took.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) contestant: usize,
    /// The slowest of 100 rather than the one in the middle.
    pub(super) is_p99: bool,
    pub(super) points: Vec<(f64, f64)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Picture {
    /// As an SVG document, on white.
    pub(super) fn draw(&self) -> Result<String, Box<dyn Error>> {
        let columns = self.columns();
        let rows = self.panels.len().div_ceil(columns);
        let size = (PANEL.0 * u32::try_from(columns)?, HEAD + PANEL.1 * u32::try_from(rows)?);
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            area.fill(&WHITE)?;
            let (head, body) = area.split_vertically(HEAD);
            self.draw_head(&head)?;
            for (panel, area) in self.panels.iter().zip(body.split_evenly((rows, columns))) {
                self.draw_panel(panel, &area)?;
            }
            area.present()?;
        }
        Ok(svg)
    }

    /// Four are two and two.
    fn columns(&self) -> usize {
        let rows = self.panels.len().div_ceil(MOST_IN_A_ROW).max(1);
        self.panels.len().div_ceil(rows).max(1)
    }

    fn draw_head(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        area.draw(&Text::new(self.title.clone(), (14, 8), (FONT, 17).into_font().color(&TEXT)))?;
        let mut x = 14;
        for curve in self.kinds_of_curves() {
            let y = 42;
            draw_line(area, vec![(x, y), (x + 26, y)], curve)?;
            let style = (FONT, 13).into_font().color(&TEXT).pos(Pos::new(HPos::Left, VPos::Center));
            let name = self.contestants.get(curve.contestant).copied().unwrap_or_default();
            let name = match (self.has_latency(), curve.is_p99) {
                (false, _) => name.to_owned(),
                (true, false) => format!("{name}, p50"),
                (true, true) => format!("{name}, p99"),
            };
            x += 32;
            area.draw(&Text::new(name.clone(), (x, y), style))?;
            x += 24 + 7 * i32::try_from(name.len())?;
        }
        Ok(())
    }

    fn has_latency(&self) -> bool {
        self.panels.iter().any(|panel| panel.measure == Measure::Latency)
    }

    /// One curve of each kind that is drawn anywhere.
    fn kinds_of_curves(&self) -> Vec<&Curve> {
        let mut kinds: Vec<&Curve> = Vec::new();
        for curve in self.panels.iter().flat_map(|panel| &panel.curves) {
            let is_same = |kind: &&Curve| (kind.contestant, kind.is_p99) == (curve.contestant, curve.is_p99);
            if !kinds.iter().any(is_same) {
                kinds.push(curve);
            }
        }
        kinds.sort_by_key(|curve| (curve.contestant, curve.is_p99));
        kinds
    }

    fn draw_panel(&self, panel: &Panel, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let (horizontal, vertical) = self.scales(panel);
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, (FONT, 14).into_font().color(&TEXT))
            .margin(8)
            .margin_right(18)
            .x_label_area_size(40)
            .y_label_area_size(54)
            .build_cartesian_2d(horizontal, vertical)?;
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .light_line_style(WHITE)
            .axis_style(TEXT.mix(0.5))
            .label_style((FONT, 12).into_font().color(&TEXT))
            .x_desc(self.axis.label())
            .draw()?;
        for curve in &panel.curves {
            let (points, style) = (curve.points.iter().copied(), style(curve));
            if curve.is_p99 {
                chart.draw_series(DashedLineSeries::new(points.clone(), 5, 4, style))?;
            } else {
                chart.draw_series(LineSeries::new(points.clone(), style))?;
            }
            chart.draw_series(points.map(|point| Circle::new(point, 3, style.filled())))?;
        }
        Ok(())
    }

    /// Panels about the same have the same axes.
    fn scales(&self, panel: &Panel) -> (Scale, Scale) {
        let all = || self.panels.iter().filter(|other| other.measure == panel.measure);
        let points = || all().flat_map(|panel| &panel.curves).flat_map(|curve| &curve.points);
        let numbers = if panel.measure == Measure::Latency { Numbers::Time } else { Numbers::Plain };
        (
            Scale::of_sizes(self.axis.numbers(), points().map(|point| point.0)),
            Scale::of_measures(numbers, points().map(|point| point.1)),
        )
    }
}

fn style(curve: &Curve) -> ShapeStyle {
    COLORS[curve.contestant % COLORS.len()].stroke_width(2)
}

fn draw_line(area: &Area<'_>, points: Vec<(i32, i32)>, curve: &Curve) -> Result<(), Box<dyn Error>> {
    let style = style(curve);
    if curve.is_p99 {
        area.draw(&DashedPathElement::new(points, 5, 4, style))?;
    } else {
        area.draw(&PathElement::new(points, style))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(panels: usize) -> Picture {
        let curve = |contestant, is_p99| Curve {
            contestant,
            is_p99,
            points: vec![(1.0, 30.0), (1000.0, 40.0), (100_000.0, 90_000.0)],
        };
        let panel = |number| Panel {
            title: format!("panel {number}"),
            measure: Measure::Latency,
            curves: vec![curve(0, false), curve(0, true), curve(1, false)],
        };
        Picture {
            title: "What it takes".to_owned(),
            axis: Axis::Count("channels"),
            contestants: vec!["encke", "other"],
            panels: (0..panels).map(panel).collect(),
        }
    }

    #[test]
    fn a_picture_has_a_legend_and_all_panels() {
        let svg = picture(4).draw().expect("a picture");
        for text in [
            "What it takes",
            "encke, p50",
            "encke, p99",
            "other, p50",
            "panel 3",
            "channels",
            "100k",
            "10 ms",
        ] {
            assert!(svg.contains(text), "{text} is missing: {svg}");
        }
    }

    #[test]
    fn nothing_to_show_is_no_error() {
        assert!(picture(0).draw().is_ok());
    }
}
