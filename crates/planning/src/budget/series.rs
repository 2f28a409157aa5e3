//! Spend of equal periods, and what is learned of its season: the shape of a day and the weight of each day of the week.
//!
//! Days are counted from the series' first period. A period that does not go into a day a whole number of times has no
//! season. Memory is bounded by [`DAYS_MAX`] days and [`PERIODS_DAYS`] days of single periods.

use std::collections::VecDeque;

use super::BudgetError;
use super::statistics::median;

/// Shortest period in seconds; bounds the memory of a day.
pub const PERIOD_MIN_S: f64 = 60.0;
/// Days kept: eight weeks.
pub const DAYS_MAX: usize = 56;
/// Days whose single periods are kept.
pub const PERIODS_DAYS: usize = 14;
/// Days of a week, and the fewest whole days of which a single period's usual spend is the median.
pub(super) const WEEK: usize = 7;
/// A day of the week with less than this share of a mean day is left out of what is divided by it.
pub(super) const FACTOR_MIN: f64 = 0.05;

const DAY_S: f64 = 86_400.0;
const YEAR_S: f64 = 366.0 * DAY_S;

/// Spend of one thing in dollars, period by period.
#[derive(Debug, Clone, PartialEq)]
pub struct SpendSeries {
    /// Periods in a day; 1 where there is no season of the day.
    per_day: usize,
    has_weeks: bool,
    pushed: usize,
    /// Single periods of whole days and of today.
    periods: VecDeque<f64>,
    /// Sums of whole days.
    days: VecDeque<f64>,
    today: f64,
    factors: Option<[f64; WEEK]>,
}

impl SpendSeries {
    /// An empty one with periods of `period_s` seconds.
    ///
    /// # Errors
    /// When a period is shorter than a minute, longer than a year, or no number.
    pub fn new(period_s: f64) -> Result<Self, BudgetError> {
        if !(PERIOD_MIN_S..=YEAR_S).contains(&period_s) {
            return Err(BudgetError::Period(period_s));
        }
        let per_day = (DAY_S / period_s).round();
        let has_days = per_day >= 1.0 && (per_day * period_s - DAY_S).abs() < 1e-6 * DAY_S;
        Ok(Self {
            // Between 1 and 1,440.
            per_day: if has_days { per_day as usize } else { 1 },
            has_weeks: has_days,
            pushed: 0,
            periods: VecDeque::new(),
            days: VecDeque::new(),
            today: 0.0,
            factors: None,
        })
    }

