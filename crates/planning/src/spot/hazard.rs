//! Endings per hour of spells, by their age and by the time of day; learned online from what was seen.
//!
//! By age it is a Nelson–Aalen estimate with a gamma prior in each class (Aalen 1978, "Nonparametric inference for a family
//! of counting processes"). The time of day multiplies it: endings seen in a part of the day over those that age alone
//! lets expect there, with a gamma prior of mean one (the shared-frailty estimate of Clayton 1978, "A model for
//! association in bivariate life tables", with the part of the day as the group). Old observations fade, because markets
//! change. This file knows nothing of zones or money.

/// Upper edges of the age classes, in seconds: 20 min, 1 h, 3 h, 8 h, 24 h, and beyond.
const CLASS_EDGES_S: [f64; AgeClass::COUNT - 1] = [1_200.0, 3_600.0, 10_800.0, 28_800.0, 86_400.0];

/// How many endings the prior is worth in each class.
const PRIOR_ENDINGS: f64 = 2.0;

/// How many endings the prior of each part of the day is worth.
const PRIOR_DAY_ENDINGS: f64 = 4.0;

/// Parts of a day that have a factor each.
pub const DAY_PARTS: usize = 8;

const DAY_S: f64 = 86_400.0;

/// The part of the day that a moment lies in, in seconds since any midnight.
#[must_use]
pub fn day_part(at_s: f64) -> usize {
    ((at_s.rem_euclid(DAY_S) / DAY_S * DAY_PARTS as f64) as usize).min(DAY_PARTS - 1)
}

/// Seconds from a moment to the end of its part of the day.
#[must_use]
pub fn left_of_day_part_s(at_s: f64) -> f64 {
    let part_s = DAY_S / DAY_PARTS as f64;
    part_s - at_s.rem_euclid(part_s)
}

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

    /// The age at which it ends, in seconds; infinite for the last.
    #[must_use]
    pub fn end_s(self) -> f64 {
        CLASS_EDGES_S.get(self.0).copied().unwrap_or(f64::INFINITY)
    }

    /// Its width in hours; infinite for the last.
    #[must_use]
    pub fn width_hours(index: usize) -> f64 {
        let lower_s = if index == 0 { 0.0 } else { CLASS_EDGES_S.get(index - 1).copied().unwrap_or(0.0) };
        CLASS_EDGES_S.get(index).map_or(f64::INFINITY, |upper_s| (upper_s - lower_s) / 3_600.0)
    }
}

/// Endings per hour by part of the day, then by age class.
pub type HazardTable = [[f64; AgeClass::COUNT]; DAY_PARTS];

/// What is known of how one kind of spell ends.
#[derive(Debug, Clone)]
pub struct Hazard {
    prior_per_hour: &'static [f64; AgeClass::COUNT],
    half_life_hours: f64,
    exposure_hours: [f64; AgeClass::COUNT],
    endings: [f64; AgeClass::COUNT],
    day_expected: [f64; DAY_PARTS],
    day_endings: [f64; DAY_PARTS],
}

impl Hazard {
    /// Knows the prior alone; observations will count half after `half_life_hours`.
    #[must_use]
    pub const fn new(prior_per_hour: &'static [f64; AgeClass::COUNT], half_life_hours: f64) -> Self {
        Self {
            prior_per_hour,
            half_life_hours,
            exposure_hours: [0.0; AgeClass::COUNT],
            endings: [0.0; AgeClass::COUNT],
            day_expected: [0.0; DAY_PARTS],
            day_endings: [0.0; DAY_PARTS],
        }
    }

    /// Lets observations fade by `hours` hours.
    pub fn fade(&mut self, hours: f64) {
        let factor = 0.5_f64.powf(hours / self.half_life_hours);
        let by_age = self.exposure_hours.iter_mut().chain(&mut self.endings);
        for value in by_age.chain(&mut self.day_expected).chain(&mut self.day_endings) {
            *value *= factor;
        }
    }

    /// Takes in that a spell of `age_s` seconds went on for `hours` hours at the moment `at_s`, and whether it then ended.
    pub fn observe(&mut self, age_s: f64, at_s: f64, hours: f64, ended: bool) {
        let class = AgeClass::of(age_s);
        let part = day_part(at_s);
        self.day_expected[part] += self.by_age(class) * hours;
        self.exposure_hours[class.index()] += hours;
        if ended {
            self.endings[class.index()] += 1.0;
            self.day_endings[part] += 1.0;
        }
    }

