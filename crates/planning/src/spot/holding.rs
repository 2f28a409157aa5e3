//! How likely a zone is to take held spot instances away, and how many at once; learned online from what was seen.
//!
//! Where [`super::survival`] asks whether anything can be had, this asks what happens to what is held: a drop is any fall
//! of the capacity, and its severity is the share of the capacity that is left. The hazard falls with the calm since the
//! last change. Drops of different zones at one moment are counted too, since shocks are shared.

use super::hazard::AgeClass;

/// Drops per hour by calm since the last change, before anything was seen. Fitted on the four zones of the public
/// preemption trace of one node of 2023-04-22 (skypilot-org/spot-traces) and on nothing else.
const PRIOR_DROPS_PER_HOUR: [f64; AgeClass::COUNT] = [1.57, 0.67, 0.36, 0.17, 0.18, 0.15];
/// How many drops the prior is worth in each class.
const PRIOR_DROPS: f64 = 2.0;
/// Shares of the capacity left by a drop are counted in this many bins, from nothing to nearly all.
const LEFT_BINS: usize = 8;
/// The prior of the severity: half of all drops take everything, the rest any part. In drops; worth six in all.
const PRIOR_LEFT: [f64; LEFT_BINS] = [3.0, 0.42, 0.42, 0.42, 0.42, 0.42, 0.45, 0.45];
/// Observations count half after this many hours.
const HALF_LIFE_HOURS: f64 = 24.0 * 14.0;

/// What is known of one zone.
#[derive(Debug, Clone)]
pub struct Holding {
    exposure_hours: [f64; AgeClass::COUNT],
    drops: [f64; AgeClass::COUNT],
    left: [f64; LEFT_BINS],
    capacity: Option<u32>,
    calm_s: f64,
}

impl Default for Holding {
    fn default() -> Self {
        let nothing = [0.0; AgeClass::COUNT];
        Self { exposure_hours: nothing, drops: nothing, left: PRIOR_LEFT, capacity: None, calm_s: 0.0 }
    }
}

impl Holding {
    /// Takes in the capacity seen `elapsed_s` seconds after the one before; says whether it dropped.
    pub fn observe(&mut self, capacity: u32, elapsed_s: f64) -> bool {
        let Some(before) = self.capacity.replace(capacity) else { return false };
        let hours = elapsed_s / 3_600.0;
        let fade = 0.5_f64.powf(hours / HALF_LIFE_HOURS);
        for value in self.exposure_hours.iter_mut().chain(&mut self.drops).chain(&mut self.left) {
            *value *= fade;
        }
        let dropped = capacity < before;
        if before > 0 {
            let class = AgeClass::of(self.calm_s).index();
            self.exposure_hours[class] += hours;
            if dropped {
                self.drops[class] += 1.0;
                self.left[left_bin(capacity, before)] += 1.0;
            }
        }
        self.calm_s = if capacity == before { self.calm_s + elapsed_s } else { 0.0 };
        dropped
    }

    /// Drops per hour, now.
    #[must_use]
    pub fn drops_per_hour(&self) -> f64 {
        self.hazard(AgeClass::of(self.calm_s).index())
    }

    /// Drops per hour just after a change.
    #[must_use]
    pub fn young_drops_per_hour(&self) -> f64 {
        self.hazard(0)
    }

    /// The chance, given a drop, that each number of `held` instances is lost: index is the number lost.
    #[must_use]
    pub fn loss_chances(&self, held: u32) -> Vec<f64> {
        let capacity = self.capacity.unwrap_or(held).max(held);
        let total: f64 = self.left.iter().sum();
        let mut chances = vec![0.0; held as usize + 1];
        for (bin, weight) in self.left.iter().enumerate() {
            let remaining = (f64::from(capacity) * bin as f64 / LEFT_BINS as f64 + 0.5).floor() as u32;
            let lost = held.saturating_sub(remaining.min(capacity.saturating_sub(1)));
            chances[lost as usize] += weight / total;
        }
        chances
    }

    fn hazard(&self, class: usize) -> f64 {
        (self.drops[class] + PRIOR_DROPS) / (self.exposure_hours[class] + PRIOR_DROPS / PRIOR_DROPS_PER_HOUR[class])
    }
}

fn left_bin(after: u32, before: u32) -> usize {
    let share = f64::from(after) / f64::from(before.max(1));
    ((share * LEFT_BINS as f64).round() as usize).min(LEFT_BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calm_zone_is_safer_than_one_that_just_changed() {
        let mut zone = Holding::default();
        (0..200).for_each(|_| {
            zone.observe(4, 300.0);
        });
        let calm = zone.drops_per_hour();
        assert!(zone.observe(3, 300.0));
        assert!(zone.drops_per_hour() > 3.0 * calm);
    }

    #[test]
    fn chances_of_loss_add_up_and_follow_what_was_seen() {
        let mut zone = Holding::default();
        for _ in 0..50 {
            zone.observe(4, 300.0);
            zone.observe(3, 300.0);
        }
        zone.observe(4, 300.0);
        for held in 1..=4 {
            let chances = zone.loss_chances(held);
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        assert!(zone.loss_chances(4)[1] > 0.9, "one of four is lost each time: {:?}", zone.loss_chances(4));
        assert!(zone.loss_chances(3)[0] > 0.9, "three of four are not touched: {:?}", zone.loss_chances(3));
    }
}
