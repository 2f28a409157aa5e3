//! What an allocation of instances to zones and markets costs, given what is expected of each zone: its price, its launches
//! and the time it is expected to be short. [`super::search`] looks for the cheapest one.

use super::serving::ServingGoal;
use super::together::ZoneOutlook;

/// Instances by zone, and on-demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Spot instances by zone.
    pub spot: Vec<u32>,
    /// On-demand instances.
    pub on_demand: u32,
}

impl Allocation {
    /// All instances.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.spot.iter().sum::<u32>() + self.on_demand
    }
}

/// What allocations are judged by at one decision.
#[derive(Debug)]
pub struct Outlook {
    /// What is wanted.
    pub goal: ServingGoal,
    /// What each zone may do next.
    pub zones: Vec<ZoneOutlook>,
    /// What each zone can hold.
    pub capacity: Vec<u32>,
    /// What an hour short is worth, in hours of one on-demand instance.
    pub worth: f64,
    /// What is held already: launching anything else costs a cold start.
    pub held: Allocation,
}

/// A launch is expected to be of use for this many hours.
const USEFUL_HOURS: f64 = 1.0;

impl Outlook {
    /// Price an hour, with the worth of the time short and of the launches needed; in on-demand instances.
    #[must_use]
    pub fn cost(&self, allocation: &Allocation) -> f64 {
        let spot: u32 = allocation.spot.iter().sum();
        let price = f64::from(spot) * self.goal.price_ratio + f64::from(allocation.on_demand);
        let launches = |now: u32, held: u32| f64::from(now.saturating_sub(held));
        let spot_launches: f64 =
            allocation.spot.iter().zip(&self.held.spot).map(|(now, held)| launches(*now, *held)).sum();
        let launch_price = spot_launches * self.goal.price_ratio + launches(allocation.on_demand, self.held.on_demand);
        let launching = launch_price * self.cold_hours() / USEFUL_HOURS;
        price + launching + self.worth * self.short_share(allocation)
    }

    /// Share of time expected short: the chance that more is lost within one cold start than there is to spare, since what
    /// was lost before is made good and what was lost within it is not.
    ///
    /// Some zone drops first, and each other one follows, because of it or by chance. A drop of two zones is met twice in
    /// this way, with either as the first, so each other's chance counts half.
    #[must_use]
    pub fn short_share(&self, allocation: &Allocation) -> f64 {
        let Some(spare) = allocation.total().checked_sub(self.goal.replicas) else {
            // Short all the time, and the more so the more are missing, so that the search finds its way up.
            return f64::from(1 + self.goal.replicas - allocation.total());
        };
        let held = &allocation.spot;
        let first_drops = (0..held.len()).filter(|zone| held[*zone] > 0).map(|first| {
            let zone = &self.zones[first];
            let chance = |other: usize| {
                if other == first { 1.0 } else { ((zone.follows[other] + self.zones[other].drops) / 2.0).min(1.0) }
            };
            zone.drops * self.chance_beyond(spare as usize, held, chance)
        });
        first_drops.fold(0.0, |sum: f64, chance| sum + chance).min(1.0)
    }

    /// The chance that more than `spare` of `held` are lost, where each zone drops with its chance and by itself.
    fn chance_beyond(&self, spare: usize, held: &[u32], chance: impl Fn(usize) -> f64) -> f64 {
        // The chance of each number lost so far; what is beyond has left the list.
        let mut lost_chances = vec![0.0; spare + 1];
        lost_chances[0] = 1.0;
        let mut beyond = 0.0;
        for (zone, held) in held.iter().enumerate().filter(|(_, held)| **held > 0) {
            let (outlook, drops) = (&self.zones[zone], chance(zone));
            for lost in (0..=spare).rev().filter(|lost| lost_chances[*lost] > 0.0).collect::<Vec<_>>() {
                let before = lost_chances[lost];
                lost_chances[lost] = before * (1.0 - drops);
                let mut take = |more: u32, likely: f64| match lost_chances.get_mut(lost + more as usize) {
                    Some(entry) => *entry += likely,
                    None => beyond += likely,
                };
                take(*held, before * drops * outlook.again);
                for (left, chance) in &outlook.left {
                    take(held.saturating_sub(*left), before * drops * chance * (1.0 - outlook.again));
                }
            }
        }
        beyond
    }

    fn cold_hours(&self) -> f64 {
        self.goal.cold_start_s / 3_600.0
    }
}
