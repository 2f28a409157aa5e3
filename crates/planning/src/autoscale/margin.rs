//! How far above the forecast to stay, learned from its misses.
//!
//! The margin is a factor times the size of recent misses, so that it widens when the load turns restless at once. The
//! factor is a dual price: it grows while more load than allowed finds no capacity and shrinks while less does (online
//! dual ascent), which is what choosing the quantile by the objective comes to without assuming a distribution.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Misses are remembered over an hour and over a day; a spell of unrest shows in the first.
const SHORT_MEMORY_S: f64 = 3_600.0;
const LONG_MEMORY_S: f64 = 86_400.0;
/// Over this many seconds a full surplus multiplies the factor by e.
const FACTOR_MEMORY_S: f64 = 86_400.0;
/// Where the factor starts, and its bounds; in mean misses.
const FIRST_FACTOR: f64 = 4.0;
const FACTOR_RANGE: (f64, f64) = (0.5, 40.0);
/// The share of the allowance aimed at; the rest is for bad luck.
const ALLOWANCE_USED: f64 = 0.8;
/// Most open forecasts kept.
const MAX_KEPT: usize = 4_096;

/// Learns the margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Margin {
    allowed_share: f64,
    open: VecDeque<(f64, f64)>,
    short_miss: f64,
    long_miss: f64,
    mean_load: f64,
    factor: f64,
    last_s: Option<f64>,
}

impl Margin {
    /// One that lets `allowed_share` of the load find no capacity.
    #[must_use]
    pub fn new(allowed_share: f64) -> Self {
        Self {
            allowed_share: allowed_share.max(1e-6) * ALLOWANCE_USED,
            open: VecDeque::new(),
            short_miss: 0.0,
            long_miss: 0.0,
            mean_load: 0.0,
            factor: FIRST_FACTOR,
            last_s: None,
        }
    }

    /// Lets another share of the load find no capacity from now on, and keeps what it has learned.
    pub fn allow(&mut self, allowed_share: f64) {
        self.allowed_share = allowed_share.max(1e-6) * ALLOWANCE_USED;
    }

    /// Nothing was seen for a while: what was forecast for the time between is not judged.
    pub fn pause(&mut self) {
        self.open.clear();
        self.last_s = None;
    }

    /// Takes in the load at `now_s` and the load over capacity since the last time, both in replicas.
    pub fn observe(&mut self, now_s: f64, load: f64, over: f64) {
        let elapsed_s = self.last_s.replace(now_s).map_or(0.0, |last_s| now_s - last_s);
        let share = |memory_s: f64| 1.0 - (-elapsed_s / memory_s).exp();
        while let Some((_, forecast)) = self.open.front().filter(|(at_s, _)| *at_s <= now_s) {
            let miss = (load - forecast).max(0.0);
            self.short_miss += share(SHORT_MEMORY_S) * (miss - self.short_miss);
            self.long_miss += share(LONG_MEMORY_S) * (miss - self.long_miss);
            self.open.pop_front();
        }
        self.mean_load +=
            share(LONG_MEMORY_S).max(f64::from(u8::from(self.mean_load == 0.0))) * (load - self.mean_load);
        let allowed = self.allowed_share * self.mean_load.max(1e-9);
        let surplus = (over - self.allowed_share * load) / allowed * elapsed_s / FACTOR_MEMORY_S;
        self.factor = (self.factor * surplus.clamp(-1.0, 0.5).exp()).clamp(FACTOR_RANGE.0, FACTOR_RANGE.1);
    }

    /// Remembers a forecast for `at_s`, to be compared with what comes.
    pub fn expect(&mut self, at_s: f64, forecast: f64) {
        self.open.push_back((at_s, forecast));
        if self.open.len() > MAX_KEPT {
            self.open.pop_front();
        }
    }

