//! The sum of coming days by exponential smoothing, with its variance, over a grid of smoothing parameters.
//!
//! Each parameter pair is an innovations state space model with a level and a damped trend. Since a month's days say
//! little about which one holds, all are used, weighed by their likelihood (Bayesian model averaging: Hoeting, Madigan,
//! Raftery & Volinsky, *Statistical Science* 14, 1999). No parameter is fitted to any data set.

/// Share of a surprise that stays in the level. Before any data each is believed half as much as the calmer one before it.
const ALPHAS: [f64; 7] = [0.0, 0.03, 0.1, 0.2, 0.35, 0.6, 0.9];
/// Share of a surprise that goes into the trend, believed in the same way.
const BETAS: [f64; 3] = [0.0, 0.02, 0.1];
/// What is left of the trend a day later; the middle of the usual range of 0.8 to 0.98 (Hyndman & Athanasopoulos,
/// *Forecasting: Principles and Practice*, 3rd ed., 8.2).
const DAMPING: f64 = 0.9;

/// One coming day: its weight in units of the level, and the share of it that is still to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ahead {
    /// What the whole day is of a mean one.
    pub(super) weight: f64,
    /// 1, or less of a day that has begun or is cut.
    pub(super) share: f64,
}

/// How far the mean of the days seen may be from the mean of days to come for a reason that the days seen cannot show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Belief {
    /// Standard deviation as a share of the mean.
    pub(super) spread: f64,
    /// Degrees of freedom that the belief is worth.
    pub(super) dof: f64,
}

/// The sum of what is ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SumAhead {
    /// Expected.
    pub(super) mean: f64,
    /// Its variance.
    pub(super) variance: f64,
    /// Degrees of freedom of that variance, at least 1.
    pub(super) dof: u32,
}

/// Forecasts the sum over `ahead` from deseasonalised `days` in order of time; `seasons` parameters were spent on the
/// season. `None` of fewer than two days, or when the season took them all.
pub(super) fn sum_ahead(days: &[f64], seasons: usize, belief: Belief, ahead: &[Ahead]) -> Option<SumAhead> {
    let count = days.len() as f64;
    let dof = count - 1.0 - seasons as f64;
    if days.len() < 2 || dof < 1.0 {
        return None;
    }
    let mean_day = days.iter().sum::<f64>() / count;
    // Keeps the logarithm of a perfect fit finite.
    let tiny = count * (1e-9 * mean_day).powi(2) + f64::MIN_POSITIVE;
    let total: f64 = ahead.iter().map(|day| day.weight * day.share).sum();
    let indices = (0..ALPHAS.len()).flat_map(|a| (0..BETAS.len()).map(move |b| (a, b)));
    let fits: Vec<(f64, f64, f64)> = indices
        .filter(|(a, b)| BETAS[*b] <= ALPHAS[*a])
        .map(|(a, b)| {
            let fit = Fit::of(days, ALPHAS[a], BETAS[b]);
            let prior = -std::f64::consts::LN_2 * (a + b) as f64;
            let likelihood = prior - dof / 2.0 * (fit.squares + tiny).ln();
            let spread = gain(ahead, ALPHAS[a], BETAS[b]) + fit.start_error * total * total;
            (likelihood, fit.sum(ahead), fit.squares / dof * spread)
        })
        .collect();
    let best = fits.iter().map(|(likelihood, ..)| *likelihood).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = fits.iter().map(|(likelihood, ..)| (likelihood - best).exp()).collect();
    let all: f64 = weights.iter().sum();
    let mean = weights.iter().zip(&fits).map(|(weight, (_, mean, _))| weight * mean).sum::<f64>() / all;
    let spread = |(weight, (_, own, variance)): (&f64, &(f64, f64, f64))| weight * (variance + (own - mean).powi(2));
    let variance = weights.iter().zip(&fits).map(spread).sum::<f64>() / all;
    let unseen = (belief.spread * mean_day * total).powi(2);
    // A float-to-integer `as` saturates.
    Some(SumAhead { mean, variance: variance + unseen, dof: (dof + belief.dof).floor() as u32 })
}

