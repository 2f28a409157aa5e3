//! Work with a deadline: at each tick, run on spot (where), on on-demand, or wait.
//!
//! The choice is the cheapest action by the expected cost to finish ([`ValueTable`]); the safety net is apart from it and
//! exact: no action is taken after which on-demand alone could not meet the deadline. The setting and the safety net
//! are those of Wu et al., "Can't Be Late: Optimizing Spot Instance Savings under Deadlines" (NSDI 2024); going to the
//! zone that is expected to last is the idea of SkyNomad (arXiv 2601.06520).

use super::batch_value::{Market, Mode, ValueTable, Weather};
use super::survival::Survival;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchJob {
    /// Hours of work on one instance.
    pub work_hours: f64,
    /// Hours within which it must be done.
    pub deadline_hours: f64,
    /// Hours paid and lost at every start on an instance (boot and restore).
    pub changeover_hours: f64,
    /// Spot price as a share of on-demand, where nothing else is said of a zone.
    pub price_ratio: f64,
}

/// What the job runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Nothing.
    Idle,
    /// An on-demand instance.
    OnDemand,
    /// A spot instance in the zone with this index.
    Spot(usize),
}

/// How the job stands at a tick.
#[derive(Debug, Clone, Copy)]
pub struct BatchSituation<'a> {
    /// Hours of work not yet done.
    pub work_left_hours: f64,
    /// Hours to the deadline.
    pub time_left_hours: f64,
    /// Hours of the present start that are still to pass before work goes on.
    pub changeover_left_hours: f64,
    /// Hours until the next decision.
    pub tick_hours: f64,
    /// What it runs on; [`Run::Idle`] when its spot instance was taken.
    pub run: Run,
    /// Whether spot can be had now, by zone.
    pub available: &'a [bool],
    /// What moving the job's data to each zone costs, in hours of on-demand.
    pub move_cost_hours: &'a [f64],
    /// What spot costs now, by zone, as a share of on-demand; [`BatchJob::price_ratio`] where it is not said.
    pub price_ratios: &'a [f64],
}

impl BatchSituation<'_> {
    fn slack_hours(&self) -> f64 {
        self.time_left_hours - self.work_left_hours - self.changeover_left_hours
    }

    fn is_available(&self, zone: usize) -> bool {
        self.available.get(zone).copied().unwrap_or(false)
    }

    fn move_cost_hours(&self, zone: usize) -> f64 {
        self.move_cost_hours.get(zone).copied().unwrap_or(0.0)
    }
}

/// A choice and its reason.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchDecision {
    /// What to run on until the next tick.
    pub run: Run,
    /// Why.
    pub reason: BatchReason,
}

/// Why a choice was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BatchReason {
    /// Any other action could miss the deadline.
    SafetyNet,
    /// The cheapest by expected cost to finish, in hours of on-demand; with that cost.
    Cheapest(f64),
}

/// Tables are solved anew when this much of the deadline has passed, so that learning reaches them.
const RESOLVE_SHARE: f64 = 1.0 / 20.0;

/// Plans one job at a time over a fixed set of zones, and learns from every tick it is shown.
#[derive(Debug, Clone)]
pub struct BatchPlanner {
    zones: Vec<Survival>,
    any_zone: Survival,
    job: BatchJob,
    solved: Option<Solved>,
}

/// A table with what it was solved for.
#[derive(Debug, Clone)]
struct Solved {
    table: ValueTable,
    /// The mean of the zones' prices then: what is to come after the zone chosen now.
    price_ratio: f64,
    time_left_hours: f64,
}

impl BatchPlanner {
    /// A planner for `job` that has seen nothing yet of its `zone_count` zones.
    #[must_use]
    pub fn new(job: BatchJob, zone_count: usize) -> Self {
        Self { zones: vec![Survival::default(); zone_count], any_zone: Survival::default(), job, solved: None }
    }

    /// Takes in which zones had capacity, `elapsed_s` seconds after the observation before.
    pub fn observe(&mut self, available: &[bool], elapsed_s: f64) {
        for (zone, is_up) in self.zones.iter_mut().zip(available) {
            zone.observe(*is_up, elapsed_s);
        }
        self.any_zone.observe(available.contains(&true), elapsed_s);
    }

    /// What to run on until the next tick. Call [`BatchPlanner::observe`] with the same availability first.
    pub fn decide(&mut self, situation: &BatchSituation<'_>) -> BatchDecision {
        let spot = self.best_zone(situation).map(Run::Spot);
        let allowed: Vec<Run> = [Some(situation.run), Some(Run::Idle), Some(Run::OnDemand), spot]
            .into_iter()
            .flatten()
            .filter(|run| self.is_safe(*run, situation))
            .collect();
        if allowed.iter().all(|run| *run == Run::OnDemand) {
            return BatchDecision { run: Run::OnDemand, reason: BatchReason::SafetyNet };
        }
        self.solve_if_stale(situation);
        let mut best = BatchDecision { run: Run::OnDemand, reason: BatchReason::Cheapest(f64::INFINITY) };
        let mut lowest_cost = f64::INFINITY;
        for run in allowed {
            let cost = self.expected_cost(run, situation);
            // Strictly lower, and the present run comes first: a tie changes nothing.
            if cost < lowest_cost - 1e-9 {
                lowest_cost = cost;
                best = BatchDecision { run, reason: BatchReason::Cheapest(cost) };
            }
        }
        best
    }

