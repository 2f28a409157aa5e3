//! One series under watch: its usual spend, how far the last period strays from it, and its CUSUM.

use std::collections::VecDeque;

use super::BudgetError;
use super::cusum::DayCusum;
use super::series::{PERIODS_DAYS, SpendSeries, WEEK};
use super::statistics::{median, robust_sigma};

/// Deviations are relative to what is usual, or to this share of a mean period where the usual is less.
const USUAL_MIN: f64 = 0.25;
/// Deviations below this spread are not told apart from none.
const SPREAD_MIN: f64 = 0.01;

/// The last period of a series.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Seen {
    /// Its cost in dollars.
    pub(super) dollars: f64,
    /// What it usually costs; zero where that is not known.
    pub(super) usual: f64,
    /// Robust z of the deviation; `None` while too little is known.
    pub(super) z: Option<f64>,
}

/// One series under watch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watched {
    series: SpendSeries,
    /// Relative deviations of the last periods from what was usual.
    deviations: VecDeque<f64>,
    pub(super) cusum: DayCusum,
    pub(super) last: Seen,
    /// The period of the last spike.
    pub(super) spiked: Option<usize>,
}

impl Watched {
    /// One first seen in period `number`.
    pub(super) fn new(period_s: f64, number: usize) -> Result<Self, BudgetError> {
        Ok(Self {
            series: SpendSeries::beginning_at(period_s, number)?,
            deviations: VecDeque::new(),
            cusum: DayCusum::default(),
            last: Seen::default(),
            spiked: None,
        })
    }

    /// Takes in a period. Says whether it completed a day.
    pub(super) fn observe(&mut self, dollars: f64) -> bool {
        self.last = self.seen(dollars);
        if self.series.position() + 1 < self.series.per_day() {
            self.series.push(dollars);
            return false;
        }
        let before = self.series.clone();
        if let Some(day) = self.series.push(dollars) {
            self.cusum.observe(&before, day, before.today());
        }
        true
    }

    pub(super) fn series(&self) -> &SpendSeries {
        &self.series
    }

    /// Robust z: the deviation from its own median in units of 1.4826 × the median absolute deviation (Iglewicz & Hoaglin,
    /// *How to Detect and Handle Outliers*, 1993), where a deviation is from the seasonal median of the same period of the
    /// last seven days, and the medians are over the last two weeks.
    fn seen(&mut self, dollars: f64) -> Seen {
        let (Some(usual), Some(mean)) = (self.series.usual_next(), self.series.mean_period()) else {
            return Seen { dollars, ..Seen::default() };
        };
        let base = usual.max(USUAL_MIN * mean);
        if base <= 0.0 {
            return Seen { dollars, usual, z: None };
        }
        let deviation = (dollars - usual) / base;
        let enough = (4 * self.series.per_day()).max(WEEK);
        let z = (self.deviations.len() >= enough).then(|| {
            let mut sorted: Vec<f64> = self.deviations.iter().copied().collect();
            let centre = median(&mut sorted).unwrap_or(0.0);
            let spread = robust_sigma(self.deviations.iter().copied(), centre).max(SPREAD_MIN);
            (deviation - centre) / spread
        });
        self.deviations.push_back(deviation);
        if self.deviations.len() > PERIODS_DAYS * self.series.per_day().max(4) {
            self.deviations.pop_front();
        }
        Seen { dollars, usual, z }
    }
}
