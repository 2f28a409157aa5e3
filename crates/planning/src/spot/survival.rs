//! How long a spot zone stays up and stays down, learned online from what was seen.
//!
//! The hazard ([`super::hazard`]) falls steeply with the age of a spell: most end within an hour and the rest last for
//! days; and it rises and falls with the time of day. This file knows nothing of money or jobs.

use super::hazard::{AgeClass, Hazard, HazardTable, day_part};

/// Endings per hour of spells of each age before anything was seen. Fitted on the four K80 zones of the public
/// availability trace of 2022-10-26 (skypilot-org/spot-traces) and on nothing else; the tails that had fewer than ten
/// endings are smoothed by hand.
const PRIOR_UP_PER_HOUR: [f64; AgeClass::COUNT] = [1.24, 0.81, 0.43, 0.21, 0.11, 0.08];
const PRIOR_DOWN_PER_HOUR: [f64; AgeClass::COUNT] = [2.2, 0.75, 0.37, 0.22, 0.07, 0.03];

/// Observations count half after this many hours.
const HALF_LIFE_HOURS: f64 = 24.0 * 30.0;

/// What is known of one zone, or of "any of several zones" taken together.
#[derive(Debug, Clone)]
pub struct Survival {
    up_spells: Hazard,
    down_spells: Hazard,
    is_up: Option<bool>,
    age_s: f64,
    now_s: f64,
}

impl Default for Survival {
    fn default() -> Self {
        Self {
            up_spells: Hazard::new(&PRIOR_UP_PER_HOUR, HALF_LIFE_HOURS),
            down_spells: Hazard::new(&PRIOR_DOWN_PER_HOUR, HALF_LIFE_HOURS),
            is_up: None,
            age_s: 0.0,
            now_s: 0.0,
        }
    }
}

impl Survival {
    /// Takes in one observation: whether capacity could be had, after `elapsed_s` seconds since the one before.
    pub fn observe(&mut self, is_up: bool, elapsed_s: f64) {
        let Some(was_up) = self.is_up.replace(is_up) else { return };
        let elapsed_hours = elapsed_s / 3_600.0;
        self.up_spells.fade(elapsed_hours);
        self.down_spells.fade(elapsed_hours);
        let spells = if was_up { &mut self.up_spells } else { &mut self.down_spells };
        spells.observe(self.age_s, self.now_s, elapsed_hours, was_up != is_up);
        self.age_s = if was_up == is_up { self.age_s + elapsed_s } else { 0.0 };
        self.now_s += elapsed_s;
    }

    /// Whether capacity was there when last seen.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.unwrap_or(false)
    }

    /// The age class of the spell that runs now.
    #[must_use]
    pub fn age_class(&self) -> AgeClass {
        AgeClass::of(self.age_s)
    }

    /// Seconds since the first observation: the clock that times of day are counted by.
    #[must_use]
    pub const fn now_s(&self) -> f64 {
        self.now_s
    }

    /// Endings per hour of up-spells (`true`) or down-spells (`false`), by time of day and age.
    #[must_use]
    pub fn hazards_per_hour(&self, up: bool) -> HazardTable {
        if up { self.up_spells.table() } else { self.down_spells.table() }
    }

    /// Endings per hour of the spell that runs now, at its age and this time of day.
    #[must_use]
    pub fn ending_per_hour(&self) -> f64 {
        let spells = if self.is_up() { &self.up_spells } else { &self.down_spells };
        spells.by_age(self.age_class()) * spells.day_factor(day_part(self.now_s))
    }

    /// Hours that the up-spell running now is expected to go on, counted no further than `horizon_hours`.
    #[must_use]
    pub fn expected_up_hours(&self, horizon_hours: f64) -> f64 {
        if self.is_up() { self.up_spells.expected_hours(self.age_s, self.now_s, horizon_hours) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expects_the_mean_of_what_it_saw() {
        let mut zone = Survival::default();
        // Up for 30 minutes, down for 30 minutes, for a fortnight.
        for minute in 0..20_160_u32 {
            zone.observe((minute / 30) % 2 == 0, 60.0);
        }
        zone.observe(true, 60.0);
        let expected_hours = zone.expected_up_hours(48.0);
        assert!((0.4..1.2).contains(&expected_hours), "{expected_hours}");
    }

    #[test]
    fn an_old_spell_is_expected_to_last_longer_than_a_young_one() {
        let (mut young, mut old) = (Survival::default(), Survival::default());
        young.observe(true, 60.0);
        (0..600).for_each(|_| old.observe(true, 60.0));
        assert!(old.expected_up_hours(48.0) > 2.0 * young.expected_up_hours(48.0));
        assert!(old.expected_up_hours(1.0) <= 1.0);
    }

    #[test]
    fn nothing_seen_means_nothing_up() {
        assert!(!Survival::default().is_up());
        assert!(Survival::default().expected_up_hours(10.0).abs() < f64::EPSILON);
    }
}
