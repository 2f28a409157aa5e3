//! What a deployment would do, before it does anything: where, why, at what price, and why not elsewhere.

use std::collections::BTreeMap;

use cloud::contract::tools::Nodepool;
use domain::{CloudSite, Deployment, Environment, Kind, Model, Money, Problem, SiteRef};
use planning::allocation::{AllocationProblem, allocate};
use planning::constraint::gibi;
use planning::gpu::ServingMemory;

use crate::api::types::{Plan, PlanAction, PlannedMemory, PlannedSite, RejectedSite};
use crate::clouds::survey::CloudView;
use crate::need;
use crate::reconcilers::calls::pool_name;
use crate::world::World;

/// Clouds are read again for a plan when the last look is older, in milliseconds.
const LOOK_MS: i64 = 1_000;

/// What a plan is about.
pub(crate) struct Subject<'a> {
    /// The deployment as it would be.
    pub deployment: &'a Deployment,
    /// Its model.
    pub model: &'a Model,
    /// Its environment.
    pub environment: &'a Environment,
    /// The deployment as it is, if it exists.
    pub existing: Option<&'a Deployment>,
}

/// The plan by the world as it is now.
pub(crate) async fn plan(world: &World, subject: &Subject<'_>) -> Result<Plan, Problem> {
    let deployment = subject.deployment;
    let views = world.survey.look(LOOK_MS).await;
    let placed = subject.existing.map_or_else(BTreeMap::new, |existing| sizes(existing, &views));
    let memory = need::memory(&world.config, subject.model, subject.environment);
    let surveyed = world.survey.sites(&need::resources(subject.environment, memory.as_ref()), LOOK_MS).await;
    if surveyed.is_empty() {
        return Err(no_cloud_answers(&views));
    }
    let count = |site: &SiteRef| placed.get(site).copied().unwrap_or(0);
    let sites: Vec<CloudSite> = surveyed.iter().map(|site| site.for_allocation(count(&site.site.site))).collect();
    let allocation = allocate(&AllocationProblem {
        replicas: deployment.replicas,
        market: deployment.market,
        environment: subject.environment,
        memory,
        sites: &sites,
        placed: &placed,
    });
    let by_ref: BTreeMap<&SiteRef, &CloudSite> = sites.iter().map(|site| (&site.site, site)).collect();
    let price_per_hour = allocation.price_per_hour();
    let placements = allocation.placements.into_iter().filter_map(|placement| {
        let site = by_ref.get(&placement.site)?;
        Some(PlannedSite {
            country: site.country.clone(),
            instance_type: site.instance_type.clone(),
            replicas_now: count(&placement.site),
            replicas: placement.replicas,
            price_per_hour: placement.price_per_hour,
            total_per_hour: placement.price_per_hour.times(placement.replicas),
            why: placement.why,
            site: placement.site,
        })
    });
    let placements: Vec<PlannedSite> = placements.collect();
    let rejected = allocation.rejected.into_iter().map(|rejection| RejectedSite {
        replicas_now: count(&rejection.site),
        site: rejection.site,
        reason: rejection.reason.as_str().to_owned(),
        cause: rejection.cause,
    });
    Ok(Plan {
        deployment: deployment.name.clone(),
        action: action(subject, &placements, &placed),
        model: deployment.model.clone(),
        environment: deployment.environment.clone(),
        market: deployment.market,
        replicas: deployment.replicas,
        replicas_now: placed.values().sum(),
        price_per_hour,
        price_per_hour_now: price_now(&placed, &by_ref, deployment),
        rejected: rejected.collect(),
        placements,
        shortage: allocation.shortage,
        memory: memory.as_ref().map(planned_memory),
        notes: notes(subject, memory.as_ref()),
    })
}

fn planned_memory(memory: &ServingMemory) -> PlannedMemory {
    PlannedMemory {
        total_bytes: memory.total_bytes(),
        weight_bytes: memory.weight_bytes,
        cache_bytes: memory.cache_bytes,
        runtime_bytes: memory.runtime_bytes(),
        context_tokens: memory.context_tokens,
        slots: memory.slots,
    }
}

/// What somebody should know before deciding, beside shortages.
fn notes(subject: &Subject<'_>, memory: Option<&ServingMemory>) -> Vec<String> {
    let (model, environment) = (&subject.model.reference, &subject.environment.name);
    let Some(memory) = memory else {
        let cause = "whether the model fits on the accelerators was not checked: clouds do not say how much memory \
                     those have";
        return vec![cause.to_owned()];
    };
    let mut notes = Vec::new();
    if memory.cache_bytes.is_none() {
        notes.push(format!("{model} does not say how large its KV cache is: only its weights were counted"));
    }
    let given = subject.environment.resources.memory_bytes;
    if memory.total_bytes() > given {
        let (needs, gives) = (gibi(memory.total_bytes() as f64), gibi(given as f64));
        notes.push(format!(
            "environment {environment} gives a replica {gives} memory and {model} needs {needs} ({memory}): clouds are \
             asked for {needs}"
        ));
    }
    notes
}

fn action(subject: &Subject<'_>, placements: &[PlannedSite], placed: &BTreeMap<SiteRef, u32>) -> PlanAction {
    if subject.existing.is_none() {
        return PlanAction::Create;
    }
    let planned: BTreeMap<&SiteRef, u32> = placements.iter().map(|p| (&p.site, p.replicas)).collect();
    let now: BTreeMap<&SiteRef, u32> = placed.iter().filter(|(_, size)| **size > 0).map(|(s, n)| (s, *n)).collect();
    if planned == now { PlanAction::None } else { PlanAction::Change }
}

fn sizes(deployment: &Deployment, views: &[CloudView]) -> BTreeMap<SiteRef, u32> {
    let name = pool_name(deployment);
    let ours = |pool: &&Nodepool| pool.nodepool == name;
    let pools = views.iter().flat_map(CloudView::pools).filter(|(_, pool)| ours(pool));
    pools.map(|(site, pool)| (site, pool.size)).collect()
}

fn price_now(
    placed: &BTreeMap<SiteRef, u32>,
    sites: &BTreeMap<&SiteRef, &CloudSite>,
    deployment: &Deployment,
) -> Money {
    let price = |site: &CloudSite| match deployment.market {
        domain::Market::OnDemand => site.on_demand_per_hour,
        domain::Market::Spot => site.spot_per_hour.unwrap_or(site.on_demand_per_hour),
    };
    placed.iter().filter_map(|(site, size)| Some(price(sites.get(site)?).times(*size))).sum()
}

fn no_cloud_answers(views: &[CloudView]) -> Problem {
    let silent: Vec<String> = views
        .iter()
        .map(|view| match &view.problem {
            Some(problem) => format!("{}: {}", view.cloud, problem.cause),
            None => format!("{} has no site", view.cloud),
        })
        .collect();
    let cause = if silent.is_empty() { "no cloud is configured".to_owned() } else { silent.join("; ") };
    Problem::new(Kind::Unavailable, format!("no cloud has answered yet. {cause}"))
        .next("check the clouds with 'mcp doctor'")
        .retry_after_ms(1_000)
}
