//! Small charts as SVG text: points and lines on two axes. No more than the pictures of the benchmarks need.

use std::fmt::Write as _;

/// One set of points of a chart.
#[derive(Debug, Clone)]
pub struct Series {
    /// What the legend says.
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
const LEFT: f64 = 70.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 56.0;
/// Where a point of the chart lies in the picture.
type Placing<'a> = dyn Fn(&(f64, f64)) -> (f64, f64) + 'a;

/// Told apart by people who see colours differently (Okabe and Ito, "Color Universal Design", 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

impl Chart {
    /// The picture.
    #[must_use]
    pub fn render(&self) -> String {
        let across = Axis::around(self.series.iter().flat_map(|series| &series.points).map(|point| point.0));
        let up = Axis::around(self.series.iter().flat_map(|series| &series.points).map(|point| point.1));
        let at = |point: &(f64, f64)| {
            let x = LEFT + across.share(point.0) * (WIDTH - LEFT - RIGHT);
            (x, HEIGHT - BOTTOM - up.share(point.1) * (HEIGHT - TOP - BOTTOM))
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut svg, LEFT, 24.0, "start", &format!("<tspan font-size=\"15\">{}</tspan>", escaped(&self.title)));
        self.draw_axes(&mut svg, &across, &up, &at);
        for (number, series) in self.series.iter().enumerate() {
            draw_series(&mut svg, number, series, &at);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_axes(&self, svg: &mut String, across: &Axis, up: &Axis, at: &Placing<'_>) {
        for tick in across.ticks() {
            let (x, bottom) = at(&(tick, up.low));
            line(svg, (x, TOP), (x, bottom), "#ddd");
            text(svg, x, bottom + 18.0, "middle", &across.label(tick));
        }
        for tick in up.ticks() {
            let (left, y) = at(&(across.low, tick));
            line(svg, (left, y), (WIDTH - RIGHT, y), "#ddd");
            text(svg, left - 8.0, y + 4.0, "end", &up.label(tick));
        }
        text(svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14.0, "middle", &escaped(&self.across));
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        let _ = writeln!(
            svg,
            "<text transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(&self.up)
        );
    }
}

fn draw_series(svg: &mut String, number: usize, series: &Series, at: &Placing<'_>) {
    let colour = COLOURS[number % COLOURS.len()];
    let places: Vec<(f64, f64)> = series.points.iter().map(at).collect();
    if series.joined {
        for pair in places.windows(2) {
            line(svg, pair[0], pair[1], colour);
        }
    }
    let legend = (WIDTH - RIGHT + 18.0, TOP + 20.0 * number as f64 + 6.0);
    for (x, y) in places.iter().chain([&legend]) {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
    }
    text(svg, legend.0 + 10.0, legend.1 + 4.0, "start", &escaped(&series.name));
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A range with round steps around some values.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 0.0, high: 1.0, step: 0.5 };
        }
        let span = (high - low).max(1e-9);
        let power = 10_f64.powf((span / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| span / step <= 6.0);
        let step = step.unwrap_or(span);
        Self { low: (low / step).floor() * step, high: ((high / step).floor() + 1.0) * step, step }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> Vec<f64> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count).map(|tick| self.low + tick as f64 * self.step).collect()
    }

    fn label(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        format!("{tick:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_inside_the_picture_and_words_are_escaped() {
        let points = vec![(0.98, 0.3), (0.999, 0.7)];
        let series = vec![Series { name: "a<b".to_owned(), points, joined: true }];
        let chart = Chart { title: "T&C".to_owned(), across: "x".to_owned(), up: "y".to_owned(), series };
        let svg = chart.render();
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("a&lt;b") && svg.contains("T&amp;C") && svg.ends_with("</svg>\n"));
        for place in svg.split("cx=\"").skip(1) {
            let x: f64 = place.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=WIDTH).contains(&x));
        }
    }
}
