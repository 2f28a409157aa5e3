//! The port over a client of a cloud's MCP server.

use async_trait::async_trait;
use cloud::client::CloudClient;
use cloud::contract::tools::{
    CostEstimate, DeployModel, DeployModelArgs, GetCostEstimate, GetCostEstimateArgs, GetHealth, GetHealthArgs,
    GetQuotas, GetQuotasArgs, Health, Nodepool, Quotas, ScaleNodepool, ScaleNodepoolArgs, Tool,
};
use domain::{Name, Problem, Resources};

use super::CloudPort;

/// A cloud behind its MCP server.
pub struct CloudClientPort {
    name: Name,
    client: CloudClient,
}

impl CloudClientPort {
    /// The cloud `name` behind `client`.
    #[must_use]
    pub const fn new(name: Name, client: CloudClient) -> Self {
        Self { name, client }
    }

    async fn call<T: Tool>(&self, args: &T::Args) -> Result<T::Output, Problem> {
        let envelope = self.client.call::<T>(args).await?;
        envelope.resource.ok_or_else(|| Problem::internal(format!("{} answered without a resource", T::NAME)))
    }
}

#[async_trait]
impl CloudPort for CloudClientPort {
    fn name(&self) -> &Name {
        &self.name
    }

    async fn get_health(&self) -> Result<Health, Problem> {
        self.call::<GetHealth>(&GetHealthArgs::default()).await
    }

    async fn get_quotas(&self) -> Result<Quotas, Problem> {
        self.call::<GetQuotas>(&GetQuotasArgs::default()).await
    }

    async fn get_cost_estimate(&self, resources: Resources) -> Result<CostEstimate, Problem> {
        self.call::<GetCostEstimate>(&GetCostEstimateArgs { region: None, resources, replicas: 1, hours: 1 }).await
    }

    async fn deploy_model(&self, args: DeployModelArgs) -> Result<Nodepool, Problem> {
        self.call::<DeployModel>(&args).await
    }

    async fn scale_nodepool(&self, args: ScaleNodepoolArgs) -> Result<Nodepool, Problem> {
        self.call::<ScaleNodepool>(&args).await
    }
}
