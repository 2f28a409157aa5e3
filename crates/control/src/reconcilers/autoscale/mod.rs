//! Replicas that follow the load: gateways tell what is asked, `planning::autoscale` says how many replicas that takes,
//! and the deployment's `replicas` is set to it. Placing and starting them is the deployments reconciler's work.

mod life;
mod observe;
pub mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Autoscaling, Deployment, GatewayStatus, Name, Problem, Replica, ReplicaPhase};
use planning::autoscale::Sharer;
use state::objects::{Versioned, get, list, put};
use state::{Batch, Expect, Fence, StoreError};

use self::life::{Found, Life, situation};
use self::observe::{Asked, Observer};
use self::stored::{Learned, Scaling};
use super::Reconciler;
use super::progress::Progress;
use super::snapshot::values;
use crate::events::{Event, record};
use crate::world::World;

/// The reconciler of replica counts. It remembers what gateways said and what was learned of the load; whoever leads next
/// starts with what was saved, and gives nothing back before it has watched for a while.
#[derive(Default)]
pub(crate) struct Autoscale {
    observer: Observer,
    /// By the deployment's uid.
    lives: BTreeMap<String, Life>,
}

/// What one run has in common for all deployments.
struct Run<'a> {
    world: &'a World,
    fence: &'a Fence,
    deployments: &'a [Versioned<Deployment>],
    replicas: Vec<Replica>,
    /// Replicas on their way out.
    leaving: BTreeSet<String>,
}

#[async_trait]
impl Reconciler for Autoscale {
    const NAME: &'static str = "autoscale";
    const PAUSE: Duration = Duration::from_millis(500);

    async fn run(&mut self, world: &World, fence: &Fence) -> Result<(), Problem> {
        let store = &*world.store;
        let deployments = list::<Deployment>(store).await?;
        let scaled: Vec<_> = deployments.iter().filter_map(|read| Some((read, scaled(&read.value)?))).collect();
        self.lives.retain(|uid, _| scaled.iter().any(|(read, _)| read.value.uid == *uid));
        if scaled.is_empty() {
            self.observer = Observer::default();
            return Ok(());
        }
        self.observer.observe(values::<GatewayStatus>(store).await?, world.steady_now());
        let progress = values::<Progress>(store).await?;
        let leaving = progress.iter().flat_map(Progress::victims).map(str::to_owned).collect();
        let run = Run { world, fence, deployments: &deployments, replicas: values::<Replica>(store).await?, leaving };
        for (read, wanted) in &scaled {
            self.look(&run, read, wanted).await?;
        }
        Ok(())
    }
}

impl Autoscale {
    async fn look(&mut self, run: &Run<'_>, read: &Versioned<Deployment>, wanted: &Autoscaling) -> Result<(), Problem> {
        let (deployment, now) = (&read.value, run.world.steady_now());
        if !self.lives.contains_key(&deployment.uid) {
            let scaling = get::<Scaling>(&*run.world.store, &deployment.uid).await?.map(|read| read.value);
            let learned = get::<Learned>(&*run.world.store, &deployment.uid).await?.map(|read| read.value);
            let life = Life::begin(deployment, wanted, scaling, learned, now);
            self.lives.insert(deployment.uid.clone(), life);
        }
        let Some(life) = self.lives.get_mut(&deployment.uid) else { return Ok(()) };
        life.watch_starts(run.replicas.iter().filter(|replica| replica.deployment == deployment.name), now);
        // As long as no gateway tells anything, what is there stays.
        let Some(asked) = self.observer.asked(&deployment.model.to_string(), now) else { return Ok(()) };
        if life.is_due(deployment, &asked, now) { act(run, life, read, wanted, &asked).await } else { Ok(()) }
    }
}

/// Decides, and writes the decision down.
async fn act(
    run: &Run<'_>,
    life: &mut Life,
    read: &Versioned<Deployment>,
    wanted: &Autoscaling,
    asked: &Asked<'_>,
) -> Result<(), Problem> {
    let (deployment, now) = (&read.value, run.world.steady_now());
    let before = life.scaling.clone();
    let situation = situation(deployment, wanted, run.found(&deployment.name), &run.others(deployment), asked, now);
    let replicas = life.decide(wanted, &situation, now).replicas;
    life.scaling.at = run.world.clock.now();
    let mut batch = Batch::new().fenced(run.fence.clone());
    // The time alone is no news.
    if before != (Scaling { at: before.at, ..life.scaling.clone() }) {
        batch = batch.with(put(&life.scaling, Expect::Any)?);
    }
    if let Some(learned) = life.save_due(now) {
        batch = batch.with(put(&learned, Expect::Any)?);
    }
    if replicas != deployment.replicas {
        let what = format!("scaled from {} to {replicas} replicas", deployment.replicas);
        tracing::info!(deployment = %deployment.name, %what, why = %life.scaling.why, "decided");
        let event = Event { at: life.scaling.at, what, why: life.scaling.why.clone() };
        let next = Deployment { replicas, ..deployment.clone() };
        batch = batch.with(put(&next, Expect::Version(read.version))?).with(record(&deployment.name, &event)?);
    }
    if batch.writes.is_empty() {
        return Ok(());
    }
    match run.world.store.commit(batch).await {
        // Somebody changed the deployment meanwhile: the next run decides by what is wanted then.
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Run<'_> {
    fn found(&self, deployment: &Name) -> Found {
        let stays = |replica: &&Replica| replica.deployment == *deployment && !self.leaving.contains(&replica.id);
        let mut found = Found::default();
        for replica in self.replicas.iter().filter(stays) {
            match replica.phase {
                ReplicaPhase::Ready => found.ready += 1,
                ReplicaPhase::Starting => found.loading += 1,
                ReplicaPhase::Draining | ReplicaPhase::Lost => {}
            }
        }
        found
    }

    /// The other deployments of the same model.
    fn others(&self, deployment: &Deployment) -> Vec<Sharer> {
        let others = self
            .deployments
            .iter()
            .map(|read| &read.value)
            .filter(|other| other.model == deployment.model && other.uid != deployment.uid && !other.deleting);
        let most = |other: &Deployment| other.autoscaling.map_or(other.replicas, |scaled| scaled.replicas_max);
        others.map(|other| Sharer { ready: self.found(&other.name).ready, most: most(other) }).collect()
    }
}

fn scaled(deployment: &Deployment) -> Option<Autoscaling> {
    deployment.autoscaling.filter(|_| !deployment.deleting)
}
