//! What the replicas of a deployment are shown: one random credential for each deployment.
//!
//! The control plane alone makes and stores it. Clouds get only its digest, with `deploy_model`, so that their replicas
//! know it when they see it; gateways get it in the routing snapshot. It goes with its deployment.

use domain::{Digest, Problem, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use state::objects::{Stored, get, put};
use state::{Batch, Expect, Fence, Store, StoreError};

use crate::world::World;

/// The credential of a deployment's replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaCredential {
    /// The deployment's unique id.
    pub uid: String,
    /// What its replicas are shown.
    pub credential: Secret,
}

impl Stored for ReplicaCredential {
    const KIND: &'static str = "replica_credential";
    fn object_name(&self) -> String {
        self.uid.clone()
    }
}

impl ReplicaCredential {
    /// All that a cloud learns of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::from_sha256(&Sha256::digest(self.credential.reveal()).into())
    }
}

/// What the replicas of this deployment are shown, once it has been decided.
pub(crate) async fn find(store: &dyn Store, uid: &str) -> Result<Option<Secret>, StoreError> {
    Ok(get::<ReplicaCredential>(store, uid).await?.map(|read| read.value.credential))
}

/// The credential of this deployment, which is made the first time.
pub(crate) async fn ensure(world: &World, fence: &Fence, uid: &str) -> Result<ReplicaCredential, Problem> {
    if let Some(read) = get::<ReplicaCredential>(&*world.store, uid).await? {
        return Ok(read.value);
    }
    // 256 random bits.
    let credential = Secret::new(format!("{}{}", world.unique_id(), world.unique_id()));
    let made = ReplicaCredential { uid: uid.to_owned(), credential };
    let batch = Batch::new().fenced(fence.clone()).with(put(&made, Expect::Absent)?);
    world.store.commit(batch).await?;
    Ok(made)
}
