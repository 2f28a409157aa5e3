//! Spot worlds whose zones are unlike each other: what a serving rule must hold up in, and what its constants are tried on.
//!
//! Each zone draws its own shape from the seed, over ranges wide enough to hold any market that was heard of: how long it
//! stays whole and how long it is out, how often capacity falls by parts rather than at once, whether a part's loss
//! announces the rest. Shocks reach several zones at one tick. No figure here comes from one named file.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::trace::{SpotTrace, ZoneTrace};

/// The frame of a world; what happens in it comes from the seed.
#[derive(Debug, Clone, Copy)]
pub struct VariedWorld {
    /// How many zones.
    pub zones: usize,
    /// Most nodes a zone can hold; at least one.
    pub nodes: u32,
    /// Ticks of the trace.
    pub ticks: usize,
    /// Seconds a tick.
    pub tick_s: f64,
}

/// One zone's shape; spells are mixes of short and long ones, so that their hazard falls with age.
struct Shape {
    long_whole_hours: f64,
    long_out_hours: f64,
    part_hours: f64,
    short_factor: f64,
    short_share: f64,
    /// Share of drops of a whole zone that take only a part, and of drops of what is left of one.
    part_shares: [f64; 2],
    /// Parts are taken by so many at most.
    part_most: f64,
    /// Share of parts' losses that are followed by a further loss rather than by a return.
    worsening_share: f64,
    /// Share of shocks that reach it.
    shock_share: f64,
}

impl VariedWorld {
    /// The trace that `seed` gives.
    #[must_use]
    pub fn generate(&self, seed: u64) -> SpotTrace {
        let mut rng = StdRng::seed_from_u64(seed);
        let shock_per_tick = per_tick(log_between(0.001, 0.03, &mut rng), self.tick_s);
        let mut zones: Vec<(Shape, u32, f64)> = Vec::with_capacity(self.zones);
        for _ in 0..self.zones {
            let shape = Shape::draw(&mut rng);
            // Some zones begin out, and none at the start of a spell.
            let nodes = if rng.random_bool(shape.whole_share()) { self.nodes } else { 0 };
            let hours = shape.spell_hours(nodes, self.nodes, &mut rng);
            zones.push((shape, nodes, hours));
        }
        let mut traces: Vec<ZoneTrace> = (0..self.zones)
            .map(|zone| ZoneTrace { name: format!("varied-{zone}"), nodes: Vec::with_capacity(self.ticks) })
            .collect();
        for _ in 0..self.ticks {
            let shock = rng.random_bool(shock_per_tick);
            for (trace, (shape, nodes, hours)) in traces.iter_mut().zip(&mut zones) {
                if *hours <= 0.0 || (*nodes > 0 && shock && rng.random_bool(shape.shock_share)) {
                    *nodes = shape.next(*nodes, self.nodes, &mut rng);
                    *hours = shape.spell_hours(*nodes, self.nodes, &mut rng);
                }
                *hours -= self.tick_s / 3_600.0;
                trace.nodes.push(*nodes);
            }
        }
        SpotTrace { tick_s: self.tick_s, zones: traces }
    }
}

impl Shape {
    fn draw(rng: &mut StdRng) -> Self {
        Self {
            long_whole_hours: log_between(4.0, 60.0, rng),
            long_out_hours: log_between(1.0, 24.0, rng),
            part_hours: log_between(0.15, 2.0, rng),
            short_factor: log_between(5.0, 40.0, rng),
            short_share: rng.random_range(0.3..0.7),
            part_shares: [rng.random_range(0.0..0.95), rng.random_range(0.0..0.8)],
            part_most: rng.random_range(0.0..1.0),
            worsening_share: rng.random_range(0.2..0.8),
            shock_share: rng.random_range(0.1..0.9),
        }
    }

    fn whole_share(&self) -> f64 {
        self.long_whole_hours / (self.long_whole_hours + self.long_out_hours)
    }

    fn next(&self, nodes: u32, whole: u32, rng: &mut StdRng) -> u32 {
        let is_part = nodes > 0 && nodes < whole;
        if nodes == 0 || (is_part && !rng.random_bool(self.worsening_share)) {
            // Nodes come back all at once more often than not.
            return if rng.random_bool(0.7) { whole } else { rng.random_range(nodes + 1..=whole) };
        }
        if nodes > 1 && rng.random_bool(self.part_shares[usize::from(is_part)]) {
            let most = (f64::from(nodes - 1) * self.part_most).ceil().max(1.0) as u32;
            nodes - rng.random_range(1..=most)
        } else {
            0
        }
    }

    fn spell_hours(&self, nodes: u32, whole: u32, rng: &mut StdRng) -> f64 {
        let long = match nodes {
            0 => self.long_out_hours,
            part if part < whole => self.part_hours,
            _ => self.long_whole_hours,
        };
        let mean = if rng.random_bool(self.short_share) { long / self.short_factor } else { long };
        -mean * rng.random_range(f64::MIN_POSITIVE..1.0_f64).ln()
    }
}

fn log_between(low: f64, high: f64, rng: &mut StdRng) -> f64 {
    rng.random_range(low.ln()..high.ln()).exp()
}

fn per_tick(per_hour: f64, tick_s: f64) -> f64 {
    (per_hour * tick_s / 3_600.0).clamp(0.0, 1.0)
}
