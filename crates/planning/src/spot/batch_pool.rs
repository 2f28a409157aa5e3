//! Zones that a job may keep to, and what finishing in them is expected to cost under given terms.
//!
//! A pool is up while any of its zones is; within it a lost instance is replaced in another zone. The pools of a job are
//! its regions, between which data must be moved, and all zones together. This file decides nothing.

use super::batch::{BatchJob, BatchSituation};
use super::batch_value::{Market, Mode, ValueTable, Weather};
use super::survival::Survival;

/// Tables are solved anew when this much of the deadline has passed, so that learning reaches them.
const RESOLVE_SHARE: f64 = 1.0 / 20.0;
/// Terms that differ by no more than this share of a dollar and hour have one table.
const SAME_TERMS: f64 = 0.002;
/// Most tables kept at a time.
const MAX_TABLES: usize = 4;

/// What a pool is taken to cost from now on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Spot price as a share of on-demand.
    pub price_ratio: f64,
    /// What each start on spot costs beside the changeover, in hours of on-demand: data that is moved.
    pub entry_hours: f64,
}

impl Terms {
    fn is_like(&self, other: &Self) -> bool {
        (self.price_ratio - other.price_ratio).abs() <= SAME_TERMS
            && (self.entry_hours - other.entry_hours).abs() <= SAME_TERMS
    }
}

#[derive(Debug, Clone)]
struct Solved {
    table: ValueTable,
    terms: Terms,
    time_left_hours: f64,
}

/// A pool, as seen so far.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its zones, by index.
    pub zones: Vec<usize>,
    any_zone: Survival,
    solved: Vec<Solved>,
}

impl Pool {
    /// Of these zones, of which nothing was seen yet.
    #[must_use]
    pub fn new(zones: Vec<usize>) -> Self {
        Self { zones, any_zone: Survival::default(), solved: Vec::new() }
    }

    /// Takes in which zones have capacity.
    pub fn observe(&mut self, available: &[bool], elapsed_s: f64) {
        let is_up = self.zones.iter().any(|zone| available.get(*zone).copied().unwrap_or(false));
        self.any_zone.observe(is_up, elapsed_s);
    }

    /// What remains to be paid when `action` is done for one step after `from`, in hours of on-demand. Solves the terms first
    /// where no fresh table has them; `zones` are those of the job.
    pub fn cost_of(
        &mut self,
        (action, from): (Mode, Mode),
        terms: Terms,
        zones: &[Survival],
        job: &BatchJob,
        situation: &BatchSituation<'_>,
    ) -> f64 {
        let weather = Weather { is_up: self.any_zone.is_up(), age: self.any_zone.age_class() };
        let table = self.table(terms, zones, job, situation);
        table.cost_of(action, from, situation.work_left_hours, situation.slack_hours(), weather)
    }

    fn table(
        &mut self,
        terms: Terms,
        zones: &[Survival],
        job: &BatchJob,
        situation: &BatchSituation<'_>,
    ) -> &ValueTable {
        let passed_hours = |solved: &Solved| solved.time_left_hours - situation.time_left_hours;
        let stale_hours = job.deadline_hours * RESOLVE_SHARE;
        self.solved.retain(|solved| (0.0..stale_hours).contains(&passed_hours(solved)));
        let known = self.solved.iter().position(|solved| solved.terms.is_like(&terms));
        let at = known.unwrap_or_else(|| {
            let market = self.market(terms, zones, job, situation);
            let slack_hours = situation.slack_hours().max(0.0);
            let table = ValueTable::solve(market, situation.work_left_hours, slack_hours, situation.tick_hours);
            if self.solved.len() >= MAX_TABLES {
                self.solved.remove(0);
            }
            self.solved.push(Solved { table, terms, time_left_hours: situation.time_left_hours });
            self.solved.len() - 1
        });
        &self.solved[at].table
    }

    fn market(&self, terms: Terms, zones: &[Survival], job: &BatchJob, situation: &BatchSituation<'_>) -> Market {
        // With several zones the job outlives its zone while another is up: that costs a changeover, not the market.
        let expected = self.zones.iter().filter_map(|zone| zones.get(*zone));
        let longest_hours = expected.map(|zone| zone.expected_up_hours(job.work_hours)).fold(0.0, f64::max);
        let moves_per_hour = if self.zones.len() > 1 { 1.0 / longest_hours.max(0.5) } else { 0.0 };
        Market {
            up_end_per_hour: self.any_zone.hazards_per_hour(true),
            down_end_per_hour: self.any_zone.hazards_per_hour(false),
            moves_per_hour,
            price_ratio: terms.price_ratio,
            entry_hours: terms.entry_hours,
            changeover_hours: job.changeover_hours,
            deadline_at_s: self.any_zone.now_s() + situation.time_left_hours * 3_600.0,
        }
    }
}