/// The variance of the sum for surprises of variance one: each surprise counts on its own day and, through level and
/// trend, on all days after it. For days that weigh alike and no trend it is H(1 + α(H−1) + α²(H−1)(2H−1)/6), the
/// lead-time variance of Snyder, Koehler, Hyndman & Ord, *European Journal of Operational Research* 158 (2004).
fn gain(ahead: &[Ahead], alpha: f64, beta: f64) -> f64 {
    let trend = beta * DAMPING / (1.0 - DAMPING);
    // Sums over later days of their weights, plain and damped by the days in between.
    let (mut plain, mut damped, mut sum) = (0.0, 0.0, 0.0);
    for day in ahead.iter().rev() {
        let reach = day.weight + (alpha + trend) * plain - trend * damped;
        sum += day.share * reach * reach;
        plain += day.weight * day.share;
        damped = DAMPING * (damped + day.weight * day.share);
    }
    sum
}

/// Level and trend after the last day, and the sum of squared surprises on the way.
struct Fit {
    level: f64,
    trend: f64,
    squares: f64,
    /// Variance of the level for surprises of variance one, because the first level is estimated; 1/n without smoothing.
    start_error: f64,
}

impl Fit {
    /// Starts from the level that makes the squares least, and no trend. Surprises are linear in the first level, so two
    /// passes, from levels 0 and 1, say which one that is.
    fn of(days: &[f64], alpha: f64, beta: f64) -> Self {
        let zero = pass(days.iter().copied(), 0.0, alpha, beta);
        let unit = pass(days.iter().map(|_| 0.0), 1.0, alpha, beta);
        let both = zero.2.iter().zip(&unit.2);
        let (cross, own) = both.clone().fold((0.0, 0.0), |(cross, own), (a, b)| (cross + a * b, own + b * b));
        let first = if own > 0.0 { -cross / own } else { 0.0 };
        let squares = both.map(|(a, b)| (a + first * b).powi(2)).sum();
        let start_error = if own > 0.0 { unit.0 * unit.0 / own } else { 0.0 };
        Self { level: zero.0 + first * unit.0, trend: zero.1 + first * unit.1, squares, start_error }
    }

    /// The sum over `ahead`; no day costs less than nothing.
    fn sum(&self, ahead: &[Ahead]) -> f64 {
        let (mut level, mut step, mut sum) = (self.level, self.trend, 0.0);
        for day in ahead {
            step *= DAMPING;
            level += step;
            sum += level.max(0.0) * day.weight * day.share;
        }
        sum
    }
}

/// Level, trend and surprises of smoothing from a first level.
fn pass(days: impl Iterator<Item = f64>, first: f64, alpha: f64, beta: f64) -> (f64, f64, Vec<f64>) {
    let (mut level, mut trend, mut surprises) = (first, 0.0, Vec::new());
    for day in days {
        let expected = level + DAMPING * trend;
        let surprise = day - expected;
        level = expected + alpha * surprise;
        trend = DAMPING * trend + beta * surprise;
        surprises.push(surprise);
    }
    (level, trend, surprises)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_is_the_published_one() {
        for (days, alpha) in [(1_u32, 0.3), (7, 0.0), (30, 0.1)] {
            let h = f64::from(days);
            let ahead: Vec<Ahead> = (0..days).map(|_| Ahead { weight: 1.0, share: 1.0 }).collect();
            let published = h * (1.0 + alpha * (h - 1.0) + alpha * alpha * (h - 1.0) * (2.0 * h - 1.0) / 6.0);
            assert!((gain(&ahead, alpha, 0.0) - published).abs() < 1e-9 * published);
        }
    }

    /// Each surprise by hand: days one, two and three ahead with a damped trend.
    #[test]
    fn the_trend_carries_surprises_on() {
        let ahead = [Ahead { weight: 1.0, share: 1.0 }; 3];
        let (alpha, beta): (f64, f64) = (0.2, 0.1);
        let (one, two) = (alpha + beta * 0.9, alpha + beta * (0.9 + 0.81));
        let by_hand = (1.0 + one + two).powi(2) + (1.0 + one).powi(2) + 1.0;
        assert!((gain(&ahead, alpha, beta) - by_hand).abs() < 1e-12);
    }

    #[test]
    fn without_smoothing_the_level_is_the_mean() {
        let fit = Fit::of(&[1.0, 2.0, 6.0], 0.0, 0.0);
        assert!((fit.level - 3.0).abs() < 1e-12 && fit.trend == 0.0 && (fit.squares - 14.0).abs() < 1e-12);
        assert!((fit.start_error - 1.0 / 3.0).abs() < 1e-12);
    }
}