    /// Whether on-demand alone can still meet the deadline after one tick of `run`, whatever the market does.
    fn is_safe(&self, run: Run, situation: &BatchSituation<'_>) -> bool {
        let changeover = self.job.changeover_hours;
        let slack = situation.slack_hours() + 1e-9;
        match run {
            Run::OnDemand => true,
            Run::Idle => slack + situation.changeover_left_hours - situation.tick_hours >= changeover,
            Run::Spot(zone) if !situation.is_available(zone) => false,
            Run::Spot(_) if situation.run == run => slack >= changeover,
            Run::Spot(_) => slack >= 2.0 * changeover,
        }
    }

    /// The zone whose expected life saves most after the move; the one held is not asked to move to.
    fn best_zone(&self, situation: &BatchSituation<'_>) -> Option<usize> {
        let saving = |zone: usize| {
            let hours = self.zones[zone].expected_up_hours(situation.work_left_hours);
            hours * (1.0 - self.price_ratio(zone, situation)) - situation.move_cost_hours(zone)
        };
        (0..self.zones.len())
            .filter(|zone| situation.is_available(*zone) && situation.run != Run::Spot(*zone))
            .map(|zone| (saving(zone), zone))
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, zone)| zone)
    }

    fn price_ratio(&self, zone: usize, situation: &BatchSituation<'_>) -> f64 {
        situation.price_ratios.get(zone).copied().unwrap_or(self.job.price_ratio)
    }

    fn expected_cost(&self, run: Run, situation: &BatchSituation<'_>) -> f64 {
        let Some(Solved { table, price_ratio, .. }) = &self.solved else { return f64::INFINITY };
        // To another zone is a start like any other.
        let from =
            if matches!(run, Run::Spot(_)) && run != situation.run { Mode::Idle } else { mode_of(situation.run) };
        let beyond_table = match run {
            Run::Spot(zone) => {
                let hours = self.zones[zone].expected_up_hours(situation.work_left_hours);
                let moving = if run == situation.run { 0.0 } else { situation.move_cost_hours(zone) };
                hours * (self.price_ratio(zone, situation) - price_ratio) + moving
            }
            _ => 0.0,
        };
        let weather = Weather { is_up: self.any_zone.is_up(), age: self.any_zone.age_class() };
        let (work_hours, slack_hours) = (situation.work_left_hours, situation.slack_hours());
        table.cost_of(mode_of(run), from, work_hours, slack_hours, weather) + beyond_table
    }

    fn solve_if_stale(&mut self, situation: &BatchSituation<'_>) {
        let stale_hours = self.job.deadline_hours * RESOLVE_SHARE;
        if self.solved.as_ref().is_some_and(|solved| solved.time_left_hours - situation.time_left_hours < stale_hours) {
            return;
        }
        let slack_hours = situation.slack_hours().max(0.0);
        let market = self.market(situation);
        let price_ratio = market.price_ratio;
        let table = ValueTable::solve(market, situation.work_left_hours, slack_hours, situation.tick_hours);
        self.solved = Some(Solved { table, price_ratio, time_left_hours: situation.time_left_hours });
    }

    fn market(&self, situation: &BatchSituation<'_>) -> Market {
        // With several zones the job outlives its zone while another is up: that costs a changeover, not the market.
        let longest_hours =
            self.zones.iter().map(|zone| zone.expected_up_hours(self.job.work_hours)).fold(0.0, f64::max);
        let moves_per_hour = if self.zones.len() > 1 { 1.0 / longest_hours.max(0.5) } else { 0.0 };
        let prices = (0..self.zones.len()).map(|zone| self.price_ratio(zone, situation));
        Market {
            up_end_per_hour: self.any_zone.hazards_per_hour(true),
            down_end_per_hour: self.any_zone.hazards_per_hour(false),
            moves_per_hour,
            price_ratio: prices.sum::<f64>() / self.zones.len().max(1) as f64,
            changeover_hours: self.job.changeover_hours,
            deadline_at_s: self.any_zone.now_s() + situation.time_left_hours * 3_600.0,
        }
    }
}

const fn mode_of(run: Run) -> Mode {
    match run {
        Run::Idle => Mode::Idle,
        Run::OnDemand => Mode::OnDemand,
        Run::Spot(_) => Mode::Spot,
    }
}
