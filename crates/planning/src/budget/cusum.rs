//! Drift: a one-sided CUSUM on days, each compared with the level before it.
//!
//! `S = max(0, S + z − k)`, and drift is found when `S > h` (Page, "Continuous Inspection Schemes", *Biometrika* 41, 1954).
//! `k` = 0.5 is made for shifts of one standard deviation and `h` = 5 is the usual companion: about 930 days between
//! false alarms on one side were level and spread known (Montgomery, *Introduction to Statistical Quality Control*, 9.1). A
//! day counts at most [`Z_MAX`], so that one wild day is a spike and not drift (cf. Lucas & Crosier, "Robust CUSUM", 1982).

use std::collections::VecDeque;

use super::series::{FACTOR_MIN, SpendSeries, WEEK};
use super::statistics::{median, robust_sigma};

/// Half the shift, in standard deviations, that is to be found soonest.
pub const K: f64 = 0.5;
/// The sum at which drift is found, for a single series.
pub const H: f64 = 5.0;
/// What a day counts at most.
pub const Z_MAX: f64 = 3.0;
/// Spread is taken to be no less than this share of the level: what moves less is not worth a word.
pub const SPREAD_MIN: f64 = 0.02;
/// Days of which the level is the median.
const LEVEL_DAYS: usize = 28;
/// Days before anything is judged: two weeks give the days of the week.
const FIRST_DAYS: usize = 14;

/// `h` that makes each of `series` series alarm so seldom that all together alarm as one would: by Siegmund's
/// approximation the time between false alarms grows as `exp(2kh)` (*Sequential Analysis*, 1985).
#[must_use]
pub fn threshold(series: usize) -> f64 {
    H + (series.max(1) as f64).ln() / (2.0 * K)
}

/// Watches the days of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DayCusum {
    sum: f64,
    /// Days since the sum was last zero.
    days: usize,
    /// The first day of the present level.
    level_from: usize,
    /// Relative to the level; kept when a new level begins.
    spread: Option<f64>,
    /// What the last days cost and what was expected, oldest first.
    judged: VecDeque<(f64, f64)>,
}

impl DayCusum {
    /// Takes in the next whole day of `dollars`; `before` is the series up to the day before it.
    pub fn observe(&mut self, before: &SpendSeries, dollars: f64, day: usize) {
        let factor = before.factors().map_or(1.0, |factors| factors[day % WEEK]);
        let level = self.level(before);
        // Of one that is new nothing was expected; of one whose level is not settled, what comes.
        let unsettled = if before.days().len() < FIRST_DAYS { 0.0 } else { dollars };
        self.judged.push_back((dollars, level.map_or(unsettled, |level| level * factor)));
        if self.judged.len() > LEVEL_DAYS {
            self.judged.pop_front();
        }
        let Some(level) = level else { return };
        let spread = self.spread.unwrap_or(SPREAD_MIN).max(SPREAD_MIN) * level;
        if factor < FACTOR_MIN || spread <= 0.0 {
            return;
        }
        let z = ((dollars / factor - level) / spread).clamp(-Z_MAX, Z_MAX);
        self.sum = (self.sum + z - K).max(0.0);
        self.days = if self.sum > 0.0 { self.days + 1 } else { 0 };
    }

    /// The sum now.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Days since the drift began: since the sum was last zero (Page's estimate of the change).
    #[must_use]
    pub fn days(&self) -> usize {
        self.days
    }

    /// What the last `days` days cost, and what was expected of them.
    #[must_use]
    pub fn last(&self, days: usize) -> (f64, f64) {
        let last = self.judged.iter().rev().take(days);
        last.fold((0.0, 0.0), |(cost, expected), (a, b)| (cost + a, expected + b))
    }

    /// What has come is the level from `today` on: nothing is judged until a week of it is seen.
    pub fn begin_anew(&mut self, today: usize) {
        self.level_from = today.saturating_sub(self.days);
        (self.sum, self.days) = (0.0, 0);
    }

    /// The median of the days of the present level, and with it the spread. In-sample spread is too small by the days of
    /// the week that were taken from the same days, and a new day strays by their error too.
    fn level(&mut self, before: &SpendSeries) -> Option<f64> {
        let today = before.days().len();
        let first = before.today() - today;
        let from = self.level_from.saturating_sub(first).max(today.saturating_sub(LEVEL_DAYS));
        let factors = before.factors();
        let factor = |at: usize| factors.map_or(1.0, |factors| factors[(first + at) % WEEK]);
        let divided = before.days().iter().enumerate().skip(from).filter(|(at, _)| factor(*at) >= FACTOR_MIN);
        let mut days: Vec<f64> = divided.map(|(at, day)| day / factor(at)).collect();
        let enough = if self.spread.is_some() { WEEK } else { FIRST_DAYS };
        if today < FIRST_DAYS || today.saturating_sub(from) < enough {
            return None;
        }
        let level = median(&mut days)?;
        let count = days.len() as f64;
        let seasons = if factors.is_some() { WEEK as f64 } else { 1.0 };
        if level > 0.0 && days.len() >= FIRST_DAYS {
            let widened = (count / (count - seasons) * (1.0 + seasons / count)).sqrt();
            self.spread = Some(robust_sigma(days.iter().copied(), level) / level * widened);
        }
        Some(level)
    }
}
