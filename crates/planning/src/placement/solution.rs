//! The plans, the proof that the first is best, and the reasons against everything else.

use std::collections::BTreeMap;

use domain::Money;
use serde::Serialize;

use super::cost::{Collapsed, Costs};
use super::filter::Rejection;
use super::network::Label;
use super::problem::{PlacementError, Problem};
use super::search::{Effort, search};

/// Times that the price of waiting is halved in looking for a plan within the budget.
const BUDGET_ROUNDS: usize = 16;

/// A solved problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placement {
    /// Nano-dollars of the best plan: machines, egress and λ × transfer time.
    pub objective: i64,
    /// No plan costs less than these nano-dollars; equal to `objective` when the best plan is proven best.
    pub lower_bound: i64,
    /// The best plans, at most three, best first: for each failure to get the first there is a next one.
    pub plans: Vec<Plan>,
    /// By task: how many offers fell to each reason.
    pub rejected: Vec<BTreeMap<Rejection, usize>>,
    /// Subproblems looked at.
    pub nodes: usize,
}

/// One offer for each task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Nano-dollars: what is minimised.
    pub objective: i64,
    /// Nano-dollars of machines.
    pub machines: i64,
    /// Nano-dollars of egress.
    pub egress: i64,
    /// Nano-dollars of λ × transfer time.
    pub waiting: i64,
    /// The offer of each task, by number.
    pub offers: Vec<usize>,
}

/// A constraint that costs money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// Which.
    pub constraint: Rejection,
    /// Nano-dollars that the best plan would cost less without it.
    pub saves: i64,
}

/// Why an offer was not chosen for a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum WhyNot {
    /// It may not run the task.
    Rejected(Rejection),
    /// The best plan that uses it costs this many nano-dollars more; none when it is as good as the best.
    Dearer {
        /// Nano-dollars.
        by: i64,
        /// That plan.
        plan: Plan,
    },
}

/// Solves a problem.
///
/// # Errors
/// When the problem is malformed, a task has no offer left, or no plan keeps the budget.
pub fn place(problem: &Problem) -> Result<Placement, PlacementError> {
    let costs = Costs::new(problem)?;
    let placement = solve(problem, &costs)?;
    match problem.budget_usd {
        Some(budget) => within(problem, &costs, placement, budget),
        None => Ok(placement),
    }
}

/// Says what stands against `offer` for `task`, both by name.
///
/// # Errors
/// Like [`place`], and when there is no such task or offer.
pub fn why_not(problem: &Problem, task: &str, offer: &str) -> Result<WhyNot, PlacementError> {
    let unknown = |kind, name: &str| PlacementError::Unknown { kind, name: name.to_owned() };
    let at = problem.tasks.iter().position(|other| other.name == task).ok_or_else(|| unknown("task", task))?;
    let on = problem.offers.iter().position(|other| other.name == offer).ok_or_else(|| unknown("offer", offer))?;
    let mut costs = Costs::new(problem)?;
    if let Err(reason) = costs.task[at][on] {
        return Ok(WhyNot::Rejected(reason));
    }
    let best = solve(problem, &costs)?;
    // Everything else is ruled out for this task; the reason given is never shown.
    let others = costs.task[at].iter_mut().enumerate().filter(|(other, _)| *other != on);
    others.for_each(|(_, cost)| *cost = Err(Rejection::Budget));
    let with = solve(problem, &costs)?;
    let plan = with.plans.into_iter().next().ok_or(PlacementError::Empty)?;
    Ok(WhyNot::Dearer { by: plan.objective - best.objective, plan })
}

/// Which constraints cost money, dearest first: each is lifted from all tasks at once and the problem solved again.
///
/// # Errors
/// Like [`place`].
pub fn bindings(problem: &Problem, placement: &Placement) -> Result<Vec<Binding>, PlacementError> {
    let mut found = Vec::new();
    let reasons: std::collections::BTreeSet<Rejection> =
        placement.rejected.iter().flat_map(|counts| counts.keys().copied()).collect();
    for constraint in reasons {
        let free = solve(problem, &Costs::new(&lifted(problem, constraint))?)?;
        if free.objective < placement.objective {
            found.push(Binding { constraint, saves: placement.objective - free.objective });
        }
    }
    found.sort_by_key(|binding| -binding.saves);
    Ok(found)
}

fn lifted(problem: &Problem, constraint: Rejection) -> Problem {
    let mut problem = problem.clone();
    if constraint == Rejection::Outage {
        problem.outages.clear();
    }
    problem.offers.iter_mut().filter(|_| constraint == Rejection::Quota).for_each(|offer| offer.quota = None);
    for task in &mut problem.tasks {
        match constraint {
            Rejection::Residency => task.residency.clear(),
            Rejection::Market => task.markets.clear(),
            Rejection::Family => task.families.clear(),
            Rejection::Accelerator => task.accelerators.clear(),
            Rejection::Processors => task.vcpus = 0.0,
            Rejection::Memory => task.memory_gib = 0.0,
            Rejection::AcceleratorMemory => task.accelerator_memory_gib = 0.0,
            Rejection::Budget => task.budget_usd = None,
            // Quota and outage are dealt with above; that work never finishes is a fact and no rule; a task sets no rule
            // of the other kinds.
            _ => {}
        }
    }
    problem
}

