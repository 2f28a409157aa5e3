//! The search for the cheapest allocation of instances to zones and markets, given what is expected of each zone.

use super::holding::Holding;
use super::serving::ServingGoal;

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
pub struct Outlook<'a> {
    /// What is wanted.
    pub goal: ServingGoal,
    /// What is known of each zone.
    pub zones: &'a [Holding],
    /// What each zone can hold.
    pub capacity: Vec<u32>,
    /// The chance that another zone drops at the moment one does.
    pub shock: f64,
    /// What an hour short is worth, in hours of one on-demand instance.
    pub worth: f64,
    /// What is held already: launching anything else costs a cold start.
    pub held: Allocation,
}

/// A launch is expected to be of use for this many hours.
const USEFUL_HOURS: f64 = 1.0;
/// Most rounds of improvement; each changes one thing.
const MAX_ROUNDS: usize = 200;

impl Outlook<'_> {
    /// Price an hour, with the worth of the time short and of the launches needed.
    fn cost(&self, allocation: &Allocation) -> f64 {
        let spot: u32 = allocation.spot.iter().sum();
        let price = f64::from(spot) * self.goal.price_ratio + f64::from(allocation.on_demand);
        let launches = |now: u32, held: u32| f64::from(now.saturating_sub(held));
        let spot_launches: f64 =
            allocation.spot.iter().zip(&self.held.spot).map(|(now, held)| launches(*now, *held)).sum();
        let launch_price = spot_launches * self.goal.price_ratio + launches(allocation.on_demand, self.held.on_demand);
        let launching = launch_price * self.cold_hours() / USEFUL_HOURS;
        price + launching + self.worth * self.short_share(allocation)
    }

    /// Share of time expected short: drops that take more than the spare instances, each short for one cold start.
    #[must_use]
    pub fn short_share(&self, allocation: &Allocation) -> f64 {
        let Some(spare) = allocation.total().checked_sub(self.goal.replicas) else {
            // Short all the time, and the more so the more are missing, so that the search finds its way up.
            return f64::from(1 + self.goal.replicas - allocation.total());
        };
        let used: Vec<ZoneRisk> = (0..self.zones.len())
            .filter(|zone| allocation.spot[*zone] > 0)
            .map(|zone| ZoneRisk::of(&self.zones[zone], allocation.spot[zone]))
            .collect();
        let mut short_per_hour = 0.0;
        for (at, zone) in used.iter().enumerate() {
            // A second drop in the same zone before the first is made good; it cannot take more than was held there.
            let held_beyond = zone.loss_chances.len() > spare as usize + 1;
            let again = if held_beyond { (zone.young_per_hour * self.cold_hours()).min(1.0) } else { 0.0 };
            short_per_hour += zone.drops_per_hour * (zone.beyond(spare) + again * zone.twice_beyond(zone, spare));
            for other in &used[at + 1..] {
                let together = self.shock * (zone.drops_per_hour + other.drops_per_hour) / 2.0;
                let by_chance = 2.0 * zone.drops_per_hour * other.drops_per_hour * self.cold_hours();
                short_per_hour += (together + by_chance) * zone.twice_beyond(other, spare);
            }
        }
        short_per_hour * self.cold_hours()
    }

    fn cold_hours(&self) -> f64 {
        self.goal.cold_start_s / 3_600.0
    }
}

/// The risk of what is held in one zone.
struct ZoneRisk {
    drops_per_hour: f64,
    young_per_hour: f64,
    loss_chances: Vec<f64>,
}

impl ZoneRisk {
    fn of(zone: &Holding, held: u32) -> Self {
        Self {
            drops_per_hour: zone.drops_per_hour(),
            young_per_hour: zone.young_drops_per_hour(),
            loss_chances: zone.loss_chances(held),
        }
    }

    /// The chance that a drop takes more than `spare`.
    fn beyond(&self, spare: u32) -> f64 {
        self.loss_chances.iter().skip(spare as usize + 1).sum()
    }

