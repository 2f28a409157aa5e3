//! The load a fixed horizon ahead, from level, trend, and daily and weekly season.
//!
//! Several simple forecasts run side by side and are weighed by how well each has done lately, since no one of them is
//! right for every service: the last value, a full and a damped trend, and the season's change by day and by week.
//! Inverse-error weights are the classic of Bates & Granger, "The Combination of Forecasts" (1969).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const FORECASTS: usize = 5;
/// The trend is taken over this long.
const TREND_S: f64 = 60.0;
/// Errors count half after this long.
const ERROR_HALF_LIFE_S: f64 = 12.0 * 3_600.0;
/// Season is kept in slots of this length.
const SLOT_S: f64 = 600.0;
const DAY_S: f64 = 86_400.0;
const WEEK_S: f64 = 7.0 * DAY_S;
/// Share of a new day in a slot's mean.
const SEASON_GAIN: f64 = 0.4;
/// Most observations and open forecasts kept, whatever the caller's pace.
const MAX_KEPT: usize = 4_096;

/// Forecasts one horizon ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecaster {
    horizon_s: f64,
    recent: VecDeque<(f64, f64)>,
    open: VecDeque<(f64, [f64; FORECASTS])>,
    /// Mean squared errors, fading; nothing before the first forecast could be judged.
    errors: Option<[f64; FORECASTS]>,
    day: Season,
    week: Season,
}

impl Forecaster {
    /// One that looks `horizon_s` seconds ahead.
    #[must_use]
    pub fn new(horizon_s: f64) -> Self {
        Self {
            horizon_s,
            recent: VecDeque::new(),
            open: VecDeque::new(),
            errors: None,
            day: Season::new(DAY_S),
            week: Season::new(WEEK_S),
        }
    }

    /// Takes in the load at `now_s` and forecasts it at `now_s` plus the horizon. Times must not fall.
    pub fn observe(&mut self, now_s: f64, load: f64) -> f64 {
        let elapsed_s = self.recent.back().map_or(0.0, |(at_s, _)| now_s - at_s);
        self.score(now_s, load, elapsed_s);
        self.day.observe(now_s, load, elapsed_s);
        self.week.observe(now_s, load, elapsed_s);
        self.recent.push_back((now_s, load));
        while self.recent.len() > MAX_KEPT || self.recent.get(1).is_some_and(|(at_s, _)| now_s - at_s >= TREND_S) {
            self.recent.pop_front();
        }
        let forecasts = self.forecasts(now_s, load);
        self.open.push_back((now_s + self.horizon_s, forecasts));
        if self.open.len() > MAX_KEPT {
            self.open.pop_front();
        }
        self.combine(&forecasts)
    }

    /// Looks `horizon_s` seconds ahead from now on, and keeps what it has learned.
    pub fn look_ahead(&mut self, horizon_s: f64) {
        self.horizon_s = horizon_s;
    }

    /// Nothing was seen for a while: the trend is begun anew, and what was forecast for the time between is not judged by
    /// what came after it. Season and the weights stay.
    pub fn pause(&mut self) {
        self.recent.clear();
        self.open.clear();
    }

    /// Settles the forecasts that were made for now.
    fn score(&mut self, now_s: f64, load: f64, elapsed_s: f64) {
        let fade = 0.5_f64.powf(elapsed_s / ERROR_HALF_LIFE_S);
        while let Some((_, forecasts)) = self.open.front().filter(|(at_s, _)| *at_s <= now_s) {
            for (error, forecast) in self.errors.get_or_insert_default().iter_mut().zip(forecasts) {
                *error = *error * fade + (forecast - load).powi(2) * (1.0 - fade);
            }
            self.open.pop_front();
        }
    }

