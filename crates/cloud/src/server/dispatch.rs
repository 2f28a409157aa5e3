//! From a tool's name and checked arguments to the method of the cloud, and from its reply to an envelope.

use domain::{Kind, Problem};
use serde_json::Value;

use super::adapter::{Answer, CallContext, Cloud};
use crate::contract::envelope::{Envelope, Status};
use crate::contract::infrastructure::{
    AttachVolume, CreateStorageBucket, FailoverRoute, LaunchSpot, ProvisionCompute, RotateSecret, SubmitMlJob,
};
use crate::contract::tools::{DeployModel, GetCostEstimate, GetHealth, GetQuotas, ScaleNodepool, Tool};

/// Calls the tool on the cloud. `arguments` have passed the tool's check. The tools of operations are not among them:
/// they are the server's own.
pub(super) async fn dispatch(
    cloud: &dyn Cloud,
    tool: &str,
    context: &CallContext,
    arguments: Value,
) -> Result<Envelope<Value>, Problem> {
    let dry_run = arguments.get("dry_run").and_then(Value::as_bool).unwrap_or(false);
    macro_rules! route {
        ($($method:ident: $tool:ty),+ $(,)?) => {
            match tool {
                $(<$tool>::NAME => envelope(cloud.$method(context, typed::<$tool>(arguments)?).await, dry_run),)+
                other => Err(Problem::new(Kind::Unsupported, format!("the tool {other:?} is not served"))),
            }
        };
    }
    route!(
        provision_compute: ProvisionCompute,
        scale_nodepool: ScaleNodepool,
        launch_spot: LaunchSpot,
        create_storage_bucket: CreateStorageBucket,
        attach_volume: AttachVolume,
        submit_ml_job: SubmitMlJob,
        deploy_model: DeployModel,
        get_cost_estimate: GetCostEstimate,
        get_quotas: GetQuotas,
        rotate_secret: RotateSecret,
        get_health: GetHealth,
        failover_route: FailoverRoute,
    )
}

pub(super) fn typed<T: Tool>(arguments: Value) -> Result<T::Args, Problem> {
    serde_json::from_value(arguments).map_err(|e| Problem::internal(format!("{}: {e}", T::NAME)))
}

pub(super) fn envelope<T: serde::Serialize>(answer: Answer<T>, dry_run: bool) -> Result<Envelope<Value>, Problem> {
    let reply = answer?;
    let status = match (dry_run, reply.running) {
        (true, _) => Status::DryRun,
        (false, true) => Status::Accepted,
        (false, false) => Status::Succeeded,
    };
    let resource = reply.resource.map(serde_json::to_value).transpose();
    let resource = resource.map_err(|e| Problem::internal(format!("the result cannot be written: {e}")))?;
    Ok(Envelope { status, operation: None, resource, cost: reply.cost, error: None })
}

/// The envelope of a call that failed.
pub(super) fn failed(problem: Problem) -> Envelope<Value> {
    Envelope { status: Status::Failed, operation: None, resource: None, cost: None, error: Some(problem) }
}
