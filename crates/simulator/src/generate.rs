//! Seeded worlds of the project's own, for tests and for trying commands without any data.
//!
//! Shaped like what public traces show: spells whose hazard falls with age (a mix of short and long ones), shocks that take
//! several zones at once, load with daily and weekly season, noise and spikes. No figure here comes from one named file.

mod varied;

pub use varied::VariedWorld;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::trace::{SpotTrace, ZoneTrace};

/// The shape of a spot world.
#[derive(Debug, Clone, Copy)]
pub struct SpotWorld {
    /// How many zones.
    pub zones: usize,
    /// Most nodes a zone can hold.
    pub nodes: u32,
    /// Ticks of the trace.
    pub ticks: usize,
    /// Seconds a tick.
    pub tick_s: f64,
    /// Mean hours of long up-spells; short ones last a twentieth of that.
    pub long_up_hours: f64,
    /// Mean hours of long down-spells; short ones last a tenth of that.
    pub long_down_hours: f64,
    /// Shocks an hour that end the up-spells of about half of all zones at once.
    pub shocks_per_hour: f64,
}

impl Default for SpotWorld {
    fn default() -> Self {
        Self {
            zones: 4,
            nodes: 1,
            ticks: 6_000,
            tick_s: 300.0,
            long_up_hours: 10.0,
            long_down_hours: 6.0,
            shocks_per_hour: 0.01,
        }
    }
}

impl SpotWorld {
    /// The trace that this shape gives with `seed`.
    #[must_use]
    pub fn generate(&self, seed: u64) -> SpotTrace {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut left: Vec<(bool, u32, f64)> = (0..self.zones).map(|_| (true, self.nodes, 1.0)).collect();
        let mut zones: Vec<ZoneTrace> = (0..self.zones)
            .map(|zone| ZoneTrace {
                name: format!("zone-{}{}", zone / 3, zone % 3),
                nodes: Vec::with_capacity(self.ticks),
            })
            .collect();
        let tick_hours = self.tick_s / 3_600.0;
        for _ in 0..self.ticks {
            let shock = rng.random_bool((self.shocks_per_hour * tick_hours).clamp(0.0, 1.0));
            for (zone, (is_up, nodes, hours)) in zones.iter_mut().zip(&mut left) {
                let shocked = shock && rng.random_bool(0.5);
                if *hours <= 0.0 || (*is_up && shocked) {
                    *is_up = !*is_up;
                    *hours = self.spell_hours(*is_up, &mut rng);
                    *nodes = if *is_up { self.nodes } else { self.nodes_left(&mut rng) };
                }
                *hours -= tick_hours;
                zone.nodes.push(*nodes);
            }
        }
        SpotTrace { tick_s: self.tick_s, zones }
    }

    fn spell_hours(&self, is_up: bool, rng: &mut StdRng) -> f64 {
        let (long, short_share) = if is_up { (self.long_up_hours, 20.0) } else { (self.long_down_hours, 10.0) };
        let mean = if rng.random_bool(0.4) { long } else { long / short_share };
        -mean * rng.random_range(f64::MIN_POSITIVE..1.0_f64).ln()
    }

    /// A bad spell takes everything two times in three, and otherwise leaves a few nodes.
    fn nodes_left(&self, rng: &mut StdRng) -> u32 {
        if self.nodes <= 1 || rng.random_bool(0.67) { 0 } else { rng.random_range(0..self.nodes) }
    }
}

/// Samples of a request rate every 600 s: a daily and a weekly wave, noise, and spikes that come and go unannounced.
#[must_use]
pub fn request_rates(days: u32, mean_rate: f64, seed: u64) -> Vec<(f64, f64)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut spike = 1.0_f64;
    (0..days * 144)
        .map(|sample| {
            let at_s = f64::from(sample) * 600.0;
            let wave = |period_s: f64| (at_s / period_s * std::f64::consts::TAU).sin();
            spike = if rng.random_bool(0.01) { rng.random_range(1.2..2.0) } else { 1.0 + (spike - 1.0) * 0.7 };
            let noise = 1.0 + 0.05 * rng.random_range(-1.0..1.0_f64);
            (at_s, mean_rate * (1.0 + 0.4 * wave(86_400.0) + 0.1 * wave(604_800.0)) * noise * spike)
        })
        .collect()
}
