//! Which sites carry how many replicas of one deployment: spread first, cheap second, moving as little as possible.
//!
//! This decides counts only. It does not start, drain or remove anything, and it does not pick which instance goes.

mod eligibility;
mod shortage;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::{CloudSite, Environment, Market, Money, Problem, SiteRef};
use serde::{Deserialize, Serialize};

use crate::gpu::ServingMemory;
use eligibility::{Candidate, judge};
pub use eligibility::{Reason, Rejection};
use spread::spread;

/// One deployment's wish and the world it has to be met in.
#[derive(Debug, Clone)]
pub struct AllocationProblem<'a> {
    /// Replicas wanted, over all sites.
    pub replicas: u32,
    /// How instances are bought.
    pub market: Market,
    /// What each replica gets, and where it may run.
    pub environment: &'a Environment,
    /// What the model takes to serve, when it is to be looked at.
    pub memory: Option<ServingMemory>,
    /// Every site that is known, whether or not it will do. `used` counts what this deployment has there too.
    pub sites: &'a [CloudSite],
    /// Replicas of this deployment by site, as they are now.
    pub placed: &'a BTreeMap<SiteRef, u32>,
}

/// Replicas for one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The site.
    pub site: SiteRef,
    /// Replicas that it is to carry; at least one.
    pub replicas: u32,
    /// What one of them costs an hour.
    pub price_per_hour: Money,
    /// Why this many here, in a sentence.
    pub why: String,
}

/// Where the replicas go, and why not elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Sites that carry replicas, in order of site.
    pub placements: Vec<Placement>,
    /// Every other site with what speaks against it, in order of site.
    pub rejected: Vec<Rejection>,
    /// Replicas that find no place.
    pub unplaced: u32,
    /// Why they do not, when some do not.
    pub shortage: Option<Problem>,
}

impl Allocation {
    /// Replicas that `site` is to carry.
    #[must_use]
    pub fn replicas_at(&self, site: &SiteRef) -> u32 {
        self.placements.iter().find(|placement| placement.site == *site).map_or(0, |placement| placement.replicas)
    }

    /// What all replicas together cost an hour.
    #[must_use]
    pub fn price_per_hour(&self) -> Money {
        self.placements.iter().map(|placement| placement.price_per_hour.times(placement.replicas)).sum()
    }
}

/// Decides how many replicas each site carries.
///
/// At most ⌈replicas ÷ eligible sites⌉ go to one site while the capacity of the others allows; within that, what runs
/// stays where it is, and what is added goes to the emptiest site, the cheapest among equals. When capacity does not
/// suffice, as many as possible are placed and [`Allocation::shortage`] names what binds. The same problem always has
/// the same solution, and a world that matches the solution is left alone.
#[must_use]
pub fn allocate(problem: &AllocationProblem<'_>) -> Allocation {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut rejected: Vec<Rejection> = Vec::new();
    let by = format!("environment {}", problem.environment.name);
    let parts = problem.memory.map(|memory| memory.to_string()).unwrap_or_default();
    let need = eligibility::need(problem, &by, &parts);
    for site in problem.sites {
        match judge(problem, &need, site) {
            Ok(candidate) => candidates.push(candidate),
            Err(rejection) => rejected.push(rejection),
        }
    }
    // Order of site, so that nothing hangs on the order in which sites were listed.
    candidates.sort_by(|a, b| a.site.cmp(&b.site));
    candidates.dedup_by(|a, b| a.site == b.site);
    let counts = spread(problem.replicas, &candidates);
    let unplaced = problem.replicas - counts.iter().sum::<u32>();
    let shortage = (unplaced > 0).then(|| shortage::explain(problem, &candidates, &rejected, unplaced));
    let placements = placements(problem, &candidates, &counts);
    rejected.extend(eligibility::not_needed(problem.replicas, &candidates, &counts));
    rejected.sort_by(|a, b| a.site.cmp(&b.site));
    Allocation { placements, rejected, unplaced, shortage }
}

fn placements(problem: &AllocationProblem<'_>, candidates: &[Candidate], counts: &[u32]) -> Vec<Placement> {
    candidates
        .iter()
        .zip(counts)
        .filter(|(_, replicas)| **replicas > 0)
        .map(|(candidate, replicas)| Placement {
            site: candidate.site.clone(),
            replicas: *replicas,
            price_per_hour: candidate.price_per_hour,
            why: why(problem, candidate, candidates, *replicas),
        })
        .collect()
}

fn why(problem: &AllocationProblem<'_>, chosen: &Candidate, candidates: &[Candidate], replicas: u32) -> String {
    let kept = chosen.placed.min(replicas);
    let full = replicas == chosen.room;
    let cheapest = candidates.iter().all(|other| chosen.price_per_hour <= other.price_per_hour);
    let mut reasons = Vec::new();
    if kept > 0 {
        reasons.push(format!("keeps {kept} that {}", if kept == 1 { "is here" } else { "are here" }));
    }
    if replicas > kept {
        reasons.push(match candidates.len() {
            1 => "the only site that will do".to_owned(),
            sites => format!("spread over {sites} sites, so that the loss of one takes the fewest"),
        });
        if cheapest && candidates.len() > 1 {
            reasons.push("the cheapest".to_owned());
        }
    }
    if full && problem.replicas > replicas {
        reasons.push("now full".to_owned());
    }
    reasons.join("; ")
}
