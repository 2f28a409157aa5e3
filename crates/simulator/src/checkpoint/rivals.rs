//! Cadences: the product's own, and what is usual.

use planning::spot::Survival;
use planning::spot::checkpoint::interval_hours;

use super::world::CheckpointPolicy;

/// The product's own: the hazard that the survival model sees in this zone, at this age and hour.
#[derive(Debug)]
pub struct Ours {
    write_hours: f64,
    zone: Survival,
}

impl Ours {
    /// For checkpoints that take `write_hours`.
    #[must_use]
    pub fn new(write_hours: f64) -> Self {
        Self { write_hours, zone: Survival::default() }
    }
}

impl CheckpointPolicy for Ours {
    fn observe(&mut self, is_up: bool, elapsed_s: f64) {
        self.zone.observe(is_up, elapsed_s);
    }
    fn interval_hours(&self) -> f64 {
        interval_hours(self.write_hours, self.zone.ending_per_hour())
    }
}

/// Young's interval for one mean life, that of all spells seen so far; before the first ended, 12 hours count as one.
#[derive(Debug)]
pub struct Young {
    write_hours: f64,
    was_up: bool,
    up_hours: f64,
    endings: f64,
}

impl Young {
    /// For checkpoints that take `write_hours`.
    #[must_use]
    pub const fn new(write_hours: f64) -> Self {
        Self { write_hours, was_up: false, up_hours: 12.0, endings: 1.0 }
    }
}

impl CheckpointPolicy for Young {
    fn observe(&mut self, is_up: bool, elapsed_s: f64) {
        if self.was_up {
            self.up_hours += elapsed_s / 3_600.0;
            self.endings += if is_up { 0.0 } else { 1.0 };
        }
        self.was_up = is_up;
    }
    fn interval_hours(&self) -> f64 {
        interval_hours(self.write_hours, self.endings / self.up_hours)
    }
}

/// One every so many hours of work.
#[derive(Debug)]
pub struct Fixed {
    /// Hours of work between two.
    pub every_hours: f64,
}

impl CheckpointPolicy for Fixed {
    fn observe(&mut self, _is_up: bool, _elapsed_s: f64) {}
    fn interval_hours(&self) -> f64 {
        self.every_hours
    }
}
