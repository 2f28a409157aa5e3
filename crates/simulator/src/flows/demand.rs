//! What people ask for, step by step: a wave by the local hour, bursts over minutes, and crowds that come unannounced.
//!
//! Everything is drawn from the seed alone, so that every policy meets the same day.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::world::World;

/// The hour of local time with most requests, and that of the second, smaller hill in the evening.
const PEAK_HOURS: (f64, f64) = (14.0, 21.0);
/// The second harmonic's share of the first.
const EVENING: f64 = 0.4;
/// For how long a burst lasts, roughly.
const BURST_SECONDS: f64 = 300.0;
/// A crowd fades to a third of itself in that time.
const CROWD_SECONDS: f64 = 900.0;
/// By what share of the region's demand a crowd adds to it.
const CROWD_SHARE: std::ops::Range<f64> = 0.3..1.0;

/// Draws the demand of one step after the other.
#[derive(Debug, Clone)]
pub struct Demand {
    rng: StdRng,
    step_s: f64,
    states: Vec<State>,
    day_swing: f64,
    burst_share: f64,
    crowd_chance: f64,
}

#[derive(Debug, Clone)]
struct State {
    mean: f64,
    longitude: f64,
    burst: f64,
    crowd: f64,
}

impl Demand {
    /// Of a world, in steps of `step_s` seconds.
    #[must_use]
    pub fn new(world: &World, step_s: f64) -> Self {
        let clients: f64 = world.regions.iter().map(|region| region.clients).sum();
        let state = |region: &super::world::Region| State {
            mean: world.requests_per_second * region.clients / clients,
            longitude: region.longitude,
            burst: 0.0,
            crowd: 0.0,
        };
        Self {
            rng: StdRng::seed_from_u64(world.seed),
            step_s,
            states: world.regions.iter().map(state).collect(),
            day_swing: world.day_swing,
            burst_share: world.burst_share,
            crowd_chance: (world.crowds_per_day * step_s / 86_400.0).min(1.0),
        }
    }

    /// Requests a second from each region in the step that begins at `now_s`. To be called for every step in turn.
    pub fn next(&mut self, now_s: f64) -> Vec<f64> {
        let keep = (-self.step_s / BURST_SECONDS).exp();
        let fade = (-self.step_s / CROWD_SECONDS).exp();
        let spread = (1.0 - keep * keep).sqrt();
        let mut demand = Vec::with_capacity(self.states.len());
        for state in &mut self.states {
            state.burst = keep * state.burst + spread * normal(&mut self.rng);
            state.crowd *= fade;
            if self.rng.random_bool(self.crowd_chance) {
                state.crowd += self.rng.random_range(CROWD_SHARE);
            }
            let burst = (self.burst_share * state.burst - self.burst_share * self.burst_share / 2.0).exp();
            demand.push(state.mean * wave(now_s, state.longitude, self.day_swing) * (burst + state.crowd));
        }
        demand
    }
}

/// The day's wave at a longitude; its mean is 1. Time 0 is midnight at longitude 0.
fn wave(now_s: f64, longitude: f64, swing: f64) -> f64 {
    let hour = now_s / 3_600.0 + longitude / 15.0;
    let hill = |peak: f64, times: f64| ((hour - peak) * times * std::f64::consts::TAU / 24.0).cos();
    (1.0 + swing * (hill(PEAK_HOURS.0, 1.0) + EVENING * hill(PEAK_HOURS.1, 2.0))).max(0.0)
}

/// Box and Muller's draw from the normal distribution.
fn normal(rng: &mut StdRng) -> f64 {
    let radius = (-2.0 * rng.random_range(f64::MIN_POSITIVE..1.0_f64).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random_range(0.0..1.0_f64)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wave_peaks_after_local_noon_and_has_mean_one() {
        let mean = (0..1_440).map(|minute| wave(f64::from(minute) * 60.0, 30.0, 0.5)).sum::<f64>() / 1_440.0;
        assert!((mean - 1.0).abs() < 1e-9);
        let at = |hour: f64| wave(hour * 3_600.0, 90.0, 0.5);
        // Local time is six hours ahead at 90 degrees east.
        assert!(at(8.0) > 1.3 && at(22.0) < 0.5, "{} {}", at(8.0), at(22.0));
    }

    #[test]
    fn a_seed_draws_the_same_day_again_and_another_a_different_one() {
        let day = |seed: u64| {
            let world = World { seed, ..World::generated(3, 100.0) };
            let mut demand = Demand::new(&world, 60.0);
            (0..500).map(|step| demand.next(f64::from(step) * 60.0)).collect::<Vec<_>>()
        };
        assert_eq!(day(1), day(1));
        assert_ne!(day(1), day(2));
    }
}