fn solve(problem: &Problem, costs: &Costs) -> Result<Placement, PlacementError> {
    let collapsed = Collapsed::new(problem, costs)?;
    let found = search(&collapsed.network, collapsed.network.domains(), Effort::default());
    let mut plans: Vec<Vec<usize>> = Vec::new();
    for (_, places) in &found.best {
        plans.extend(variants(&collapsed, places));
    }
    let mut plans: Vec<Plan> = plans.into_iter().map(|offers| plan(problem, costs, offers)).collect();
    plans.sort_by_key(|plan| plan.objective);
    plans.truncate(Effort::default().plans);
    let objective = plans.first().ok_or(PlacementError::Empty)?.objective;
    let count = |row: &Vec<Result<i64, Rejection>>| {
        let mut counts = BTreeMap::new();
        row.iter().filter_map(|cost| cost.err()).for_each(|reason| *counts.entry(reason).or_insert(0) += 1);
        counts
    };
    let rejected = costs.task.iter().map(count).collect();
    Ok(Placement { objective, lower_bound: found.lower, plans, rejected, nodes: found.nodes })
}

/// The cheapest offers in the places given, and each plan that differs from them in one task. The best three plans of all
/// are among these of the best three assignments of places: two differences in one cost more than either alone.
fn variants(collapsed: &Collapsed, places: &[Label]) -> Vec<Vec<usize>> {
    let kept: Vec<&[usize]> = collapsed
        .offers
        .iter()
        .zip(places)
        .map(|(offers, place)| offers.get(place).map_or(&[][..], Vec::as_slice))
        .collect();
    let base: Vec<usize> = kept.iter().filter_map(|offers| offers.first().copied()).collect();
    let mut plans = vec![base.clone()];
    for (task, offers) in kept.iter().enumerate() {
        for offer in offers.iter().skip(1) {
            let mut other = base.clone();
            other[task] = *offer;
            plans.push(other);
        }
    }
    plans
}

fn plan(problem: &Problem, costs: &Costs, offers: Vec<usize>) -> Plan {
    let bill = costs.bill(problem, &offers);
    Plan { objective: bill.objective(), machines: bill.machines, egress: bill.egress, waiting: bill.waiting, offers }
}

/// Holds the budget. A plan that is best at a lower price of waiting is cheaper and slower; of those the fastest that the
/// budget allows is taken. For a price λ' < λ with optimum v, every plan within the budget B costs at least
/// (λ/λ')·v − (λ/λ' − 1)·B (Lagrange duality), which is the bound given; it may lie below the objective.
fn within(problem: &Problem, costs: &Costs, placement: Placement, budget: f64) -> Result<Placement, PlacementError> {
    let most = Money::from_dollars(budget).0;
    let keeps = |plan: &Plan| plan.machines + plan.egress <= most;
    if placement.plans.iter().all(keeps) {
        return Ok(placement);
    }
    let lambda = problem.lambda_usd_per_hour;
    let at = |lambda_usd_per_hour: f64| {
        let other = Problem { lambda_usd_per_hour, ..problem.clone() };
        solve(&other, &Costs::new(&other)?)
    };
    let cheapest = at(0.0)?;
    if !keeps(&cheapest.plans[0]) {
        let cheapest = &cheapest.plans[0];
        let cheapest_usd = Money(cheapest.machines + cheapest.egress).dollars();
        return Err(PlacementError::OverBudget { cheapest_usd, budget_usd: budget });
    }
    let (mut lower_bound, mut low, mut high) = (placement.lower_bound, 0.0, lambda);
    let mut offers: Vec<Vec<usize>> = Vec::new();
    let mut note = |found: &Placement| {
        offers.extend(found.plans.iter().filter(|plan| keeps(plan)).map(|plan| plan.offers.clone()));
    };
    note(&placement);
    note(&cheapest);
    for _ in 0..BUDGET_ROUNDS {
        let middle = f64::midpoint(low, high);
        let found = at(middle)?;
        note(&found);
        let ratio = lambda / middle;
        // Rounded down by a millionth part, so that no error of the arithmetic makes it too high.
        let bound = ratio * found.lower_bound as f64 - (ratio - 1.0) * most as f64;
        lower_bound = lower_bound.max((bound - bound.abs() * 1e-6) as i64);
        if keeps(&found.plans[0]) { low = middle } else { high = middle }
    }
    offers.sort_unstable();
    offers.dedup();
    let mut plans: Vec<Plan> = offers.into_iter().map(|offers| plan(problem, costs, offers)).collect();
    plans.sort_by_key(|plan| plan.objective);
    plans.truncate(Effort::default().plans);
    let objective = plans.first().ok_or(PlacementError::Empty)?.objective;
    Ok(Placement { objective, lower_bound: lower_bound.min(objective), plans, ..placement })
}
