//! When not every replica finds a place: what binds, said so that somebody can lift it.

use std::collections::BTreeMap;

use domain::{Kind, Problem};

use super::AllocationProblem;
use super::eligibility::{Candidate, Reason, Rejection};
use crate::constraint::Constraint;

/// The problem that says why `unplaced` replicas find no place.
pub(super) fn explain(
    problem: &AllocationProblem<'_>,
    candidates: &[Candidate],
    rejected: &[Rejection],
    unplaced: u32,
) -> Problem {
    let name = &problem.environment.name;
    if problem.sites.is_empty() {
        return Problem::new(Kind::NoCapacity, "no site is known: no cloud has answered yet")
            .next("check that a cloud is running with 'mcp doctor'");
    }
    let rejections: Vec<String> =
        rejected.iter().map(|rejection| format!("{}: {}", rejection.site, rejection.cause)).collect();
    if candidates.is_empty() {
        let cause = format!("no site can carry a replica in environment {name}. {}", rejections.join(". "));
        return Problem::new(Kind::NoCapacity, cause).next(next_step(rejected));
    }
    let room: u64 = candidates.iter().map(|candidate| u64::from(candidate.room)).sum();
    let mut cause = format!(
        "{unplaced} of {} replicas find no place: capacity binds, the {} eligible sites hold {room}",
        problem.replicas,
        candidates.len(),
    );
    if !rejections.is_empty() {
        cause = format!("{cause}. {}", rejections.join(". "));
    }
    Problem::new(Kind::NoCapacity, cause)
        .next(format!("ask for at most {room} replicas, or allow more sites in environment {name}"))
        .at("replicas")
}

/// What to do about the reason met most often; the first reason in order among equals.
fn next_step(rejected: &[Rejection]) -> &'static str {
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    for rejection in rejected {
        *counts.entry(rejection.reason).or_default() += 1;
    }
    let binding = counts.into_iter().max_by_key(|(reason, count)| (*count, std::cmp::Reverse(*reason)));
    let Some((Reason::Broken(binding), _)) = binding else { return FULL };
    match binding {
        Constraint::Cloud => "use an environment that allows one of these clouds",
        Constraint::Site => "use an environment that allows one of these sites",
        Constraint::Residency => "use an environment whose countries include one of these",
        Constraint::Outage => "wait until a site is back, or allow other sites",
        Constraint::Family | Constraint::Accelerator => "allow another kind of instance",
        Constraint::Accelerators | Constraint::Processors | Constraint::Memory | Constraint::AcceleratorMemory => {
            "use an environment with smaller resources, or add a cloud with larger instances"
        }
        Constraint::ModelMemory => "serve a smaller or more compressed model, or add a cloud with larger instances",
        Constraint::Market => "use the on-demand market",
        Constraint::Price | Constraint::Budget => "use an environment with a higher price cap",
        Constraint::Quota | Constraint::NeverFinishes => FULL,
    }
}

const FULL: &str = "free instances by scaling another deployment down";