    /// The same, of something first seen in period `number` of others beside which it is kept: its days are theirs.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn beginning_at(period_s: f64, number: usize) -> Result<Self, BudgetError> {
        let mut series = Self::new(period_s)?;
        series.pushed = number - number % series.per_day;
        (series.pushed..number).for_each(|_| {
            series.push(0.0);
        });
        Ok(series)
    }

    /// Takes in the next period's spend in dollars. Returns the sum of the day that it completes, if it does. What is no
    /// finite number counts as nothing.
    pub fn push(&mut self, dollars: f64) -> Option<f64> {
        let dollars = if dollars.is_finite() { dollars } else { 0.0 };
        self.periods.push_back(dollars);
        self.today += dollars;
        self.pushed += 1;
        if self.position() != 0 {
            return None;
        }
        let day = std::mem::take(&mut self.today);
        self.days.push_back(day);
        if self.days.len() > DAYS_MAX {
            self.days.pop_front();
        }
        while self.periods.len() > PERIODS_DAYS * self.per_day {
            self.periods.pop_front();
        }
        self.factors = self.measured_factors();
        Some(day)
    }

    /// Periods in a day.
    #[must_use]
    pub fn per_day(&self) -> usize {
        self.per_day
    }

    /// Periods of today that are over.
    #[must_use]
    pub fn position(&self) -> usize {
        self.pushed % self.per_day
    }

    /// Sums of the last whole days, in order of time.
    #[must_use]
    pub fn days(&self) -> &VecDeque<f64> {
        &self.days
    }

    /// Whether days form weeks.
    #[must_use]
    pub fn has_weeks(&self) -> bool {
        self.has_weeks
    }

    /// The number of today since the first day, from 0; modulo 7 it is the day of the week.
    #[must_use]
    pub fn today(&self) -> usize {
        self.pushed / self.per_day
    }

    /// What each day of the week is of a mean day, by its number modulo 7; known after two weeks.
    #[must_use]
    pub fn factors(&self) -> Option<[f64; WEEK]> {
        self.factors
    }

    /// Share of a day's spend in each of its periods; sums to 1. `None` before the first whole day.
    #[must_use]
    pub fn shape(&self) -> Option<Vec<f64>> {
        if self.days.is_empty() {
            return None;
        }
        let whole = self.periods.len() - self.position();
        let mut shape = vec![0.0; self.per_day];
        for (at, dollars) in self.periods.iter().take(whole).enumerate() {
            shape[at % self.per_day] += dollars;
        }
        let sum: f64 = shape.iter().sum();
        let even = 1.0 / self.per_day as f64;
        Some(shape.into_iter().map(|part| if sum > 0.0 { part / sum } else { even }).collect())
    }

    /// What the next period usually costs: the median of the same period of the last seven days, each brought to today's
    /// day of the week once that is known. A median, so that a spike is not expected again. `None` before seven days.
    #[must_use]
    pub fn usual_next(&self) -> Option<f64> {
        if self.days.len() < WEEK {
            return None;
        }
        let factor = |back: usize| self.factors.map_or(1.0, |factors| factors[(self.today() + WEEK - back) % WEEK]);
        let mut same: Vec<f64> = (1..=WEEK)
            .filter(|back| factor(*back) >= FACTOR_MIN)
            .filter_map(|back| {
                let at = self.periods.len().checked_sub(back * self.per_day)?;
                self.periods.get(at).map(|dollars| dollars * factor(0) / factor(back))
            })
            .collect();
        median(&mut same)
    }

    /// The mean of a period over the last seven days. `None` before the first whole day.
    #[must_use]
    pub fn mean_period(&self) -> Option<f64> {
        let days = self.days.len().min(WEEK);
        let sum: f64 = self.days.iter().rev().take(days).sum();
        (days > 0).then(|| sum / (days * self.per_day) as f64)
    }

    /// Ratio to the mean of its own week, and of that the median over weeks: the classical decomposition (Hyndman &
    /// Athanasopoulos, *Forecasting: Principles and Practice*, 3rd ed., 3.4) with medians in place of means. Weeks are
    /// counted back from the last day, so that a change of level spoils one of them alone.
    fn measured_factors(&self) -> Option<[f64; WEEK]> {
        if !self.has_weeks || self.days.len() < 2 * WEEK {
            return None;
        }
        let mut ratios: [Vec<f64>; WEEK] = Default::default();
        let newest_first: Vec<f64> = self.days.iter().rev().copied().collect();
        for (week, days) in newest_first.chunks_exact(WEEK).enumerate() {
            let mean = days.iter().sum::<f64>() / WEEK as f64;
            for (back, day) in days.iter().enumerate().filter(|_| mean > 0.0) {
                // The newest whole day is yesterday.
                let number = self.today() - 1 - week * WEEK - back;
                ratios[number % WEEK].push(day / mean);
            }
        }
        let medians: Vec<f64> = ratios.iter_mut().map(|ratios| median(ratios)).collect::<Option<_>>()?;
        let mean = medians.iter().sum::<f64>() / WEEK as f64;
        (mean > 0.0).then(|| std::array::from_fn(|day| medians[day] / mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_and_week_are_found() {
        let mut series = SpendSeries::new(6.0 * 3_600.0).unwrap();
        let week = [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.25];
        for period in 0..4 * 28 {
            let usual = series.usual_next();
            let dollars = week[period / 4 % 7] * [1.0, 2.0, 3.0, 2.0][period % 4];
            assert!(period < 60 || (usual.unwrap() - dollars).abs() < 1e-9, "{period}: {usual:?} {dollars}");
            series.push(dollars);
        }
        assert_eq!(series.shape().unwrap(), [0.125, 0.25, 0.375, 0.25]);
        let factors = series.factors().unwrap();
        assert!((factors[5] / factors[0] - 0.5).abs() < 1e-9 && (factors[6] / factors[0] - 0.25).abs() < 1e-9);
        assert_eq!((series.days().len(), series.periods.len()), (28, PERIODS_DAYS * 4));
    }

    #[test]
    fn a_period_that_makes_no_sense_is_refused() {
        for period_s in [0.0, -3_600.0, 59.0, f64::NAN, f64::INFINITY] {
            assert!(SpendSeries::new(period_s).is_err(), "{period_s}");
        }
        let odd = SpendSeries::new(5.0 * 3_600.0).unwrap();
        assert_eq!((odd.per_day(), odd.has_weeks()), (1, false));
        assert!(SpendSeries::new(86_400.0).unwrap().has_weeks());
    }
}
