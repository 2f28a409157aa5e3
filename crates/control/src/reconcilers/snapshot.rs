//! The routing snapshot: written whenever models, deployments, replicas, removals or keys change what it says.

mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use domain::{
    Deployment, Environment, GeoPoint, KeyGrant, Model, ModelRoute, Problem, Replica, ReplicaPhase, ReplicaRoute,
    RoutingSnapshot, SiteRef, Timestamp,
};
use state::objects::{get, list, put};
use state::{Batch, Expect, Fence, Store, StoreError};

use self::size::{SNAPSHOT_HARD_MAX_BYTES, bytes_of};
pub use self::size::{SNAPSHOT_MAX_BYTES, expected_bytes};
use super::Reconciler;
use super::autoscale::stored::Scaling;
use super::credential::ReplicaCredential;
use super::progress::Progress;
use crate::registry::keys::ApiKey;
use crate::world::World;

/// The reconciler of the snapshot.
pub(crate) struct Snapshot;

#[async_trait]
impl Reconciler for Snapshot {
    const NAME: &'static str = "snapshot";
    const PAUSE: Duration = Duration::from_millis(10);

    async fn run(&mut self, world: &World, fence: &Fence) -> Result<(), Problem> {
        let current = get::<RoutingSnapshot>(&*world.store, "current").await?;
        let inputs = Inputs::of(world).await?;
        let (version, expect) =
            current.as_ref().map_or((0, Expect::Absent), |read| (read.value.version, Expect::Version(read.version)));
        let mut next = build(&inputs, version + 1, world.clock.now());
        let bytes = bytes_of(&next);
        let is_too_large = bytes > SNAPSHOT_HARD_MAX_BYTES;
        if is_too_large {
            next = size::reduced(current.as_ref().map(|read| &read.value), next);
        }
        if !current.is_some_and(|read| says_the_same(&read.value, &next)) {
            let batch = Batch::new().fenced(fence.clone()).with(put(&next, expect)?);
            world.store.commit(batch).await?;
        }
        if is_too_large {
            let cause = format!("the routing snapshot would take {bytes} bytes: only what goes was taken over");
            return Err(Problem::internal(cause).next("revoke keys or scale down"));
        }
        tracing::debug!(version = next.version, models = next.models.len(), keys = next.keys.len(), "snapshot written");
        Ok(())
    }
}

/// All that the snapshot is made of.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Registered models.
    pub models: Vec<Model>,
    /// What is wanted.
    pub deployments: Vec<Deployment>,
    /// Where it is wanted, and what holds there.
    pub environments: Vec<Environment>,
    /// What was found.
    pub replicas: Vec<Replica>,
    /// What was decided; names the replicas on their way out.
    pub progress: Vec<Progress>,
    /// What was decided of those that follow the load; knows how long starts last.
    pub scalings: Vec<Scaling>,
    /// Keys with what they may do.
    pub keys: Vec<ApiKey>,
    /// What the replicas of deployments are shown.
    pub credentials: Vec<ReplicaCredential>,
    /// Where sites are, as far as known.
    pub locations: BTreeMap<SiteRef, GeoPoint>,
}

impl Inputs {
    /// Read from the store and from what clouds last said.
    pub(crate) async fn of(world: &World) -> Result<Self, StoreError> {
        let (store, locations) = (&*world.store, locations(world));
        Ok(Self {
            models: values(store).await?,
            deployments: values(store).await?,
            environments: values(store).await?,
            replicas: values(store).await?,
            progress: values(store).await?,
            scalings: values(store).await?,
            keys: values(store).await?,
            credentials: values(store).await?,
            locations,
        })
    }
}

/// All of a kind.
pub(super) async fn values<T: state::objects::Stored>(store: &dyn Store) -> Result<Vec<T>, StoreError> {
    Ok(list(store).await?.into_iter().map(|read| read.value).collect())
}

/// Where the clouds say that their sites are. Never asks a cloud: an old answer is as good.
fn locations(world: &World) -> BTreeMap<SiteRef, GeoPoint> {
    let mut locations = BTreeMap::new();
    for view in world.survey.remembered() {
        for quota in view.quotas.iter().flat_map(|quotas| &quotas.quotas) {
            if let Ok(site) = quota.region.parse() {
                locations.insert(SiteRef { cloud: view.cloud.clone(), site }, quota.location);
            }
        }
    }
    locations
}

