//! Hard filters: which offers may not run a task, each with the first reason that rules it out.

use std::fmt;

use serde::Serialize;

use super::problem::{Offer, Task};

/// Why an offer may not run a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejection {
    /// The task's data may not be there.
    Residency,
    /// Its place is out.
    Outage,
    /// The task does not allow its market.
    Market,
    /// The task does not allow its family.
    Family,
    /// It lacks an accelerator that the task can use.
    Accelerator,
    /// It has too few processors.
    Processors,
    /// It has too little memory.
    Memory,
    /// Its accelerators have too little memory.
    AcceleratorMemory,
    /// The quota leaves too few instances.
    Quota,
    /// The task could not be expected to finish before it is interrupted, ever again.
    NeverFinishes,
    /// Its machines alone cost more than the task's budget.
    Budget,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Residency => "outside the residency",
            Self::Outage => "out of service",
            Self::Market => "market not allowed",
            Self::Family => "family not allowed",
            Self::Accelerator => "no usable accelerator",
            Self::Processors => "too few processors",
            Self::Memory => "too little memory",
            Self::AcceleratorMemory => "too little accelerator memory",
            Self::Quota => "quota too small",
            Self::NeverFinishes => "interrupted too often to finish",
            Self::Budget => "over the task's budget",
        })
    }
}

/// The first reason why `offer` may not run `task`, but for what depends on the price.
#[must_use]
pub fn rejection(task: &Task, offer: &Offer, outages: &[String]) -> Option<Rejection> {
    let resides = |name: &String| *name == offer.jurisdiction || offer.is_in(name);
    let rules = [
        (task.residency.is_empty() || task.residency.iter().any(resides), Rejection::Residency),
        (!outages.iter().any(|name| offer.is_in(name)), Rejection::Outage),
        (task.markets.is_empty() || task.markets.contains(&offer.market), Rejection::Market),
        (task.families.is_empty() || task.families.contains(&offer.family), Rejection::Family),
        (task.accelerators.is_empty() || task.accelerators.contains(&offer.accelerator), Rejection::Accelerator),
        (offer.vcpus >= task.vcpus, Rejection::Processors),
        (offer.memory_gib >= task.memory_gib, Rejection::Memory),
        (offer.accelerator_memory_gib >= task.accelerator_memory_gib, Rejection::AcceleratorMemory),
        (offer.quota.is_none_or(|left| left >= task.instances), Rejection::Quota),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
}
