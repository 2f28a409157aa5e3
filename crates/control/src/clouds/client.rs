//! A cloud reached through the client of the tool contract.

use async_trait::async_trait;
use cloud::client::{CallError, CloudClient};
use cloud::contract::tools::{
    CostEstimate, DeployModel, DeployModelArgs, GetCostEstimate, GetCostEstimateArgs, GetHealth, GetHealthArgs,
    GetQuotas, GetQuotasArgs, Health, Quotas, ScaleNodepool, ScaleNodepoolArgs, Tool,
};
use domain::{Name, Problem, Resources};

use super::{CloudPort, WriteError};

/// The port over a client of the tool contract.
pub struct CloudClientPort {
    name: Name,
    client: CloudClient,
}

impl CloudClientPort {
    /// A port to the cloud called `name`, which `client` calls.
    #[must_use]
    pub const fn new(name: Name, client: CloudClient) -> Self {
        Self { name, client }
    }

    async fn read<T: Tool>(&self, args: &T::Args) -> Result<T::Output, Problem> {
        let envelope = self.client.call::<T>(args).await?;
        envelope.resource.ok_or_else(|| Problem::internal(format!("{} of cloud {} says nothing", T::NAME, self.name)))
    }

    async fn write<T: Tool>(&self, args: &T::Args) -> Result<(), WriteError> {
        match self.client.call::<T>(args).await {
            Ok(_) => Ok(()),
            Err(error @ (CallError::Unreachable { .. } | CallError::Timeout { .. } | CallError::Paused { .. })) => {
                Err(WriteError::Unknown(error.into()))
            }
            Err(error) => Err(WriteError::Refused(error.into())),
        }
    }
}

#[async_trait]
impl CloudPort for CloudClientPort {
    fn name(&self) -> &Name {
        &self.name
    }

    async fn get_health(&self) -> Result<Health, Problem> {
        self.read::<GetHealth>(&GetHealthArgs::default()).await
    }

    async fn get_quotas(&self) -> Result<Quotas, Problem> {
        self.read::<GetQuotas>(&GetQuotasArgs::default()).await
    }

    async fn get_cost_estimate(&self, resources: Resources) -> Result<CostEstimate, Problem> {
        let args = GetCostEstimateArgs { region: None, resources, replicas: 1, hours: 1 };
        self.read::<GetCostEstimate>(&args).await
    }

    async fn deploy_model(&self, args: DeployModelArgs) -> Result<(), WriteError> {
        self.write::<DeployModel>(&args).await
    }

    async fn scale_nodepool(&self, args: ScaleNodepoolArgs) -> Result<(), WriteError> {
        self.write::<ScaleNodepool>(&args).await
    }
}
