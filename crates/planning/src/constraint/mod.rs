//! The hard constraints on where something may run: one list, one order, one sentence each.
//!
//! Whoever places something looks at it as a [`Need`] and at what can be had as a [`Supply`]; [`broken`] says the first
//! constraint that speaks against the pair. [`crate::allocation`] asks it about replicas and sites, and
//! [`crate::placement`] about tasks and offers. Both views borrow, and a sentence is made only when it is shown, so that
//! a pair costs no allocation. What hangs on a price over time (budgets, work that never finishes) is not decided here.

mod sentence;
#[cfg(test)]
mod tests;

pub use sentence::gibi;

use domain::{Money, Name, SiteRef};
use serde::Serialize;

/// A kind of hard constraint. It serialises as the word that placement reports use; [`Constraint::as_str`] is the word
/// of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Constraint {
    /// Other clouds are named.
    Cloud,
    /// Other sites are named.
    Site,
    /// The data may not be there.
    Residency,
    /// The place is out.
    Outage,
    /// It is not sold there in a market that will do.
    Market,
    /// Its family of instances is not allowed.
    Family,
    /// It lacks an accelerator that can be used.
    Accelerator,
    /// It has too few accelerators.
    Accelerators,
    /// It has too few processors.
    Processors,
    /// It has too little memory.
    Memory,
    /// It has less memory than the model takes.
    ModelMemory,
    /// Its accelerators have too little memory.
    AcceleratorMemory,
    /// An hour costs more than is allowed.
    Price,
    /// The quota leaves too few instances.
    Quota,
    /// The work could not be expected to finish before it is interrupted, ever again.
    NeverFinishes,
    /// The machines alone cost more than the budget of the work.
    Budget,
}

impl Constraint {
    /// Those that [`broken`] looks at, in its order: what no money changes first, then size, then price and room.
    pub const ORDER: [Self; 14] = [
        Self::Cloud,
        Self::Site,
        Self::Residency,
        Self::Outage,
        Self::Market,
        Self::Family,
        Self::Accelerator,
        Self::Accelerators,
        Self::Processors,
        Self::Memory,
        Self::ModelMemory,
        Self::AcceleratorMemory,
        Self::Price,
        Self::Quota,
    ];

    /// The stable word of the REST API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud_not_allowed",
            Self::Site => "site_not_allowed",
            Self::Residency => "residency",
            Self::Outage => "out_of_service",
            Self::Market => "no_spot_market",
            Self::Family => "family_not_allowed",
            Self::Accelerator => "accelerator_not_usable",
            Self::Accelerators => "gpu_too_few",
            Self::Processors => "cpu_too_small",
            Self::Memory => "memory_too_small",
            Self::ModelMemory => "model_too_large",
            Self::AcceleratorMemory => "gpu_memory_too_small",
            Self::Price => "price_above_cap",
            Self::Quota => "full",
            Self::NeverFinishes => "never_finishes",
            Self::Budget => "over_budget",
        }
    }

    /// Whether `supply` satisfies it for `need`. What hangs on a price over time always does.
    #[must_use]
    pub fn holds(self, need: &Need<'_>, supply: &Supply<'_>) -> bool {
        let any_or = |list: &[String], has: &str| list.is_empty() || list.iter().any(|allowed| allowed == has);
        match self {
            Self::Cloud => need.clouds.is_empty() || need.clouds.iter().any(|cloud| cloud.as_str() == supply.cloud),
            Self::Site => need.sites.is_empty() || need.sites.iter().any(|site| supply.is(site)),
            Self::Residency => need.residency.is_empty() || need.residency.iter().any(|name| supply.lies_in(name)),
            Self::Outage => supply.out.is_none() && !need.outages.iter().any(|name| supply.is_named(name)),
            Self::Market => supply.not_sold.is_none(),
            Self::Family => any_or(need.families, supply.family),
            Self::Accelerator => any_or(need.accelerators, supply.accelerator),
            Self::Accelerators => supply.accelerators >= need.accelerators_least,
            Self::Processors => supply.processors >= need.processors,
            Self::Memory => supply.memory_bytes >= need.memory_bytes,
            Self::ModelMemory => need.model.is_none_or(|model| supply.memory_bytes >= model.bytes as f64),
            Self::AcceleratorMemory => supply.accelerator_memory_bytes >= need.accelerator_memory_bytes,
            Self::Price => need.price_cap.is_none_or(|cap| supply.price_per_hour <= cap),
            Self::Quota => supply.left.is_none_or(|left| left >= need.instances),
            Self::NeverFinishes | Self::Budget => true,
        }
    }
}