    /// Endings per hour of a spell of this age, over all times of day.
    #[must_use]
    pub fn by_age(&self, class: AgeClass) -> f64 {
        let class = class.index();
        let prior_hours = PRIOR_ENDINGS / self.prior_per_hour[class];
        (self.endings[class] + PRIOR_ENDINGS) / (self.exposure_hours[class] + prior_hours)
    }

    /// What the time of day multiplies the hazard with.
    #[must_use]
    pub fn day_factor(&self, part: usize) -> f64 {
        (self.day_endings[part] + PRIOR_DAY_ENDINGS) / (self.day_expected[part] + PRIOR_DAY_ENDINGS)
    }

    /// Endings per hour at every time of day and every age.
    #[must_use]
    pub fn table(&self) -> HazardTable {
        std::array::from_fn(|part| {
            std::array::from_fn(|class| self.by_age(AgeClass::at(class)) * self.day_factor(part))
        })
    }

    /// Hours that a spell of `age_s` seconds at the moment `at_s` is expected to go on, counted no further than
    /// `horizon_hours`.
    #[must_use]
    pub fn expected_hours(&self, age_s: f64, at_s: f64, horizon_hours: f64) -> f64 {
        let table = self.table();
        let (mut passed_s, mut alive, mut expected) = (0.0, 1.0, 0.0);
        let horizon_s = horizon_hours * 3_600.0;
        // Every turn ends an age class, a part of the day, or the whole; a year bounds them.
        for _ in 0..AgeClass::COUNT + 366 * DAY_PARTS {
            let class = AgeClass::of(age_s + passed_s);
            let span_s = (horizon_s - passed_s)
                .min(class.end_s() - age_s - passed_s)
                .min(left_of_day_part_s(at_s + passed_s))
                .max(1.0);
            let hazard = table[day_part(at_s + passed_s)][class.index()];
            let ended = 1.0 - (-hazard * span_s / 3_600.0).exp();
            expected += alive * ended / hazard;
            alive *= 1.0 - ended;
            passed_s += span_s;
            if passed_s >= horizon_s || alive < 1e-4 {
                break;
            }
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: [f64; AgeClass::COUNT] = [1.0; AgeClass::COUNT];

    /// Spells of half an hour that end only in the first quarter of each day.
    fn seen(days: u32) -> Hazard {
        let mut hazard = Hazard::new(&PRIOR, 1e9);
        for quarter in 0..days * 96 {
            let at_s = f64::from(quarter) * 900.0;
            let is_early = at_s.rem_euclid(DAY_S) < DAY_S / 4.0;
            hazard.observe(0.0, at_s, 0.25, is_early && quarter % 2 == 0);
        }
        hazard
    }

    #[test]
    fn the_time_of_day_is_learned_and_keeps_the_mean() {
        let hazard = seen(60);
        assert!(hazard.day_factor(0) > 3.0, "{}", hazard.day_factor(0));
        assert!(hazard.day_factor(5) < 0.1, "{}", hazard.day_factor(5));
        let mean = (0..DAY_PARTS).map(|part| hazard.day_factor(part)).sum::<f64>() / DAY_PARTS as f64;
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
    }

    #[test]
    fn one_day_says_little_about_the_time_of_day() {
        let hazard = seen(1);
        assert!((0..DAY_PARTS).all(|part| (0.3..3.0).contains(&hazard.day_factor(part))));
    }

    #[test]
    fn a_spell_is_expected_to_outlast_hours_in_which_none_ends() {
        let hazard = seen(60);
        let from_morning = hazard.expected_hours(0.0, DAY_S / 4.0, 48.0);
        let from_midnight = hazard.expected_hours(0.0, 0.0, 48.0);
        assert!((10.0..20.0).contains(&from_morning), "{from_morning}");
        assert!(from_midnight < 1.5, "{from_midnight}");
    }

    #[test]
    fn a_constant_hazard_gives_the_mean_of_an_exponential() {
        let hazard = Hazard::new(&PRIOR, 1e9);
        let expected = 1.0 - (-3.0_f64).exp();
        assert!((hazard.expected_hours(500.0, 12_345.0, 3.0) - expected).abs() < 1e-3);
    }

    #[test]
    fn every_moment_lies_in_a_part_of_the_day() {
        for at_s in [-1.0, 0.0, 10_799.9, 10_800.0, 86_399.9, 86_400.0, 1e9] {
            let part = day_part(at_s);
            assert!(part < DAY_PARTS);
            assert_eq!(part, day_part(at_s + left_of_day_part_s(at_s) - 0.01));
        }
    }
}
