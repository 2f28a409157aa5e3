//! The world of one job: time moves by ticks, spot instances vanish, starts cost a changeover, hours cost money.
//!
//! At each tick every policy sees which zones have capacity now (a probe, as cancel-on-accept probing gives it) and what
//! it saw before; spot that is up at a tick stays up until the next. Progress survives a preemption.

use planning::spot::{BatchJob, BatchPlanner, BatchSituation, Run};

use super::BatchPolicyName;
use super::charges::Charges;
use super::optimum::optimum_cost_hours;
use super::rivals::{Greedy, UniformProgress};
use crate::trace::SpotTrace;

/// Decides at each tick.
pub trait BatchPolicy {
    /// Takes in a tick: at those before the job starts too, since probing needs no job.
    fn observe(&mut self, available: &[bool], elapsed_s: f64);
    /// What to run on until the next tick.
    fn decide(&mut self, situation: &BatchSituation<'_>) -> Run;
}

/// What one job came to.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchRun {
    /// Hours of on-demand paid, or worth as much.
    pub cost_hours: f64,
    /// Hours of it on on-demand, where a schedule is known.
    pub on_demand_hours: Option<f64>,
    /// Whether work was left at the deadline.
    pub missed: bool,
    /// Starts on an instance, where a schedule is known.
    pub changeovers: Option<usize>,
    /// What was run on, tick by tick.
    pub decisions: Vec<Run>,
}

/// The product's own policy.
#[derive(Debug)]
pub struct Ours(pub BatchPlanner);

impl BatchPolicy for Ours {
    fn observe(&mut self, available: &[bool], elapsed_s: f64) {
        self.0.observe(available, elapsed_s);
    }
    fn decide(&mut self, situation: &BatchSituation<'_>) -> Run {
        self.0.decide(situation).run
    }
}

/// Ticks up to the deadline; the last one is cut short by it.
pub fn deadline_ticks(job: &BatchJob, tick_s: f64) -> usize {
    (job.deadline_hours * 3_600.0 / tick_s - 1e-9).ceil() as usize
}

/// A trace with a job to put on it.
pub struct BatchWorld<'a> {
    /// What can be had.
    pub trace: &'a SpotTrace,
    /// The job.
    pub job: BatchJob,
    /// What it is charged.
    pub charges: Charges,
}

impl BatchWorld<'_> {
    /// Runs one job that starts at tick `start`.
    pub fn run(&self, policy: BatchPolicyName, start: usize) -> BatchRun {
        match policy {
            BatchPolicyName::Ours => {
                self.replay(&mut Ours(BatchPlanner::in_regions(self.job, self.charges.regions())), start)
            }
            BatchPolicyName::UniformProgress => {
                self.replay(&mut UniformProgress::new(self.job, self.trace.zones.len()), start)
            }
            BatchPolicyName::Greedy => self.replay(&mut Greedy::new(self.job, self.trace.zones.len()), start),
            BatchPolicyName::Optimum => {
                let cost_hours = optimum_cost_hours(self.trace, &self.job, &self.charges, start);
                BatchRun { cost_hours, on_demand_hours: None, missed: false, changeovers: None, decisions: Vec::new() }
            }
        }
    }

    fn replay(&self, policy: &mut dyn BatchPolicy, start: usize) -> BatchRun {
        replay(self.trace, &self.job, &self.charges, policy, start)
    }
}

/// Runs one job under `policy`; the policy sees ticks one at a time.
pub fn replay(
    trace: &SpotTrace,
    job: &BatchJob,
    charges: &Charges,
    policy: &mut dyn BatchPolicy,
    start: usize,
) -> BatchRun {
    let tick_hours = trace.tick_s / 3_600.0;
    let available_at = |tick: usize| -> Vec<bool> { trace.zones.iter().map(|zone| zone.nodes[tick] > 0).collect() };
    for tick in 0..start {
        policy.observe(&available_at(tick), trace.tick_s);
    }
    let end = (start + deadline_ticks(job, trace.tick_s)).min(trace.ticks());
    let mut state = JobState { run: Run::Idle, data_in: None, work_left: job.work_hours, changeover_left: 0.0 };
    let (mut on_demand_hours, mut changeovers) = (0.0, 0);
    let mut result =
        BatchRun { cost_hours: 0.0, on_demand_hours: None, missed: false, changeovers: None, decisions: Vec::new() };
    for tick in start..end {
        let available = available_at(tick);
        let time_left_hours = job.deadline_hours - (tick - start) as f64 * tick_hours;
        let tick_hours = tick_hours.min(time_left_hours);
        policy.observe(&available, trace.tick_s);
        state.lose_preempted(&available);
        let moves = charges.moves_from(state.data_in.map(|zone| charges.regions()[zone]));
        let price_ratio = |zone| charges.price_ratio(zone, tick, job);
        let price_ratios: Vec<f64> = (0..trace.zones.len()).map(price_ratio).collect();
        let chosen = policy.decide(&BatchSituation {
            work_left_hours: state.work_left,
            time_left_hours,
            changeover_left_hours: state.changeover_left,
            tick_hours,
            run: state.run,
            available: &available,
            move_cost_hours: &moves,
            price_ratios: &price_ratios,
        });
        // Asking for spot that is not there gets nothing, whoever asks.
        let chosen = match chosen {
            Run::Spot(zone) if !available.get(zone).copied().unwrap_or(false) => Run::Idle,
            other => other,
        };
        if let Run::Spot(zone) = chosen {
            result.cost_hours += moves.get(zone).copied().unwrap_or(0.0);
            state.data_in = Some(zone);
        }
        changeovers += usize::from(state.switch_to(chosen, job.changeover_hours));
        result.changeovers = Some(changeovers);
        let paid_hours = state.advance(tick_hours, &price_ratios);
        result.cost_hours += paid_hours;
        on_demand_hours += if chosen == Run::OnDemand { paid_hours } else { 0.0 };
        result.on_demand_hours = Some(on_demand_hours);
        result.decisions.push(chosen);
        if state.work_left <= 1e-9 {
            return result;
        }
    }
    result.missed = true;
    result
}

struct JobState {
    run: Run,
    data_in: Option<usize>,
    work_left: f64,
    changeover_left: f64,
}

impl JobState {
    fn lose_preempted(&mut self, available: &[bool]) {
        if let Run::Spot(zone) = self.run
            && !available[zone]
        {
            self.run = Run::Idle;
            self.changeover_left = 0.0;
        }
    }

    fn switch_to(&mut self, run: Run, changeover_hours: f64) -> bool {
        if run == self.run {
            return false;
        }
        self.run = run;
        self.changeover_left = if run == Run::Idle { 0.0 } else { changeover_hours };
        run != Run::Idle
    }

    /// Lets a tick pass and returns what it cost; a job that ends within the tick pays for its part of it.
    fn advance(&mut self, tick_hours: f64, price_ratios: &[f64]) -> f64 {
        let price = match self.run {
            Run::Idle => return 0.0,
            Run::OnDemand => 1.0,
            Run::Spot(zone) => price_ratios[zone],
        };
        let starting = self.changeover_left.min(tick_hours);
        let working = (tick_hours - starting).min(self.work_left);
        self.changeover_left -= starting;
        self.work_left -= working;
        (starting + working) * price
    }
}
