//! How likely a zone is to take held spot instances away, and how many at once; learned online from what was seen.
//!
//! Where [`super::survival`] asks whether anything can be had, this asks what happens to what is held: a drop is any fall
//! of the capacity. A zone's hazard is a law common to all (it falls with the calm since the last change) times what the
//! zone itself has shown, each with a gamma prior: drops seen over drops expected. A zone that has lost a part has a law
//! of its own. Severity is the share of the capacity that a drop leaves; what other zones showed is each one's prior.
//! That zones drop together is the matter of [`super::together`].

/// The common law of drops per hour of a zone that is whole: this many one hour after the last change, times the hours of
/// calm to the power of minus [`CALM_POWER`] (a Weibull hazard with a shape of about one half). Most likely values for the
/// four zones of the public preemption trace of one node of 2023-04-22 and the eight of the availability trace of
/// 2022-10-26 (skypilot-org/spot-traces): 0.50 and 0.48, 0.56 and 0.56; their middle is taken. Nothing else was used.
const DROPS_PER_HOUR: f64 = 0.53;
const CALM_POWER: f64 = 0.52;
/// Nothing was seen to be younger than this, in hours.
const YOUNGEST_HOURS: f64 = 0.05;
/// A zone that has lost a part of what it once held drops this many times as often. Chosen on generated worlds
/// (`simulator::generate::VariedWorld`), where one to two and a half make little difference.
const PART_FACTOR: f64 = 2.0;
/// How many drops the law is worth against all that one zone showed, and that against what it showed at one age. Chosen on
/// generated worlds and the sets above, where two to eight make little difference; so were the weights of severities.
const LAW_DROPS: f64 = 4.0;
/// Edges of the ages at which a zone may differ from the law in its own way, in hours of calm.
const AGE_EDGES_HOURS: [f64; AGES - 1] = [1.0, 8.0];
const AGES: usize = 3;
/// Ages of a whole zone, then those of one that has lost a part.
const CLASSES: usize = 2 * AGES;

/// Shares of the capacity left by a drop are counted in this many bins, from nothing to nearly all.
const LEFT_BINS: usize = 8;
/// The prior of the severity: half of all drops take everything, the rest any part. In drops, three together.
const PRIOR_LEFT: [f64; LEFT_BINS] = [1.5, 0.21, 0.21, 0.21, 0.21, 0.21, 0.225, 0.225];
/// How many drops of its own outweigh what all zones showed, in the severity of one.
const LEFT_DROPS: f64 = 3.0;
/// Observations count half after this many hours.
const HALF_LIFE_HOURS: f64 = 24.0 * 14.0;

/// The share of an observation's weight that is left after `hours`.
pub(super) fn faded(hours: f64) -> f64 {
    0.5_f64.powf(hours / HALF_LIFE_HOURS)
}

/// How many drops left which share of the capacity.
pub(super) type LeftCounts = [f64; LEFT_BINS];

/// What is known of one zone.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    /// Drops that the law expected, and drops that came, by class.
    expected: [f64; CLASSES],
    drops: [f64; CLASSES],
    /// Of a whole zone, and of one that has lost a part.
    left: [LeftCounts; 2],
    capacity: Option<u32>,
    highest: u32,
    calm_s: f64,
}

impl Holding {
    /// Takes in the capacity seen `elapsed_s` seconds after the one before; says whether it dropped.
    pub fn observe(&mut self, capacity: u32, elapsed_s: f64) -> bool {
        let (was_part, before) = (self.is_part(), self.capacity.replace(capacity));
        self.highest = self.highest.max(capacity);
        let Some(before) = before else { return false };
        let (hours, dropped) = (elapsed_s / 3_600.0, capacity < before);
        let fade = faded(hours);
        let seen = self.expected.iter_mut().chain(&mut self.drops).chain(self.left.iter_mut().flatten());
        seen.for_each(|value| *value *= fade);
        if before > 0 {
            let calm_hours = self.calm_s / 3_600.0 + hours / 2.0;
            let class = class(calm_hours, was_part);
            self.expected[class] += law_per_hour(calm_hours, was_part) * hours;
            if dropped {
                self.drops[class] += 1.0;
                self.left[usize::from(was_part)][left_bin(capacity, before)] += 1.0;
            }
        }
        self.calm_s = if capacity == before { self.calm_s + elapsed_s } else { 0.0 };
        dropped
    }

