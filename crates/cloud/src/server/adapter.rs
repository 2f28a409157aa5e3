//! What a cloud is to its server: one method a tool. A cloud implements those that it can do; the others say why not.

use async_trait::async_trait;
use domain::{Kind, Problem, Timestamp};

use crate::contract::envelope::{Cost, Operation, OperationState};
use crate::contract::infrastructure::{
    AttachVolumeArgs, Bucket, Compute, CreateStorageBucketArgs, FailoverRouteArgs, LaunchSpotArgs, MlJob,
    ProvisionComputeArgs, RotateSecretArgs, Route, SecretVersion, SubmitMlJobArgs, Volume,
};
use crate::contract::tools::{
    CostEstimate, DeployModelArgs, GetCostEstimateArgs, GetHealthArgs, GetQuotasArgs, Health, Nodepool, Quotas,
    ScaleNodepoolArgs,
};

/// Who calls, and under which operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// The caller, as its token says.
    pub principal: String,
    /// The operation of a write. It is the same whenever the same token comes again, also after a crash in which the
    /// first answer was lost: a cloud marks what it makes with it, and returns what it finds so marked instead of making
    /// it twice. Empty for reads.
    pub operation_id: String,
    /// When the call came in.
    pub now: Timestamp,
}

/// What a tool did.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// What was asked for, made, or (on a dry run) would be made. Nothing when what was to be removed is gone.
    pub resource: Option<T>,
    /// What it costs.
    pub cost: Option<Cost>,
    /// Whether the work goes on after the answer.
    pub running: bool,
}

impl<T> Reply<T> {
    /// Done, with this result.
    pub const fn done(resource: T) -> Self {
        Self { resource: Some(resource), cost: None, running: false }
    }

    /// Done, and nothing is left.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { resource: None, cost: None, running: false }
    }

    /// The work goes on after the answer: the server then asks [`Cloud::operation_state`] how it ended.
    #[must_use]
    pub fn going_on(self) -> Self {
        Self { running: true, ..self }
    }

    /// Adds what it costs.
    #[must_use]
    pub const fn costing(mut self, cost: Cost) -> Self {
        self.cost = Some(cost);
        self
    }
}

/// Where a write stands whose work went on after its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Whether it still goes on, or how it ended.
    pub state: OperationState,
    /// Why it did not succeed.
    pub problem: Option<Problem>,
    /// What it made, as it is now: of the shape that its tool returns.
    pub resource: Option<serde_json::Value>,
}

impl Standing {
    /// It goes on.
    #[must_use]
    pub const fn running() -> Self {
        Self { state: OperationState::Running, problem: None, resource: None }
    }
}

/// The answer of a tool: a reply, or a problem and nothing changed.
pub type Answer<T> = Result<Reply<T>, Problem>;

fn unsupported<T>(cloud: &str, tool: &str) -> Answer<T> {
    Err(Problem::new(Kind::Unsupported, format!("the cloud {cloud:?} has no {tool}")).next("use another cloud for it"))
}

/// A cloud behind the tool contract. A dry run (`write.dry_run`) answers what would be, and changes nothing.
#[async_trait]
pub trait Cloud: Send + Sync + 'static {
    /// Its name, as in `cloud/site`.
    fn name(&self) -> &str;

    /// Guidance for whoever chooses among its tools, in a few sentences.
    fn instructions(&self) -> String {
        format!("Tools of the cloud {:?}. Writes need an idempotency_token; repeat one to repeat a call.", self.name())
    }

    /// Why it cannot do a tool at all. Such tools are not listed; who calls one all the same gets this answer.
    fn cannot(&self, _tool: &str) -> Option<Problem> {
        None
    }

    /// `provision_compute`
    async fn provision_compute(&self, _: &CallContext, _: ProvisionComputeArgs) -> Answer<Compute> {
        unsupported(self.name(), "provision_compute")
    }
    /// `scale_nodepool`
    async fn scale_nodepool(&self, _: &CallContext, _: ScaleNodepoolArgs) -> Answer<Nodepool> {
        unsupported(self.name(), "scale_nodepool")
    }
    /// `launch_spot`
    async fn launch_spot(&self, _: &CallContext, _: LaunchSpotArgs) -> Answer<Compute> {
        unsupported(self.name(), "launch_spot")
    }
    /// `create_storage_bucket`
    async fn create_storage_bucket(&self, _: &CallContext, _: CreateStorageBucketArgs) -> Answer<Bucket> {
        unsupported(self.name(), "create_storage_bucket")
    }
    /// `attach_volume`
    async fn attach_volume(&self, _: &CallContext, _: AttachVolumeArgs) -> Answer<Volume> {
        unsupported(self.name(), "attach_volume")
    }
    /// `submit_ml_job`
    async fn submit_ml_job(&self, _: &CallContext, _: SubmitMlJobArgs) -> Answer<MlJob> {
        unsupported(self.name(), "submit_ml_job")
    }
    /// `deploy_model`
    async fn deploy_model(&self, _: &CallContext, _: DeployModelArgs) -> Answer<Nodepool> {
        unsupported(self.name(), "deploy_model")
    }
    /// `get_cost_estimate`
    async fn get_cost_estimate(&self, _: &CallContext, _: GetCostEstimateArgs) -> Answer<CostEstimate> {
        unsupported(self.name(), "get_cost_estimate")
    }
    /// `get_quotas`
    async fn get_quotas(&self, _: &CallContext, _: GetQuotasArgs) -> Answer<Quotas> {
        unsupported(self.name(), "get_quotas")
    }
    /// `rotate_secret`
    async fn rotate_secret(&self, _: &CallContext, _: RotateSecretArgs) -> Answer<SecretVersion> {
        unsupported(self.name(), "rotate_secret")
    }
    /// `get_health`
    async fn get_health(&self, _: &CallContext, _: GetHealthArgs) -> Answer<Health> {
        unsupported(self.name(), "get_health")
    }
    /// `failover_route`
    async fn failover_route(&self, _: &CallContext, _: FailoverRouteArgs) -> Answer<Route> {
        unsupported(self.name(), "failover_route")
    }
    /// Where an operation stands whose work went on after its answer. The server writes down how it ended, and answers
    /// for those that have ended by itself.
    async fn operation_state(&self, _: &CallContext, operation: &Operation) -> Result<Standing, Problem> {
        Ok(Standing { state: operation.state, ..Standing::running() })
    }
    /// `cancel_operation`, for an operation that is still running.
    async fn cancel_operation(&self, _: &CallContext, _: &Operation) -> Answer<Operation> {
        unsupported(self.name(), "cancel_operation")
    }
}
