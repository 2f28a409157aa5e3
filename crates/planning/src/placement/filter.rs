//! Hard filters: which offers may not run a task, each with the first reason that rules it out.
//!
//! The rules are those of [`crate::constraint`]; this file says what a task asks and what an offer has.

use domain::Money;

pub use crate::constraint::Constraint as Rejection;
use crate::constraint::{Need, Supply, broken};

use super::problem::{Offer, Task};

/// Bytes of a gibibyte.
const GIB: f64 = (1_u64 << 30) as f64;

/// The first reason why `offer` may not run `task`, but for what depends on the price.
#[must_use]
pub fn rejection(task: &Task, offer: &Offer, outages: &[String]) -> Option<Rejection> {
    broken(&need(task, outages), &supply(task, offer)).map(|breach| breach.constraint)
}

/// The same in a sentence with its numbers.
#[must_use]
pub fn sentence(task: &Task, offer: &Offer, outages: &[String]) -> Option<String> {
    broken(&need(task, outages), &supply(task, offer)).map(|breach| breach.to_string())
}

fn need<'a>(task: &'a Task, outages: &'a [String]) -> Need<'a> {
    Need {
        by: "the task",
        what: "the task",
        clouds: &[],
        sites: &[],
        residency: &task.residency,
        outages,
        families: &task.families,
        accelerators: &task.accelerators,
        accelerators_least: 0,
        processors: task.vcpus,
        memory_bytes: task.memory_gib * GIB,
        model: None,
        accelerator_memory_bytes: task.accelerator_memory_gib * GIB,
        price_cap: None,
        instances: task.instances,
    }
}

fn supply<'a>(task: &Task, offer: &'a Offer) -> Supply<'a> {
    let sold = task.markets.is_empty() || task.markets.contains(&offer.market);
    Supply {
        cloud: &offer.cloud,
        region: &offer.region,
        zone: &offer.zone,
        jurisdiction: &offer.jurisdiction,
        out: None,
        not_sold: (!sold).then_some("it is sold in a market that the task does not allow"),
        family: &offer.family,
        accelerator: &offer.accelerator,
        accelerators: 0,
        processors: offer.vcpus,
        memory_bytes: offer.memory_gib * GIB,
        accelerator_memory_bytes: offer.accelerator_memory_gib * GIB,
        price_per_hour: Money::ZERO,
        left: offer.quota,
        in_use: None,
    }
}
