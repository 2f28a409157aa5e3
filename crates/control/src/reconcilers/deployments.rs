//! Wanted against found, for every deployment: gathers the problem, lets it be decided, writes it down, carries it out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use cloud::contract::tools::Nodepool;
use domain::{CloudSite, Deployment, Monotonic, Name, Problem, SiteRef, Timestamp};
use futures_util::future::join_all;
use planning::allocation::{Allocation, AllocationProblem, allocate};
use state::objects::{Versioned, delete, put};
use state::{Batch, Expect, Fence};

use super::Reconciler;
use super::autoscale::stored::{Learned, Scaling};
use super::calls::{Order, call, pool_name};
use super::credential::{self, ReplicaCredential};
use super::decide::{Action, Decision, Situation, decide};
use super::progress::Progress;
use super::routing::Routing;
use super::sweep::{control_plane_id, sweep};
use super::wish::Wish;
use crate::clouds::WriteError;
use crate::clouds::survey::CloudView;
use crate::events::{Event, record};
use crate::need;
use crate::world::World;

/// Clouds are read again when the last look is older, in milliseconds.
pub(crate) const LOOK_MS: i64 = 400;
/// First and longest pause after a refusal, in milliseconds; it doubles in between.
const REST_MS: (i64, i64) = (1_000, 30_000);

/// The reconciler of deployments.
#[derive(Default)]
pub(crate) struct Deployments {
    /// Sites that refused, by deployment uid: how often in a row, and until when they are left alone.
    rests: BTreeMap<(String, SiteRef), (u32, Monotonic)>,
}

/// What one run has in common for all deployments.
struct Run<'a> {
    world: &'a World,
    fence: &'a Fence,
    wish: &'a Wish,
    views: &'a [CloudView],
    answering: BTreeSet<Name>,
    routing: Routing,
    control_plane: String,
}

#[async_trait]
impl Reconciler for Deployments {
    const NAME: &'static str = "deployments";
    const PAUSE: Duration = Duration::from_millis(100);

    async fn run(&mut self, world: &World, fence: &Fence) -> Result<(), Problem> {
        let control_plane = control_plane_id(world).await?;
        let wish = Wish::read(&*world.store).await?;
        let views = world.survey.look(LOOK_MS).await;
        let answering = views.iter().filter(|view| view.answered()).map(|view| view.cloud.clone()).collect();
        let routing = Routing::read(world).await?;
        let run = Run { world, fence, wish: &wish, views: &views, answering, routing, control_plane };
        // Replicas decided in this run that the quotas do not count yet.
        let mut claimed = BTreeMap::new();
        for deployment in &wish.deployments {
            self.reconcile(&run, deployment, &mut claimed).await?;
        }
        let uids: BTreeSet<&str> = wish.deployments.iter().map(|read| read.value.uid.as_str()).collect();
        self.rests.retain(|(uid, _), _| uids.contains(uid.as_str()));
        sweep(world, &views, &uids, &run.control_plane).await;
        Ok(())
    }
}

impl Deployments {
    async fn reconcile(
        &mut self,
        run: &Run<'_>,
        read: &Versioned<Deployment>,
        claimed: &mut BTreeMap<SiteRef, u32>,
    ) -> Result<(), Problem> {
        let deployment = &read.value;
        let now = run.world.clock.now();
        let known = run.wish.progress.get(&deployment.uid);
        let before = known.cloned().unwrap_or_else(|| Progress::new(deployment));
        let pools = pools_of(deployment, run.views);
        let (goals, reasons, shortage) = goals(run, deployment, &pools, claimed).await;
        let resting = self.resting(&deployment.uid, run.world.clock.monotonic());
        let intent_ages_ms = intent_ages_ms(run.world, &before);
        let situation = Situation {
            deployment,
            goals: &goals,
            reasons: &reasons,
            pools: &pools,
            answering: &run.answering,
            resting: &resting,
            routing: &run.routing,
            now,
            intent_ages_ms: &intent_ages_ms,
            drain_ms: run.world.config.drain_ms,
        };
        let mut decision = decide(&situation, &before);
        let message = message(run, &decision.progress, deployment, shortage);
        note_message(&mut decision, message, now);
        if deployment.deleting && decision.progress.pools.is_empty() {
            return finish(run, read, now).await;
        }
        if known != Some(&decision.progress) {
            commit(run, &decision.progress, &decision.events).await?;
        }
        self.carry_out(run, deployment, decision).await
    }

