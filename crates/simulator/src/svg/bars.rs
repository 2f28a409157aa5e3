//! Bars that lie on their side, one a row, in panels beside each other: figures of different units, each on its own axis.

use super::axis::Axis;
use super::pen::{FAINT_INK, GRID, INK, Look, Pen, looks, width_of};

/// Rows of bars, the same in every panel.
#[derive(Debug, Clone)]
pub struct Bars {
    /// What the picture shows.
    pub title: String,
    /// On what it was measured.
    pub subtitle: String,
    /// The name of each row. "ours" at its start decides its looks.
    pub rows: Vec<String>,
    /// The panels, from left to right.
    pub panels: Vec<Panel>,
}

/// One figure of every row.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What the figure is, with its unit.
    pub title: String,
    /// A bar for each row, and what is written at its end.
    pub bars: Vec<(f64, String)>,
    /// A line across some bars, as for a median below a worst case; empty, or one for each row.
    pub marks: Vec<Option<f64>>,
    /// What was aimed at.
    pub limit: Option<Limit>,
    /// In powers of ten instead of from zero.
    pub is_log: bool,
}

impl Panel {
    /// Of one figure of every report, from zero, without marks or a limit.
    #[must_use]
    pub fn of<R>(reports: &[R], title: &str, figure: fn(&R) -> f64, said: fn(f64) -> String) -> Self {
        let bars = reports.iter().map(|report| (figure(report), said(figure(report)))).collect();
        Self { title: title.to_owned(), bars, marks: Vec::new(), limit: None, is_log: false }
    }
}

/// A line through all rows of a panel.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Where.
    pub at: f64,
    /// What it says.
    pub words: String,
}

const WIDTH: f64 = 760.0;
const GAP: f64 = 22.0;
const MARGIN: f64 = 16.0;
/// Where the titles of panels stand, and the words of limits below them.
const TITLES: f64 = 68.0;
const LIMITS: f64 = 16.0;
const BOTTOM: f64 = 36.0;
const ROW: f64 = 27.0;
const BAR: f64 = 16.0;
/// Room for the words at a bar's end.
const WORDS: f64 = 60.0;
/// About how many pixels a step of an axis takes.
const STEP: f64 = 45.0;

impl Bars {
    /// The picture.
    #[must_use]
    pub fn render(&self) -> String {
        let top = TITLES + 10.0 + if self.panels.iter().any(|panel| panel.limit.is_some()) { LIMITS } else { 0.0 };
        let mut pen = Pen::new((WIDTH, top + ROW * self.rows.len() as f64 + BOTTOM), &self.title);
        pen.faint((MARGIN, 45.0), "start", &self.subtitle);
        let names = MARGIN + self.rows.iter().map(|name| width_of(name)).fold(0.0, f64::max) + 10.0;
        for (row, name) in self.rows.iter().enumerate() {
            pen.text((names - 10.0, middle(top, row) + 4.0), "end", name);
        }
        let looks = looks(self.rows.iter().map(String::as_str));
        let room = (WIDTH - names - MARGIN + GAP) / self.panels.len().max(1) as f64;
        for (number, panel) in self.panels.iter().enumerate() {
            let left = names + room * number as f64;
            draw(&mut pen, panel, &looks, (left, left + room - GAP, top));
        }
        pen.finish()
    }
}

fn middle(top: f64, row: usize) -> f64 {
    top + ROW * (row as f64 + 0.5)
}

fn draw(pen: &mut Pen, panel: &Panel, looks: &[Look], (left, right, top): (f64, f64, f64)) {
    let values = panel.bars.iter().map(|(value, _)| *value).chain(panel.limit.iter().map(|limit| limit.at));
    let values = values.chain(panel.marks.iter().copied().flatten());
    let axis = if panel.is_log { Axis::powers(values) } else { Axis::from_zero(values, (right - WORDS - left) / STEP) };
    let at = |value: f64| left + axis.share(value) * (right - WORDS - left);
    let bottom = middle(top, panel.bars.len()) - ROW / 2.0;
    pen.text((left, TITLES), "start", &panel.title);
    for tick in axis.ticks() {
        pen.line((at(tick), top), (at(tick), bottom), GRID, false);
        pen.faint((at(tick), bottom + 15.0), "middle", &axis.label(tick));
    }
    for (row, ((value, _), look)) in panel.bars.iter().zip(looks).enumerate() {
        pen.rectangle((left, middle(top, row) - BAR / 2.0), ((at(*value) - left).max(1.0), BAR), look.colour);
        if let Some(mark) = panel.marks.get(row).copied().flatten() {
            pen.rectangle((at(mark) - 1.0, middle(top, row) - BAR / 2.0 - 3.0), (2.0, BAR + 6.0), INK);
        }
    }
    if let Some(limit) = &panel.limit {
        pen.line((at(limit.at), top - 4.0), (at(limit.at), bottom), FAINT_INK, true);
        pen.faint((at(limit.at), top - 8.0), "middle", &limit.words);
    }
    // Last, so that no line runs through them.
    for (row, (value, words)) in panel.bars.iter().enumerate() {
        pen.grounded((at(*value) + 6.0, middle(top, row) + 4.0), words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_its_words_and_stays_inside() {
        let bars = vec![(6.4, "6.4 ms".to_owned()), (57_700.0, "57.7 s".to_owned())];
        let limit = Some(Limit { at: 50.0, words: "aim".to_owned() });
        let panel = Panel { title: "time".to_owned(), bars, marks: vec![Some(3.0), None], limit, is_log: true };
        let rows = vec!["ours".to_owned(), "SkyPilot".to_owned()];
        let svg = Bars { title: "t".to_owned(), subtitle: "s".to_owned(), rows, panels: vec![panel] }.render();
        assert!(svg.contains("6.4 ms") && svg.contains("57.7 s") && svg.contains(">aim<"));
        for place in svg.split(" width=\"").skip(1) {
            let width: f64 = place.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=WIDTH).contains(&width), "{width}");
        }
    }
}