/// The snapshot that these inputs make.
#[must_use]
pub fn build(inputs: &Inputs, version: u64, now: Timestamp) -> RoutingSnapshot {
    let mut by_version: BTreeMap<String, ModelRoute> = BTreeMap::new();
    for model in &inputs.models {
        if inputs.deployments.iter().any(|deployment| deployment.model == model.reference) {
            by_version.insert(model.reference.to_string(), route_of(inputs, model));
        }
    }
    let mut models = BTreeMap::new();
    for route in by_version.values() {
        let name = route.model.name.to_string();
        let rank = |route: &ModelRoute| (serves(route), route.created_at, route.model.version.clone());
        if models.get(&name).is_none_or(|best| rank(best) < rank(route)) {
            models.insert(name, route.clone());
        }
    }
    models.extend(by_version);
    let keys = inputs.keys.iter().map(|key| (key.hash.clone(), grant_of(key))).collect();
    RoutingSnapshot { version, made_at: now, models, keys }
}

/// Whether two snapshots differ in nothing but number and time.
#[must_use]
pub fn says_the_same(one: &RoutingSnapshot, other: &RoutingSnapshot) -> bool {
    one.models == other.models && one.keys == other.keys
}

/// The newest version serves under the model's bare name, unless it has no replica yet and an older one has.
fn serves(route: &ModelRoute) -> bool {
    route.replicas.iter().any(|replica| !replica.draining)
}

fn route_of(inputs: &Inputs, model: &Model) -> ModelRoute {
    let leaving: BTreeSet<&str> = inputs.progress.iter().flat_map(Progress::victims).collect();
    let deployments: BTreeMap<_, _> = inputs.deployments.iter().map(|d| (&d.name, d)).collect();
    let replicas = inputs
        .replicas
        .iter()
        .filter(|replica| replica.model == model.reference && !replica.url.is_empty())
        .filter(|replica| matches!(replica.phase, ReplicaPhase::Ready | ReplicaPhase::Draining))
        .filter_map(|replica| {
            let deployment = deployments.get(&replica.deployment)?;
            let credential = inputs.credentials.iter().find(|known| known.uid == deployment.uid);
            let draining =
                deployment.deleting || replica.phase == ReplicaPhase::Draining || leaving.contains(replica.id.as_str());
            Some(ReplicaRoute {
                id: replica.id.clone(),
                deployment: replica.deployment.clone(),
                site: replica.site.clone(),
                location: inputs.locations.get(&replica.site).copied(),
                url: replica.url.clone(),
                credential: credential.map(|known| known.credential.clone()),
                draining,
                price_per_hour: replica.price_per_hour,
            })
        })
        .collect();
    ModelRoute {
        model: model.reference.clone(),
        artifact: model.path.clone(),
        context_tokens: model.context_tokens,
        created_at: model.registered_at,
        replicas,
        starts_in_seconds: starts_in_seconds(inputs, model),
        shared_prefix_cache: shares_prefixes(inputs, model),
    }
}

/// Whether every environment in which this model is deployed lets projects share what was computed of a prompt. One that
/// is not known does not.
fn shares_prefixes(inputs: &Inputs, model: &Model) -> bool {
    let shares = |deployment: &Deployment| {
        let found = inputs.environments.iter().find(|environment| environment.name == deployment.environment);
        found.is_some_and(|environment| environment.shared_prefix_cache)
    };
    let mut here = inputs.deployments.iter().filter(|deployment| deployment.model == model.reference);
    here.all(shares)
}

/// How long a start of this model's replicas lasts, when they follow the load. In steps, so that a start that lasts a
/// little longer than the one before is no news to the gateways.
fn starts_in_seconds(inputs: &Inputs, model: &Model) -> Option<u32> {
    let scaled = inputs.deployments.iter().filter(|d| d.model == model.reference && d.autoscaling.is_some());
    let start = |deployment: &Deployment| {
        let known = inputs.scalings.iter().find(|scaling| scaling.uid == deployment.uid);
        known.map_or_else(|| Scaling::new(deployment).cold_start_s(), Scaling::cold_start_s)
    };
    let longest_s = scaled.map(start).reduce(f64::max)?;
    // A float-to-integer `as` saturates.
    Some((longest_s.ceil() as u32).next_multiple_of(if longest_s > 10.0 { 10 } else { 1 }).max(1))
}

fn grant_of(key: &ApiKey) -> KeyGrant {
    KeyGrant {
        id: key.id.clone(),
        name: key.name.clone(),
        models: key.models.clone(),
        project: key.project.clone(),
        expires_at: key.expires_at,
    }
}
