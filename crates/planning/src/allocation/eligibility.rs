//! Which sites may carry a deployment at all, and what speaks against each of the others.

use domain::{CloudSite, Environment, Market, Money, Resources, SiteRef};
use serde::{Deserialize, Serialize};

use super::AllocationProblem;

/// What speaks against a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The environment names other clouds.
    CloudNotAllowed,
    /// The environment names other sites.
    SiteNotAllowed,
    /// Data may not be processed in its country.
    Residency,
    /// It cannot start instances now.
    OutOfService,
    /// Its instances have too few processor cores.
    CpuTooSmall,
    /// Its instances have too little memory.
    MemoryTooSmall,
    /// Its instances have too few accelerators.
    GpuTooFew,
    /// It has no spot market, and spot instances are wanted.
    NoSpotMarket,
    /// A replica would cost more than the environment allows.
    PriceAboveCap,
    /// Every instance that it can hold is in use.
    Full,
    /// It would do; cheaper or already used sites suffice.
    NotNeeded,
}

impl Reason {
    /// The reason as one stable word, the same as its serialised form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CloudNotAllowed => "cloud_not_allowed",
            Self::SiteNotAllowed => "site_not_allowed",
            Self::Residency => "residency",
            Self::OutOfService => "out_of_service",
            Self::CpuTooSmall => "cpu_too_small",
            Self::MemoryTooSmall => "memory_too_small",
            Self::GpuTooFew => "gpu_too_few",
            Self::NoSpotMarket => "no_spot_market",
            Self::PriceAboveCap => "price_above_cap",
            Self::Full => "full",
            Self::NotNeeded => "not_needed",
        }
    }
}

/// A site that carries nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Whether `site` may carry replicas of the deployment, and how many.
pub(super) fn judge(problem: &AllocationProblem<'_>, site: &CloudSite) -> Result<Candidate, Rejection> {
    let reject = |(reason, cause)| Rejection { site: site.site.clone(), reason, cause };
    forbidden(problem.environment, site).map_or(Ok(()), |why| Err(reject(why)))?;
    if !site.available {
        let cause = site.reason.clone().unwrap_or_else(|| "it cannot start instances now".to_owned());
        return Err(reject((Reason::OutOfService, format!("out of service: {cause}"))));
    }
    too_small(&problem.environment.resources, &site.instance).map_or(Ok(()), |why| Err(reject(why)))?;
    let price_per_hour = price(problem, site).map_err(reject)?;
    let placed = problem.placed.get(&site.site).copied().unwrap_or(0);
    let used_by_others = site.used.saturating_sub(placed);
    // What is placed has its room already, whatever a count taken at another moment says.
    let room = site.capacity.saturating_sub(used_by_others).max(placed.min(site.capacity));
    if room == 0 {
        let cause = format!("full: {} of {} instances are in use", site.used, site.capacity);
        return Err(reject((Reason::Full, cause)));
    }
    Ok(Candidate { site: site.site.clone(), price_per_hour, room, placed })
}

/// Why the environment does not allow the site, when it does not.
fn forbidden(environment: &Environment, site: &CloudSite) -> Option<(Reason, String)> {
    let name = &environment.name;
    if !environment.clouds.is_empty() && !environment.clouds.contains(&site.site.cloud) {
        return Some((Reason::CloudNotAllowed, format!("environment {name} does not allow cloud {}", site.site.cloud)));
    }
    if !environment.sites.is_empty() && !environment.sites.contains(&site.site) {
        return Some((Reason::SiteNotAllowed, format!("environment {name} does not allow this site")));
    }
    let allowed = &environment.countries;
    if !allowed.is_empty() && !allowed.iter().any(|country| country.eq_ignore_ascii_case(&site.country)) {
        let cause = format!("it is in {}; environment {name} keeps data in {}", site.country, allowed.join(", "));
        return Some((Reason::Residency, cause));
    }
    None
}

/// What the instance lacks for the need, when it lacks something.
fn too_small(need: &Resources, instance: &Resources) -> Option<(Reason, String)> {
    if need.cpu_milli > instance.cpu_milli {
        let cause = format!("an instance has {}m cpu; a replica needs {}m", instance.cpu_milli, need.cpu_milli);
        return Some((Reason::CpuTooSmall, cause));
    }
    if need.memory_bytes > instance.memory_bytes {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        let (has, needs) = (mebibytes(instance.memory_bytes), mebibytes(need.memory_bytes));
        return Some((Reason::MemoryTooSmall, format!("an instance has {has}Mi memory; a replica needs {needs}Mi")));
    }
    if need.gpu > instance.gpu {
        let cause = format!("an instance has {} gpu; a replica needs {}", instance.gpu, need.gpu);
        return Some((Reason::GpuTooFew, cause));
    }
    None
}

fn price(problem: &AllocationProblem<'_>, site: &CloudSite) -> Result<Money, (Reason, String)> {
    let price = match problem.market {
        Market::OnDemand => site.on_demand_per_hour,
        Market::Spot => site.spot_per_hour.ok_or_else(|| (Reason::NoSpotMarket, "it has no spot market".to_owned()))?,
    };
    match problem.environment.max_price_per_hour {
        Some(cap) if price > cap => {
            Err((Reason::PriceAboveCap, format!("a replica costs {price}/h; the environment allows {cap}/h")))
        }
        _ => Ok(price),
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