    /// The margin now, in replicas.
    #[must_use]
    pub fn replicas(&self) -> f64 {
        self.factor * (self.short_miss + self.long_miss) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_widen_it_and_calm_narrows_it() {
        let mut margin = Margin::new(0.001);
        for step in 0..400 {
            let now_s = f64::from(step) * 10.0;
            margin.observe(now_s, 12.0, 0.0);
            margin.expect(now_s + 10.0, 10.0);
        }
        let restless = margin.replicas();
        for step in 400..40_000 {
            let now_s = f64::from(step) * 10.0;
            margin.observe(now_s, 10.0, 0.0);
            margin.expect(now_s + 10.0, 10.0);
        }
        assert!(restless > 1.0, "{restless}");
        assert!(margin.replicas() < 0.1 * restless, "{}", margin.replicas());
    }

    #[test]
    fn load_over_capacity_raises_the_factor() {
        let mut calm = Margin::new(0.001);
        let mut short = Margin::new(0.001);
        for step in 0..100 {
            calm.observe(f64::from(step) * 10.0, 10.0, 0.0);
            short.observe(f64::from(step) * 10.0, 10.0, 1.0);
        }
        assert!(short.factor > 2.0 * calm.factor);
    }

    #[test]
    fn a_forecast_is_judged_when_its_time_has_come() {
        let mut margin = Margin::new(0.001);
        margin.observe(0.0, 12.0, 0.0);
        margin.expect(100.0, 10.0);
        margin.observe(50.0, 99.0, 0.0);
        assert_eq!(margin.replicas(), 0.0, "its time has not come");
        margin.observe(100.0, 12.0, 0.0);
        // A miss of 2 over 50 s: 1.379 % of an hour's memory and 0.058 % of a day's, times half the first factor.
        assert!((margin.replicas() - 2.0 * 2.0 * (0.013_79 + 0.000_58)).abs() < 1e-3, "{}", margin.replicas());
        let before = margin.replicas();
        margin.observe(100.0, 99.0, 0.0);
        assert!((margin.replicas() - before).abs() < 1e-9, "and it is judged once");
    }

    #[test]
    fn a_load_below_the_forecast_is_no_miss() {
        let mut margin = Margin::new(0.001);
        for step in 0..400 {
            margin.observe(f64::from(step) * 10.0, 8.0, 0.0);
            margin.expect(f64::from(step) * 10.0 + 10.0, 10.0);
        }
        assert_eq!(margin.replicas(), 0.0);
    }

    #[test]
    fn what_was_forecast_for_a_pause_is_not_judged() {
        let mut margin = Margin::new(0.001);
        margin.observe(0.0, 10.0, 0.0);
        margin.expect(10.0, 10.0);
        margin.pause();
        margin.observe(20.0, 99.0, 99.0);
        assert_eq!((margin.replicas(), margin.factor), (0.0, FIRST_FACTOR));
    }

    #[test]
    fn the_factor_and_what_is_kept_are_bounded() {
        let mut margin = Margin::new(0.001);
        for step in 0..10_000 {
            margin.observe(f64::from(step) * 10.0, 10.0, 10.0);
            margin.expect(1e9, 10.0);
        }
        assert_eq!((margin.factor, margin.open.len()), (FACTOR_RANGE.1, MAX_KEPT));
        for step in 10_000..100_000 {
            margin.observe(f64::from(step) * 10.0, 10.0, 0.0);
        }
        assert_eq!(margin.factor, FACTOR_RANGE.0);
    }

    #[test]
    fn the_allowance_decides_whether_load_over_capacity_is_too_much() {
        let factor_allowing = |share: f64| {
            let mut margin = Margin::new(1.0);
            margin.allow(share);
            // One in a hundred finds no capacity.
            (0..100).for_each(|step| margin.observe(f64::from(step) * 60.0, 10.0, 0.1));
            margin.factor
        };
        assert!(factor_allowing(0.005) > FIRST_FACTOR);
        assert!(factor_allowing(0.05) < FIRST_FACTOR);
        // Four fifths of the allowance are aimed at: one in a hundred is what an allowance of 1.25 % settles at.
        assert!((factor_allowing(0.0125) - FIRST_FACTOR).abs() < 1e-9);
    }
}
