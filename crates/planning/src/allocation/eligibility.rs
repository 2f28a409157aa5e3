//! Which sites may carry a deployment at all, and what speaks against each of the others.

use domain::{CloudSite, Market, Money, SiteRef};

use super::AllocationProblem;
use crate::constraint::{Constraint, ModelNeed, Need, Supply, broken};

/// What speaks against a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It breaks a hard constraint.
    Broken(Constraint),
    /// It would do; cheaper or already used sites suffice.
    NotNeeded,
}

impl Reason {
    /// The reason as one stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken(constraint) => constraint.as_str(),
            Self::NotNeeded => "not_needed",
        }
    }
}

/// A site that carries nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The site.
    pub site: SiteRef,
    /// The reason's kind.
    pub reason: Reason,
    /// The reason in a sentence, with its numbers.
    pub cause: String,
}

/// A site that will do.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub site: SiteRef,
    pub price_per_hour: Money,
    /// Most replicas of this deployment that it can hold.
    pub room: u32,
    /// Replicas of this deployment that it holds now.
    pub placed: u32,
}

/// What a replica of the deployment asks of any site; `by` says who sets the rules, `parts` what the model's memory is
/// made of.
pub(super) fn need<'a>(problem: &AllocationProblem<'a>, by: &'a str, parts: &'a str) -> Need<'a> {
    let environment = problem.environment;
    let resources = environment.resources;
    Need {
        by,
        what: "a replica",
        clouds: &environment.clouds,
        sites: &environment.sites,
        residency: &environment.countries,
        outages: &[],
        families: &[],
        accelerators: &[],
        accelerators_least: resources.gpu,
        processors: f64::from(resources.cpu_milli) / 1_000.0,
        memory_bytes: resources.memory_bytes as f64,
        model: problem.memory.map(|memory| ModelNeed { bytes: memory.total_bytes(), parts }),
        accelerator_memory_bytes: 0.0,
        price_cap: environment.max_price_per_hour,
        instances: 1,
    }
}

/// Whether `site` may carry replicas with that need, and how many.
pub(super) fn judge(
    problem: &AllocationProblem<'_>,
    need: &Need<'_>,
    site: &CloudSite,
) -> Result<Candidate, Rejection> {
    let placed = problem.placed.get(&site.site).copied().unwrap_or(0);
    let used_by_others = site.used.saturating_sub(placed);
    // What is placed has its room already, whatever a count taken at another moment says.
    let room = site.capacity.saturating_sub(used_by_others).max(placed.min(site.capacity));
    let price = match problem.market {
        Market::OnDemand => Some(site.on_demand_per_hour),
        Market::Spot => site.spot_per_hour,
    };
    let supply = supply(site, price, room);
    // What runs there has shown that it fits, whatever the estimate says.
    let need = if placed > 0 { Need { model: None, ..*need } } else { *need };
    match broken(&need, &supply) {
        None => Ok(Candidate { site: site.site.clone(), price_per_hour: supply.price_per_hour, room, placed }),
        Some(breach) => Err(Rejection {
            site: site.site.clone(),
            reason: Reason::Broken(breach.constraint),
            cause: breach.to_string(),
        }),
    }
}

fn supply(site: &CloudSite, price: Option<Money>, room: u32) -> Supply<'_> {
    let out = site.reason.as_deref().unwrap_or("it cannot start instances now");
    Supply {
        cloud: site.site.cloud.as_str(),
        region: site.site.site.as_str(),
        zone: "",
        jurisdiction: &site.country,
        out: (!site.available).then_some(out),
        not_sold: price.is_none().then_some("it has no spot market"),
        family: "",
        accelerator: "",
        accelerators: site.instance.gpu,
        processors: f64::from(site.instance.cpu_milli) / 1_000.0,
        memory_bytes: site.instance.memory_bytes as f64,
        accelerator_memory_bytes: 0.0,
        price_per_hour: price.unwrap_or_default(),
        left: Some(room),
        in_use: Some((site.used, site.capacity)),
    }
}

/// The candidates that carry nothing although they would do.
pub(super) fn not_needed<'a>(
    replicas: u32,
    candidates: &'a [Candidate],
    counts: &'a [u32],
) -> impl Iterator<Item = Rejection> + 'a {
    candidates.iter().zip(counts).filter(|(_, count)| **count == 0).map(move |(candidate, _)| Rejection {
        site: candidate.site.clone(),
        reason: Reason::NotNeeded,
        cause: format!("would do at {}/h; {replicas} replicas fit on other sites", candidate.price_per_hour),
    })
}
