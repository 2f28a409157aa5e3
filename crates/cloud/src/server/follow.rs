//! `get_operation` and `cancel_operation`: following a write after its call has returned.

use domain::{Kind, Problem};
use serde_json::Value;

use super::adapter::{CallContext, Cloud, Reply};
use super::dispatch;
use super::operations::{Operations, Record};
use crate::contract::envelope::{Envelope, Operation, OperationState};
use crate::contract::operations::{CancelOperation, GetOperation, OperationReport};

/// When to ask again, in milliseconds.
const POLL_AFTER_MS: u64 = 1_000;

impl Operations {
    /// Answers `get_operation`.
    pub(super) async fn report(
        &self,
        cloud: &dyn Cloud,
        context: &CallContext,
        arguments: Value,
    ) -> Result<Envelope<Value>, Problem> {
        let arguments = dispatch::typed::<GetOperation>(arguments)?;
        let record = self.own(&context.principal, &arguments.operation_id).await?;
        let Record { mut operation, envelope, .. } = self.settle(cloud, context, record).await?;
        let mut problem = envelope.as_ref().and_then(|envelope| envelope.error.clone());
        if operation.state == OperationState::Running {
            operation.poll_after_ms = Some(POLL_AFTER_MS);
            if envelope.is_none() && !self.is_running(&operation.id) {
                problem = Some(
                    Problem::new(Kind::Timeout, "it was cut short, and whether it took effect is unknown")
                        .next("repeat the call with the same idempotency_token"),
                );
            }
        }
        let result = envelope.and_then(|envelope| envelope.resource);
        dispatch::envelope(Ok(Reply::done(OperationReport { operation, result, problem })), false)
    }

    /// Answers `cancel_operation`.
    pub(super) async fn cancel(
        &self,
        cloud: &dyn Cloud,
        context: &CallContext,
        arguments: Value,
    ) -> Result<Envelope<Value>, Problem> {
        let operation = self.cancellable(context, arguments).await?;
        dispatch::envelope(cloud.cancel_operation(context, &operation).await, false)
    }

    /// Answers a dry run of `cancel_operation`.
    pub(super) async fn would_cancel(
        &self,
        context: &CallContext,
        arguments: Value,
    ) -> Result<Envelope<Value>, Problem> {
        let operation = self.cancellable(context, arguments).await?;
        dispatch::envelope(Ok(Reply::done(operation)), true)
    }

    async fn cancellable(&self, context: &CallContext, arguments: Value) -> Result<Operation, Problem> {
        let arguments = dispatch::typed::<CancelOperation>(arguments)?;
        let operation = self.own(&context.principal, &arguments.operation_id).await?.value.operation;
        if operation.state == OperationState::Running {
            return Ok(operation);
        }
        Err(Problem::new(Kind::Conflict, format!("the operation has ended: {:?}", operation.state))
            .next("read its result with get_operation")
            .at("operation_id"))
    }
}
