//! All that is wanted, read from the store at once.

use std::collections::BTreeMap;

use domain::{Deployment, Environment, Model};
use state::objects::{Stored, Versioned, list};
use state::{Store, StoreError};

use super::progress::Progress;
use super::routing::{HeardGateway, Routing};
use crate::world::World;

/// What is wanted, and what was decided about it.
pub(crate) struct Wish {
    pub deployments: Vec<Versioned<Deployment>>,
    pub environments: BTreeMap<String, Environment>,
    pub models: BTreeMap<String, Model>,
    pub progress: BTreeMap<String, Progress>,
}

impl Wish {
    pub(crate) async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self {
            deployments: list(store).await?,
            environments: by_name(store).await?,
            models: by_name(store).await?,
            progress: by_name(store).await?,
        })
    }
}

impl Routing {
    /// Reads the snapshot and what the gateways say of it.
    pub(crate) async fn read(world: &World) -> Result<Self, StoreError> {
        let store = &*world.store;
        let snapshot = list(store).await?.into_iter().next().map(|read| read.value);
        let now = world.clock.monotonic();
        let heard = |read: Versioned<domain::GatewayStatus>| {
            let sight = world.seen.look(format!("gateway/{}", read.value.gateway), read.version, now);
            HeardGateway { status: read.value, silent_ms: sight.age_ms }
        };
        let gateways = list(store).await?.into_iter().map(heard).collect();
        Ok(Self { snapshot, gateways })
    }
}

async fn by_name<T: Stored>(store: &dyn Store) -> Result<BTreeMap<String, T>, StoreError> {
    let all = list::<T>(store).await?;
    Ok(all.into_iter().map(|read| (read.value.object_name(), read.value)).collect())
}