    /// Makes the calls, all at once, and writes down those that were refused.
    async fn carry_out(&mut self, run: &Run<'_>, deployment: &Deployment, decision: Decision) -> Result<(), Problem> {
        let Decision { mut progress, actions, .. } = decision;
        let outcomes = join_all(actions.iter().map(|action| perform(run, deployment, action))).await;
        let (now, moment) = (run.world.clock.now(), run.world.clock.monotonic());
        let mut events = Vec::new();
        let written = progress.clone();
        for (action, outcome) in actions.iter().zip(outcomes) {
            run.world.survey.forget(&action.site.cloud);
            let rest = (deployment.uid.clone(), action.site.clone());
            let Err(error) = outcome else {
                self.rests.remove(&rest);
                continue;
            };
            tracing::warn!(deployment = %deployment.name, site = %action.site, cause = %error, "change of a pool failed");
            let failures = self.rests.get(&rest).map_or(0, |(failures, _)| *failures);
            let pause_ms = REST_MS.0.saturating_mul(1 << failures.min(10)).min(REST_MS.1);
            self.rests.insert(rest, (failures + 1, moment.plus_millis(pause_ms)));
            events.extend(refused(&mut progress, action, &error, now));
        }
        if progress == written { Ok(()) } else { commit(run, &progress, &events).await }
    }

    fn resting(&self, uid: &str, now: Monotonic) -> BTreeSet<SiteRef> {
        let resting = self.rests.iter().filter(|((of, _), (_, until))| of == uid && now < *until);
        resting.map(|((_, site), _)| site.clone()).collect()
    }
}

/// How long each intent has stood here. Not by the time that is written in it: that is of a wall clock, which steps.
fn intent_ages_ms(world: &World, progress: &Progress) -> BTreeMap<SiteRef, i64> {
    let now = world.clock.monotonic();
    let intents = progress.pools.iter().filter_map(|(site, pool)| Some((site, pool.intent.as_ref()?.counter)));
    let age = |(site, counter): (&SiteRef, u64)| {
        let sight = world.seen.look(format!("intent/{}/{site}", progress.uid), counter, now);
        (site.clone(), sight.age_ms)
    };
    intents.map(age).collect()
}

async fn perform(run: &Run<'_>, deployment: &Deployment, action: &Action) -> Result<(), WriteError> {
    let missing = |what: &str| {
        WriteError::Refused(Problem::not_found(format!("{what} of deployment {} is gone", deployment.name)))
    };
    let port = run.world.survey.port(&action.site.cloud).ok_or_else(|| missing("a cloud"))?;
    let model = run.wish.models.get(&deployment.model.to_string()).ok_or_else(|| missing("the model"))?;
    let environment =
        run.wish.environments.get(deployment.environment.as_str()).ok_or_else(|| missing("the environment"))?;
    let memory = need::memory(&run.world.config, model, environment);
    let resources = need::resources(environment, memory.as_ref());
    // Not made or not read, nothing was sent either: the call is made again in the next run.
    let caller = credential::ensure(run.world, run.fence, &deployment.uid).await.map_err(WriteError::Unknown)?.digest();
    let order = Order { deployment, model, resources, control_plane: &run.control_plane, caller };
    call(&**port, &order, action).await
}

/// Notes a refusal. Where the outcome is unknown the intent stays, and the same call is made again.
fn refused(progress: &mut Progress, action: &Action, error: &WriteError, now: Timestamp) -> Option<Event> {
    let entry = progress.pools.get_mut(&action.site)?;
    let problem = error.problem();
    if matches!(error, WriteError::Refused(_)) {
        entry.intent = None;
    }
    let cause = Some(problem.cause.clone());
    if entry.problem == cause {
        return None;
    }
    entry.problem = cause;
    let happened = if entry.intent.is_some() { "did not confirm" } else { "refused" };
    let what = format!("{} {happened} size {}", action.site, action.size);
    Some(Event { at: now, what, why: problem.cause.clone() })
}

/// The deployment's pools by site, also those of clouds that are silent now.
fn pools_of(deployment: &Deployment, views: &[CloudView]) -> BTreeMap<SiteRef, Nodepool> {
    let name = pool_name(deployment);
    let all = views.iter().flat_map(CloudView::pools);
    all.filter(|(_, pool)| pool.nodepool == name).map(|(site, pool)| (site, pool.clone())).collect()
}

type Goals = (BTreeMap<SiteRef, u32>, BTreeMap<SiteRef, String>, Option<Problem>);

