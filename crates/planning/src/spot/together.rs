//! Zones that lose capacity together: how likely another zone drops because one does, learned pair by pair.
//!
//! Two zones drop together when both do within one cold start, since what the first lost is not made good until then.
//! What chance explains, with each zone's own hazard, is taken off. Some pairs (two instance sizes in one zone, two zones
//! of one region) share most of their drops and others none, so each pair is counted by itself; what all pairs showed is
//! the prior of each. That preemptions are correlated is shown by Mao et al., "SkyServe", arXiv 2411.01438.

use super::holding::{Holding, LeftCounts, faded};

/// Zones that dropped because another did, before any was seen: hits, and drops that gave the chance. Round numbers; pairs
/// of the one-node sets named in [`super::holding`] share 0.02 to 0.12 of their drops on average.
const ANY_PAIR: (f64, f64) = (0.5, 10.0);
/// How many drops what all pairs showed is worth against what one pair showed. A round number, not fitted.
const PAIR_DROPS: f64 = 5.0;
/// Dropping together is never thought less likely than this, in one pair or in all.
const LEAST_SHARED: f64 = 0.001;

/// What one zone may do within one cold start.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneOutlook {
    /// The chance that it drops.
    pub drops: f64,
    /// The chance that it drops once more before what it lost is made good.
    pub again: f64,
    /// What capacity a drop leaves, in nodes, and how likely; the chances add up to one.
    pub left: Vec<(u32, f64)>,
    /// For each zone the chance that it drops because this one does; not read for itself.
    pub follows: Vec<f64>,
}

/// What is known of all zones of one deployment.
#[derive(Debug, Clone)]
pub struct Zones {
    zones: Vec<Holding>,
    since_drop_s: Vec<f64>,
    /// Drops of the other within one window of the row's, less those that chance explains; and drops of the row's while
    /// the other could drop. A row for each zone.
    pairs: Vec<(f64, f64)>,
    window_s: f64,
}

impl Zones {
    /// Nothing seen yet of `count` zones, whose drops count as together within `window_s` seconds.
    #[must_use]
    pub fn new(count: usize, window_s: f64) -> Self {
        Self {
            zones: vec![Holding::default(); count],
            since_drop_s: vec![f64::INFINITY; count],
            pairs: vec![(0.0, 0.0); count * count],
            window_s,
        }
    }

    /// Takes in the capacities seen `elapsed_s` seconds after those before. One missing at the end counts as nothing.
    pub fn observe(&mut self, capacity: &[u32], elapsed_s: f64) {
        // Drops an hour that were to be expected before this was seen.
        let expected: Vec<f64> =
            self.zones.iter().map(|zone| if zone.is_up() { zone.drops_per_hour() } else { 0.0 }).collect();
        let seen = capacity.iter().copied().chain(std::iter::repeat(0));
        let dropped: Vec<bool> =
            self.zones.iter_mut().zip(seen).map(|(zone, now)| zone.observe(now, elapsed_s)).collect();
        self.count_pairs(&expected, &dropped, elapsed_s);
        for (since_s, dropped) in self.since_drop_s.iter_mut().zip(dropped) {
            *since_s = if dropped { elapsed_s } else { *since_s + elapsed_s };
        }
    }

    fn count_pairs(&mut self, expected: &[f64], dropped: &[bool], elapsed_s: f64) {
        let hours = elapsed_s / 3_600.0;
        let window_hours = self.window_s.max(elapsed_s) / 3_600.0;
        let count = self.zones.len();
        let recent = |zone: usize| self.since_drop_s[zone] <= self.window_s;
        for (at, pair) in self.pairs.iter_mut().enumerate().filter(|(at, _)| at / count != at % count) {
            let (one, other) = (at / count, at % count);
            let together = (dropped[one] && (dropped[other] || recent(other))) || (dropped[other] && recent(one));
            // Either drops within this step and the other within it or within the window before.
            let by_chance = expected[one] * expected[other] * hours * (2.0 * window_hours - hours);
            let could_follow = dropped[one] && (expected[other] > 0.0 || recent(other));
            let fade = faded(hours);
            pair.0 = pair.0 * fade + f64::from(u8::from(together)) - by_chance;
            pair.1 = pair.1 * fade + f64::from(u8::from(could_follow));
        }
    }

    /// What each zone may do within the next `window_s` seconds that [`Zones::new`] was given.
    #[must_use]
    pub fn outlook(&self) -> Vec<ZoneOutlook> {
        let hours = self.window_s / 3_600.0;
        let mut anywhere: [LeftCounts; 2] = Default::default();
        self.zones.iter().for_each(|zone| zone.add_left(&mut anywhere));
        let total = self.pairs.iter().fold(ANY_PAIR, |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        let prior = (total.0 / total.1).clamp(LEAST_SHARED, 1.0);
        let follows = |pair: &(f64, f64)| (pair.0 + PAIR_DROPS * prior) / (pair.1 + PAIR_DROPS);
        let one = |(at, zone): (usize, &Holding)| ZoneOutlook {
            drops: 1.0 - (-zone.drops_per_hour() * hours).exp(),
            // On average half a cold start is left when it comes.
            again: (zone.young_drops_per_hour() * hours / 2.0).min(1.0),
            left: zone.left(&anywhere),
            follows: self.pairs[at * self.zones.len()..(at + 1) * self.zones.len()]
                .iter()
                .map(|pair| follows(pair).clamp(LEAST_SHARED, 1.0))
                .collect(),
        };
        self.zones.iter().enumerate().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zones 0 and 1 drop together every four hours, zone 2 by itself and as often.
    fn seen(window_s: f64, apart: usize) -> Zones {
        let mut zones = Zones::new(3, window_s);
        for tick in 0..5_000_usize {
            let capacity = |late: usize| if (tick + 48 - late) % 48 < 12 { 0 } else { 4 };
            zones.observe(&[capacity(0), capacity(apart), capacity(24)], 300.0);
        }
        zones
    }

    #[test]
    fn zones_that_drop_together_are_told_from_those_that_do_not() {
        let outlook = seen(183.0, 0).outlook();
        assert!(outlook[0].follows[1] > 0.8, "{:?}", outlook[0].follows);
        assert!(outlook[1].follows[0] > 0.8, "{:?}", outlook[1].follows);
        assert!(outlook[0].follows[2] < 0.2 && outlook[2].follows[0] < 0.2, "{:?}", outlook[2].follows);
    }

    #[test]
    fn a_drop_within_the_window_is_together_and_one_after_it_is_not() {
        assert!(seen(700.0, 2).outlook()[0].follows[1] > 0.8);
        assert!(seen(183.0, 2).outlook()[0].follows[1] < 0.2);
    }

    #[test]
    fn chances_are_chances() {
        for zone in seen(183.0, 1).outlook().iter().chain(&Zones::new(2, 183.0).outlook()) {
            let all = [zone.drops, zone.again].into_iter().chain(zone.follows.iter().copied());
            assert!(all.into_iter().all(|chance| (0.0..=1.0).contains(&chance)), "{zone:?}");
        }
    }
}
