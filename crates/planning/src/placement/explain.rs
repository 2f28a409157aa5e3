//! Which constraints cost money, and why an offer was not chosen.

use std::collections::BTreeSet;

use serde::Serialize;

use super::cost::Costs;
use super::error::PlacementError;
use super::filter::Rejection;
use super::problem::Problem;
use super::solution::{Placement, Plan, solve};

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
    let mut reasons: BTreeSet<Rejection> =
        placement.rejected.iter().flat_map(|counts| counts.keys().copied()).collect();
    // What keeps offers away keeps relays away too.
    if problem.relays.iter().any(|relay| !problem.tasks.iter().all(|task| relay.may_pass(task))) {
        reasons.insert(Rejection::Residency);
    }
    if problem.relays.iter().any(|relay| problem.outages.iter().any(|name| relay.is_in(name))) {
        reasons.insert(Rejection::Outage);
    }
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
            // A task sets no rule of the kinds named last.
            Rejection::Quota | Rejection::Outage | Rejection::NeverFinishes => {}
            Rejection::Cloud
            | Rejection::Site
            | Rejection::Accelerators
            | Rejection::ModelMemory
            | Rejection::Price => {}
        }
    }
    problem
}