/// Memory that a model takes to serve, and what it is made of, in words.
#[derive(Debug, Clone, Copy)]
pub struct ModelNeed<'a> {
    /// Bytes.
    pub bytes: u64,
    /// `weights 4.1Gi + KV cache 1.0Gi`.
    pub parts: &'a str,
}

/// What is asked for. Empty lists allow anything.
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    /// Who sets the rules, for the sentences: `environment production`.
    pub by: &'a str,
    /// What is to run, for the sentences: `a replica`.
    pub what: &'a str,
    /// Clouds that may be used.
    pub clouds: &'a [Name],
    /// Sites that may be used.
    pub sites: &'a [SiteRef],
    /// Jurisdictions, or places like `aws:eu-west-1`, in which data may be.
    pub residency: &'a [String],
    /// Places that are out, whatever the supply says.
    pub outages: &'a [String],
    /// Families of instances that may be used.
    pub families: &'a [String],
    /// Kinds of accelerator that can be used.
    pub accelerators: &'a [String],
    /// Least accelerators of an instance.
    pub accelerators_least: u32,
    /// Least processors of an instance, in cores.
    pub processors: f64,
    /// Least memory of an instance, in bytes.
    pub memory_bytes: f64,
    /// What the model takes, when it is known.
    pub model: Option<ModelNeed<'a>>,
    /// Least accelerator memory of an instance, all together, in bytes.
    pub accelerator_memory_bytes: f64,
    /// Most that an hour of an instance may cost.
    pub price_cap: Option<Money>,
    /// Instances wanted at once.
    pub instances: u32,
}

/// What can be had at one place.
#[derive(Debug, Clone, Copy)]
pub struct Supply<'a> {
    /// The cloud.
    pub cloud: &'a str,
    /// The region, or site.
    pub region: &'a str,
    /// The zone; empty where there is none.
    pub zone: &'a str,
    /// The country or jurisdiction.
    pub jurisdiction: &'a str,
    /// Why it is out, when it is.
    pub out: Option<&'a str>,
    /// Why it is not sold in a market that will do, when it is not.
    pub not_sold: Option<&'a str>,
    /// The family of the instance.
    pub family: &'a str,
    /// Its kind of accelerator; empty for none.
    pub accelerator: &'a str,
    /// How many it has.
    pub accelerators: u32,
    /// Its processors, in cores.
    pub processors: f64,
    /// Its memory, in bytes.
    pub memory_bytes: f64,
    /// Its accelerators' memory, all together, in bytes.
    pub accelerator_memory_bytes: f64,
    /// What an hour of it costs.
    pub price_per_hour: Money,
    /// Instances that may still be taken; not limited when absent.
    pub left: Option<u32>,
    /// Instances in use, and most that there are, where both are known.
    pub in_use: Option<(u32, u32)>,
}

impl Supply<'_> {
    fn is(&self, site: &SiteRef) -> bool {
        site.cloud.as_str() == self.cloud && site.site.as_str() == self.region
    }

    fn lies_in(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.jurisdiction) || self.is_named(name)
    }

    /// Whether `name` is its cloud, `cloud:region` or `cloud:region:zone`.
    fn is_named(&self, name: &str) -> bool {
        let mut parts = name.split(':');
        parts.next() == Some(self.cloud)
            && parts.next().is_none_or(|region| region == self.region)
            && parts.next().is_none_or(|zone| zone == self.zone)
            && parts.next().is_none()
    }
}

/// A constraint that a pair breaks; shown, it is a sentence with its numbers.
#[derive(Debug, Clone, Copy)]
pub struct Breach<'a> {
    /// Which.
    pub constraint: Constraint,
    need: &'a Need<'a>,
    supply: &'a Supply<'a>,
}

/// The first constraint, in [`Constraint::ORDER`], that `supply` breaks for `need`.
#[must_use]
pub fn broken<'a>(need: &'a Need<'a>, supply: &'a Supply<'a>) -> Option<Breach<'a>> {
    let first = Constraint::ORDER.into_iter().find(|constraint| !constraint.holds(need, supply));
    first.map(|constraint| Breach { constraint, need, supply })
}
