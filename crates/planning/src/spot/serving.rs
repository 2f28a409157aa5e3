//! Replicas that must be ready: how many spot instances in which zones, and how much on-demand.
//!
//! At each decision the cheapest allocation is sought by the price an hour plus what the expected time short is worth.
//! What a zone may take away is learned by [`super::holding`], what zones take away together by [`super::together`], and
//! the worth of an hour short comes from the stock of time that may still be short, [`super::error_budget`]. Compare SpotHedge
//! (Mao et al., "SkyServe", arXiv 2411.01438), which keeps a fixed number extra and falls back to on-demand by readiness.
//! Nothing ready is given back before what replaces it is ready.

use super::allocation::{Allocation, Outlook};
use super::error_budget::ErrorBudget;
use super::search::cheapest;
use super::together::Zones;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServingGoal {
    /// Replicas to keep ready.
    pub replicas: u32,
    /// Seconds from a launch until a replica is ready.
    pub cold_start_s: f64,
    /// Spot price as a share of on-demand.
    pub price_ratio: f64,
    /// Share of time with all replicas ready.
    pub target_availability: f64,
}

/// One zone at a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZoneState {
    /// Spot instances that can be held here now, those already held among them.
    pub capacity: u32,
    /// Spot instances that serve.
    pub ready: u32,
    /// Spot instances that are starting.
    pub loading: u32,
}

/// Everything at a decision.
#[derive(Debug, Clone, Copy)]
pub struct ServingSituation<'a> {
    /// The zones.
    pub zones: &'a [ZoneState],
    /// On-demand instances that serve.
    pub on_demand_ready: u32,
    /// On-demand instances that are starting.
    pub on_demand_loading: u32,
}

/// How many instances to hold, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingDecision {
    /// Spot instances to hold by zone.
    pub spot: Vec<u32>,
    /// On-demand instances to hold.
    pub on_demand: u32,
    /// Spare instances in the allocation aimed at.
    pub extra: u32,
    /// Share of time expected short in it.
    pub expected_short_share: f64,
    /// What an hour short was taken to be worth, in hours of one on-demand instance.
    pub worth_of_short_hour: f64,
}

/// Plans the instances of one deployment over a fixed set of zones, and learns from all it is shown.
#[derive(Debug, Clone)]
pub struct ServingPlanner {
    goal: ServingGoal,
    zones: Zones,
    budget: ErrorBudget,
    aim: Allocation,
}

impl ServingPlanner {
    /// A planner that has seen nothing yet of its `zone_count` zones.
    #[must_use]
    pub fn new(goal: ServingGoal, zone_count: usize) -> Self {
        let aim = Allocation { spot: vec![0; zone_count], on_demand: 0 };
        Self { goal, zones: Zones::new(zone_count, goal.cold_start_s), budget: ErrorBudget::new(goal), aim }
    }

    /// Takes in the zones' capacity, and how many of the `elapsed_s` seconds since the last time were short of replicas.
    pub fn observe(&mut self, capacity: &[u32], short_s: f64, elapsed_s: f64) {
        self.zones.observe(capacity, elapsed_s);
        self.budget.observe(short_s, elapsed_s);
    }

    /// What to hold from now on.
    pub fn decide(&mut self, situation: &ServingSituation<'_>) -> ServingDecision {
        let outlook = Outlook {
            goal: self.goal,
            zones: self.zones.outlook(),
            capacity: situation.zones.iter().map(|zone| zone.capacity).collect(),
            worth: self.budget.worth(),
            held: Allocation {
                spot: situation.zones.iter().map(|zone| zone.ready + zone.loading).collect(),
                on_demand: situation.on_demand_ready + situation.on_demand_loading,
            },
        };
        self.aim = cheapest(&outlook, &self.aim);
        let (spot, on_demand) = self.keep_until_replaced(situation);
        ServingDecision {
            spot,
            on_demand,
            extra: self.aim.total().saturating_sub(self.goal.replicas),
            expected_short_share: outlook.short_share(&self.aim),
            worth_of_short_hour: outlook.worth,
        }
    }

    /// The allocation aimed at, with those ready instances outside it that still stand in for its missing ones.
    fn keep_until_replaced(&self, situation: &ServingSituation<'_>) -> (Vec<u32>, u32) {
        let (mut spot, mut on_demand) = (self.aim.spot.clone(), self.aim.on_demand);
        let ready_in_aim: u32 = situation.zones.iter().zip(&spot).map(|(zone, aim)| zone.ready.min(*aim)).sum::<u32>()
            + situation.on_demand_ready.min(on_demand);
        let mut missing = self.aim.total().saturating_sub(ready_in_aim);
        for (zone, wanted) in situation.zones.iter().zip(&mut spot) {
            let kept = zone.ready.saturating_sub(*wanted).min(missing);
            *wanted += kept;
            missing -= kept;
        }
        on_demand += situation.on_demand_ready.saturating_sub(on_demand).min(missing);
        (spot, on_demand)
    }
}
