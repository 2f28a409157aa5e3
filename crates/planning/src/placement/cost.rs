//! What each task costs on each offer, and the collapse of a region's offers into its cheapest.

use domain::Money;
use rustc_hash::FxHashMap;

use super::check::check;
use super::error::PlacementError;
use super::filter::{Rejection, rejection};
use super::network::{FORBIDDEN, Label, Network, NetworkEdge};
use super::problem::{Checkpoint, Offer, Problem, Task};
use super::sites::Sites;
use super::transfer::{Amounts, Transfers};
use crate::spot::checkpoint::{self, Writes};

/// Longest expected hours of a task that are still a plan: a hundred years.
const LONGEST_HOURS: f64 = 876_000.0;

/// Every price of a problem: tasks on offers, and bytes between places.
#[derive(Debug, Clone)]
pub struct Costs {
    /// By task and offer: nano-dollars of machines and fixed data (with λ × time), or why the offer may not run it.
    pub task: Vec<Vec<Result<i64, Rejection>>>,
    /// The edges, one for each pair of tasks.
    pub edges: Vec<EdgeCosts>,
    /// The place of each offer, a number of [`Transfers::places`].
    pub place_of: Vec<Label>,
    /// Prices between places.
    pub transfers: Transfers,
}

/// One transfer between tasks.
#[derive(Debug, Clone)]
pub struct EdgeCosts {
    /// The task that sends.
    pub from: usize,
    /// The task that receives.
    pub to: usize,
    /// What it costs by rate.
    pub amounts: Amounts,
}

/// Two prices on one plan: what is minimised, and what is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bill {
    /// Nano-dollars of machines.
    pub machines: i64,
    /// Nano-dollars of egress, with the relays' machines.
    pub egress: i64,
    /// Nano-dollars of λ × transfer time.
    pub waiting: i64,
}

impl Bill {
    /// What is minimised.
    #[must_use]
    pub const fn objective(self) -> i64 {
        self.machines + self.egress + self.waiting
    }
    /// What is billed.
    #[must_use]
    pub const fn money(self) -> Money {
        Money(self.machines + self.egress)
    }
}

impl Costs {
    /// Checks and prices a problem.
    ///
    /// # Errors
    /// When a number or name is wrong, the edges go round, or a pair of places has no price.
    pub fn new(problem: &Problem) -> Result<Self, PlacementError> {
        let links = check(problem)?;
        let transfers = Transfers::new(problem)?;
        let place_of: Vec<Label> = problem.offers.iter().map(|offer| transfers.label(&offer.place())).collect();
        let task = problem.tasks.iter().map(|task| row(problem, task, &place_of, &transfers)).collect();
        let edge = |(from, to, gb): (usize, usize, f64)| {
            let tasks = [&problem.tasks[from], &problem.tasks[to]];
            EdgeCosts { from, to, amounts: transfers.amounts(gb, &tasks) }
        };
        Ok(Self { task, edges: links.into_iter().map(edge).collect(), place_of, transfers })
    }

    /// What an edge costs between two offers, in nano-dollars with λ × time.
    #[must_use]
    pub fn transfer(&self, edge: usize, from_offer: usize, to_offer: usize) -> i64 {
        let (from, to) = (self.place_of[from_offer], self.place_of[to_offer]);
        self.edges[edge].amounts.total[self.transfers.rate(from, to)]
    }

    /// The parts of what a plan costs; `offers` is one for each task.
    #[must_use]
    pub fn bill(&self, problem: &Problem, offers: &[usize]) -> Bill {
        let mut bill = Bill::default();
        for (task, offer) in problem.tasks.iter().zip(offers) {
            let fixed = self.transfers.fixed(task, self.place_of[*offer]);
            bill.machines += machines(task, &problem.offers[*offer]).unwrap_or(0);
            bill.egress += fixed.egress;
            bill.waiting += fixed.waiting;
        }
        for edge in &self.edges {
            let rate = self.transfers.rate(self.place_of[offers[edge.from]], self.place_of[offers[edge.to]]);
            bill.egress += edge.amounts.egress[rate];
            bill.waiting += edge.amounts.total[rate] - edge.amounts.egress[rate];
        }
        bill
    }
}

