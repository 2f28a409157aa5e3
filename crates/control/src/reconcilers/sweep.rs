//! Pools of ours that no deployment owns: made by a call that took effect after all was thought to be over.

use std::collections::BTreeSet;

use cloud::contract::tools::{Nodepool, ScaleNodepoolArgs, WriteArgs};
use domain::SiteRef;
use state::objects::{Stored, get, put};
use state::{Batch, Expect, StoreError};

use super::calls::{LABEL_CONTROL_PLANE, LABEL_DEPLOYMENT_UID, token, within_call};
use crate::clouds::survey::CloudView;
use crate::world::World;

/// Who made a pool: written once, and kept for as long as the state is.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct ControlPlane {
    id: String,
}

impl Stored for ControlPlane {
    const KIND: &'static str = "control_plane";
    fn object_name(&self) -> String {
        "current".to_owned()
    }
}

/// The id of this control plane, made on first use.
pub(crate) async fn control_plane_id(world: &World) -> Result<String, StoreError> {
    loop {
        if let Some(found) = get::<ControlPlane>(&*world.store, "current").await? {
            return Ok(found.value.id);
        }
        let made = ControlPlane { id: world.unique_id() };
        match world.store.commit(Batch::new().with(put(&made, Expect::Absent)?)).await {
            // Another process was first: read its id.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes pools that carry this control plane's label and belong to no deployment in `uids`.
pub(crate) async fn sweep(world: &World, views: &[CloudView], uids: &BTreeSet<&str>, control_plane: &str) {
    let answered = views.iter().filter(|view| view.answered());
    for (site, pool) in answered.flat_map(CloudView::pools) {
        let ours = pool.labels.get(LABEL_CONTROL_PLANE).is_some_and(|id| id == control_plane);
        let uid = pool.labels.get(LABEL_DEPLOYMENT_UID).map_or("", String::as_str);
        if ours && pool.size > 0 && !uids.contains(uid) {
            remove(world, &site, pool, uid).await;
        }
    }
}

async fn remove(world: &World, site: &SiteRef, pool: &Nodepool, uid: &str) {
    let Some(port) = world.survey.port(&site.cloud) else { return };
    let token = token(uid, site, "sweep", 0, 0, std::slice::from_ref(&pool.nodepool));
    let reason = Some("no deployment owns this pool".to_owned());
    let args = ScaleNodepoolArgs {
        region: pool.region.clone(),
        nodepool: pool.nodepool.clone(),
        size: 0,
        remove: Vec::new(),
        write: WriteArgs {
            idempotency_token: token,
            dry_run: false,
            reason,
            max_cost_usd: None,
            labels: pool.labels.clone(),
        },
    };
    match within_call(port.scale_nodepool(args)).await {
        Ok(_) => tracing::warn!(%site, pool = %pool.nodepool, "pool without a deployment removed"),
        Err(cause) => tracing::warn!(%site, pool = %pool.nodepool, %cause, "pool without a deployment stays"),
    }
    world.survey.forget(&site.cloud);
}
