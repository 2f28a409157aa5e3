//! The life of a tool call, as one list. What `tools/list` shows passes the same list as far as it can.

use std::sync::Arc;

use domain::text::printable;
use domain::{Clock, Kind, Problem, Timestamp};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use state::SharedStore;
use tokio::time::Instant;

use super::adapter::{CallContext, Cloud};
use super::audit::{self, Entry};
use super::auth::Principal;
use super::dispatch;
use super::operations::{Ask, Operations};
use super::roles;
use super::sample::{Like, Sample};
use crate::contract::envelope::{Envelope, Status};
use crate::contract::operations::{CancelOperation, GetOperation};
use crate::contract::tools::Tool as _;
use crate::contract::{ToolSpec, canonical, catalog};

/// Longest text of a token that is quoted, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Everything that a call passes through.
pub(super) struct Pipeline {
    pub cloud: Arc<dyn Cloud>,
    pub operations: Arc<Operations>,
    pub store: SharedStore,
    pub clock: Arc<dyn Clock>,
    pub sample: Mutex<Sample>,
}

/// One call on its way.
struct Call<'a> {
    principal: &'a Principal,
    tool: &'static ToolSpec,
    arguments: Value,
    at: Timestamp,
}

impl Pipeline {
    /// Checks the role table. A refusal is written to the audit journal with the arguments that were given.
    pub async fn authorise(
        &self,
        principal: &Principal,
        tool: &'static ToolSpec,
        arguments: impl FnOnce() -> Map<String, Value>,
    ) -> Result<(), Problem> {
        if roles::may_call(&principal.roles, tool) {
            return Ok(());
        }
        let problem = forbidden(principal, tool);
        let call = Call { principal, tool, arguments: Value::Object(arguments()), at: self.clock.now() };
        self.refuse(&call, problem.clone()).await;
        Err(problem)
    }

    /// Answers a call. Authentication came first, and made the principal; then [`Pipeline::authorise`].
    pub async fn call(
        &self,
        principal: &Principal,
        tool: &'static ToolSpec,
        arguments: Map<String, Value>,
    ) -> Envelope<Value> {
        let at = self.clock.now();
        let mut call = Call { principal, tool, arguments: Value::Object(arguments), at };
        // What the cloud cannot do, it need not be asked for in the right form.
        if let Some(problem) = self.cloud.cannot(tool.name) {
            return self.refuse(&call, problem).await;
        }
        // Validate: the schema, then the types. Nothing has happened yet when this refuses.
        call.arguments = match validate(&mut call) {
            Ok(arguments) => arguments,
            Err(problem) => return self.refuse(&call, problem).await,
        };
        // Reads go straight to the cloud, dry runs too: they change nothing.
        if tool.hints.read_only {
            return self.read(&call).await;
        }
        if call.arguments["dry_run"] == Value::Bool(true) {
            return self.dry_run(&call).await;
        }
        // Idempotency, execution and the audit entry are one: see `Operations`.
        self.write(call).await
    }

    /// The tools that the cloud can do and the principal may call, in the catalog's order.
    pub fn list(&self, principal: &Principal) -> impl Iterator<Item = &'static ToolSpec> {
        catalog()
            .iter()
            .filter(|tool| roles::may_call(&principal.roles, tool) && self.cloud.cannot(tool.name).is_none())
    }

    async fn refuse(&self, call: &Call<'_>, problem: Problem) -> Envelope<Value> {
        let envelope = dispatch::failed(problem);
        self.note_sample(call, &envelope).await;
        envelope
    }

    async fn read(&self, call: &Call<'_>) -> Envelope<Value> {
        let context = call.context(String::new());
        let answer = if call.tool.name == GetOperation::NAME {
            self.operations.report(&*self.cloud, &context, call.arguments.clone()).await
        } else {
            dispatch::dispatch(&*self.cloud, call.tool.name, &context, call.arguments.clone()).await
        };
        let envelope = answer.unwrap_or_else(dispatch::failed);
        self.note_sample(call, &envelope).await;
        envelope
    }

    async fn dry_run(&self, call: &Call<'_>) -> Envelope<Value> {
        let context = call.context(String::new());
        let answer = if call.tool.name == CancelOperation::NAME {
            self.operations.would_cancel(&context, call.arguments.clone()).await
        } else {
            dispatch::dispatch(&*self.cloud, call.tool.name, &context, call.arguments.clone()).await
        };
        let envelope = answer.unwrap_or_else(dispatch::failed);
        self.note(call, &envelope).await;
        envelope
    }

    async fn write(&self, call: Call<'_>) -> Envelope<Value> {
        let ask = Ask {
            principal: call.principal.name.clone(),
            tool: call.tool.name,
            token: call.arguments["idempotency_token"].as_str().unwrap_or_default().to_owned(),
            digest: canonical::digest(&call.arguments),
            at: call.at,
            entry: call.entry(),
        };
        let (cloud, operations) = (self.cloud.clone(), self.operations.clone());
        let (tool, arguments) = (call.tool.name, call.arguments.clone());
        let context = call.context(ask.operation_id());
        // What went on after its answer may have ended since: a failed call is then tried again, others are answered anew.
        if let Err(problem) = self.operations.settle_before(&*self.cloud, &context).await {
            return self.refuse(&call, problem).await;
        }
        let effect = async move {
            if tool == CancelOperation::NAME {
                operations.cancel(&*cloud, &context, arguments).await
            } else {
                dispatch::dispatch(&*cloud, tool, &context, arguments).await
            }
        };
        let outcome = self.operations.once(ask, effect).await;
        if !outcome.audited {
            self.note(&call, &outcome.envelope).await;
        }
        outcome.envelope
    }

    /// An entry for a call that changed nothing, unless there was one of its like a moment ago.
    async fn note_sample(&self, call: &Call<'_>, envelope: &Envelope<Value>) {
        let refused = envelope.status == Status::Failed;
        let like = Like { principal: call.principal.name.clone(), tool: call.tool.name, refused };
        let admitted = self.sample.lock().admit(like, Instant::now());
        if let Some(others) = admitted {
            self.append(call, Entry { others, ..call.entry().ending(envelope, self.clock.now()) }).await;
        }
    }

    async fn note(&self, call: &Call<'_>, envelope: &Envelope<Value>) {
        self.append(call, call.entry().ending(envelope, self.clock.now())).await;
    }

    async fn append(&self, call: &Call<'_>, entry: Entry) {
        if let Err(error) = audit::append(&*self.store, &entry).await {
            tracing::error!(cause = %error, tool = call.tool.name, "audit entry lost");
        }
    }
}

impl Call<'_> {
    fn context(&self, operation_id: String) -> CallContext {
        CallContext { principal: self.principal.name.clone(), operation_id, now: self.at }
    }

    fn entry(&self) -> Entry {
        Entry::starting(&self.principal.name, self.tool.name, &self.arguments, self.at)
    }
}

fn forbidden(principal: &Principal, tool: &ToolSpec) -> Problem {
    let held: String = printable(&principal.roles.join(", "), TEXT_CHARS_MAX).into_owned();
    Problem::new(Kind::Forbidden, format!("{} may not be called with the roles [{held}]", tool.name))
        .next(format!("use a token with the role {:?}", roles::needed(tool)))
}

fn validate(call: &mut Call<'_>) -> Result<Value, Problem> {
    match &call.arguments {
        Value::Object(arguments) => call.tool.check(arguments.clone()),
        _ => Err(Problem::invalid("arguments are an object")),
    }
}
