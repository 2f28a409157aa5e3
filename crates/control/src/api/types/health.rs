//! How the control plane is, and how old what it knows is. Ages are of a monotonic clock.

use domain::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// That the control plane runs, and whether all of it does its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`, or `stale` when a part has not done its work for too long.
    pub status: String,
    /// Milliseconds since the part that is longest behind last did its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_ms: Option<i64>,
}

/// The same in detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthReport {
    /// `ok`, or `stale`.
    pub status: String,
    /// What is stale.
    pub stale: Vec<StalePart>,
    /// Milliseconds since the last commit to the state; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_ms_ago: Option<i64>,
    /// The reconcilers.
    pub reconcilers: Vec<ReconcilerHealth>,
    /// The clouds.
    pub clouds: Vec<CloudHealth>,
    /// Version of the routing snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_version: Option<u64>,
    /// The gateways.
    pub gateways: Vec<GatewayHealth>,
    /// Log lines that were not written since the start.
    pub log_lines_dropped: u64,
}

/// A part that has not done its work for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StalePart {
    /// Which: `state`, `reconciler NAME`, `cloud NAME` or `gateway NAME`.
    pub part: String,
    /// Milliseconds since it last did it, or since the start.
    pub age_ms: i64,
    /// Why, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// One reconciler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReconcilerHealth {
    /// Its name.
    pub name: String,
    /// Whether this process leads it, or another.
    pub leads: bool,
    /// Milliseconds since it last came round without a problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_ms_ago: Option<i64>,
    /// Why its last run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CloudHealth {
    /// Its name.
    pub name: Name,
    /// Milliseconds since it last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms_ago: Option<i64>,
    /// Why it does not answer now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayHealth {
    /// Its id.
    pub name: String,
    /// Version of the snapshot that it says it routes by.
    pub snapshot_version: u64,
    /// Milliseconds since it last said something, as seen here.
    pub heard_ms_ago: i64,
}
