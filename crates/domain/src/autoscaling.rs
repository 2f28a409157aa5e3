//! How a deployment's replicas follow what is asked of it: limits, and what one replica carries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody wants of a deployment whose replicas follow the load. How many that are is decided by the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Autoscaling {
    /// Fewest replicas. With zero, none is kept when a cold start is the lesser cost.
    pub replicas_min: u32,
    /// Most replicas.
    pub replicas_max: u32,
    /// What one replica carries.
    pub replica_carries: ReplicaCarries,
    /// Share of the load, 0 to 1, that may come when every replica is busy.
    pub over_capacity_share: f64,
}

/// What one replica carries of each kind alone; what is not said is no limit. At least one is said.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicaCarries {
    /// Requests a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<f64>,
    /// Prompt tokens a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_per_second: Option<f64>,
    /// Generated tokens a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_tokens_per_second: Option<f64>,
}
