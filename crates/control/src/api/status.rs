//! A deployment as a tree of sites and replicas, from what is stored, what the clouds last said, and what the replicas
//! say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Deployment, Money, Problem, Replica, ReplicaPhase, Secret, SiteRef};
use futures_util::StreamExt as _;
use state::objects::{get, list};

use super::health::stale_parts;
use super::types::{AutoscalingView, DeploymentPhase, DeploymentView, ReplicaLoad, ReplicaView, SiteView};
use crate::clouds::survey::CloudView;
use crate::reconcilers::autoscale::stored::Scaling;
use crate::reconcilers::credential;
use crate::reconcilers::progress::Progress;
use crate::world::World;

/// Most replicas asked for their health at once.
const ASKED_AT_ONCE: usize = 16;

/// The tree of one deployment.
pub(super) async fn view(world: &World, deployment: &Deployment) -> Result<DeploymentView, Problem> {
    let progress = get::<Progress>(&*world.store, &deployment.uid).await?;
    let progress = progress.map_or_else(|| Progress::new(deployment), |read| read.value);
    let all = list::<Replica>(&*world.store).await?.into_iter().map(|read| read.value);
    let found: Vec<Replica> = all.filter(|replica| replica.deployment == deployment.name).collect();
    let leaving = progress.victims();
    let shown = credential::find(&*world.store, &deployment.uid).await?;
    let asked: Vec<(Replica, bool)> = found
        .into_iter()
        .map(|replica| {
            let leaves = leaving.contains(replica.id.as_str());
            (replica, leaves)
        })
        .collect();
    let replicas: Vec<(SiteRef, ReplicaView)> = futures_util::stream::iter(asked)
        .map(|(replica, leaves)| replica_view(world, replica, shown.as_ref(), leaves))
        .buffered(ASKED_AT_ONCE)
        .collect()
        .await;
    let sites = site_views(world, &progress, replicas);
    let replicas = || sites.iter().flat_map(|site| &site.replicas);
    let ready = replicas().filter(|replica| replica.phase == ReplicaPhase::Ready).count();
    // Some may be about to leave for others that start: only when all that is there serves is it at rest.
    let at_rest = ready == replicas().count();
    let ready = u32::try_from(ready).unwrap_or(u32::MAX);
    let stale = stale(world);
    Ok(DeploymentView {
        name: deployment.name.clone(),
        uid: deployment.uid.clone(),
        model: deployment.model.clone(),
        environment: deployment.environment.clone(),
        market: deployment.market,
        phase: phase(deployment, &progress, stale.is_none() && at_rest && ready == deployment.replicas),
        message: progress.message.clone(),
        stale,
        replicas_wanted: deployment.replicas,
        replicas_ready: ready,
        autoscaling: autoscaling(world, deployment).await?,
        price_per_hour: sites.iter().map(|site| site.price_per_hour).sum(),
        // From zero: the sum of no floating-point numbers is -0.
        tokens_per_second: replicas()
            .filter_map(|replica| Some(replica.load.as_ref()?.tokens_per_second))
            .fold(0.0, |total, rate| total + rate),
        created_at: deployment.created_at,
        sites,
    })
}

/// Why this may no longer be so, and for how long: the parts that bring it up to date are late.
fn stale(world: &World) -> Option<String> {
    let parts = stale_parts(world);
    let oldest = parts.iter().max_by_key(|part| part.age_ms)?;
    let cause = oldest.cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"));
    Some(format!(
        "as it was {} s ago, since {} has done nothing for that long{cause}",
        oldest.age_ms / 1_000,
        oldest.part
    ))
}

