//! Published policies, re-implemented to be compared with.

use planning::spot::{BatchJob, BatchSituation, Run};

use super::world::BatchPolicy;

/// How many recent ticks a zone is judged by.
const RECENT_TICKS: usize = 36;

/// Prefers the zone that was up most in its last 36 ticks; both rivals share it, so that they too can use many zones.
#[derive(Debug)]
struct RecentUptime {
    recent: Vec<std::collections::VecDeque<bool>>,
}

impl RecentUptime {
    fn new(zones: usize) -> Self {
        Self { recent: vec![std::collections::VecDeque::with_capacity(RECENT_TICKS + 1); zones] }
    }

    fn observe(&mut self, available: &[bool]) {
        for (recent, is_up) in self.recent.iter_mut().zip(available) {
            recent.push_back(*is_up);
            if recent.len() > RECENT_TICKS {
                recent.pop_front();
            }
        }
    }

    /// The zone held while it is up, else the best one that is.
    fn choose(&self, situation: &BatchSituation<'_>) -> Option<Run> {
        if let Run::Spot(_) = situation.run {
            return Some(situation.run);
        }
        let ups = |zone: &usize| self.recent[*zone].iter().filter(|up| **up).count();
        (0..self.recent.len()).filter(|zone| situation.available[*zone]).max_by_key(ups).map(Run::Spot)
    }
}

/// Whether only on-demand, from now to the end, is sure to meet the deadline.
fn must_be_on_demand(job: &BatchJob, situation: &BatchSituation<'_>) -> bool {
    situation.time_left_hours - situation.tick_hours < situation.work_left_hours + job.changeover_hours
}

/// Uniform Progress: Wu et al., "Can't Be Late: Optimizing Spot Instance Savings under Deadlines", NSDI 2024. Spot when
/// it is up; when it is not, on-demand if behind the line of uniform progress; hysteresis of two changeovers.
#[derive(Debug)]
pub struct UniformProgress {
    job: BatchJob,
    zones: RecentUptime,
    latched: bool,
}

impl UniformProgress {
    /// For `job` over `zones` zones.
    #[must_use]
    pub fn new(job: BatchJob, zones: usize) -> Self {
        Self { job, zones: RecentUptime::new(zones), latched: false }
    }
}

impl BatchPolicy for UniformProgress {
    fn observe(&mut self, available: &[bool], _elapsed_s: f64) {
        self.zones.observe(available);
    }

    fn decide(&mut self, situation: &BatchSituation<'_>) -> Run {
        let job = &self.job;
        self.latched |= must_be_on_demand(job, situation);
        if self.latched {
            return Run::OnDemand;
        }
        let passed = job.deadline_hours - situation.time_left_hours;
        let done = job.work_hours - situation.work_left_hours;
        let rate = job.work_hours / job.deadline_hours;
        let on_demand = situation.run == Run::OnDemand;
        let held_back = on_demand && done < rate * (passed + 2.0 * job.changeover_hours);
        match self.zones.choose(situation) {
            Some(spot) if !held_back => spot,
            Some(_) => Run::OnDemand,
            None if done < rate * passed || held_back => Run::OnDemand,
            None => Run::Idle,
        }
    }
}

/// Spot whenever it is up and nothing otherwise, until only on-demand can meet the deadline.
#[derive(Debug)]
pub struct Greedy {
    job: BatchJob,
    zones: RecentUptime,
    latched: bool,
}

impl Greedy {
    /// For `job` over `zones` zones.
    #[must_use]
    pub fn new(job: BatchJob, zones: usize) -> Self {
        Self { job, zones: RecentUptime::new(zones), latched: false }
    }
}

impl BatchPolicy for Greedy {
    fn observe(&mut self, available: &[bool], _elapsed_s: f64) {
        self.zones.observe(available);
    }

    fn decide(&mut self, situation: &BatchSituation<'_>) -> Run {
        self.latched |= must_be_on_demand(&self.job, situation);
        if self.latched {
            return Run::OnDemand;
        }
        self.zones.choose(situation).unwrap_or(Run::Idle)
    }
}