fn row(problem: &Problem, task: &Task, place_of: &[Label], transfers: &Transfers) -> Vec<Result<i64, Rejection>> {
    // Fixed data depends on the place alone, and places are numbered from zero.
    let mut fixed: Vec<Option<i64>> = vec![None; transfers.places.len()];
    let cost = |(offer, place): (&Offer, &Label)| {
        if let Some(reason) = rejection(task, offer, &problem.outages) {
            return Err(reason);
        }
        if !problem.quotas.iter().all(|quota| quota.holds(task, offer)) {
            return Err(Rejection::Quota);
        }
        let machines = machines(task, offer).ok_or(Rejection::NeverFinishes)?;
        if task.budget_usd.is_some_and(|most| machines > Money::from_dollars(most).0) {
            return Err(Rejection::Budget);
        }
        let fixed = fixed[*place as usize].get_or_insert_with(|| transfers.fixed(task, *place).objective());
        Ok(machines + *fixed)
    };
    problem.offers.iter().zip(place_of).map(cost).collect()
}

/// Nano-dollars of a task's machines on an offer; nothing when it would never finish.
fn machines(task: &Task, offer: &Offer) -> Option<i64> {
    let hours = expected_hours(task, offer)?;
    Some(Money::from_dollars(hours * offer.usd_per_hour * f64::from(task.instances)).0)
}

/// Hours that a task is expected to hold an offer, lost work and checkpoints included; nothing beyond a hundred years.
///
/// Interruptions come at random once in `mean_up_hours` per instance; [`checkpoint::expected_hours`] says what they cost.
#[must_use]
pub fn expected_hours(task: &Task, offer: &Offer) -> Option<f64> {
    let work = task.hours_on.get(&offer.instance).copied().unwrap_or(task.hours / offer.speed);
    let Some(mean_up) = offer.mean_up_hours else { return Some(work + offer.boot_hours) };
    if work == 0.0 {
        return Some(offer.boot_hours);
    }
    let writes = task.checkpoint.map(|Checkpoint { write_hours, restore_hours }| Writes { write_hours, restore_hours });
    // Any instance of a gang that is lost stops the whole.
    let mean = mean_up / f64::from(task.instances);
    let hours = checkpoint::expected_hours(work, mean, offer.boot_hours, writes) + offer.boot_hours;
    (hours <= LONGEST_HOURS).then_some(hours)
}

/// A problem with one candidate for each task and label.
#[derive(Debug, Clone)]
pub struct Collapsed {
    /// The numbers that are left to solve.
    pub network: Network,
    /// By task and label: offers that may run it there, cheapest first, at most three.
    pub offers: Vec<FxHashMap<Label, Vec<usize>>>,
}

impl Collapsed {
    /// Keeps the cheapest offers of each task with each label. Exact: offers of a label differ in price alone, so a plan with a
    /// dearer one is never better than the same with the cheapest.
    ///
    /// # Errors
    /// When no offer is left for a task.
    pub fn new(problem: &Problem, costs: &Costs, sites: &Sites) -> Result<Self, PlacementError> {
        let mut unary = vec![vec![FORBIDDEN; sites.place_of.len()]; costs.task.len()];
        let mut offers = Vec::with_capacity(costs.task.len());
        for (task, row) in costs.task.iter().enumerate() {
            let kept = cheapest_of_each(row, &sites.label_of);
            if kept.is_empty() {
                return Err(no_offer(&problem.tasks[task], row));
            }
            for (label, kept) in &kept {
                unary[task][*label as usize] = row[kept[0]].unwrap_or(FORBIDDEN);
            }
            offers.push(kept);
        }
        let edge = |edge: &EdgeCosts| NetworkEdge { from: edge.from, to: edge.to, prices: edge.amounts.total.clone() };
        let edges = costs.edges.iter().map(edge).collect();
        let classes = costs.transfers.classes.clone();
        Ok(Self { network: Network::new(unary, edges, sites.place_of.clone(), classes), offers })
    }
}

fn cheapest_of_each(row: &[Result<i64, Rejection>], label_of: &[Label]) -> FxHashMap<Label, Vec<usize>> {
    let mut kept: FxHashMap<Label, Vec<usize>> = FxHashMap::default();
    for (offer, cost) in row.iter().enumerate().filter_map(|(offer, cost)| Some((offer, cost.ok()?))) {
        let best = kept.entry(label_of[offer]).or_default();
        let at = best.partition_point(|other| row[*other].is_ok_and(|other| other <= cost));
        if at < 3 {
            best.insert(at, offer);
            best.truncate(3);
        }
    }
    kept
}

/// That no offer of a task's row of costs is allowed, with how many fell to each reason.
#[must_use]
pub fn no_offer(task: &Task, row: &[Result<i64, Rejection>]) -> PlacementError {
    let mut counts = std::collections::BTreeMap::new();
    for reason in row.iter().filter_map(|cost| cost.err()) {
        *counts.entry(reason).or_insert(0_usize) += 1;
    }
    let reasons: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    PlacementError::NoOffer { task: task.name.clone(), reasons: reasons.join(", ") }
}