async fn autoscaling(world: &World, deployment: &Deployment) -> Result<Option<AutoscalingView>, Problem> {
    let Some(wanted) = deployment.autoscaling else { return Ok(None) };
    let scaling = get::<Scaling>(&*world.store, &deployment.uid).await?;
    let scaling = scaling.map_or_else(|| Scaling::new(deployment), |read| read.value);
    Ok(Some(AutoscalingView {
        wanted,
        cold_start_seconds: scaling.cold_start_s(),
        load: scaling.load,
        expected: scaling.expected,
        decided_at: scaling.reason.map(|_| scaling.at),
        reason: scaling.reason.map(|reason| reason.as_str().to_owned()),
        why: Some(scaling.why).filter(|why| !why.is_empty()),
    }))
}

fn phase(deployment: &Deployment, progress: &Progress, as_wanted: bool) -> DeploymentPhase {
    let under_way = progress.pools.values().any(|pool| pool.intent.is_some());
    if deployment.deleting {
        DeploymentPhase::Deleting
    } else if progress.message.is_some() {
        DeploymentPhase::Degraded
    } else if as_wanted && !under_way {
        DeploymentPhase::Ready
    } else {
        DeploymentPhase::Progressing
    }
}

async fn replica_view(
    world: &World,
    replica: Replica,
    shown: Option<&Secret>,
    leaving: bool,
) -> (SiteRef, ReplicaView) {
    let answers = matches!(replica.phase, ReplicaPhase::Ready | ReplicaPhase::Draining) && !replica.url.is_empty();
    let health =
        if answers { world.model_services.health(&replica.url, shown, world.clock.monotonic()).await } else { None };
    let load = health.map(|health| ReplicaLoad {
        running: health.running,
        waiting: health.waiting,
        kv_usage: health.kv_usage,
        prompt_tokens_per_second: health.prompt_tokens_per_second,
        tokens_per_second: health.generation_tokens_per_second,
    });
    let drains = leaving && replica.phase == ReplicaPhase::Ready;
    let view = ReplicaView {
        id: replica.id,
        phase: if drains { ReplicaPhase::Draining } else { replica.phase },
        market: replica.market,
        url: replica.url,
        price_per_hour: replica.price_per_hour,
        since: replica.since,
        reason: replica.reason,
        load,
    };
    (replica.site, view)
}

fn site_views(world: &World, progress: &Progress, replicas: Vec<(SiteRef, ReplicaView)>) -> Vec<SiteView> {
    let views = world.survey.remembered();
    let mut by_site: BTreeMap<SiteRef, Vec<ReplicaView>> = BTreeMap::new();
    for (site, replica) in replicas {
        by_site.entry(site).or_default().push(replica);
    }
    let sites: BTreeSet<SiteRef> = progress.pools.keys().chain(by_site.keys()).cloned().collect();
    sites
        .into_iter()
        .map(|site| {
            let replicas = by_site.remove(&site).unwrap_or_default();
            let pool = progress.pools.get(&site);
            let (country, available, reason) = seen(&views, &site);
            SiteView {
                country,
                available,
                reason: reason.or_else(|| pool.and_then(|pool| pool.problem.clone())),
                replicas_wanted: pool.map_or(0, |pool| pool.wanted),
                price_per_hour: replicas.iter().map(|replica| replica.price_per_hour).sum::<Money>(),
                replicas,
                site,
            }
        })
        .collect()
}

/// A site's country, whether it works, and why not, as its cloud last said.
fn seen(views: &[CloudView], site: &SiteRef) -> (String, bool, Option<String>) {
    let Some(view) = views.iter().find(|view| view.cloud == site.cloud) else {
        return (String::new(), false, Some("its cloud is not configured".to_owned()));
    };
    let quotas = view.quotas.iter().flat_map(|quotas| &quotas.quotas);
    let country = quotas.filter(|quota| quota.region == site.site.as_str()).map(|quota| quota.country.clone()).next();
    let country = country.unwrap_or_default();
    if !view.answered() {
        return (country, false, Some("its cloud does not answer".to_owned()));
    }
    let regions = view.health.iter().flat_map(|health| &health.regions);
    match regions.into_iter().find(|region| region.region == site.site.as_str()) {
        Some(region) => (country, region.available, region.reason.clone()),
        None => (country, false, Some("its cloud does not know it".to_owned())),
    }
}
