//! Writes that happen once: the same token by the same caller for the same tool is the same operation.
//!
//! A write runs in a task of its own, so a closed connection never cancels it, and calls that come while it runs wait for
//! the same outcome. It is recorded before it starts and when it ends. A record that says "running" while nothing runs is
//! what a crash leaves: the call is then carried out again under the same operation id, by which the cloud finds what it
//! has made already. A write that failed at once changed nothing: its token is free again, for the same call or for another,
//! so that a caller may follow the hint in the problem.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Clock, Kind, Problem, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::objects::{self, Stored, Versioned};
use state::{Batch, Expect, SharedStore};
use tokio::sync::watch;

use super::adapter::{CallContext, Cloud};
use super::audit::Entry;
use super::dispatch;
use crate::contract::envelope::{Envelope, Operation, OperationState, Status};

/// How long an operation is remembered after it began, in milliseconds: 7 days.
const RETENTION_MS: i64 = 7 * 24 * 3_600_000;
/// Most records that are kept, and the writes since they were last counted.
const RECORDS_MAX: usize = 20_000;
/// Every so many writes, old records are removed.
const PRUNE_EVERY: u64 = 256;
/// Most writes at one time.
const RUNNING_MAX: usize = 1_024;

/// A write that is asked for.
pub(super) struct Ask {
    pub principal: String,
    pub tool: &'static str,
    pub token: String,
    pub digest: String,
    pub at: Timestamp,
    pub entry: Entry,
}

impl Ask {
    /// The id that this caller, tool and token always lead to.
    pub fn operation_id(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.principal, self.tool, &self.token] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        format!("op-{}", &hasher.finalize().to_hex()[..32])
    }
}

/// An operation as it is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub operation: Operation,
    pub principal: String,
    pub digest: String,
    pub envelope: Option<Envelope<Value>>,
    /// Whether something was changed: then the token stays with these arguments, also when the operation fails later.
    #[serde(default)]
    pub took_effect: bool,
}

impl Record {
    /// Whether the token belongs to other arguments than these.
    fn is_anothers(&self, digest: &str) -> bool {
        let free = self.operation.state == OperationState::Failed && !self.took_effect;
        self.digest != digest && !free
    }
}

impl Stored for Record {
    const KIND: &'static str = "cloud_operation";
    fn object_name(&self) -> String {
        self.operation.id.clone()
    }
}

/// What a call gets.
#[derive(Clone)]
pub(super) struct Outcome {
    pub envelope: Envelope<Value>,
    /// Whether the audit entry is written already.
    pub audited: bool,
}

struct Running {
    digest: String,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// Remembers writes.
pub(super) struct Operations {
    store: SharedStore,
    clock: Arc<dyn Clock>,
    running: Mutex<HashMap<String, Running>>,
    written: AtomicU64,
}

impl Operations {
    pub fn new(store: SharedStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, running: Mutex::default(), written: AtomicU64::new(0) }
    }

    /// Carries out `effect` unless this operation has been carried out before, or is being carried out now.
    pub async fn once<F>(self: &Arc<Self>, ask: Ask, effect: F) -> Outcome
    where
        F: Future<Output = Result<Envelope<Value>, Problem>> + Send + 'static,
    {
        let id = ask.operation_id();
        let joined = {
            let mut running = self.running.lock();
            match running.get(&id) {
                Some(other) if other.digest != ask.digest => return refused(conflict()),
                Some(same) => Ok(same.outcome.clone()),
                None if running.len() >= RUNNING_MAX => return refused(too_many()),
                None => {
                    let (sender, receiver) = watch::channel(None);
                    running.insert(id.clone(), Running { digest: ask.digest.clone(), outcome: receiver.clone() });
                    Err((sender, receiver))
                }
            }
        };
        let (mut receiver, first) = match joined {
            Ok(receiver) => (receiver, false),
            Err((sender, receiver)) => {
                let this = self.clone();
                telemetry::tasks::spawn("cloud_write", async move {
                    let place = Place { operations: &this, id: &id };
                    let outcome = this.carry_out(&id, ask, effect).await;
                    drop(place);
                    sender.send_replace(Some(outcome));
                });
                (receiver, true)
            }
        };
        let outcome = receiver.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        match outcome {
            Some(outcome) if first => outcome,
            Some(outcome) => Outcome { envelope: replayed(outcome.envelope), audited: false },
            None => refused(
                Problem::internal("the call was cut short, and whether it took effect is unknown")
                    .next("repeat it with the same idempotency_token"),
            ),
        }
    }

    async fn carry_out<F>(&self, id: &str, ask: Ask, effect: F) -> Outcome
    where
        F: Future<Output = Result<Envelope<Value>, Problem>> + Send,
    {
        let record = match self.begin(id, &ask).await {
            Ok(Begun::Fresh(record)) => record,
            Ok(Begun::Ended(envelope)) => return Outcome { envelope: replayed(envelope), audited: false },
            Err(problem) => return refused(problem),
        };
        let mut envelope = effect.await.unwrap_or_else(dispatch::failed);
        let operation = Operation { state: state_after(envelope.status), ..record.value.operation.clone() };
        envelope.operation = Some(operation.clone());
        let took_effect = record.value.took_effect || envelope.status != Status::Failed;
        let ended = Record { operation, envelope: Some(envelope.clone()), took_effect, ..record.value };
        let entry = ask.entry.ending(&envelope, self.clock.now());
        match self.end(&ended, record.version, &entry).await {
            Ok(()) => Outcome { envelope, audited: true },
            Err(problem) => refused(problem.next("repeat the call with the same idempotency_token")),
        }
    }

