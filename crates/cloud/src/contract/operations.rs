//! The tools that follow a write after its call has returned.

use domain::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::Operation;
use super::infrastructure::tool;
use super::tools::{Hints, Tool, WriteArgs};

/// Arguments of [`GetOperation`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetOperationArgs {
    /// The id that the write's answer carries.
    #[schemars(length(min = 1, max = 128))]
    pub operation_id: String,
}

/// A write as it stands, with its result once it has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationReport {
    /// The operation.
    pub operation: Operation,
    /// What it made; of the shape that its tool returns as `resource`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Arguments of [`CancelOperation`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelOperationArgs {
    /// The operation to cancel.
    #[schemars(length(min = 1, max = 128))]
    pub operation_id: String,
    #[serde(flatten)]
    pub write: WriteArgs,
}

tool!(
    /// Reads an operation.
    GetOperation,
    "get_operation",
    "Where a write stands, and its result. Operations are kept for 7 days; only their caller sees them.",
    Hints { read_only: true, destructive: false, idempotent: true },
    GetOperationArgs,
    OperationReport
);
tool!(
    /// Cancels an operation.
    CancelOperation,
    "cancel_operation",
    "Ask a running write to stop. What it has made so far stays, and its operation says so.",
    Hints { read_only: false, destructive: false, idempotent: true },
    CancelOperationArgs,
    Operation
);