    /// Whether anything can be held here.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.capacity.is_some_and(|now| now > 0)
    }

    /// Drops per hour, now.
    #[must_use]
    pub fn drops_per_hour(&self) -> f64 {
        self.hazard(self.calm_s / 3_600.0)
    }

    /// Drops per hour just after a change.
    #[must_use]
    pub fn young_drops_per_hour(&self) -> f64 {
        self.hazard(0.0)
    }

    /// What capacity the next drop leaves, in nodes, and how likely; the chances add up to one. `anywhere` is what the
    /// drops of all zones in this one's state left.
    #[must_use]
    pub(super) fn left(&self, anywhere: &[LeftCounts; 2]) -> Vec<(u32, f64)> {
        let capacity = self.capacity.unwrap_or(0);
        let part = usize::from(self.is_part());
        let prior = blend(&anywhere[part], 1.0, &PRIOR_LEFT);
        let weights = blend(&self.left[part], LEFT_DROPS / prior.iter().sum::<f64>(), &prior);
        let total: f64 = weights.iter().sum();
        let mut left: Vec<(u32, f64)> = Vec::with_capacity(LEFT_BINS);
        for (bin, weight) in weights.iter().enumerate() {
            let nodes = (f64::from(capacity) * bin as f64 / LEFT_BINS as f64 + 0.5).floor() as u32;
            let nodes = nodes.min(capacity.saturating_sub(1));
            match left.last_mut() {
                Some((same, chance)) if *same == nodes => *chance += weight / total,
                _ => left.push((nodes, weight / total)),
            }
        }
        left
    }

    /// Adds what this zone's drops left to `anywhere`.
    pub(super) fn add_left(&self, anywhere: &mut [LeftCounts; 2]) {
        for (sum, own) in anywhere.iter_mut().zip(&self.left) {
            *sum = blend(sum, 1.0, own);
        }
    }

    /// Whether it holds less than it once did.
    fn is_part(&self) -> bool {
        self.capacity.is_some_and(|now| now < self.highest)
    }

    fn hazard(&self, calm_hours: f64) -> f64 {
        let ratio = |drops: f64, expected: f64| (drops + LAW_DROPS) / (expected + LAW_DROPS);
        let pace = ratio(self.drops.iter().sum(), self.expected.iter().sum());
        let class = class(calm_hours, self.is_part());
        law_per_hour(calm_hours, self.is_part()) * pace * ratio(self.drops[class], self.expected[class] * pace)
    }
}

fn law_per_hour(calm_hours: f64, is_part: bool) -> f64 {
    let factor = if is_part { PART_FACTOR } else { 1.0 };
    factor * DROPS_PER_HOUR * calm_hours.max(YOUNGEST_HOURS).powf(-CALM_POWER)
}

fn class(calm_hours: f64, is_part: bool) -> usize {
    let age = AGE_EDGES_HOURS.iter().take_while(|edge| calm_hours >= **edge).count();
    age + if is_part { AGES } else { 0 }
}

fn blend(one: &LeftCounts, weight: f64, other: &LeftCounts) -> LeftCounts {
    std::array::from_fn(|bin| one[bin] + weight * other[bin])
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
    fn the_hazard_comes_to_what_was_seen() {
        let mut zone = Holding::default();
        // A drop every two hours, for a month.
        for tick in 0..8_640_u32 {
            zone.observe(if tick % 24 == 23 { 3 } else { 4 }, 300.0);
        }
        let mut hazard = 0.0;
        for _ in 0..23 {
            hazard += zone.drops_per_hour() / 23.0;
            zone.observe(4, 300.0);
        }
        assert!((0.35..0.75).contains(&hazard), "{hazard}");
    }

    #[test]
    fn what_is_left_adds_up_and_follows_what_was_seen() {
        let mut zone = Holding::default();
        for _ in 0..50 {
            zone.observe(4, 300.0);
            zone.observe(3, 300.0);
        }
        zone.observe(4, 300.0);
        let mut anywhere = [[0.0; LEFT_BINS]; 2];
        zone.add_left(&mut anywhere);
        let left = zone.left(&anywhere);
        assert!((left.iter().map(|(_, chance)| chance).sum::<f64>() - 1.0).abs() < 1e-9);
        let three = left.iter().find(|(nodes, _)| *nodes == 3);
        assert!(three.is_some_and(|(_, chance)| *chance > 0.9), "one of four is lost each time: {left:?}");
        // A zone that has shown nothing is expected to do as the other does.
        let mut other = Holding::default();
        other.observe(4, 300.0);
        let three = other.left(&anywhere).into_iter().find(|(nodes, _)| *nodes == 3);
        assert!(three.is_some_and(|(_, chance)| chance > 0.8), "{three:?}");
    }
}
