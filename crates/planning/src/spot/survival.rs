//! How long a spot zone stays up and stays down, learned online from what was seen.
//!
//! The hazard (endings per hour) is held by age of the spell, because it falls steeply with age: most spells end within
//! an hour and the rest last for days. Within an age class it is a Nelson–Aalen estimate with a gamma prior
//! (Aalen 1978, "Nonparametric inference for a family of counting processes"); old observations fade, because markets
//! change. This file knows nothing of money or jobs.

/// Upper edges of the age classes, in seconds: 20 min, 1 h, 3 h, 8 h, 24 h, and beyond.
const CLASS_EDGES_S: [f64; AgeClass::COUNT - 1] = [1_200.0, 3_600.0, 10_800.0, 28_800.0, 86_400.0];

/// Endings per hour of spells of each age before anything was seen. Fitted on the four K80 zones of the public
/// availability trace of 2022-10-26 (skypilot-org/spot-traces) and on nothing else; the tails that had fewer than ten
/// endings are smoothed by hand.
const PRIOR_UP_PER_HOUR: [f64; AgeClass::COUNT] = [1.24, 0.81, 0.43, 0.21, 0.11, 0.08];
const PRIOR_DOWN_PER_HOUR: [f64; AgeClass::COUNT] = [2.2, 0.75, 0.37, 0.22, 0.07, 0.03];

/// How many endings the prior is worth in each class.
const PRIOR_ENDINGS: f64 = 2.0;

/// Observations count half after this many hours.
const HALF_LIFE_HOURS: f64 = 24.0 * 30.0;

/// The age of a spell, in classes over which its hazard is taken to be constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgeClass(usize);

impl AgeClass {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// The class of a spell that has lasted `age_s` seconds.
    #[must_use]
    pub fn of(age_s: f64) -> Self {
        Self(CLASS_EDGES_S.iter().take_while(|edge| age_s >= **edge).count())
    }

    /// The class with this index; the last for any that is too large.
    #[must_use]
    pub const fn at(index: usize) -> Self {
        Self(if index < Self::COUNT { index } else { Self::COUNT - 1 })
    }

    /// Its index, below [`AgeClass::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }

    /// Its width in hours; infinite for the last.
    #[must_use]
    pub fn width_hours(index: usize) -> f64 {
        let lower_s = if index == 0 { 0.0 } else { CLASS_EDGES_S.get(index - 1).copied().unwrap_or(0.0) };
        CLASS_EDGES_S.get(index).map_or(f64::INFINITY, |upper_s| (upper_s - lower_s) / 3_600.0)
    }
}

/// Hours seen and endings seen, by age class.
#[derive(Debug, Clone, Default)]
struct Spells {
    exposure_hours: [f64; AgeClass::COUNT],
    endings: [f64; AgeClass::COUNT],
}

impl Spells {
    fn fade(&mut self, factor: f64) {
        for value in self.exposure_hours.iter_mut().chain(&mut self.endings) {
            *value *= factor;
        }
    }

    fn hazards(&self, prior: &[f64; AgeClass::COUNT]) -> [f64; AgeClass::COUNT] {
        std::array::from_fn(|class| {
            (self.endings[class] + PRIOR_ENDINGS) / (self.exposure_hours[class] + PRIOR_ENDINGS / prior[class])
        })
    }
}

/// What is known of one zone, or of "any of several zones" taken together.
#[derive(Debug, Clone, Default)]
pub struct Survival {
    up_spells: Spells,
    down_spells: Spells,
    is_up: Option<bool>,
    age_s: f64,
}

impl Survival {
    /// Takes in one observation: whether capacity could be had, after `elapsed_s` seconds since the one before.
    pub fn observe(&mut self, is_up: bool, elapsed_s: f64) {
        let Some(was_up) = self.is_up.replace(is_up) else { return };
        let elapsed_hours = elapsed_s / 3_600.0;
        let fade = 0.5_f64.powf(elapsed_hours / HALF_LIFE_HOURS);
        self.up_spells.fade(fade);
        self.down_spells.fade(fade);
        let class = AgeClass::of(self.age_s).index();
        let spells = if was_up { &mut self.up_spells } else { &mut self.down_spells };
        spells.exposure_hours[class] += elapsed_hours;
        if was_up == is_up {
            self.age_s += elapsed_s;
        } else {
            spells.endings[class] += 1.0;
            self.age_s = 0.0;
        }
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

    /// Endings per hour of up-spells (`true`) or down-spells (`false`), by age class.
    #[must_use]
    pub fn hazards_per_hour(&self, up: bool) -> [f64; AgeClass::COUNT] {
        if up { self.up_spells.hazards(&PRIOR_UP_PER_HOUR) } else { self.down_spells.hazards(&PRIOR_DOWN_PER_HOUR) }
    }

    /// Hours that the up-spell running now is expected to go on, counted no further than `horizon_hours`.
    #[must_use]
    pub fn expected_up_hours(&self, horizon_hours: f64) -> f64 {
        if !self.is_up() {
            return 0.0;
        }
        let hazards = self.hazards_per_hour(true);
        let mut class = self.age_class().index();
        let edge_s = CLASS_EDGES_S.get(class).copied().unwrap_or(f64::INFINITY);
        let (mut width_hours, mut left_hours) = ((edge_s - self.age_s) / 3_600.0, horizon_hours);
        let (mut alive, mut expected) = (1.0, 0.0);
        // At most one turn an age class.
        while left_hours > 0.0 && class < AgeClass::COUNT {
            let span = width_hours.min(left_hours);
            let ended = 1.0 - (-hazards[class] * span).exp();
            expected += alive * ended / hazards[class];
            alive *= 1.0 - ended;
            left_hours -= span;
            class += 1;
            width_hours = AgeClass::width_hours(class);
        }
        expected
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
