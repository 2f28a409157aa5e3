//! What a budget will have cost at its end, with an interval.
//!
//! What is spent is known; the rest of the period is forecast day by day (season of the week times a smoothed level,
//! [`super::smoothing`]), today and a cut last day by the shape of a day. The interval is Student's t on the variance of the
//! sum of coming days, from the series' own one-day surprises. It covers what days like those seen can bring; it
//! knows nothing of a tenant that comes tomorrow.

use domain::Money;
use serde::Serialize;

use super::series::{FACTOR_MIN, SpendSeries, WEEK};
use super::smoothing::{Ahead, Belief, sum_ahead};
use super::statistics::student_quantile;

/// Until two weeks are seen the swing of a week is not known. Days of a week are taken to differ by a fifth of the mean (as
/// standard deviation), so that the mean of n of them is off by 0.2 · √(1/n − 1/14), with the certainty of three
/// degrees of freedom: an assumption, fitted to nothing.
const UNKNOWN_WEEK: Belief = Belief { spread: 0.2, dof: 3.0 };

/// Most days projected; bounds the work.
pub const DAYS_AHEAD_MAX: usize = 3_660;

/// A budget's end, seen from now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Projection {
    /// Spent so far.
    pub spent: Money,
    /// Expected at the end.
    pub expected: Money,
    /// Lower end of the interval; never below what is spent.
    pub low: Money,
    /// Upper end of the interval.
    pub high: Money,
    /// Probability that the interval is made for.
    pub level: f64,
    /// Periods to the end.
    pub periods_left: usize,
    /// Whether the days of the week are told apart.
    pub knows_week: bool,
}

impl Projection {
    /// The same rest of the period on top of another amount spent.
    #[must_use]
    pub fn on_top_of(&self, spent: Money) -> Self {
        let moved = |amount: Money| spent + (amount - self.spent);
        Self { spent, expected: moved(self.expected), low: moved(self.low), high: moved(self.high), ..*self }
    }
}

/// Projects a budget of which `spent` is gone and whose end is `periods_left` periods after the last one of `history`, with
/// an interval at `level` (a probability below 1). `history` may reach back before the budget's beginning.
///
/// `None` while fewer than two whole days are known and anything is left, and beyond [`DAYS_AHEAD_MAX`] days.
#[must_use]
pub fn project(history: &SpendSeries, spent: Money, periods_left: usize, level: f64) -> Option<Projection> {
    let at =
        |expected, low, high, knows_week| Projection { spent, expected, low, high, level, periods_left, knows_week };
    let factors = history.factors();
    if periods_left == 0 {
        return Some(at(spent, spent, spent, factors.is_some()));
    }
    let ahead = days_ahead(history, factors, periods_left)?;
    let days = deseasonalised(history, factors);
    let unseen = (1.0 / days.len() as f64 - 1.0 / (2 * WEEK) as f64).max(0.0);
    let unknown = if history.has_weeks() && factors.is_none() { 1.0 } else { 0.0 };
    let belief = Belief { spread: UNKNOWN_WEEK.spread * unseen.sqrt() * unknown, dof: UNKNOWN_WEEK.dof * unknown };
    let seasons = if factors.is_some() { WEEK - 1 } else { 0 };
    let rest = sum_ahead(&days, seasons, belief, &ahead)?;
    let half = student_quantile(level, rest.dof) * rest.variance.sqrt();
    let spent_and = |dollars: f64| spent + Money::from_dollars(dollars.max(0.0));
    Some(at(spent_and(rest.mean), spent_and(rest.mean - half), spent_and(rest.mean + half), factors.is_some()))
}

/// Whole days in units of a mean day of the week; days of the week on which next to nothing is spent are left out.
fn deseasonalised(history: &SpendSeries, factors: Option<[f64; WEEK]>) -> Vec<f64> {
    let first = history.today() - history.days().len();
    let numbered = history.days().iter().enumerate().map(|(at, day)| (first + at, *day));
    let divided = numbered.map(|(number, day)| (day, factors.map_or(1.0, |factors| factors[number % WEEK])));
    divided.filter(|(_, factor)| *factor >= FACTOR_MIN).map(|(day, factor)| day / factor).collect()
}

/// Today's rest, the days after, and the part of the last that still belongs to the budget.
fn days_ahead(history: &SpendSeries, factors: Option<[f64; WEEK]>, periods_left: usize) -> Option<Vec<Ahead>> {
    let shape = history.shape()?;
    let (per_day, position) = (history.per_day(), history.position());
    let end = position.checked_add(periods_left).filter(|end| end.div_ceil(per_day) <= DAYS_AHEAD_MAX)?;
    let day = |number: usize| {
        let from = if number == 0 { position } else { 0 };
        let to = (end - number * per_day).min(per_day);
        let share = if to - from == per_day { 1.0 } else { shape[from..to].iter().sum() };
        let weight = factors.map_or(1.0, |factors| factors[(history.today() + number) % WEEK]);
        Ahead { weight, share }
    };
    Some((0..end.div_ceil(per_day)).map(day).collect())
}
