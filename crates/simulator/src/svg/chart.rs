//! Points and lines on two axes.

use super::axis::Axis;
use super::pen::{GRID, Look, Pen, looks};

/// One set of points of a chart.
#[derive(Debug, Clone)]
pub struct Series {
    /// What the legend says. "ours" and the names of bounds at its start decide its looks.
    pub name: String,
    /// Points, in the order in which a line joins them.
    pub points: Vec<(f64, f64)>,
    /// Whether a line joins them.
    pub joined: bool,
}

/// Points and lines on two axes.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What the picture shows.
    pub title: String,
    /// What lies along the bottom, with its unit.
    pub across: String,
    /// What goes up the side, with its unit.
    pub up: String,
    /// The sets of points.
    pub series: Vec<Series>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 206.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 58.0;
/// A line through more points than this is drawn without marks.
const MARKS_MAX: usize = 40;
/// Where a point of the chart lies in the picture.
type Placing<'a> = dyn Fn(&(f64, f64)) -> (f64, f64) + 'a;

impl Chart {
    /// The picture.
    #[must_use]
    pub fn render(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let across = Axis::around(points().map(|point| point.0), 6.0);
        let up = Axis::around(points().map(|point| point.1), 6.0);
        let at = |point: &(f64, f64)| {
            let x = LEFT + across.share(point.0) * (WIDTH - LEFT - RIGHT);
            (x, HEIGHT - BOTTOM - up.share(point.1) * (HEIGHT - TOP - BOTTOM))
        };
        let mut pen = Pen::new((WIDTH, HEIGHT), &self.title);
        self.draw_axes(&mut pen, &across, &up, &at);
        let looks = looks(self.series.iter().map(|series| series.name.as_str()));
        for (number, (series, look)) in self.series.iter().zip(&looks).enumerate() {
            draw(&mut pen, series, look, &at);
            draw_legend(&mut pen, number, series, look);
        }
        pen.finish()
    }

    fn draw_axes(&self, pen: &mut Pen, across: &Axis, up: &Axis, at: &Placing<'_>) {
        for tick in across.ticks() {
            let (x, bottom) = at(&(tick, up.low));
            pen.line((x, TOP), (x, bottom), GRID, false);
            pen.text((x, bottom + 18.0), "middle", &across.label(tick));
        }
        for tick in up.ticks() {
            let (left, y) = at(&(across.low, tick));
            pen.line((left, y), (WIDTH - RIGHT, y), GRID, false);
            pen.text((left - 8.0, y + 4.0), "end", &up.label(tick));
        }
        pen.text(((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 16.0), "middle", &self.across);
        pen.upwards((24.0, (TOP + HEIGHT - BOTTOM) / 2.0), &self.up);
    }
}

fn draw(pen: &mut Pen, series: &Series, look: &Look, at: &Placing<'_>) {
    let places: Vec<(f64, f64)> = series.points.iter().map(at).collect();
    if series.joined && places.len() > 1 {
        pen.path(&places, look);
    }
    if places.len() <= MARKS_MAX {
        places.iter().for_each(|place| pen.mark(*place, look));
    }
}

fn draw_legend(pen: &mut Pen, number: usize, series: &Series, look: &Look) {
    let (x, y) = (WIDTH - RIGHT + 18.0, TOP + 21.0 * number as f64 + 6.0);
    if series.joined {
        pen.path(&[(x - 6.0, y), (x + 16.0, y)], look);
    }
    if series.points.len() <= MARKS_MAX {
        pen.mark((x + 5.0, y), look);
    }
    pen.text((x + 22.0, y + 4.0), "start", &series.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_inside_the_picture_and_words_are_escaped() {
        let points = vec![(0.98, 0.3), (0.999, 0.7)];
        let series = vec![Series { name: "ours: a<b".to_owned(), points, joined: true }];
        let chart = Chart { title: "T&C".to_owned(), across: "x".to_owned(), up: "y".to_owned(), series };
        let svg = chart.render();
        assert_eq!(svg.matches("class=\"mark\"").count(), 3);
        assert!(svg.contains("a&lt;b") && svg.contains("T&amp;C") && svg.ends_with("</svg>\n"));
        for place in svg.split("cx=\"").skip(1) {
            let x: f64 = place.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=WIDTH).contains(&x));
        }
    }
}
