//! The plans, the proof that the first is best, and the reasons against everything else.

use std::collections::{BTreeMap, BTreeSet};

use domain::Money;
use serde::Serialize;

use super::cost::{Collapsed, Costs};
use super::error::PlacementError;
use super::filter::Rejection;
use super::limits::Limits;
use super::network::Label;
use super::problem::Problem;
use super::search::{Effort, Found, search};
use super::sites::Sites;

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

impl Plan {
    /// Whether the problem's budget pays for it.
    fn is_paid(&self, problem: &Problem) -> bool {
        problem.budget_usd.is_none_or(|usd| self.machines + self.egress <= Money::from_dollars(usd).0)
    }
}

/// A constraint that costs money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// Which.
    pub constraint: Rejection,
    /// Of all the tasks together, its name in the problem: that of a quota, or `budget_usd`. Empty for what each task asks.
    pub name: String,
    /// Nano-dollars that the best plan would cost less without it.
    pub saves: i64,
}

/// Why an offer was not chosen for a task.
#[derive(Debug, Clone, PartialEq)]
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
    /// No plan that uses it keeps the quotas and the budget.
    NoPlan {
        /// Which of them, and by how much.
        cause: PlacementError,
    },
}

/// Solves a problem.
///
/// # Errors
/// When the problem is malformed, a task has no offer left, or no plan keeps the budget.
pub fn place(problem: &Problem) -> Result<Placement, PlacementError> {
    solve(problem, &Costs::new(problem)?)
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
    match solve(problem, &costs) {
        Ok(with) => {
            let plan = with.plans.into_iter().next().ok_or(PlacementError::Empty)?;
            Ok(WhyNot::Dearer { by: plan.objective - best.objective, plan })
        }
        Err(cause @ (PlacementError::OverBudget { .. } | PlacementError::OverQuota { .. })) => {
            Ok(WhyNot::NoPlan { cause })
        }
        Err(other) => Err(other),
    }
}

/// Which constraints cost money, dearest first: each is lifted from all tasks at once and the problem solved again.
///
/// # Errors
/// Like [`place`].
pub fn bindings(problem: &Problem, placement: &Placement) -> Result<Vec<Binding>, PlacementError> {
    let reasons: BTreeSet<Rejection> = placement.rejected.iter().flat_map(|counts| counts.keys().copied()).collect();
    let mut lifted: Vec<(Rejection, String, Problem)> =
        reasons.into_iter().map(|reason| (reason, String::new(), lifted(problem, reason))).collect();
    for at in 0..problem.quotas.len() {
        let mut free = problem.clone();
        let quota = free.quotas.remove(at);
        lifted.push((Rejection::Quota, quota.name, free));
    }
    if problem.budget_usd.is_some() {
        lifted.push((Rejection::Budget, "budget_usd".to_owned(), Problem { budget_usd: None, ..problem.clone() }));
    }
    let mut found = Vec::new();
    for (constraint, name, free) in lifted {
        let free = solve(&free, &Costs::new(&free)?)?;
        if free.objective < placement.objective {
            found.push(Binding { constraint, name, saves: placement.objective - free.objective });
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
            // The first two are dealt with above; the third is a fact and no rule.
            Rejection::Quota | Rejection::Outage | Rejection::NeverFinishes => {}
        }
    }
    problem
}

/// Solves a priced problem. Quotas and the budget are left out at first: plans that happen to keep them are the best with them
/// too, and only when one does not is the problem solved again with everything.
fn solve(problem: &Problem, costs: &Costs) -> Result<Placement, PlacementError> {
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
    let mut plans: Vec<Plan> = all.map(|offers| plan(problem, costs, offers)).collect();
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

fn plan(problem: &Problem, costs: &Costs, offers: Vec<usize>) -> Plan {
    let bill = costs.bill(problem, &offers);
    Plan { objective: bill.objective(), machines: bill.machines, egress: bill.egress, waiting: bill.waiting, offers }
}
