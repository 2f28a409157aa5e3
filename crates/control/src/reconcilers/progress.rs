//! What the deployments reconciler remembers of a deployment between two runs, so that a crash changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Deployment, Name, SiteRef, Timestamp};
use serde::{Deserialize, Serialize};
use state::objects::Stored;

/// What was decided for a deployment and is not yet seen done. Written by the deployments reconciler alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The deployment's unique id, under which this is kept.
    pub uid: String,
    /// Its name.
    pub deployment: Name,
    /// Grows with every intent, so that no two intents share an idempotency token.
    pub counter: u64,
    /// By site. A site is listed from before its pool is asked for until after its pool is gone.
    pub pools: BTreeMap<SiteRef, PoolProgress>,
    /// Why it is not as wanted, when somebody should know.
    #[serde(default)]
    pub message: Option<String>,
}

/// One site's share of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolProgress {
    /// Replicas that the site is to carry.
    pub wanted: u32,
    /// The change under way.
    #[serde(default)]
    pub intent: Option<Intent>,
    /// Why the last change did not happen.
    #[serde(default)]
    pub problem: Option<String>,
}

/// A change of a pool's size: decided, written down, and carried out until the world shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its number within the deployment.
    pub counter: u64,
    /// The size that the pool is to have.
    pub size: u32,
    /// Why.
    pub why: String,
    /// When it was decided.
    pub since: Timestamp,
    /// What is drained and removed, when the pool shrinks.
    #[serde(default)]
    pub removal: Option<Removal>,
}

/// Instances on their way out. First the routing snapshot shows them draining; when every gateway has acknowledged that
/// and has nothing in flight on them, or the deadline has passed, their cloud is told to remove them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Instances to remove, by id.
    pub victims: Vec<String>,
    /// Version of the first snapshot seen in which no victim takes new requests.
    #[serde(default)]
    pub drained_in_snapshot: Option<u64>,
}

impl Stored for Progress {
    const KIND: &'static str = "deployment_progress";
    fn object_name(&self) -> String {
        self.uid.clone()
    }
}

impl Progress {
    /// The beginning: nothing decided.
    #[must_use]
    pub fn new(deployment: &Deployment) -> Self {
        Self {
            uid: deployment.uid.clone(),
            deployment: deployment.name.clone(),
            counter: 0,
            pools: BTreeMap::new(),
            message: None,
        }
    }

    /// Instances that are on their way out.
    #[must_use]
    pub fn victims(&self) -> BTreeSet<&str> {
        let removals = self.pools.values().filter_map(|pool| pool.intent.as_ref()?.removal.as_ref());
        removals.flat_map(|removal| &removal.victims).map(String::as_str).collect()
    }
}
