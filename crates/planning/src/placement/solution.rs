//! The plans, and the proof that the first is best.

use std::collections::BTreeMap;

use domain::Money;
use serde::Serialize;

use super::cost::{Bill, Collapsed, Costs};
use super::error::PlacementError;
use super::filter::Rejection;
use super::limits::Limits;
use super::network::Label;
use super::problem::Problem;
use super::search::{Effort, Found, search};
use super::sites::Sites;
use super::transfer::Relayed;

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
    /// Nano-dollars of egress, with the relays' machines.
    pub egress: i64,
    /// Nano-dollars of λ × transfer time.
    pub waiting: i64,
    /// The offer of each task, by number.
    pub offers: Vec<usize>,
    /// What goes through a relay on its way.
    pub relays: Vec<Relayed>,
}

impl Plan {
    /// What it is to run each task on one of `offers`.
    #[must_use]
    pub fn new(problem: &Problem, costs: &Costs, offers: Vec<usize>) -> Self {
        let bill = costs.bill(problem, &offers);
        let place = |task: usize| costs.place_of[offers[task]];
        let fixed = problem.tasks.iter().enumerate();
        let mut relays: Vec<Relayed> =
            fixed.flat_map(|(at, task)| costs.transfers.fixed_relays(task, place(at))).collect();
        relays.extend(costs.edges.iter().filter_map(|edge| {
            let via = edge.amounts.via[costs.transfers.rate(place(edge.from), place(edge.to))]?;
            let name = |task: usize| problem.tasks[task].name.clone();
            Some(Relayed { from: name(edge.from), to: name(edge.to), via: costs.transfers.relay_place(via) })
        }));
        let Bill { machines, egress, waiting } = bill;
        Self { objective: bill.objective(), machines, egress, waiting, offers, relays }
    }

    /// Whether the problem's budget pays for it.
    fn is_paid(&self, problem: &Problem) -> bool {
        problem.budget_usd.is_none_or(|usd| self.machines + self.egress <= Money::from_dollars(usd).0)
    }
}

/// Solves a problem.
///
/// # Errors
/// When the problem is malformed, a task has no offer left, or no plan keeps the budget.
pub fn place(problem: &Problem) -> Result<Placement, PlacementError> {
    solve(problem, &Costs::new(problem)?)
}

/// Solves a priced problem. Quotas and the budget are left out at first: plans that happen to keep them are the best with them
/// too, and only when one does not is the problem solved again with everything.
pub(super) fn solve(problem: &Problem, costs: &Costs) -> Result<Placement, PlacementError> {
    let by_place = Sites::by_place(costs);
    let mut found = plans(problem, costs, &by_place, None)?;
    if problem.budget_usd.is_some() || !problem.quotas.is_empty() {
        let sites = Sites::by_quota(problem, costs);
        let collapsed = Collapsed::new(problem, costs, &sites)?;
        let mut limits = sites.limits(problem, costs, &collapsed, true);
        let mut keeps = |plan: &Plan| plan.is_paid(problem) && limits.allow(&labels(&sites, &plan.offers));
        if !found.1.iter().all(&mut keeps) {
            let nodes = found.0.nodes;
            found = plans(problem, costs, &sites, Some(&mut limits))?;
            found.0.nodes += nodes;
        }
    }
    let (found, plans) = found;
    let Some(best) = plans.first() else { return Err(no_plan(problem, costs, &found)) };
    let count = |row: &Vec<Result<i64, Rejection>>| {
        let mut counts = BTreeMap::new();
        row.iter().filter_map(|cost| cost.err()).for_each(|reason| *counts.entry(reason).or_insert(0) += 1);
        counts
    };
    let rejected = costs.task.iter().map(count).collect();
    Ok(Placement { objective: best.objective, lower_bound: found.lower, plans, rejected, nodes: found.nodes })
}

fn plans(
    problem: &Problem,
    costs: &Costs,
    sites: &Sites,
    mut limits: Option<&mut Limits>,
) -> Result<(Found, Vec<Plan>), PlacementError> {
    let collapsed = Collapsed::new(problem, costs, sites)?;
    let effort = Effort::default();
    let found = search(&collapsed.network, collapsed.network.domains(), limits.as_deref_mut(), effort);
    let all = found.best.iter().flat_map(|(_, labels)| variants(&collapsed, labels));
    let mut plans: Vec<Plan> = all.map(|offers| Plan::new(problem, costs, offers)).collect();
    // Offers of a label take the same of every quota, but a dearer one may break the budget.
    plans.retain(|plan| limits.is_none() || plan.is_paid(problem));
    plans.sort_by_key(|plan| plan.objective);
    plans.truncate(effort.plans);
    Ok((found, plans))
}

fn labels(sites: &Sites, offers: &[usize]) -> Vec<Label> {
    offers.iter().map(|offer| sites.label_of[*offer]).collect()
}

/// Why nothing was found: what the cheapest plan within the quotas costs, or that the quotas alone allow none.
fn no_plan(problem: &Problem, costs: &Costs, found: &Found) -> PlacementError {
    if !found.is_complete {
        return PlacementError::GaveUp { nodes: found.nodes };
    }
    let cheapest = || -> Result<i64, PlacementError> {
        let sites = Sites::by_quota(problem, costs);
        let collapsed = Collapsed::new(problem, costs, &sites)?;
        let money = sites.money(problem, costs, &collapsed.network);
        let mut limits = sites.limits(problem, costs, &collapsed, false);
        let found = search(&money, money.domains(), Some(&mut limits), Effort { plans: 1, ..Effort::default() });
        let names: Vec<&str> = problem.quotas.iter().map(|quota| quota.name.as_str()).collect();
        let best = found.best.first().map(|(cost, _)| *cost);
        best.ok_or_else(|| PlacementError::OverQuota { names: names.join(", ") })
    };
    match (cheapest(), problem.budget_usd) {
        (Ok(cheapest), Some(budget_usd)) => {
            PlacementError::OverBudget { cheapest_usd: Money(cheapest).dollars(), budget_usd }
        }
        (Err(error), _) => error,
        (Ok(_), None) => PlacementError::GaveUp { nodes: found.nodes },
    }
}

/// The cheapest offers with the labels given, and each plan that differs from them in one task. The best three plans of all
/// are among these of the best three assignments of labels: two differences in one cost more than either alone.
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
