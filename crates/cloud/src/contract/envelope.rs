//! The one result shape of every tool, for success and for failure.

use domain::{Money, Problem, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is done; `resource` holds what was asked for or made.
    Succeeded,
    /// It goes on; follow `operation`.
    Accepted,
    /// Nothing was changed; `resource` holds what would be.
    DryRun,
    /// It did not happen; `error` says why.
    Failed,
}

/// Where a long-running operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// It goes on.
    Running,
    /// It is done.
    Succeeded,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// A write as it is remembered: the same idempotency token always leads to the same operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// The tool that was called.
    pub tool: String,
    /// Where it stands.
    pub state: OperationState,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// True when this answer repeats that of an earlier call with the same token.
    #[serde(default)]
    pub replayed: bool,
    /// Milliseconds after which to ask again, while it is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_after_ms: Option<u64>,
}

/// What a write costs or would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Nano-dollars an hour, all of it together.
    pub per_hour: Money,
}

/// The result of every tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<T> {
    /// How the call ended.
    pub status: Status,
    /// The operation, for writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// What was asked for or made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<T>,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}