    fn forecasts(&self, now_s: f64, load: f64) -> [f64; FORECASTS] {
        let slope = match (self.recent.front(), self.recent.back()) {
            (Some((first_s, first)), Some((last_s, last))) if last_s > first_s => (last - first) / (last_s - first_s),
            _ => 0.0,
        };
        let ahead = |share: f64| (load + slope * self.horizon_s * share).max(0.0);
        let seasonal = |season: &Season| load * season.change(now_s, now_s + self.horizon_s).unwrap_or(1.0);
        [load, ahead(1.0), ahead(0.5), seasonal(&self.day), seasonal(&self.week)]
    }

    fn combine(&self, forecasts: &[f64; FORECASTS]) -> f64 {
        // A trend seen for the first time may be no more than the first minute of a service: the last value will do.
        let Some(errors) = &self.errors else { return forecasts[0] };
        let best = errors.iter().copied().fold(f64::INFINITY, f64::min).max(1e-9);
        // Squared errors to the square: a forecast twice as wrong counts a sixteenth.
        let weights = errors.map(|error| (best / error.max(best)).powi(2));
        let weighted: f64 = forecasts.iter().zip(weights).map(|(forecast, weight)| forecast * weight).sum();
        weighted / weights.iter().sum::<f64>()
    }
}

/// The mean load by slot of a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Season {
    period_s: f64,
    slots: Vec<Option<f64>>,
}

impl Season {
    fn new(period_s: f64) -> Self {
        Self { period_s, slots: vec![None; (period_s / SLOT_S) as usize] }
    }

    fn slot(&self, at_s: f64) -> usize {
        ((at_s.rem_euclid(self.period_s) / SLOT_S) as usize).min(self.slots.len() - 1)
    }

    fn observe(&mut self, now_s: f64, load: f64, elapsed_s: f64) {
        let slot = self.slot(now_s);
        // The gain is per visit of a slot; the many observations of one visit share it.
        let gain = SEASON_GAIN * (elapsed_s / SLOT_S).min(1.0);
        self.slots[slot] = Some(self.slots[slot].map_or(load, |mean| mean + gain * (load - mean)));
    }

    /// The mean then over the mean now, between slot middles; nothing before both have been seen in an earlier period.
    fn change(&self, now_s: f64, then_s: f64) -> Option<f64> {
        let (now, then) = (self.mean(now_s)?, self.mean(then_s)?);
        (now > 0.0).then(|| (then / now).clamp(0.25, 4.0))
    }

    fn mean(&self, at_s: f64) -> Option<f64> {
        let from_middle = (at_s / SLOT_S - 0.5).rem_euclid(1.0);
        let before = self.slots[self.slot(at_s - from_middle * SLOT_S)]?;
        let after = self.slots[self.slot(at_s + (1.0 - from_middle) * SLOT_S)]?;
        Some(before + from_middle * (after - before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_errors(load: impl Fn(f64) -> f64, days: f64) -> f64 {
        let mut forecaster = Forecaster::new(180.0);
        let (mut worst, mut at_s): (f64, f64) = (0.0, 0.0);
        while at_s < days * DAY_S {
            let forecast = forecaster.observe(at_s, load(at_s));
            if at_s > (days - 1.0) * DAY_S {
                worst = worst.max((forecast - load(at_s + 180.0)).abs());
            }
            at_s += 10.0;
        }
        worst
    }

    #[test]
    fn a_steady_load_is_forecast_exactly() {
        assert!(last_errors(|_| 7.0, 2.0) < 1e-9);
    }

    #[test]
    fn the_first_minute_of_a_service_is_no_trend() {
        let mut forecaster = Forecaster::new(180.0);
        let forecasts = (0..=6).map(|step| forecaster.observe(f64::from(step) * 10.0, f64::from(step)));
        assert_eq!(forecasts.collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn a_daily_wave_is_followed_ahead_of_time() {
        let wave = |at_s: f64| 20.0 + 15.0 * (at_s / DAY_S * std::f64::consts::TAU).sin();
        // Holding the last value errs by up to 0.2 replicas in 180 s.
        assert!(last_errors(wave, 5.0) < 0.02);
    }
}
