//! An action as a call to a cloud: names, labels and idempotency tokens, all derived, none invented twice.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud::contract::tools::{DeployModelArgs, ScaleNodepoolArgs, WriteArgs};
use domain::{Deployment, Digest, Kind, Market, Model, Name, Problem, Resources, SiteRef};
use sha2::{Digest as _, Sha256};

use super::decide::Action;
use crate::clouds::{CloudPort, WriteError};

/// Longest wait for a change of a pool to be accepted.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Label of a pool: the deployment's name.
pub(crate) const LABEL_DEPLOYMENT: &str = "deployment";
/// Label of a pool: the deployment's unique id.
pub(crate) const LABEL_DEPLOYMENT_UID: &str = "deployment_uid";
/// Label of a pool: the control plane that made it, so that of two on one cloud neither sweeps the other's.
pub(crate) const LABEL_CONTROL_PLANE: &str = "control_plane";

/// All that calls for one deployment are made of.
pub(crate) struct Order<'a> {
    pub deployment: &'a Deployment,
    pub model: &'a Model,
    pub resources: Resources,
    pub control_plane: &'a str,
    /// Digest of what its replicas are shown.
    pub caller: Digest,
}

/// The name of a deployment's pools: one in each region at most.
pub(crate) fn pool_name(deployment: &Deployment) -> String {
    let uid: String = deployment.uid.chars().take(8).collect();
    let market = match deployment.market {
        Market::OnDemand => "on-demand",
        Market::Spot => "spot",
    };
    format!("{}-{uid}-{market}", deployment.name)
}

/// A token that only this very change ever carries.
pub(crate) fn token(uid: &str, site: &SiteRef, action: &str, size: u32, counter: u64, remove: &[String]) -> String {
    let text = format!("{uid}\n{site}\n{action}\n{size}\n{counter}\n{}", remove.join("\n"));
    Digest::from_sha256(&Sha256::digest(text.as_bytes()).into()).hex().to_owned()
}

/// Carries `action` out through `port`.
pub(crate) async fn call(port: &dyn CloudPort, order: &Order<'_>, action: &Action) -> Result<(), WriteError> {
    let answer = async {
        if action.make {
            port.deploy_model(deploy_args(order, action)).await
        } else {
            port.scale_nodepool(scale_args(order, action)).await
        }
    };
    within_call(answer).await
}

/// The answer, or that it did not come in time.
pub(crate) async fn within_call(answer: impl Future<Output = Result<(), WriteError>>) -> Result<(), WriteError> {
    tokio::time::timeout(CALL_TIMEOUT, answer).await.unwrap_or_else(|_| {
        let cause = format!("the cloud did not answer within {} s", CALL_TIMEOUT.as_secs());
        Err(WriteError::Unknown(Problem::new(Kind::Timeout, cause)))
    })
}

fn deploy_args(order: &Order<'_>, action: &Action) -> DeployModelArgs {
    DeployModelArgs {
        region: action.site.site.to_string(),
        nodepool: pool_name(order.deployment),
        model: order.model.reference.clone(),
        artifact: order.model.path.to_string_lossy().into_owned(),
        digest: order.model.digest.clone(),
        replicas: action.size,
        resources: order.resources,
        market: order.deployment.market,
        caller_digests: vec![order.caller.clone()],
        write: write_args(order, action, "deploy_model"),
    }
}

fn scale_args(order: &Order<'_>, action: &Action) -> ScaleNodepoolArgs {
    ScaleNodepoolArgs {
        region: action.site.site.to_string(),
        nodepool: pool_name(order.deployment),
        size: action.size,
        remove: action.remove.clone(),
        write: write_args(order, action, "scale_nodepool"),
    }
}

fn write_args(order: &Order<'_>, action: &Action, tool: &str) -> WriteArgs {
    let uid = &order.deployment.uid;
    WriteArgs {
        idempotency_token: token(uid, &action.site, tool, action.size, action.counter, &action.remove),
        dry_run: false,
        reason: Some(action.why.clone()),
        max_cost_usd: None,
        labels: labels(&order.deployment.name, uid, order.control_plane).into(),
    }
}

fn labels(deployment: &Name, uid: &str, control_plane: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (LABEL_DEPLOYMENT.to_owned(), deployment.to_string()),
        (LABEL_DEPLOYMENT_UID.to_owned(), uid.to_owned()),
        (LABEL_CONTROL_PLANE.to_owned(), control_plane.to_owned()),
    ])
}
