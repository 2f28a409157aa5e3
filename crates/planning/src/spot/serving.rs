//! Replicas that must be ready: how many spot instances in which zones, and how much on-demand.
//!
//! At each decision the cheapest allocation is sought by the price an hour plus what the expected time short is worth.
//! That worth is a dual price: it rises while more time is short than the target allows and falls while less is, so that
//! the target is met at the least cost whatever the market is like (online dual ascent). Compare SpotHedge (Mao et al.,
//! "SkyServe", arXiv 2411.01438), which keeps a fixed number extra and falls back to on-demand by readiness.
//! Nothing ready is given back before what replaces it is ready.

use super::allocation::{Allocation, Outlook, cheapest};
use super::holding::Holding;

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

/// Over this many hours a day's surplus of short time multiplies its worth by e.
const WORTH_HOURS: f64 = 24.0;
/// One cold start's worth of short time raises the worth by no more than this power of e, so that where few are allowed
/// the first one does not turn everything to on-demand.
const MAX_STEP: f64 = 0.5;
/// The worth stays within these factors of where it starts.
const WORTH_RANGE: (f64, f64) = (1.0 / 8.0, 64.0);
/// The share of the allowance that is aimed at; the rest is for bad luck.
const ALLOWANCE_USED: f64 = 0.8;
/// A cross-zone drop at the same moment, before any was seen: hits and drops.
const SHOCK_PRIOR: (f64, f64) = (0.5, 10.0);

/// Plans the instances of one deployment over a fixed set of zones, and learns from all it is shown.
#[derive(Debug, Clone)]
pub struct ServingPlanner {
    goal: ServingGoal,
    zones: Vec<Holding>,
    shared_drops: f64,
    drop_chances: f64,
    log_worth: f64,
    aim: Allocation,
}

impl ServingPlanner {
    /// A planner that has seen nothing yet of its `zone_count` zones.
    #[must_use]
    pub fn new(goal: ServingGoal, zone_count: usize) -> Self {
        let aim = Allocation { spot: vec![0; zone_count], on_demand: 0 };
        let (shared_drops, drop_chances) = SHOCK_PRIOR;
        Self { goal, zones: vec![Holding::default(); zone_count], shared_drops, drop_chances, log_worth: 0.0, aim }
    }

    /// Takes in the zones' capacity, and how many of the `elapsed_s` seconds since the last time were short of replicas.
    pub fn observe(&mut self, capacity: &[u32], short_s: f64, elapsed_s: f64) {
        let dropped =
            self.zones.iter_mut().zip(capacity).filter_map(|(zone, now)| zone.observe(*now, elapsed_s).then_some(()));
        let drops = dropped.count();
        if drops > 0 && self.zones.len() > 1 {
            self.shared_drops += (drops * (drops - 1)) as f64;
            self.drop_chances += (drops * (self.zones.len() - 1)) as f64;
        }
        let allowance = self.allowance();
        let surplus_s = short_s - allowance * elapsed_s;
        let memory_s = (WORTH_HOURS * 3_600.0).max(self.goal.cold_start_s / (allowance * MAX_STEP));
        let step = surplus_s / (allowance * memory_s);
        self.log_worth = (self.log_worth + step).clamp(WORTH_RANGE.0.ln(), WORTH_RANGE.1.ln());
    }

    /// What to hold from now on.
    pub fn decide(&mut self, situation: &ServingSituation<'_>) -> ServingDecision {
        let outlook = Outlook {
            goal: self.goal,
            zones: &self.zones,
            capacity: situation.zones.iter().map(|zone| zone.capacity).collect(),
            shock: self.shared_drops / self.drop_chances,
            worth: self.worth(),
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

    /// Share of time that may be short.
    fn allowance(&self) -> f64 {
        (1.0 - self.goal.target_availability).max(1e-5) * ALLOWANCE_USED
    }

    /// Where it starts: where one spot instance that halves the allowed time short just pays.
    fn worth(&self) -> f64 {
        self.goal.price_ratio / self.allowance() * self.log_worth.exp()
    }
}
