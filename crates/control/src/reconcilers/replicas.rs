//! Replica objects: what the clouds' health reports show of our pools. A silent cloud's replicas stay as last known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use cloud::contract::tools::{Instance, InstanceStatus, Nodepool};
use domain::text::{PROBLEM_MAX_CHARS, printable};
use domain::{Deployment, Name, Problem, Replica, ReplicaPhase, SiteRef, Timestamp};
use state::objects::{delete, list, put};
use state::{Batch, Expect, Fence, StoreError, Write};

use super::Reconciler;
use super::calls::LABEL_DEPLOYMENT_UID;
use super::deadly;
use super::deployments::LOOK_MS;
use crate::clouds::survey::CloudView;
use crate::events::{Event, record};
use crate::world::World;

/// Most changes in one commit.
const CHUNK: usize = 1_000;

/// The reconciler of replicas.
pub(crate) struct Replicas;

#[async_trait]
impl Reconciler for Replicas {
    const NAME: &'static str = "replicas";
    const PAUSE: Duration = Duration::from_millis(100);

    async fn run(&mut self, world: &World, fence: &Fence) -> Result<(), Problem> {
        let views = world.survey.look(LOOK_MS).await;
        let deployments = list::<Deployment>(&*world.store).await?;
        let names = deployments.into_iter().map(|read| (read.value.uid, read.value.name)).collect();
        let known = list::<Replica>(&*world.store).await?;
        let known = known.into_iter().map(|read| (read.value.id.clone(), read.value)).collect();
        let writes = changes(&views, &names, &known, world.clock.now())?;
        for chunk in writes.chunks(CHUNK) {
            let batch = Batch { fences: vec![fence.clone()], writes: chunk.to_vec() };
            world.store.commit(batch).await?;
        }
        deadly::record_all(world, fence).await
    }
}

/// The writes that make the known replicas equal to those found.
fn changes(
    views: &[CloudView],
    deployments: &BTreeMap<String, Name>,
    known: &BTreeMap<String, Replica>,
    now: Timestamp,
) -> Result<Vec<Write>, StoreError> {
    let answered: BTreeSet<&Name> = views.iter().filter(|view| view.answered()).map(|view| &view.cloud).collect();
    let configured: BTreeSet<&Name> = views.iter().map(|view| &view.cloud).collect();
    let found = found(views, deployments, known, now);
    let mut writes = Vec::new();
    for (id, replica) in &found {
        let before = known.get(id);
        if before == Some(replica) {
            continue;
        }
        writes.push(put(replica, Expect::Any)?);
        if before.is_none_or(|before| before.phase != replica.phase) {
            writes.push(record(&replica.deployment, &seen(replica, now))?);
        }
    }
    for (id, replica) in known {
        let cloud = &replica.site.cloud;
        let seen_gone = answered.contains(cloud) || !configured.contains(cloud);
        if seen_gone && !found.contains_key(id) {
            writes.push(delete::<Replica>(id, Expect::Any));
            let what = format!("replica {id} at {} is gone", replica.site);
            let why = "its cloud no longer reports it".to_owned();
            writes.push(record(&replica.deployment, &Event { at: now, what, why })?);
        }
    }
    Ok(writes)
}

/// That a replica is in another phase than it was.
fn seen(replica: &Replica, now: Timestamp) -> Event {
    let phase = match replica.phase {
        ReplicaPhase::Starting => "is starting",
        ReplicaPhase::Ready => "is ready",
        ReplicaPhase::Draining => "is draining",
        ReplicaPhase::Lost => "is lost",
    };
    let what = format!("replica {} at {} {phase}", replica.id, replica.site);
    Event { at: now, what, why: replica.reason.clone().unwrap_or_else(|| "its cloud reports it so".to_owned()) }
}

fn found(
    views: &[CloudView],
    deployments: &BTreeMap<String, Name>,
    known: &BTreeMap<String, Replica>,
    now: Timestamp,
) -> BTreeMap<String, Replica> {
    let mut found = BTreeMap::new();
    for (site, pool) in views.iter().filter(|view| view.answered()).flat_map(CloudView::pools) {
        let owner = pool.labels.get(LABEL_DEPLOYMENT_UID).and_then(|uid| deployments.get(uid));
        let Some(deployment) = owner else { continue };
        for instance in &pool.instances {
            let mut replica = replica_of(&site, pool, instance, deployment, now);
            if let Some(before) = known.get(&instance.id).filter(|before| before.phase == replica.phase) {
                replica.since = before.since;
            }
            found.insert(replica.id.clone(), replica);
        }
    }
    found
}

fn replica_of(site: &SiteRef, pool: &Nodepool, instance: &Instance, deployment: &Name, now: Timestamp) -> Replica {
    Replica {
        id: instance.id.clone(),
        deployment: deployment.clone(),
        model: pool.model.clone(),
        site: site.clone(),
        market: instance.market,
        phase: match instance.status {
            InstanceStatus::Starting => ReplicaPhase::Starting,
            InstanceStatus::Ready => ReplicaPhase::Ready,
            InstanceStatus::Draining => ReplicaPhase::Draining,
            InstanceStatus::Lost => ReplicaPhase::Lost,
        },
        url: instance.url.clone().unwrap_or_default(),
        price_per_hour: instance.price_per_hour,
        since: now,
        reason: instance.reason.as_ref().map(|reason| printable(reason, PROBLEM_MAX_CHARS).into_owned()),
    }
}
