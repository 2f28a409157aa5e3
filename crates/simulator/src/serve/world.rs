//! The world of a set of replicas: instances start cold, serve, are given back or are taken away; seconds count.
//!
//! Capacity changes at ticks; when it falls below what is held the youngest instances go first. Policies decide at every
//! tick and whenever an instance becomes ready, and see the capacity of each zone as probing gives it.

use planning::spot::{ServingGoal, ServingPlanner, ServingSituation, ZoneState};

use crate::trace::SpotTrace;

/// Instances wanted by a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fleet {
    /// Spot instances by zone.
    pub spot: Vec<u32>,
    /// On-demand instances.
    pub on_demand: u32,
}

/// Decides what to hold.
pub trait ServingPolicy {
    /// Takes in the capacity at a tick, and how long the replicas were short since the tick before.
    fn observe(&mut self, capacity: &[u32], short_s: f64, elapsed_s: f64);
    /// What to hold from now on.
    fn decide(&mut self, situation: &ServingSituation<'_>) -> Fleet;
}

/// The product's own policy.
#[derive(Debug)]
pub struct Ours(pub ServingPlanner);

impl ServingPolicy for Ours {
    fn observe(&mut self, capacity: &[u32], short_s: f64, elapsed_s: f64) {
        self.0.observe(capacity, short_s, elapsed_s);
    }
    fn decide(&mut self, situation: &ServingSituation<'_>) -> Fleet {
        let decision = self.0.decide(situation);
        Fleet { spot: decision.spot, on_demand: decision.on_demand }
    }
}

/// What a replay came to, in instance-seconds and seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServeRun {
    /// Spot instances held.
    pub spot_s: f64,
    /// On-demand instances held.
    pub on_demand_s: f64,
    /// Time with all replicas ready.
    pub ready_s: f64,
    /// Time that counts: from the end of the first cold start.
    pub counted_s: f64,
    /// Spot instances taken away.
    pub preemptions: usize,
    /// What was wanted at each tick.
    pub wanted: Vec<Fleet>,
}

/// Replays the whole trace under `policy`.
pub fn replay(trace: &SpotTrace, goal: &ServingGoal, policy: &mut dyn ServingPolicy) -> ServeRun {
    let mut world = World {
        goal: *goal,
        pools: vec![Vec::new(); trace.zones.len() + 1],
        capacity: vec![0; trace.zones.len()],
        now_s: 0.0,
        run: ServeRun::default(),
    };
    let mut short_before_s = 0.0;
    for tick in 0..trace.ticks() {
        world.now_s = tick as f64 * trace.tick_s;
        world.capacity = trace.zones.iter().map(|zone| zone.nodes[tick]).collect();
        world.preempt();
        let short_s = world.run.counted_s - world.run.ready_s;
        policy.observe(&world.capacity, short_s - short_before_s, trace.tick_s);
        short_before_s = short_s;
        let wanted = world.apply(policy);
        world.run.wanted.push(wanted);
        world.pass_until(world.now_s + trace.tick_s, policy);
    }
    world.run
}

/// Instances are held as the moments at which they become ready, oldest first; on-demand is the last pool.
struct World {
    goal: ServingGoal,
    pools: Vec<Vec<f64>>,
    capacity: Vec<u32>,
    now_s: f64,
    run: ServeRun,
}

impl World {
    fn preempt(&mut self) {
        for (pool, capacity) in self.pools.iter_mut().zip(&self.capacity) {
            self.run.preemptions += pool.len().saturating_sub(*capacity as usize);
            pool.truncate(*capacity as usize);
        }
    }

    fn ready(&self, pool: usize) -> u32 {
        self.pools[pool].iter().filter(|ready_at| **ready_at <= self.now_s).count() as u32
    }

    fn apply(&mut self, policy: &mut dyn ServingPolicy) -> Fleet {
        let zones: Vec<ZoneState> = (0..self.capacity.len())
            .map(|zone| {
                let ready = self.ready(zone);
                ZoneState { capacity: self.capacity[zone], ready, loading: self.pools[zone].len() as u32 - ready }
            })
            .collect();
        let on_demand = self.capacity.len();
        let on_demand_ready = self.ready(on_demand);
        let on_demand_loading = self.pools[on_demand].len() as u32 - on_demand_ready;
        let fleet = policy.decide(&ServingSituation { zones: &zones, on_demand_ready, on_demand_loading });
        for zone in 0..on_demand {
            let wanted = fleet.spot.get(zone).copied().unwrap_or(0).min(self.capacity[zone]);
            self.resize(zone, wanted);
        }
        self.resize(on_demand, fleet.on_demand);
        fleet
    }

    /// Launches what is missing; gives back the youngest first, since those may not even be ready.
    fn resize(&mut self, pool: usize, wanted: u32) {
        let ready_at = self.now_s + self.goal.cold_start_s;
        self.pools[pool].resize(wanted as usize, ready_at);
    }

    /// Lets time pass, with a decision at each moment at which something becomes ready.
    fn pass_until(&mut self, end_s: f64, policy: &mut dyn ServingPolicy) {
        loop {
            let next_s = self.pools.iter().flatten().copied().filter(|at| *at > self.now_s).fold(end_s, f64::min);
            self.account(next_s - self.now_s);
            self.now_s = next_s;
            if next_s >= end_s {
                return;
            }
            self.apply(policy);
        }
    }

    fn account(&mut self, span_s: f64) {
        let (on_demand, spot) =
            self.pools.split_last().map_or((0, 0), |(last, spot)| (last.len(), spot.iter().map(Vec::len).sum()));
        self.run.spot_s += spot as f64 * span_s;
        self.run.on_demand_s += on_demand as f64 * span_s;
        let ready: u32 = (0..self.pools.len()).map(|pool| self.ready(pool)).sum();
        let counted_s = (self.now_s + span_s - self.goal.cold_start_s).clamp(0.0, span_s);
        self.run.counted_s += counted_s;
        if ready >= self.goal.replicas {
            self.run.ready_s += counted_s;
        }
    }
}
