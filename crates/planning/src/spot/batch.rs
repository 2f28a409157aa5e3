//! Work with a deadline: at each tick, run on spot (where), on on-demand, or wait.
//!
//! The choice is the cheapest action by the expected cost to finish ([`super::batch_pool`]); the safety net is apart from it and
//! exact: no action is taken after which on-demand alone could not meet the deadline. The setting and the safety net
//! are those of Wu et al., "Can't Be Late: Optimizing Spot Instance Savings under Deadlines" (NSDI 2024); going to the
//! zone that is expected to last is the idea of SkyNomad (arXiv 2601.06520).

use std::collections::BTreeSet;

use super::batch_pool::{Pool, Terms};
use super::batch_value::Mode;
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
    /// What moving the job's data between regions costs, in hours of on-demand: what a start may cost later on.
    pub move_hours: f64,
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
    /// Hours that may pass without progress.
    #[must_use]
    pub fn slack_hours(&self) -> f64 {
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

/// Plans one job at a time over a fixed set of zones, and learns from every tick it is shown.
///
/// There are several ways to go on: to keep to one region, or to take whatever zone is up. The table of each says what an
/// action costs when that way is kept to afterwards, at the price and the move that the zone at hand asks; an action
/// is worth the best of them (a rollout over base policies: Bertsekas, Tsitsiklis and Wu, "Rollout algorithms for
/// combinatorial optimization", 1997).
#[derive(Debug, Clone)]
pub struct BatchPlanner {
    job: BatchJob,
    zones: Vec<Survival>,
    /// All zones together, and then the regions where there are several.
    pools: Vec<Pool>,
    /// The chance that of two zones one lies in another region.
    abroad_share: f64,
}

/// One way to go on: a pool on the terms of one of its zones.
struct Way {
    pool: usize,
    terms: Terms,
    /// The zone whose terms they are, where one can be had.
    zone: Option<usize>,
    /// What getting in costs beyond what the table charges at a start, for all that do not stay where they are.
    entry_hours: f64,
}

impl BatchPlanner {
    /// A planner for `job` that has seen nothing yet of its `zone_count` zones, all of one region.
    #[must_use]
    pub fn new(job: BatchJob, zone_count: usize) -> Self {
        Self::in_regions(job, &vec![0; zone_count])
    }

    /// The same with the region of each zone, by number: where data stays when the job moves.
    #[must_use]
    pub fn in_regions(job: BatchJob, regions: &[usize]) -> Self {
        let mut pools = vec![Pool::new((0..regions.len()).collect())];
        let distinct: BTreeSet<usize> = regions.iter().copied().collect();
        if distinct.len() > 1 {
            let of = |region: usize| (0..regions.len()).filter(|zone| regions[*zone] == region).collect();
            pools.extend(distinct.into_iter().map(|region| Pool::new(of(region))));
        }
        let sizes = pools.iter().skip(1).map(|pool| pool.zones.len() as f64 / regions.len() as f64);
        let abroad_share = if pools.len() > 1 { 1.0 - sizes.map(|share| share * share).sum::<f64>() } else { 0.0 };
        Self { job, zones: vec![Survival::default(); regions.len()], pools, abroad_share }
    }

    /// Takes in which zones had capacity, `elapsed_s` seconds after the observation before.
    pub fn observe(&mut self, available: &[bool], elapsed_s: f64) {
        for (zone, is_up) in self.zones.iter_mut().zip(available) {
            zone.observe(*is_up, elapsed_s);
        }
        self.pools.iter_mut().for_each(|pool| pool.observe(available, elapsed_s));
    }

    /// What to run on until the next tick. Call [`BatchPlanner::observe`] with the same availability first.
    pub fn decide(&mut self, situation: &BatchSituation<'_>) -> BatchDecision {
        let ways = self.ways(situation);
        let zones = ways.iter().filter_map(|way| way.zone.map(Run::Spot));
        // A tie changes nothing: the present run comes first.
        let mut runs: Vec<Run> = Vec::new();
        for run in [situation.run, Run::Idle, Run::OnDemand].into_iter().chain(zones) {
            if !runs.contains(&run) && self.is_safe(run, situation) {
                runs.push(run);
            }
        }
        if runs.iter().all(|run| *run == Run::OnDemand) {
            return BatchDecision { run: Run::OnDemand, reason: BatchReason::SafetyNet };
        }
        let mut best = (Run::OnDemand, f64::INFINITY);
        for run in runs {
            let costs = ways.iter().map(|way| self.expected_cost(run, way, situation));
            let cost = costs.fold(f64::INFINITY, f64::min);
            if cost < best.1 - 1e-9 {
                best = (run, cost);
            }
        }
        BatchDecision { run: best.0, reason: BatchReason::Cheapest(best.1) }
    }

    /// Whether on-demand alone can still meet the deadline after one tick of `run`, whatever the market does.
    fn is_safe(&self, run: Run, situation: &BatchSituation<'_>) -> bool {
        let changeover = self.job.changeover_hours;
        let slack = situation.slack_hours() + 1e-9;
        match run {
            Run::OnDemand => true,
            Run::Idle => slack + situation.changeover_left_hours - situation.tick_hours >= changeover,
            Run::Spot(zone) if zone >= self.zones.len() || !situation.is_available(zone) => false,
            Run::Spot(_) if situation.run == run => slack >= changeover,
            Run::Spot(_) => slack >= 2.0 * changeover,
        }
    }

    /// Each pool on the terms of the zone held there and of the best other zone there, or on usual ones while none is up.
    fn ways(&self, situation: &BatchSituation<'_>) -> Vec<Way> {
        // Regions differ in nothing where all prices are equal and data moves for nothing.
        let usual = self.price_ratio(0, situation);
        let differ =
            self.job.move_hours > 0.0 || (0..self.zones.len()).any(|zone| self.price_ratio(zone, situation) != usual);
        let pools = if differ { self.pools.len() } else { 1 };
        let mut ways = Vec::new();
        for pool in 0..pools {
            let members = &self.pools[pool].zones;
            let held = members.iter().copied().find(|zone| situation.run == Run::Spot(*zone));
            let held = held.filter(|zone| situation.is_available(*zone));
            let best = self.best_zone(members, situation);
            ways.extend([held, best].into_iter().flatten().map(|zone| self.way(pool, Some(zone), situation)));
            if held.is_none() && best.is_none() {
                ways.push(self.way(pool, None, situation));
            }
        }
        ways
    }

    fn way(&self, pool: usize, zone: Option<usize>, situation: &BatchSituation<'_>) -> Way {
        let members = &self.pools[pool].zones;
        let count = members.len().max(1) as f64;
        let mean = |of: &dyn Fn(usize) -> f64| members.iter().map(|zone| of(*zone)).sum::<f64>() / count;
        let price_ratio = zone
            .map_or_else(|| mean(&|zone| self.price_ratio(zone, situation)), |zone| self.price_ratio(zone, situation));
        // Data does not move within a region; over all zones a start may be anywhere.
        let start_hours = if pool == 0 { self.abroad_share * self.job.move_hours } else { 0.0 };
        let first_hours = match zone {
            // Whoever stays pays nothing, and whoever leaves may have to come back from elsewhere.
            Some(zone) if situation.run == Run::Spot(zone) => start_hours,
            Some(zone) => situation.move_cost_hours(zone),
            None if pool == 0 => start_hours,
            None => members.iter().map(|zone| situation.move_cost_hours(*zone)).fold(f64::INFINITY, f64::min),
        };
        let terms = Terms { price_ratio, entry_hours: start_hours };
        Way { pool, terms, zone, entry_hours: first_hours - start_hours }
    }

    /// The zone whose expected life saves most after the move; the one held is not asked to move to.
    fn best_zone(&self, members: &[usize], situation: &BatchSituation<'_>) -> Option<usize> {
        let saving = |zone: usize| {
            let hours = self.zones[zone].expected_up_hours(situation.work_left_hours);
            hours * (1.0 - self.price_ratio(zone, situation)) - situation.move_cost_hours(zone)
        };
        members
            .iter()
            .filter(|zone| situation.is_available(**zone) && situation.run != Run::Spot(**zone))
            .map(|zone| (saving(*zone), *zone))
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, zone)| zone)
    }

    fn price_ratio(&self, zone: usize, situation: &BatchSituation<'_>) -> f64 {
        situation.price_ratios.get(zone).copied().unwrap_or(self.job.price_ratio)
    }

    /// What remains to be paid when `run` is done for one step and `way` is gone afterwards.
    fn expected_cost(&mut self, run: Run, way: &Way, situation: &BatchSituation<'_>) -> f64 {
        let stays = run == situation.run;
        // To another zone is a start like any other.
        let from = if stays { mode_of(run) } else { mode_of(situation.run) };
        match run {
            Run::Spot(zone) if way.zone == Some(zone) => {
                let from = if stays { Mode::Spot } else { Mode::Idle };
                self.cost_on(way, (Mode::Spot, from), situation) + if stays { 0.0 } else { way.entry_hours }
            }
            // A zone outside the way stands in for on-demand, for as long as it lasts.
            Run::Spot(zone) => {
                let from = if stays { Mode::OnDemand } else { Mode::Idle };
                let starting = if stays { 0.0 } else { self.job.changeover_hours };
                let lasts_hours = self.zones[zone].expected_up_hours(situation.work_left_hours);
                // The way back from where the job is stands in what getting into the way costs.
                let back_hours = if self.pools[way.pool].zones.contains(&zone) { 0.0 } else { self.job.move_hours };
                let there_and_back = if stays { 0.0 } else { situation.move_cost_hours(zone) + back_hours };
                let step_hours = situation.tick_hours.min(situation.work_left_hours);
                let saved = (1.0 - self.price_ratio(zone, situation)) * (step_hours + starting);
                let moving = there_and_back * (step_hours / lasts_hours.max(step_hours));
                self.cost_on(way, (Mode::OnDemand, from), situation) + way.entry_hours - saved + moving
            }
            Run::Idle | Run::OnDemand => self.cost_on(way, (mode_of(run), from), situation) + way.entry_hours,
        }
    }

    fn cost_on(&mut self, way: &Way, modes: (Mode, Mode), situation: &BatchSituation<'_>) -> f64 {
        self.pools[way.pool].cost_of(modes, way.terms, &self.zones, &self.job, situation)
    }
}

const fn mode_of(run: Run) -> Mode {
    match run {
        Run::Idle => Mode::Idle,
        Run::OnDemand => Mode::OnDemand,
        Run::Spot(_) => Mode::Spot,
    }
}
