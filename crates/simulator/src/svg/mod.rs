//! Small pictures as SVG text: points and lines on two axes, and bars. No more than the benchmarks need.
//!
//! A picture is a white card with dark words, so that it reads alike on a light and on a dark page.

mod axis;
mod bars;
mod chart;
mod pen;

pub use axis::in_threes;
pub use bars::{Bars, Limit, Panel};
pub use chart::{Chart, Series};

/// Any of the pictures.
#[derive(Debug, Clone)]
pub enum Picture {
    /// Points and lines on two axes.
    Chart(Chart),
    /// Bars in panels.
    Bars(Bars),
}

impl Picture {
    /// The picture as SVG text.
    #[must_use]
    pub fn render(&self) -> String {
        match self {
            Self::Chart(chart) => chart.render(),
            Self::Bars(bars) => bars.render(),
        }
    }
}

impl From<Chart> for Picture {
    fn from(chart: Chart) -> Self {
        Self::Chart(chart)
    }
}

impl From<Bars> for Picture {
    fn from(bars: Bars) -> Self {
        Self::Bars(bars)
    }
}