/// How many replicas each site is to carry and why, and why some find no place.
async fn goals(
    run: &Run<'_>,
    deployment: &Deployment,
    pools: &BTreeMap<SiteRef, Nodepool>,
    claimed: &mut BTreeMap<SiteRef, u32>,
) -> Goals {
    let environment = run.wish.environments.get(deployment.environment.as_str());
    let Some(environment) = environment.filter(|_| !deployment.deleting) else { return Goals::default() };
    let placed: BTreeMap<SiteRef, u32> = pools.iter().map(|(site, pool)| (site.clone(), pool.size)).collect();
    let count = |site: &SiteRef| placed.get(site).copied().unwrap_or(0);
    let model = run.wish.models.get(&deployment.model.to_string());
    let memory = model.and_then(|model| need::memory(&run.world.config, model, environment));
    let surveyed = run.world.survey.sites(&need::resources(environment, memory.as_ref()), LOOK_MS).await;
    let sites: Vec<CloudSite> = surveyed
        .iter()
        .map(|surveyed| {
            let mut site = surveyed.for_allocation(count(&surveyed.site.site));
            site.used = site.used.saturating_add(claimed.get(&site.site).copied().unwrap_or(0));
            site
        })
        .collect();
    let (replicas, market) = (deployment.replicas, deployment.market);
    let problem = AllocationProblem { replicas, market, environment, memory, sites: &sites, placed: &placed };
    let allocation = allocate(&problem);
    for placement in &allocation.placements {
        let growth = placement.replicas.saturating_sub(count(&placement.site));
        *claimed.entry(placement.site.clone()).or_default() += growth;
    }
    let Allocation { placements, rejected, shortage, .. } = allocation;
    let goals = placements.iter().map(|placement| (placement.site.clone(), placement.replicas)).collect();
    let reasons = placements.into_iter().map(|placement| (placement.site, placement.why));
    let reasons = reasons.chain(rejected.into_iter().map(|rejection| (rejection.site, rejection.cause))).collect();
    (goals, reasons, shortage)
}

/// What somebody should know about the deployment, if anything.
fn message(run: &Run<'_>, progress: &Progress, deployment: &Deployment, shortage: Option<Problem>) -> Option<String> {
    if let Some(shortage) = shortage {
        return Some(shortage.cause);
    }
    if deployment.deleting
        && let Some(site) = progress.pools.keys().find(|site| !run.answering.contains(&site.cloud))
    {
        return Some(format!("waits for cloud {}, which does not answer, to remove {site}", site.cloud));
    }
    let troubled = progress.pools.iter().find_map(|(site, pool)| Some((site, pool.problem.as_ref()?)));
    troubled.map(|(site, problem)| format!("{site}: {problem}"))
}

fn note_message(decision: &mut Decision, message: Option<String>, now: Timestamp) {
    let refusal_is_known = decision.progress.pools.values().any(|pool| pool.problem.is_some());
    if let Some(why) = message.as_ref().filter(|_| decision.progress.message != message && !refusal_is_known) {
        decision.events.push(Event { at: now, what: "not as wanted".to_owned(), why: why.clone() });
    }
    decision.progress.message = message;
}

async fn commit(run: &Run<'_>, progress: &Progress, events: &[Event]) -> Result<(), Problem> {
    let mut batch = Batch::new().fenced(run.fence.clone()).with(put(progress, Expect::Any)?);
    for event in events {
        tracing::info!(deployment = %progress.deployment, what = %event.what, why = %event.why, "decided");
        batch = batch.with(record(&progress.deployment, event)?);
    }
    run.world.store.commit(batch).await?;
    Ok(())
}

/// The last step of a deletion: nothing runs any more, and the objects go together.
async fn finish(run: &Run<'_>, read: &Versioned<Deployment>, now: Timestamp) -> Result<(), Problem> {
    let deployment = &read.value;
    let why = "nothing of it runs any more".to_owned();
    let batch = Batch::new()
        .fenced(run.fence.clone())
        .with(delete::<Deployment>(deployment.name.as_str(), Expect::Version(read.version)))
        .with(delete::<Progress>(&deployment.uid, Expect::Any))
        .with(delete::<Scaling>(&deployment.uid, Expect::Any))
        .with(delete::<Learned>(&deployment.uid, Expect::Any))
        .with(delete::<ReplicaCredential>(&deployment.uid, Expect::Any))
        .with(record(&deployment.name, &Event { at: now, what: "deleted".to_owned(), why })?);
    run.world.store.commit(batch).await?;
    Ok(())
}