    async fn begin(&self, id: &str, ask: &Ask) -> Result<Begun, Problem> {
        let found = objects::get::<Record>(&*self.store, id).await?;
        let expect = match &found {
            None => Expect::Absent,
            Some(found) if found.value.is_anothers(&ask.digest) => return Err(conflict()),
            Some(Versioned { value: Record { operation, envelope: Some(envelope), .. }, .. })
                if operation.state != OperationState::Failed =>
            {
                return Ok(Begun::Ended(envelope.clone()));
            }
            Some(found) => Expect::Version(found.version),
        };
        let operation = Operation {
            id: id.to_owned(),
            tool: ask.tool.to_owned(),
            state: OperationState::Running,
            started_at: ask.at,
            replayed: false,
            poll_after_ms: None,
        };
        let (principal, digest) = (ask.principal.clone(), ask.digest.clone());
        let took_effect = found.is_some_and(|found| found.value.took_effect);
        let record = Record { operation, principal, digest, envelope: None, took_effect };
        let committed = self.store.commit(Batch::new().with(objects::put(&record, expect)?)).await?;
        Ok(Begun::Fresh(Versioned { value: record, version: committed.revision }))
    }

    async fn end(&self, record: &Record, version: u64, entry: &Entry) -> Result<(), Problem> {
        let batch = Batch::new().with(objects::put(record, Expect::Version(version))?).with(entry.write()?);
        self.store.commit(batch).await?;
        if self.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(PRUNE_EVERY) {
            self.prune().await?;
        }
        Ok(())
    }

    /// Removes records that are older than the retention, and the oldest of those that are too many: whoever may write
    /// may be refused as often as they like.
    async fn prune(&self) -> Result<(), Problem> {
        let mut oldest = self.clock.now().plus_millis(-RETENTION_MS);
        let records = objects::list::<Record>(&*self.store).await?;
        if records.len() > RECORDS_MAX {
            let mut starts: Vec<Timestamp> = records.iter().map(|read| read.value.operation.started_at).collect();
            starts.sort_unstable();
            oldest = oldest.max(starts[records.len() - RECORDS_MAX]);
        }
        for record in records {
            let operation = &record.value.operation;
            if operation.started_at < oldest && operation.state != OperationState::Running {
                let write = objects::delete::<Record>(&operation.id, Expect::Version(record.version));
                self.store.commit(Batch::new().with(write)).await?;
            }
        }
        Ok(())
    }

    /// The record of an operation of this caller.
    pub(super) async fn own(&self, principal: &str, id: &str) -> Result<Versioned<Record>, Problem> {
        let record = objects::get::<Record>(&*self.store, id).await?;
        // To anybody else it does not exist.
        record
            .filter(|record| record.value.principal == principal)
            .ok_or_else(|| Problem::not_found(format!("there is no operation {id:?}")).at("operation_id"))
    }

    /// Asks the cloud how an operation ended whose work went on after its answer, and writes that down, so that its end
    /// stays what it was and a failed one may be tried again.
    pub(super) async fn settle(
        &self,
        cloud: &dyn Cloud,
        context: &CallContext,
        record: Versioned<Record>,
    ) -> Result<Record, Problem> {
        let Versioned { value: mut record, version } = record;
        let (OperationState::Running, Some(envelope)) = (record.operation.state, &mut record.envelope) else {
            return Ok(record);
        };
        let standing = cloud.operation_state(context, &record.operation).await?;
        if standing.state == OperationState::Running {
            return Ok(record);
        }
        envelope.status = match standing.state {
            OperationState::Failed | OperationState::Cancelled => Status::Failed,
            OperationState::Succeeded | OperationState::Running => Status::Succeeded,
        };
        record.operation.state = standing.state;
        envelope.operation = Some(record.operation.clone());
        envelope.error = standing.problem;
        envelope.resource = standing.resource.or(envelope.resource.take());
        let write = objects::put(&record, Expect::Version(version))?;
        match self.store.commit(Batch::new().with(write)).await {
            // Somebody else wrote the same end down.
            Ok(_) | Err(state::StoreError::Conflict { .. }) => Ok(record),
            Err(error) => Err(error.into()),
        }
    }

    /// [`Operations::settle`] before a call is repeated, if there is anything to settle.
    pub(super) async fn settle_before(&self, cloud: &dyn Cloud, context: &CallContext) -> Result<(), Problem> {
        match objects::get::<Record>(&*self.store, &context.operation_id).await? {
            Some(record) => self.settle(cloud, context, record).await.map(drop),
            None => Ok(()),
        }
    }

    /// Whether the operation is being carried out by this process.
    pub(super) fn is_running(&self, id: &str) -> bool {
        self.running.lock().contains_key(id)
    }
}

enum Begun {
    Fresh(Versioned<Record>),
    Ended(Envelope<Value>),
}

/// Holds an operation's place among those running, and gives it up when dropped: also when its task panics.
struct Place<'a> {
    operations: &'a Operations,
    id: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.operations.running.lock().remove(self.id);
    }
}

const fn state_after(status: Status) -> OperationState {
    match status {
        Status::Succeeded | Status::DryRun => OperationState::Succeeded,
        Status::Accepted => OperationState::Running,
        Status::Failed => OperationState::Failed,
    }
}

fn replayed(mut envelope: Envelope<Value>) -> Envelope<Value> {
    if let Some(operation) = &mut envelope.operation {
        operation.replayed = true;
    }
    envelope
}

fn refused(problem: Problem) -> Outcome {
    Outcome { envelope: dispatch::failed(problem), audited: false }
}

fn conflict() -> Problem {
    Problem::new(Kind::Conflict, "this idempotency_token was used for a call with other arguments")
        .next("use a new token for a new call")
        .at("idempotency_token")
}

fn too_many() -> Problem {
    Problem::new(Kind::Overloaded, "too many writes are running").next("try again later").retry_after_ms(1_000)
}