    /// The chance that two drops, here and in `other`, take more than `spare` together while neither does alone.
    fn twice_beyond(&self, other: &Self, spare: u32) -> f64 {
        let spare = spare as usize;
        let mut chance = 0.0;
        for (lost, likely) in self.loss_chances.iter().enumerate().take(spare + 1) {
            let rest: f64 = other
                .loss_chances
                .iter()
                .enumerate()
                .skip(spare - lost + 1)
                .take_while(|(l, _)| *l <= spare)
                .map(|(_, p)| p)
                .sum();
            chance += likely * rest;
        }
        chance
    }
}

/// The cheapest allocation that steps of one change find, from what was aimed at before, from each single zone, and
/// from on-demand alone.
#[must_use]
pub fn cheapest(outlook: &Outlook<'_>, before: &Allocation) -> Allocation {
    let nothing = Allocation { spot: vec![0; outlook.capacity.len()], on_demand: 0 };
    let mut starts = vec![fitted(outlook, before), Allocation { on_demand: outlook.goal.replicas, ..nothing.clone() }];
    for zone in 0..outlook.capacity.len() {
        let mut start = nothing.clone();
        start.spot[zone] = outlook.capacity[zone].min(outlook.goal.replicas);
        start.on_demand = outlook.goal.replicas - start.spot[zone];
        if start.spot[zone] > 0 {
            starts.push(start);
        }
    }
    let climbed = starts.into_iter().map(|start| improve(outlook, start));
    let best = climbed.min_by(|left, right| left.1.total_cmp(&right.1));
    best.map_or(nothing, |(allocation, _)| allocation)
}

/// What was aimed at, as far as the zones still hold it.
fn fitted(outlook: &Outlook<'_>, before: &Allocation) -> Allocation {
    let spot = before.spot.iter().zip(&outlook.capacity).map(|(aimed, capacity)| *aimed.min(capacity)).collect();
    Allocation { spot, on_demand: before.on_demand }
}

fn improve(outlook: &Outlook<'_>, start: Allocation) -> (Allocation, f64) {
    let mut cost = outlook.cost(&start);
    let mut best = start;
    for _ in 0..MAX_ROUNDS {
        let steps = neighbours(outlook, &best).into_iter().map(|next| (outlook.cost(&next), next));
        match steps.min_by(|left, right| left.0.total_cmp(&right.0)) {
            Some((lower, next)) if lower < cost - 1e-9 => (cost, best) = (lower, next),
            _ => break,
        }
    }
    (best, cost)
}

/// Allocations one change away: one more, one less, or one moved. Index `zones` stands for on-demand.
fn neighbours(outlook: &Outlook<'_>, from: &Allocation) -> Vec<Allocation> {
    let zones = outlook.capacity.len();
    let has = |place: usize| if place == zones { from.on_demand > 0 } else { from.spot[place] > 0 };
    let takes = |place: usize| {
        if place == zones { from.on_demand < outlook.goal.replicas } else { from.spot[place] < outlook.capacity[place] }
    };
    let step = |less: Option<usize>, more: Option<usize>| {
        let mut next = from.clone();
        for (place, up) in less.map(|place| (place, false)).into_iter().chain(more.map(|place| (place, true))) {
            let count = if place == zones { &mut next.on_demand } else { &mut next.spot[place] };
            *count = if up { *count + 1 } else { count.saturating_sub(1) };
        }
        next
    };
    let mut all = Vec::new();
    for place in 0..=zones {
        if takes(place) && from.total() < 3 * outlook.goal.replicas {
            all.push(step(None, Some(place)));
        }
        if has(place) {
            all.push(step(Some(place), None));
            all.extend((0..=zones).filter(|to| *to != place && takes(*to)).map(|to| step(Some(place), Some(to))));
        }
    }
    all
}
