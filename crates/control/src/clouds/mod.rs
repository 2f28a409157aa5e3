//! The clouds as the control plane sees them: a narrow port, and what was last seen through it.

pub mod client;
pub mod outage;
pub mod sites;
pub mod survey;

use async_trait::async_trait;
use cloud::contract::tools::{CostEstimate, DeployModelArgs, Health, Quotas, ScaleNodepoolArgs};
use domain::{Name, Problem, Resources};

/// Why a change of a pool was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It did not happen.
    #[error(transparent)]
    Refused(Problem),
    /// Nothing was heard. Whether it happened is unknown: repeat it with the same token.
    #[error(transparent)]
    Unknown(Problem),
}

impl WriteError {
    /// What went wrong.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        match self {
            Self::Refused(problem) | Self::Unknown(problem) => problem,
        }
    }
}

/// One cloud: the five tools of the contract that placing needs.
///
/// To add a cloud, run its server and wrap a client of it; nothing in this crate knows one cloud from another. Calls may
/// take long or fail at any point; the caller bounds them in time and repeats writes with the same token.
#[async_trait]
pub trait CloudPort: Send + Sync {
    /// The cloud's name, the first half of its sites' names.
    fn name(&self) -> &Name;
    /// All regions, pools and instances.
    async fn get_health(&self) -> Result<Health, Problem>;
    /// What each region holds and offers.
    async fn get_quotas(&self) -> Result<Quotas, Problem>;
    /// Prices of one replica-hour, by region and market.
    async fn get_cost_estimate(&self, resources: Resources) -> Result<CostEstimate, Problem>;
    /// Makes a pool.
    async fn deploy_model(&self, args: DeployModelArgs) -> Result<(), WriteError>;
    /// Sets a pool's size.
    async fn scale_nodepool(&self, args: ScaleNodepoolArgs) -> Result<(), WriteError>;
}
